"""Pod Security Standards as data: which control belongs to which level from which Kubernetes version on.

Facts: https://kubernetes.io/docs/concepts/security/pod-security-standards/ and the versioned checks of
``k8s.io/pod-security-admission/policy``.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from hullwatch.posture.model.kubernetes import Namespace, Workload
from hullwatch.posture.model.snapshot import Snapshot, Version, parse_version

Level = Literal["privileged", "baseline", "restricted"]

ENFORCE = "pod-security.kubernetes.io/enforce"
ENFORCE_VERSION = "pod-security.kubernetes.io/enforce-version"

#: From here on Linux-only rules leave pods alone whose ``spec.os.name`` is ``windows``.
WINDOWS_EXEMPT_SINCE: Version = (1, 25)
#: From here on ``hostUsers: false`` lifts the rules that a user namespace makes needless.
USER_NAMESPACE_SINCE: Version = (1, 35)
#: Seccomp moved from annotations to fields here.
SECCOMP_FIELD_SINCE: Version = (1, 19)
RUN_AS_USER_SINCE: Version = (1, 23)

SYSCTLS: dict[Version, frozenset[str]] = {
    (1, 0): frozenset(
        {
            "kernel.shm_rmid_forced",
            "net.ipv4.ip_local_port_range",
            "net.ipv4.ip_unprivileged_port_start",
            "net.ipv4.ping_group_range",
            "net.ipv4.tcp_syncookies",
        }
    ),
    (1, 27): frozenset({"net.ipv4.ip_local_reserved_ports"}),
    (1, 29): frozenset(
        {
            "net.ipv4.tcp_fin_timeout",
            "net.ipv4.tcp_keepalive_intvl",
            "net.ipv4.tcp_keepalive_probes",
            "net.ipv4.tcp_keepalive_time",
        }
    ),
    (1, 32): frozenset({"net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem"}),
    (1, 37): frozenset({"net.ipv4.tcp_notsent_lowat", "net.ipv4.tcp_slow_start_after_idle"}),
}
SELINUX_TYPES: dict[Version, frozenset[str]] = {
    (1, 0): frozenset({"", "container_t", "container_init_t", "container_kvm_t"}),
    (1, 31): frozenset({"container_engine_t"}),
}
BASELINE_CAPABILITIES = frozenset(
    {
        "AUDIT_WRITE",
        "CHOWN",
        "DAC_OVERRIDE",
        "FOWNER",
        "FSETID",
        "KILL",
        "MKNOD",
        "NET_BIND_SERVICE",
        "SETFCAP",
        "SETGID",
        "SETPCAP",
        "SETUID",
        "SYS_CHROOT",
    }
)
RESTRICTED_CAPABILITIES = frozenset({"NET_BIND_SERVICE"})
RESTRICTED_VOLUMES = frozenset(
    {
        "configMap",
        "csi",
        "downwardAPI",
        "emptyDir",
        "ephemeral",
        "image",
        "persistentVolumeClaim",
        "projected",
        "secret",
    }
)


class Membership(msgspec.Struct, frozen=True):
    """A control's place in the standards. ``overrides`` is the baseline control it replaces at its level."""

    level: Level
    since: Version
    overrides: str = ""


MEMBERS: dict[str, Membership] = {
    "k8s.pod.privileged": Membership("baseline", (1, 0)),
    "k8s.pod.host-pid": Membership("baseline", (1, 0)),
    "k8s.pod.host-ipc": Membership("baseline", (1, 0)),
    "k8s.pod.host-network": Membership("baseline", (1, 0)),
    "k8s.pod.hostpath": Membership("baseline", (1, 0)),
    "k8s.pod.hostport": Membership("baseline", (1, 0)),
    "k8s.pod.cap-dangerous": Membership("baseline", (1, 0)),
    "k8s.pod.apparmor-unconfined": Membership("baseline", (1, 0)),
    "k8s.pod.selinux-options": Membership("baseline", (1, 0)),
    "k8s.pod.proc-mount": Membership("baseline", (1, 0)),
    "k8s.pod.seccomp-unconfined": Membership("baseline", (1, 0)),
    "k8s.pod.sysctls": Membership("baseline", (1, 0)),
    "k8s.pod.windows-hostprocess": Membership("baseline", (1, 0)),
    "k8s.pod.probe-host": Membership("baseline", (1, 34)),
    "k8s.pod.volume-types": Membership("restricted", (1, 0), "k8s.pod.hostpath"),
    "k8s.pod.allow-priv-esc": Membership("restricted", (1, 8)),
    "k8s.pod.run-as-root": Membership("restricted", (1, 0)),
    "k8s.pod.seccomp-unset": Membership("restricted", (1, 19), "k8s.pod.seccomp-unconfined"),
    "k8s.pod.cap-drop-all": Membership("restricted", (1, 22), "k8s.pod.cap-dangerous"),
}


def controls_at(level: Level, version: Version) -> tuple[str, ...]:
    """The controls that make up a level at a Kubernetes version."""
    if level == "privileged":
        return ()
    levels = ("baseline",) if level == "baseline" else ("baseline", "restricted")
    chosen = {name: item for name, item in MEMBERS.items() if item.level in levels and item.since <= version}
    overridden = {item.overrides for item in chosen.values()}
    return tuple(name for name in chosen if name not in overridden)


def allowed(additions: dict[Version, frozenset[str]], version: Version) -> frozenset[str]:
    """The union of what was allowed up to a version."""
    return frozenset().union(*(names for since, names in additions.items() if since <= version))


def level_of(labels: dict[str, str]) -> Level | None:
    """The level a namespace's labels enforce; what the plug-in cannot parse counts as restricted there."""
    value = labels.get(ENFORCE)
    if value is None:
        return None
    if value == "privileged":
        return "privileged"
    return "baseline" if value == "baseline" else "restricted"


def version_of(labels: dict[str, str]) -> Version:
    """The version a namespace's labels enforce; unset or unparsable is ``latest``, as in the plug-in."""
    try:
        return parse_version(labels.get(ENFORCE_VERSION, ""))
    except ValueError:
        return parse_version("")


def rules_version(workload: Workload, snapshot: Snapshot) -> Version:
    """The version a workload is judged at: its namespace's enforce-version if one is set, else the cluster's.

    When a level was asked for, the version that was asked for with it holds.
    """
    if snapshot.level:
        return snapshot.kubernetes_version
    labels = namespace_labels(snapshot).get(workload.namespace, {})
    cluster = snapshot.kubernetes_version
    return min(version_of(labels), cluster) if ENFORCE_VERSION in labels else cluster


def is_restricted(workload: Workload, snapshot: Snapshot) -> bool:
    """Whether the restricted level was asked for, or is what the workload's namespace enforces."""
    if snapshot.level:
        return snapshot.level == "restricted"
    return level_of(namespace_labels(snapshot).get(workload.namespace, {})) == "restricted"


def namespace_labels(snapshot: Snapshot) -> dict[str, dict[str, str]]:
    """Labels of every namespace that was read, by name."""
    return snapshot.once(_namespace_labels)


def _namespace_labels(snapshot: Snapshot) -> dict[str, dict[str, str]]:
    # The API server sets this label; a manifest does not have it.
    return {
        item.name: {"kubernetes.io/metadata.name": item.name, **item.meta.labels}
        for item in snapshot.of(Namespace)
    }
