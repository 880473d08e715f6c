"""Namespaces: what they admit, and what they leave unbounded."""

from __future__ import annotations

from collections.abc import Iterator

from hullwatch.posture.analysis.admission import AdmissionPolicy
from hullwatch.posture.analysis.pod_security import (
    ENFORCE,
    ENFORCE_VERSION,
    controls_at,
    level_of,
    rules_version,
    version_of,
)
from hullwatch.posture.engine import CONTROLS, Outcome, Severity, Unknown, Violation, control
from hullwatch.posture.model.kubernetes import LimitRange, Namespace, ResourceQuota, Workload
from hullwatch.posture.model.snapshot import LATEST, Snapshot

_MAX_VERSIONS_BEHIND = 4


def system_namespace(namespace: Namespace, snapshot: Snapshot) -> str:
    """Namespaces of the platform need more than baseline."""
    return "belongs to the platform" if namespace.name in snapshot.parameters.system_namespaces else ""


def unenforced(namespace: Namespace, _: Snapshot) -> str:
    """Only namespaces with an enforce label."""
    return "" if ENFORCE in namespace.meta.labels else "the namespace enforces no level"


def workloads_by_namespace(snapshot: Snapshot) -> dict[str, list[Workload]]:
    """Workloads of every namespace."""
    return snapshot.once(_workloads_by_namespace)


def _workloads_by_namespace(snapshot: Snapshot) -> dict[str, list[Workload]]:
    found: dict[str, list[Workload]] = {}
    for workload in snapshot.of(Workload):
        found.setdefault(workload.namespace, []).append(workload)
    return found


def empty(namespace: Namespace, snapshot: Snapshot) -> str:
    """Only namespaces that run something."""
    return "" if namespace.name in workloads_by_namespace(snapshot) else "nothing runs in the namespace"


@control("k8s.ns.psa-missing", Namespace, skip=system_namespace)
def level_missing(namespace: Namespace, snapshot: Snapshot) -> Iterator[Outcome]:
    labels = namespace.meta.labels
    if ENFORCE in labels or any(policy.enforces for policy in snapshot.of(AdmissionPolicy)):
        return
    if reason := snapshot.missing("customresources"):
        yield Unknown(f"a policy engine may enforce one; {reason}")
        return
    warned = any(f"pod-security.kubernetes.io/{mode}" in labels for mode in ("warn", "audit"))
    severity: Severity | None = "medium" if warned else None
    yield Violation(path=f"metadata.labels[{ENFORCE}]", severity=severity)


@control("k8s.ns.psa-privileged", Namespace, skip=system_namespace)
def level_privileged(namespace: Namespace, snapshot: Snapshot) -> Iterator[Outcome]:
    accepted = namespace.name in snapshot.parameters.privileged_namespaces
    if level_of(namespace.meta.labels) == "privileged" and not accepted:
        yield Violation(path=f"metadata.labels[{ENFORCE}]", value="privileged")


@control("k8s.ns.psa-version", Namespace, skip=unenforced)
def level_version(namespace: Namespace, snapshot: Snapshot) -> Iterator[Outcome]:
    pinned, cluster = version_of(namespace.meta.labels), snapshot.kubernetes_version
    if LATEST not in (pinned, cluster) and cluster[1] - pinned[1] > _MAX_VERSIONS_BEHIND:
        value = namespace.meta.labels[ENFORCE_VERSION]
        yield Violation(path=f"metadata.labels[{ENFORCE_VERSION}]", value=value)


@control("k8s.ns.psa-grandfathered", Namespace, needs=("pods",), skip=unenforced)
def grandfathered(namespace: Namespace, snapshot: Snapshot) -> Iterator[Outcome]:
    level = level_of(namespace.meta.labels) or "privileged"
    for broken in snapshot.unreadable:
        if broken.subject is Workload and (broken.resource.namespace or "default") == namespace.name:
            yield Unknown(f"{broken.resource}: {broken.reason}", "unreadable")
    for workload in workloads_by_namespace(snapshot).get(namespace.name, ()):
        for control_id in controls_at(level, rules_version(workload, snapshot)):
            item = CONTROLS[control_id, Workload]
            if item.skip and item.skip(workload, snapshot):
                continue
            for outcome in item.check(workload, snapshot):
                if isinstance(outcome, Violation):
                    path = f"{workload.resource}:{workload.prefix}{outcome.path}"
                    yield Violation(path=path, value=outcome.value, message=control_id)


@control("k8s.ns.no-quota", Namespace, needs=("pods", "resourcequotas", "limitranges"), skip=empty)
def no_quota(namespace: Namespace, snapshot: Snapshot) -> Iterator[Outcome]:
    if namespace.name in snapshot.parameters.system_namespaces:
        return
    bounded = [*snapshot.of(ResourceQuota), *snapshot.of(LimitRange)]
    if not any(item.namespace == namespace.name for item in bounded):
        yield Violation(path="ResourceQuota")
