"""The controls of the Pod Security Standards, each exact for the Kubernetes version a pod is judged at."""

from __future__ import annotations

from collections.abc import Iterator

from hullwatch.posture.analysis.images import runs_as_root, user_of
from hullwatch.posture.analysis.pod_security import (
    BASELINE_CAPABILITIES,
    RESTRICTED_CAPABILITIES,
    RESTRICTED_VOLUMES,
    RUN_AS_USER_SINCE,
    SECCOMP_FIELD_SINCE,
    SELINUX_TYPES,
    SYSCTLS,
    USER_NAMESPACE_SINCE,
    WINDOWS_EXEMPT_SINCE,
    allowed,
    is_restricted,
    rules_version,
)
from hullwatch.posture.engine import Outcome, Severity, Violation, control
from hullwatch.posture.model.kubernetes import Handler, Node, SecurityContext, Workload
from hullwatch.posture.model.snapshot import Snapshot

_SECCOMP_POD = "seccomp.security.alpha.kubernetes.io/pod"
_SECCOMP_CONTAINER = "container.seccomp.security.alpha.kubernetes.io/"
_APPARMOR_CONTAINER = "container.apparmor.security.beta.kubernetes.io/"
_CONFINED = ("RuntimeDefault", "Localhost")
#: More than a foothold: each of these alone is the node.
_NODE_CAPABILITIES = frozenset({"ALL", "SYS_ADMIN", "SYS_MODULE", "SYS_PTRACE", "BPF", "DAC_READ_SEARCH"})
#: Images of nodes that have SELinux and no AppArmor.
_WITHOUT_APPARMOR = ("Amazon Linux 2023", "Bottlerocket")


def windows(workload: Workload, snapshot: Snapshot) -> str:
    """Rules about Linux mechanisms leave Windows pods alone from 1.25 on."""
    exempt = workload.windows and rules_version(workload, snapshot) >= WINDOWS_EXEMPT_SINCE
    return "a Windows pod has no such setting" if exempt else ""


def contexts(workload: Workload) -> Iterator[tuple[str, SecurityContext]]:
    """The pod's security context and every container's, with the path of each."""
    yield "spec.securityContext", workload.spec.security_context
    for item in workload.containers:
        yield f"{item.path}.securityContext", item.security


def in_user_namespace(workload: Workload, snapshot: Snapshot) -> bool:
    """Whether ``hostUsers: false`` lifts rules at the version the pod is judged at."""
    return workload.spec.host_users is False and rules_version(workload, snapshot) >= USER_NAMESPACE_SINCE


@control("k8s.pod.privileged", Workload)
def privileged(workload: Workload, _: Snapshot) -> Iterator[Outcome]:
    for item in workload.containers:
        if item.security.privileged:
            yield Violation(path=f"{item.path}.securityContext.privileged", value=True)


@control("k8s.pod.host-pid", Workload)
def host_pid(workload: Workload, _: Snapshot) -> Iterator[Outcome]:
    if workload.spec.host_pid:
        yield Violation(path="spec.hostPID", value=True)


@control("k8s.pod.host-ipc", Workload)
def host_ipc(workload: Workload, _: Snapshot) -> Iterator[Outcome]:
    if workload.spec.host_ipc:
        yield Violation(path="spec.hostIPC", value=True)


@control("k8s.pod.host-network", Workload)
def host_network(workload: Workload, _: Snapshot) -> Iterator[Outcome]:
    if workload.spec.host_network:
        yield Violation(path="spec.hostNetwork", value=True)


@control("k8s.pod.hostpath", Workload)
def host_path(workload: Workload, _: Snapshot) -> Iterator[Outcome]:
    for index, volume in enumerate(workload.volumes):
        if volume.host_path:
            yield Violation(path=f"spec.volumes[{index}].hostPath.path", value=volume.host_path.path)


@control("k8s.pod.hostport", Workload)
def host_port(workload: Workload, _: Snapshot) -> Iterator[Outcome]:
    for item in workload.containers:
        for index, port in enumerate(item.spec.ports):
            if port.host_port:
                yield Violation(path=f"{item.path}.ports[{index}].hostPort", value=port.host_port)


