"""Workloads beyond the Pod Security Standards: resources, identities, host files, hygiene."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from fnmatch import fnmatchcase

from hullwatch.posture.analysis.pod_security import namespace_labels
from hullwatch.posture.analysis.rbac import own_grants
from hullwatch.posture.analysis.references import parse_reference
from hullwatch.posture.analysis.times import parse_time
from hullwatch.posture.engine import Outcome, Severity, Unknown, Violation, control
from hullwatch.posture.model.eks import FargateProfile
from hullwatch.posture.model.kubernetes import (
    ContainerView,
    HostFile,
    KubeletConfig,
    LimitRange,
    Node,
    ServiceAccount,
    Workload,
)
from hullwatch.posture.model.network import Ingress
from hullwatch.posture.model.snapshot import Snapshot
from hullwatch.posture.readers.documents import at

_LONG_RUNNING = frozenset(
    {"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController", "Rollout"}
)
_SENSITIVE_PATHS = (
    "/etc",
    "/root",
    "/var/lib/kubelet",
    "/var/lib/containerd",
    "/proc",
    "/sys",
    "/dev",
    "/var/log",
)
SOCKET = re.compile(r"(?:docker|containerd|crio|dockershim|cri-dockerd|podman)\.sock$")
_SOCKET_FOLDERS = frozenset({"/run", "/var/run", "/run/containerd", "/var/run/containerd", "/run/docker"})
#: Repository of an image → what is wrong with it.
_RISKY_COMPONENTS: tuple[tuple[str, str], ...] = (
    ("ingress-nginx/controller", "ingress-nginx is retired and gets no more fixes"),
    (
        "kubernetes-ingress-controller/nginx-ingress-controller",
        "ingress-nginx is retired and gets no more fixes",
    ),
    ("kubernetesui/dashboard", "the Kubernetes dashboard is archived"),
    ("kubernetes-dashboard-amd64", "the Kubernetes dashboard is archived"),
    ("kubernetes-helm/tiller", "Tiller is Helm 2's cluster-admin service"),
)
_SANDBOXES = ("gvisor", "runsc", "kata", "firecracker")
USER_NAMESPACES_BY_DEFAULT = (1, 33)
_IDMAP_KERNEL = (6, 3)


def windows(workload: Workload, _: Snapshot) -> str:
    """Settings that Windows has no counterpart of."""
    return "a Windows pod has no such setting" if workload.windows else ""


def short_lived(workload: Workload, _: Snapshot) -> str:
    """Probes are for what runs until it is stopped."""
    return "" if workload.resource.kind in _LONG_RUNNING else "not a long-running controller"


def sensitive_path(path: str) -> str:
    """``socket`` for a runtime socket or its folder, ``sensitive`` for a path that is as good as the node."""
    plain = "/" + path.strip("/")
    if SOCKET.search(plain) or plain in _SOCKET_FOLDERS:
        return "socket"
    inside = any(plain == item or plain.startswith(item + "/") for item in _SENSITIVE_PATHS)
    return "sensitive" if plain == "/" or inside else ""


@control("k8s.pod.hostpath-writable-sensitive", Workload)
def writable_host_path(workload: Workload, _: Snapshot) -> Iterator[Outcome]:
    for index, volume in enumerate(workload.volumes):
        kind = sensitive_path(volume.host_path.path) if volume.host_path else ""
        for item in workload.containers if kind else ():
            for mount in item.spec.volume_mounts:
                # A socket takes commands even when it is mounted read-only.
                if mount.name == volume.name and (kind == "socket" or not mount.read_only):
                    value = volume.host_path.path if volume.host_path else ""
                    message = f"mounted by {item.spec.name} at {mount.mount_path}"
                    yield Violation(path=f"spec.volumes[{index}].hostPath.path", value=value, message=message)


@control("k8s.workload.risky-component", Workload)
def risky_component(workload: Workload, _: Snapshot) -> Iterator[Outcome]:
    for item in workload.containers:
        repository = parse_reference(item.spec.image).repository
        for name, message in _RISKY_COMPONENTS:
            if repository == name or repository.endswith("/" + name):
                yield Violation(path=f"{item.path}.image", value=item.spec.image, message=message)


@control("k8s.workload.risky-component", Ingress)
def snippet_annotation(ingress: Ingress, _: Snapshot) -> Iterator[Outcome]:
    for key, value in ingress.meta.annotations.items():
        if key.startswith("nginx.ingress.kubernetes.io/") and key.endswith("-snippet"):
            yield Violation(
                path=f"metadata.annotations[{key}]", value=value, message="configuration is injected"
            )


# --- Resources ---------------------------------------------------------------------------------------------


def _default(workload: Workload, snapshot: Snapshot, name: str, *, request: bool = False) -> bool:
    """Whether a LimitRange or the pod's own resources supply what a container leaves out."""
    own = workload.spec.resources
    if name in (own.requests if request else own.limits) or (request and name in own.limits):
        return True
    ranges = snapshot.once(_limit_ranges).get(workload.namespace, ())
    return any(name in (item.default_requests if request else item.defaults) for item in ranges)


