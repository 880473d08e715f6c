"""Pod Security Standards by version: what is restricted from when on, and who is exempt."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from hullwatch.posture.analysis.pod_security import controls_at, level_of, version_of
from hullwatch.posture.model.snapshot import LATEST
from hullwatch.posture.standards import check_documents

VERSIONS = [f"1.{minor}" for minor in range(38)]
GOOD: dict[str, Any] = {
    "allowPrivilegeEscalation": False,
    "runAsNonRoot": True,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}


def pod(
    context: dict[str, Any] | None = None, annotations: dict[str, str] | None = None, **spec: Any
) -> dict[str, Any]:
    container = {"name": "app", "image": "app", "securityContext": GOOD if context is None else context}
    container.update(spec.pop("container", {}))
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "app", "annotations": annotations or {}},
        "spec": {"containers": [container], **spec},
    }


def refused(document: dict[str, Any], level: str) -> list[str]:
    """The versions at which a level refuses a pod."""
    standard = f"pss-{level}"
    return [
        version
        for version in VERSIONS
        if any(result.verdict == "FAILED" for result in check_documents([document], standard, version))
    ]


def since(minor: int) -> list[str]:
    return VERSIONS[minor:]


ALWAYS, NEVER = since(0), since(38)
PROBE = {"container": {"livenessProbe": {"httpGet": {"host": "10.0.0.1", "port": 80}}}}
SYSCTL = {"name": "net.ipv4.tcp_rmem", "value": "1"}


@pytest.mark.parametrize(
    ("document", "baseline", "restricted"),
    [
        (pod(), NEVER, NEVER),
        (pod({}), NEVER, ALWAYS),
        (pod({**GOOD, "privileged": True}), ALWAYS, ALWAYS),
        (pod(hostPID=True), ALWAYS, ALWAYS),
        (pod(hostNetwork=True), ALWAYS, ALWAYS),
        (pod(container={"ports": [{"containerPort": 80, "hostPort": 80}]}), ALWAYS, ALWAYS),
        (pod(volumes=[{"name": "v", "hostPath": {"path": "/"}}]), ALWAYS, ALWAYS),
        (pod(volumes=[{"name": "v", "nfs": {"server": "s", "path": "/"}}]), NEVER, ALWAYS),
        (pod(volumes=[{"name": "v", "image": {"reference": "r"}}]), NEVER, NEVER),
        # allowPrivilegeEscalation from 1.8, dropping ALL from 1.22, runAsUser from 1.23.
        (pod({key: GOOD[key] for key in GOOD if key != "allowPrivilegeEscalation"}), NEVER, since(8)),
        (pod({**GOOD, "capabilities": {}}), NEVER, since(22)),
        (pod({**GOOD, "capabilities": {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]}}), NEVER, NEVER),
        (pod({**GOOD, "capabilities": {"drop": ["ALL"], "add": ["CHOWN"]}}), NEVER, since(22)),
        (pod({**GOOD, "capabilities": {"drop": ["ALL"], "add": ["NET_RAW"]}}), ALWAYS, ALWAYS),
        (pod({**GOOD, "runAsUser": 0}), NEVER, since(23)),
        (pod({**GOOD, "runAsUser": 0}, hostUsers=False), NEVER, VERSIONS[23:35]),
        (pod({**GOOD, "runAsNonRoot": False}, hostUsers=False), NEVER, VERSIONS[:35]),
        # Seccomp: annotations up to 1.18, fields from 1.19, required by restricted from 1.19.
        (pod({**GOOD, "seccompProfile": {"type": "Unconfined"}}), since(19), since(19)),
        (pod({key: GOOD[key] for key in GOOD if key != "seccompProfile"}), NEVER, since(19)),
        (
            pod(annotations={"seccomp.security.alpha.kubernetes.io/pod": "unconfined"}),
            VERSIONS[:19],
            VERSIONS[:19],
        ),
        (
            pod(annotations={"container.apparmor.security.beta.kubernetes.io/app": "unconfined"}),
            ALWAYS,
            ALWAYS,
        ),
        (pod({**GOOD, "appArmorProfile": {"type": "Unconfined"}}), ALWAYS, ALWAYS),
        (pod({**GOOD, "seLinuxOptions": {"type": "container_engine_t"}}), VERSIONS[:31], VERSIONS[:31]),
        (pod({**GOOD, "procMount": "Unmasked"}), ALWAYS, ALWAYS),
        (pod({**GOOD, "procMount": "Unmasked"}, hostUsers=False), VERSIONS[:35], ALWAYS),
        (pod({**GOOD, "procMount": "Unmasked"}, hostUsers=True), ALWAYS, ALWAYS),
        (pod(securityContext={"sysctls": [SYSCTL]}), VERSIONS[:32], VERSIONS[:32]),
        (pod(**PROBE), since(34), since(34)),
        (pod({**GOOD, "windowsOptions": {"hostProcess": True}}), ALWAYS, ALWAYS),
        # Windows: the Linux-only rules of restricted leave it alone from 1.25 on.
        (pod({"runAsNonRoot": True}, os={"name": "windows"}), NEVER, VERSIONS[8:25]),
        (pod({**GOOD, "runAsNonRoot": False}, os={"name": "windows"}), NEVER, ALWAYS),
        # Ephemeral containers count.
        (
            pod(ephemeralContainers=[{"name": "debug", "securityContext": {"privileged": True}}]),
            ALWAYS,
            ALWAYS,
        ),
    ],
)
def test_every_version_refuses_what_it_should(
    document: dict[str, Any], baseline: list[str], restricted: list[str]
) -> None:
    assert refused(document, "baseline") == baseline
    assert refused(document, "restricted") == restricted


ALLOWED_VOLUMES = [
    "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "image", "persistentVolumeClaim", "projected",
    "secret",
]  # fmt: skip
OTHER_VOLUMES = [
    "awsElasticBlockStore", "azureDisk", "azureFile", "cephfs", "cinder", "fc", "flexVolume", "flocker",
    "gcePersistentDisk", "gitRepo", "glusterfs", "iscsi", "nfs", "photonPersistentDisk", "portworxVolume",
    "quobyte", "rbd", "scaleIO", "storageos", "vsphereVolume",
]  # fmt: skip
#: A safe sysctl and the minor version from which on it is.
SAFE_SYSCTLS = {
    "kernel.shm_rmid_forced": 0,
    "net.ipv4.ip_local_port_range": 0,
    "net.ipv4.ip_unprivileged_port_start": 0,
    "net.ipv4.tcp_syncookies": 0,
    "net.ipv4.ping_group_range": 0,
    "net.ipv4.ip_local_reserved_ports": 27,
    "net.ipv4.tcp_keepalive_time": 29,
    "net.ipv4.tcp_fin_timeout": 29,
    "net.ipv4.tcp_keepalive_intvl": 29,
    "net.ipv4.tcp_keepalive_probes": 29,
    "net.ipv4.tcp_rmem": 32,
    "net.ipv4.tcp_wmem": 32,
    "kernel.msgmax": 38,
}
HOST_GET, HOST_TCP = {"httpGet": {"host": "h", "port": 1}}, {"tcpSocket": {"host": "h", "port": 1}}
HANDLERS: list[dict[str, Any]] = [
    *(
        {probe: how}
        for probe in ("livenessProbe", "readinessProbe", "startupProbe")
        for how in (HOST_GET, HOST_TCP)
    ),
    *({"lifecycle": {hook: how}} for hook in ("postStart", "preStop") for how in (HOST_GET, HOST_TCP)),
]
#: Only fields at fault in a container or, where the pod has them too, in the pod.
BAD_CONTEXTS: list[tuple[dict[str, Any], bool, list[str]]] = [
    ({"seLinuxOptions": {"type": "spc_t"}}, True, ALWAYS),
    ({"seLinuxOptions": {"user": "system_u"}}, True, ALWAYS),
    ({"seLinuxOptions": {"role": "system_r"}}, True, ALWAYS),
    ({"windowsOptions": {"hostProcess": True}}, True, ALWAYS),
    ({"appArmorProfile": {"type": "Unconfined"}}, True, ALWAYS),
    ({"seccompProfile": {"type": "Unconfined"}}, True, since(19)),
    ({"privileged": True}, False, ALWAYS),
    ({"procMount": "Unmasked"}, False, ALWAYS),
    *(
        ({"capabilities": {"drop": ["ALL"], "add": [name]}}, False, ALWAYS)
        for name in ("NET_ADMIN", "NET_RAW", "SYS_ADMIN", "SYS_PTRACE", "SYS_MODULE", "BPF", "ALL")
    ),
]
GOOD_CAPABILITIES = [
    "AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "SETFCAP", "SETGID",
    "SETPCAP", "SETUID", "SYS_CHROOT",
]  # fmt: skip


def fields_of_pods() -> Iterator[Any]:
    """Every field of a pod that a level restricts, alone: name, pod, versions refusing it at each level."""
    for kind in ALLOWED_VOLUMES:
        yield f"volume {kind}", pod(volumes=[{"name": "v", kind: {}}]), NEVER, NEVER
    for kind in OTHER_VOLUMES:
        yield f"volume {kind}", pod(volumes=[{"name": "v", kind: {}}]), NEVER, ALWAYS
    for name, minor in SAFE_SYSCTLS.items():
        unsafe = VERSIONS[:minor]
        yield name, pod(securityContext={"sysctls": [{"name": name, "value": "1"}]}), unsafe, unsafe
    for field in ("hostPID", "hostIPC", "hostNetwork"):
        yield field, pod(**{field: True}), ALWAYS, ALWAYS
    for port, versions in ((0, NEVER), (80, ALWAYS)):
        ports = {"ports": [{"containerPort": 80, "hostPort": port}]}
        yield f"hostPort {port}", pod(container=ports), versions, versions
    bare = {key: GOOD[key] for key in ("allowPrivilegeEscalation", "capabilities")}
    whole = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    yield "required fields in the pod", pod(bare, securityContext=whole), NEVER, NEVER
    yield "runAsUser in the pod", pod(bare, securityContext={**whole, "runAsUser": 0}), NEVER, since(23)
    yield (
        "localhost",
        pod({**GOOD, "seccompProfile": {"type": "Localhost", "localhostProfile": "x"}}),
        NEVER,
        NEVER,
    )
    yield "container_kvm_t", pod({**GOOD, "seLinuxOptions": {"type": "container_kvm_t"}}), NEVER, NEVER
    for value, versions in (("runtime/default", NEVER), ("localhost/x", NEVER), ("unconfined", ALWAYS)):
        key = "container.apparmor.security.beta.kubernetes.io/app"
        yield f"AppArmor {value}", pod(annotations={key: value}), versions, versions


def fields_of_containers() -> Iterator[Any]:
    """The same of containers, those of every list."""
    for handler in HANDLERS:
        yield str(handler), pod(container=handler), since(34), since(34)
        without = json.loads(json.dumps(handler).replace('"host": "h", ', ""))
        yield f"{handler} without host", pod(container=without), NEVER, NEVER
    for bad, in_pod, versions in BAD_CONTEXTS:
        yield str(bad), pod({**GOOD, **bad}), versions, versions
        if in_pod:
            yield f"pod {bad}", pod(securityContext=bad), versions, versions
        for others in ("initContainers", "ephemeralContainers"):
            extra = {others: [{"name": "x", "image": "x", "securityContext": {**GOOD, **bad}}]}
            yield f"{others} {bad}", pod(**extra), versions, versions
    for name in GOOD_CAPABILITIES:
        added = {**GOOD, "capabilities": {"drop": ["ALL"], "add": [name]}}
        yield f"capability {name}", pod(added), NEVER, since(22)


@pytest.mark.parametrize(
    ("document", "baseline", "restricted"),
    [pytest.param(*case, id=name) for name, *case in (*fields_of_pods(), *fields_of_containers())],
)
def test_every_field_at_every_version(
    document: dict[str, Any], baseline: list[str], restricted: list[str]
) -> None:
    assert refused(document, "baseline") == baseline
    assert refused(document, "restricted") == restricted


def test_a_pod_that_cannot_be_read_never_passes() -> None:
    document = pod()
    document["spec"]["containers"] = {"name": "not a list"}
    results = check_documents([document], "pss-baseline")
    assert results
    assert {result.verdict for result in results} == {"NOT_AVAILABLE"}


def test_restricted_controls_replace_the_baseline_ones_they_cover() -> None:
    assert "k8s.pod.cap-dangerous" in controls_at("restricted", (1, 21))
    assert "k8s.pod.cap-dangerous" not in controls_at("restricted", (1, 22))
    assert controls_at("privileged", LATEST) == ()


@pytest.mark.parametrize(
    ("labels", "level", "version"),
    [
        ({}, None, LATEST),
        ({"pod-security.kubernetes.io/enforce": "baseline"}, "baseline", LATEST),
        (
            {
                "pod-security.kubernetes.io/enforce": "restricted",
                "pod-security.kubernetes.io/enforce-version": "v1.29",
            },
            "restricted",
            (1, 29),
        ),
        # What the plug-in cannot parse it takes for the strictest.
        (
            {
                "pod-security.kubernetes.io/enforce": "strict",
                "pod-security.kubernetes.io/enforce-version": "1.29.x?",
            },
            "restricted",
            LATEST,
        ),
    ],
)
def test_namespace_labels(labels: dict[str, str], level: str | None, version: tuple[int, int]) -> None:
    assert level_of(labels) == level
    assert version_of(labels) == version or labels.get("pod-security.kubernetes.io/enforce") == "strict"