@control("k8s.pod.cap-dangerous", Workload)
def dangerous_capabilities(workload: Workload, _: Snapshot) -> Iterator[Outcome]:
    for item in workload.containers:
        for index, name in enumerate(item.security.capabilities.add):
            if name not in BASELINE_CAPABILITIES:
                severity: Severity = "critical" if name in _NODE_CAPABILITIES else "high"
                path = f"{item.path}.securityContext.capabilities.add[{index}]"
                yield Violation(path=path, value=name, severity=severity)


@control("k8s.pod.apparmor-unconfined", Workload)
def apparmor(workload: Workload, snapshot: Snapshot) -> Iterator[Outcome]:
    severity: Severity | None = "info" if snapshot.once(_no_apparmor_nodes) else None
    for path, context in contexts(workload):
        profile = context.app_armor_profile
        if profile and profile.type not in _CONFINED:
            yield Violation(path=f"{path}.appArmorProfile.type", value=profile.type, severity=severity)
    for key, value in workload.meta.annotations.items():
        confined = value in ("", "runtime/default") or value.startswith("localhost/")
        if key.startswith(_APPARMOR_CONTAINER) and not confined:
            yield Violation(path=f"metadata.annotations[{key}]", value=value, severity=severity)


def _no_apparmor_nodes(snapshot: Snapshot) -> bool:
    nodes = snapshot.of(Node)
    return bool(nodes) and all(node.os_image.startswith(_WITHOUT_APPARMOR) for node in nodes)


@control("k8s.pod.selinux-options", Workload)
def selinux_options(workload: Workload, snapshot: Snapshot) -> Iterator[Outcome]:
    types = allowed(SELINUX_TYPES, rules_version(workload, snapshot))
    for path, context in contexts(workload):
        if options := context.se_linux_options:
            if options.type not in types:
                yield Violation(path=f"{path}.seLinuxOptions.type", value=options.type)
            for field, value in (("user", options.user), ("role", options.role)):
                if value:
                    yield Violation(path=f"{path}.seLinuxOptions.{field}", value=value)


@control("k8s.pod.proc-mount", Workload)
def proc_mount(workload: Workload, snapshot: Snapshot) -> Iterator[Outcome]:
    if in_user_namespace(workload, snapshot) and not is_restricted(workload, snapshot):
        return
    for item in workload.containers:
        if item.security.proc_mount not in ("", "Default"):
            yield Violation(path=f"{item.path}.securityContext.procMount", value=item.security.proc_mount)


@control("k8s.pod.seccomp-unconfined", Workload)
def seccomp_unconfined(workload: Workload, snapshot: Snapshot) -> Iterator[Outcome]:
    if rules_version(workload, snapshot) < SECCOMP_FIELD_SINCE:
        yield from _seccomp_annotations(workload)
        return
    for path, context in contexts(workload):
        profile = context.seccomp_profile
        if profile and profile.type not in _CONFINED:
            yield Violation(path=f"{path}.seccompProfile.type", value=profile.type)


def _seccomp_annotations(workload: Workload) -> Iterator[Outcome]:
    names = [_SECCOMP_POD, *(_SECCOMP_CONTAINER + item.spec.name for item in workload.containers)]
    for name in names:
        value = workload.meta.annotations.get(name, "runtime/default")
        if value not in ("runtime/default", "docker/default") and not value.startswith("localhost/"):
            yield Violation(path=f"metadata.annotations[{name}]", value=value)


@control("k8s.pod.sysctls", Workload)
def sysctls(workload: Workload, snapshot: Snapshot) -> Iterator[Outcome]:
    safe = allowed(SYSCTLS, rules_version(workload, snapshot))
    for index, item in enumerate(workload.spec.security_context.sysctls):
        if item.name not in safe:
            yield Violation(path=f"spec.securityContext.sysctls[{index}].name", value=item.name)