def _limit_ranges(snapshot: Snapshot) -> dict[str, list[LimitRange]]:
    found: dict[str, list[LimitRange]] = {}
    for item in snapshot.of(LimitRange):
        found.setdefault(item.namespace, []).append(item)
    return found


def _without(
    workload: Workload, snapshot: Snapshot, name: str, *, request: bool = False
) -> Iterator[tuple[ContainerView, Unknown | None]]:
    """Containers that end up without a limit or request; ephemeral ones cannot have any."""
    if _default(workload, snapshot, name, request=request):
        return
    reason = snapshot.missing("limitranges")
    for item in workload.containers:
        own = item.spec.resources
        given = name in own.limits or (request and name in own.requests)
        if not given and item.list != "ephemeralContainers":
            yield item, Unknown(reason) if reason else None


def _missing(
    workload: Workload, snapshot: Snapshot, name: str, *, request: bool = False
) -> Iterator[Outcome]:
    field = "requests" if request else "limits"
    for item, unknown in _without(workload, snapshot, name, request=request):
        yield unknown or Violation(path=f"{item.path}.resources.{field}.{name}")


@control("k8s.pod.memory-limit", Workload)
def memory_limit(workload: Workload, snapshot: Snapshot) -> Iterator[Outcome]:
    yield from _missing(workload, snapshot, "memory")


@control("k8s.pod.cpu-limit", Workload)
def cpu_limit(workload: Workload, snapshot: Snapshot) -> Iterator[Outcome]:
    if snapshot.parameters.require_cpu_limit:
        yield from _missing(workload, snapshot, "cpu")


@control("k8s.pod.cpu-request", Workload)
def requests(workload: Workload, snapshot: Snapshot) -> Iterator[Outcome]:
    yield from _missing(workload, snapshot, "cpu", request=True)
    yield from _missing(workload, snapshot, "memory", request=True)


@control("k8s.pod.ephemeral-storage", Workload)
def ephemeral_storage(workload: Workload, snapshot: Snapshot) -> Iterator[Outcome]:
    yield from _missing(workload, snapshot, "ephemeral-storage")


# --- Identity ----------------------------------------------------------------------------------------------


def accounts(snapshot: Snapshot) -> dict[tuple[str, str], ServiceAccount]:
    """Service accounts by namespace and name."""
    return snapshot.once(_accounts)


def _accounts(snapshot: Snapshot) -> dict[tuple[str, str], ServiceAccount]:
    return {(item.namespace, item.name): item for item in snapshot.of(ServiceAccount)}


def mounts_token(workload: Workload, snapshot: Snapshot) -> bool:
    """Whether the pod gets a token: its own word first, then its account's, else yes."""
    own = workload.spec.automount_service_account_token
    if own is None:
        account = accounts(snapshot).get((workload.namespace, workload.service_account))
        own = account.automount if account else None
    return own is not False


@control("k8s.pod.sa-token-automount", Workload)
def token_automount(workload: Workload, snapshot: Snapshot) -> Iterator[Outcome]:
    if mounts_token(workload, snapshot):
        # With grants of its own the account needs its token; whether those are too wide is judged elsewhere.
        granted = own_grants(snapshot, workload.namespace, workload.service_account)
        value = workload.spec.automount_service_account_token
        severity: Severity | None = "info" if granted else None
        yield Violation(path="spec.automountServiceAccountToken", value=value, severity=severity)


@control("k8s.pod.default-sa", Workload)
def default_account(workload: Workload, snapshot: Snapshot) -> Iterator[Outcome]:
    if workload.service_account == "default" and mounts_token(workload, snapshot):
        granted = own_grants(snapshot, workload.namespace, "default")
        severity: Severity | None = "high" if granted else None
        yield Violation(path="spec.serviceAccountName", value="default", severity=severity)


# --- Placement and isolation -------------------------------------------------------------------------------


@control("k8s.pod.default-namespace", Workload)
def default_namespace(workload: Workload, _: Snapshot) -> Iterator[Outcome]:
    if workload.namespace == "default":
        yield Violation(path=".metadata.namespace", value=workload.owner.namespace or None)


@control("k8s.pod.kube-system-user-workload", Workload)
def user_workload_in_kube_system(workload: Workload, snapshot: Snapshot) -> Iterator[Outcome]:
    patterns = snapshot.parameters.kube_system_workloads
    known = any(fnmatchcase(workload.resource.name, pattern) for pattern in patterns)
    if workload.namespace == "kube-system" and not workload.static and not known:
        yield Violation(path=".metadata.namespace", value="kube-system")


def no_user_namespaces(workload: Workload, snapshot: Snapshot) -> str:
    """Why a pod could not use a user namespace."""
    spec = workload.spec
    if workload.windows:
        return "Windows has no user namespaces"
    if snapshot.kubernetes_version < USER_NAMESPACES_BY_DEFAULT:
        return "user namespaces are on by default from Kubernetes 1.33"
    if spec.host_network or spec.host_pid or spec.host_ipc:
        return "a pod in a host namespace cannot have a user namespace"
    return "no node has a kernel from 6.3 on" if snapshot.once(_only_old_kernels) else ""


def _only_old_kernels(snapshot: Snapshot) -> bool:
    """Whether the kernel of every node is known and too old for mounts of a user namespace."""
    kernels = [re.match(r"(\d+)\.(\d+)", node.kernel) for node in snapshot.of(Node)]
    return bool(kernels) and all(
        match is not None and (int(match[1]), int(match[2])) < _IDMAP_KERNEL for match in kernels
    )


@control("k8s.pod.user-namespace", Workload, skip=no_user_namespaces)
def user_namespace(workload: Workload, _: Snapshot) -> Iterator[Outcome]:
    if workload.spec.host_users is not False:
        rooted = any(
            not item.run_as_non_root or item.security.capabilities.add for item in workload.containers
        )
        severity: Severity | None = "medium" if rooted else None
        yield Violation(path="spec.hostUsers", value=workload.spec.host_users, severity=severity)


@control("k8s.pod.untrusted-no-sandbox", Workload)
def untrusted_without_sandbox(workload: Workload, snapshot: Snapshot) -> Iterator[Outcome]:
    key, value = snapshot.parameters.untrusted_label
    if namespace_labels(snapshot).get(workload.namespace, {}).get(key) != value:
        return
    runtime = workload.spec.runtime_class_name.lower()
    if not any(name in runtime for name in _SANDBOXES) and not _on_fargate(workload, snapshot):
        yield Violation(path="spec.runtimeClassName", value=workload.spec.runtime_class_name or None)


def _on_fargate(workload: Workload, snapshot: Snapshot) -> bool:
    labels = workload.meta.labels
    return any(
        fnmatchcase(workload.namespace, selector.namespace)
        and all(fnmatchcase(labels.get(key, ""), value) for key, value in selector.labels.items())
        for profile in snapshot.of(FargateProfile)
        for selector in profile.selectors
    )


@control("k8s.pod.share-process-ns", Workload)
def shared_processes(workload: Workload, _: Snapshot) -> Iterator[Outcome]:
    if workload.spec.share_process_namespace:
        yield Violation(path="spec.shareProcessNamespace", value=True)


@control("k8s.pod.host-aliases", Workload)
def host_aliases(workload: Workload, _: Snapshot) -> Iterator[Outcome]:
    for index, alias in enumerate(workload.spec.host_aliases):
        yield Violation(path=f"spec.hostAliases[{index}]", value=f"{alias.ip} {' '.join(alias.hostnames)}")


# --- Containers --------------------------------------------------------------------------------------------


@control("k8s.pod.readonly-rootfs", Workload, skip=windows)
def read_only_root(workload: Workload, _: Snapshot) -> Iterator[Outcome]:
    for item in workload.containers:
        value = item.security.read_only_root_filesystem
        if not value:
            yield Violation(path=f"{item.path}.securityContext.readOnlyRootFilesystem", value=value)


@control("k8s.pod.root-gid", Workload, skip=windows)
def root_group(workload: Workload, _: Snapshot) -> Iterator[Outcome]:
    pod = workload.spec.security_context
    if pod.fs_group == 0:
        yield Violation(path="spec.securityContext.fsGroup", value=0)
    if 0 in pod.supplemental_groups:
        yield Violation(path="spec.securityContext.supplementalGroups", value=0)
    if pod.run_as_group == 0:
        yield Violation(path="spec.securityContext.runAsGroup", value=0)
    for item in workload.containers:
        if item.security.run_as_group == 0:
            yield Violation(path=f"{item.path}.securityContext.runAsGroup", value=0)