@control("k8s.pod.windows-hostprocess", Workload)
def windows_host_process(workload: Workload, _: Snapshot) -> Iterator[Outcome]:
    for path, context in contexts(workload):
        if context.windows_options and context.windows_options.host_process:
            yield Violation(path=f"{path}.windowsOptions.hostProcess", value=True)


@control("k8s.pod.probe-host", Workload)
def probe_host(workload: Workload, _: Snapshot) -> Iterator[Outcome]:
    for item in workload.containers:
        handlers: tuple[tuple[str, Handler | None], ...] = (
            ("livenessProbe", item.spec.liveness_probe),
            ("readinessProbe", item.spec.readiness_probe),
            ("startupProbe", item.spec.startup_probe),
            ("lifecycle.postStart", item.spec.lifecycle.post_start),
            ("lifecycle.preStop", item.spec.lifecycle.pre_stop),
        )
        for name, handler in handlers:
            if handler and handler.http_get and handler.http_get.host:
                yield Violation(path=f"{item.path}.{name}.httpGet.host", value=handler.http_get.host)
            if handler and handler.tcp_socket and handler.tcp_socket.host:
                yield Violation(path=f"{item.path}.{name}.tcpSocket.host", value=handler.tcp_socket.host)


@control("k8s.pod.volume-types", Workload)
def volume_types(workload: Workload, _: Snapshot) -> Iterator[Outcome]:
    for index, volume in enumerate(workload.volumes):
        if volume.type not in RESTRICTED_VOLUMES:
            yield Violation(path=f"spec.volumes[{index}].{volume.type}", value=volume.name)


@control("k8s.pod.allow-priv-esc", Workload, skip=windows)
def privilege_escalation(workload: Workload, _: Snapshot) -> Iterator[Outcome]:
    for item in workload.containers:
        value = item.security.allow_privilege_escalation
        if value is not False:
            yield Violation(path=f"{item.path}.securityContext.allowPrivilegeEscalation", value=value)


@control("k8s.pod.run-as-root", Workload)
def run_as_root(workload: Workload, snapshot: Snapshot) -> Iterator[Outcome]:
    if in_user_namespace(workload, snapshot):
        return
    forbids_zero = rules_version(workload, snapshot) >= RUN_AS_USER_SINCE
    for path, context in contexts(workload):
        if context.run_as_non_root is False:
            yield Violation(path=f"{path}.runAsNonRoot", value=False)
        if context.run_as_user == 0 and forbids_zero:
            yield Violation(path=f"{path}.runAsUser", value=0)
    for item in workload.containers:
        if item.run_as_non_root is None:
            user = user_of(item.spec.image, snapshot) or ""
            # The image's own user is another number: nothing enforces it, but nobody is root.
            severity: Severity | None = (
                "low" if user.partition(":")[0].isdigit() and not runs_as_root(user) else None
            )
            yield Violation(path=f"{item.path}.securityContext.runAsNonRoot", severity=severity)


@control("k8s.pod.seccomp-unset", Workload, skip=windows)
def seccomp_unset(workload: Workload, _: Snapshot) -> Iterator[Outcome]:
    pod = workload.spec.security_context.seccomp_profile
    if pod and pod.type not in _CONFINED:
        yield Violation(path="spec.securityContext.seccompProfile.type", value=pod.type)
    for item in workload.containers:
        profile = item.security.seccomp_profile or pod
        if not profile or (profile is not pod and profile.type not in _CONFINED):
            value = profile.type if profile else None
            yield Violation(path=f"{item.path}.securityContext.seccompProfile.type", value=value)


@control("k8s.pod.cap-drop-all", Workload, skip=windows)
def drop_all(workload: Workload, _: Snapshot) -> Iterator[Outcome]:
    for item in workload.containers:
        capabilities = item.security.capabilities
        if "ALL" not in capabilities.drop:
            path = f"{item.path}.securityContext.capabilities.drop"
            yield Violation(path=path, value=list(capabilities.drop))
        for index, name in enumerate(capabilities.add):
            if name not in RESTRICTED_CAPABILITIES:
                yield Violation(path=f"{item.path}.securityContext.capabilities.add[{index}]", value=name)