@control("k8s.pod.probes", Workload, skip=short_lived)
def probes(workload: Workload, _: Snapshot) -> Iterator[Outcome]:
    for item in workload.containers:
        if item.list == "containers":
            for name, probe in (
                ("livenessProbe", item.spec.liveness_probe),
                ("readinessProbe", item.spec.readiness_probe),
            ):
                if probe is None:
                    yield Violation(path=f"{item.path}.{name}")


@control("k8s.pod.pull-policy", Workload)
def pull_policy(workload: Workload, _: Snapshot) -> Iterator[Outcome]:
    for item in workload.containers:
        reference = parse_reference(item.spec.image)
        default = "Always" if reference.tag in ("", "latest") else "IfNotPresent"
        policy = item.spec.image_pull_policy or default
        if item.spec.image and not reference.digest and policy != "Always":
            yield Violation(path=f"{item.path}.imagePullPolicy", value=item.spec.image_pull_policy or None)


@control("k8s.pod.sshd-or-sudo", Workload)
def ssh_or_sudo(workload: Workload, _: Snapshot) -> Iterator[Outcome]:
    for item in workload.containers:
        for index, port in enumerate(item.spec.ports):
            if port.container_port == 22:
                yield Violation(path=f"{item.path}.ports[{index}].containerPort", value=22)
        programs = {word.rpartition("/")[2] for part in item.words for word in part.split()}
        if found := programs & {"sshd", "sudo"}:
            yield Violation(path=f"{item.path}.command", value=sorted(found)[0])


@control("k8s.pod.ephemeral-debug-left", Workload)
def debug_container_left(workload: Workload, snapshot: Snapshot) -> Iterator[Outcome]:
    if workload.spec.ephemeral_containers and workload.status is None:
        yield Unknown("the pod's status was not read")
    statuses = workload.status.ephemeral_container_statuses if workload.status else ()
    for index, status in enumerate(statuses):
        started = parse_time((status.state.running or {}).get("startedAt", ""))
        if started and snapshot.now - started > timedelta(hours=1):
            path = f".status.ephemeralContainerStatuses[{index}].state.running.startedAt"
            yield Violation(path=path, value=started.isoformat(), message=status.name)


@control("k8s.pod.naked", Workload)
def naked(workload: Workload, _: Snapshot) -> Iterator[Outcome]:
    if workload.naked and not workload.static:
        yield Violation(path=".metadata.ownerReferences")


# --- Nodes -------------------------------------------------------------------------------------------------

#: Octal modes in which nobody but root may write or execute: 0600, 640, 0644.
_PRIVATE_MODE = re.compile(r"0?[0246][04][04]")
#: Path in a KubeletConfiguration → what is weaker than the benchmark, when it is written there.
_WEAK_KUBELET: tuple[tuple[tuple[str, ...], tuple[object, ...]], ...] = (
    (("authentication", "anonymous", "enabled"), (True,)),
    (("authentication", "webhook", "enabled"), (False,)),
    (("authentication", "x509", "clientCAFile"), ("",)),
    (("authorization", "mode"), ("AlwaysAllow",)),
    (("rotateCertificates",), (False,)),
    (("serverTLSBootstrap",), (False,)),
    (("makeIPTablesUtilChains",), (False,)),
    (("streamingConnectionIdleTimeout",), (0, "0", "0s")),
)


@control("k8s.node.kubelet-config", KubeletConfig)
def kubelet_config(config: KubeletConfig, _: Snapshot) -> Iterator[Outcome]:
    for path, weak in _WEAK_KUBELET:
        value = at(config.values, *path)
        if any(value is item or (value == item and type(value) is type(item)) for item in weak):
            yield Violation(path=".".join(path), value=value)
    port = config.values.get("readOnlyPort", 0)
    if port not in (0, "0"):
        yield Violation(path="readOnlyPort", value=str(port))


@control("k8s.node.kubelet-files", Node)
def kubelet_files(node: Node, snapshot: Snapshot) -> Iterator[Outcome]:
    automatic = node.labels.get("eks.amazonaws.com/compute-type") == "auto"
    if automatic or node.os_image.startswith("Bottlerocket"):
        return  # the root file system is immutable and verified at boot
    files = [item for item in snapshot.of(HostFile) if item.node == node.name]
    if not files:
        yield Unknown("the APIs do not show file modes; evidence from the host is needed")
    for item in files:
        if item.owner != "root:root" or not _PRIVATE_MODE.fullmatch(item.mode):
            yield Violation(path=item.path, value=f"{item.mode} {item.owner}")
