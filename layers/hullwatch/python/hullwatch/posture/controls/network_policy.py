"""Network policies of every kind: whether they are there, enforced, and select what they should."""

from __future__ import annotations

from collections.abc import Iterator

from hullwatch.posture.analysis.network import (
    IMDS,
    enforcers,
    exposures,
    isolated,
    policies_for,
    reaches,
)
from hullwatch.posture.analysis.pod_security import namespace_labels
from hullwatch.posture.controls.namespace import empty, workloads_by_namespace
from hullwatch.posture.engine import Outcome, Severity, Unknown, Violation, control
from hullwatch.posture.model.ec2 import Instance
from hullwatch.posture.model.eks import EksCluster
from hullwatch.posture.model.kubernetes import Cluster, ConfigMap, CustomObject, Namespace, Workload
from hullwatch.posture.model.network import POLICY_INPUTS, Direction, NetworkPolicy
from hullwatch.posture.model.snapshot import Snapshot
from hullwatch.posture.readers.documents import at, text

_ENFORCED_BY: dict[str, frozenset[str]] = {
    "networking.k8s.io": frozenset({"vpc-cni", "cilium", "calico", "auto-mode"}),
    "extensions": frozenset({"vpc-cni", "cilium", "calico", "auto-mode"}),
    "cilium.io": frozenset({"cilium"}),
    "crd.projectcalico.org": frozenset({"calico"}),
    "projectcalico.org": frozenset({"calico"}),
    "policy.networking.k8s.io": frozenset({"cilium", "calico", "vpc-cni", "auto-mode"}),
}


def on_host_network(workload: Workload, _: Snapshot) -> str:
    """Policies say nothing about pods on the host's network; k8s.pod.host-network does."""
    return "the pod is on the host's network" if workload.spec.host_network else ""


def _open_workloads(namespace: Namespace, direction: Direction, snapshot: Snapshot) -> list[str]:
    found = {
        str(workload.resource)
        for workload in workloads_by_namespace(snapshot).get(namespace.name, ())
        if not workload.spec.host_network and not isolated(workload, direction, snapshot)
    }
    return sorted(found)


@control("net.ns-no-default-deny", Namespace, needs=("pods", *POLICY_INPUTS), skip=empty)
def no_default_deny(namespace: Namespace, snapshot: Snapshot) -> Iterator[Outcome]:
    if names := _open_workloads(namespace, "ingress", snapshot):
        exposed = any(item.workload.namespace == namespace.name for item in exposures(snapshot))
        severity: Severity | None = "high" if exposed else None
        yield Violation(path="ingress", value=names, severity=severity)


@control("net.ns-no-egress-deny", Namespace, needs=("pods", *POLICY_INPUTS), skip=empty)
def no_egress_deny(namespace: Namespace, snapshot: Snapshot) -> Iterator[Outcome]:
    if names := _open_workloads(namespace, "egress", snapshot):
        yield Violation(path="egress", value=names)


@control("net.pod-not-isolated", Workload, needs=POLICY_INPUTS, skip=on_host_network)
def pod_not_isolated(workload: Workload, snapshot: Snapshot) -> Iterator[Outcome]:
    namespaces = {policy.namespace for policy in snapshot.of(NetworkPolicy)}
    if workload.namespace in namespaces and not policies_for(workload, snapshot):
        labels = [f"{key}={value}" for key, value in workload.meta.labels.items()]
        yield Violation(path="metadata.labels", value=labels)


@control("net.policy-inert", NetworkPolicy, needs=("pods", "configmaps"))
def inert_policy(policy: NetworkPolicy, snapshot: Snapshot) -> Iterator[Outcome]:
    if snapshot.incomplete("pods"):
        return  # the enforcer may be among what was not read
    found = enforcers(snapshot) & _ENFORCED_BY.get(policy.api_group, frozenset())
    if not found:
        yield Violation(path="kind", value=policy.kind, message="nothing in the cluster enforces this kind")
    elif found == {"cilium"}:
        for config in snapshot.of(ConfigMap):
            if config.name == "cilium-config":
                for key, inert in (("policy-audit-mode", "true"), ("enable-policy", "never")):
                    if config.data.get(key) == inert:
                        yield Violation(path="kind", value=f"cilium-config {key}={inert}")


@control("net.policy-allow-all", NetworkPolicy)
def allow_all(policy: NetworkPolicy, _: Snapshot) -> Iterator[Outcome]:
    for rule in policy.rules:
        if rule.action == "allow" and rule.everyone and rule.every_port:
            yield Violation(path=rule.path, value=f"{rule.direction} of everyone")


@control("net.policy-dangling", NetworkPolicy, needs=("pods",))
def dangling_policy(policy: NetworkPolicy, snapshot: Snapshot) -> Iterator[Outcome]:
    labels = namespace_labels(snapshot)
    by_namespace = workloads_by_namespace(snapshot)
    namespaces = [policy.namespace] if policy.namespace else list(by_namespace)
    matched = any(
        policy.selects(workload.meta.labels, namespace, labels.get(namespace, {}))
        for namespace in namespaces
        for workload in by_namespace.get(namespace, ())
    )
    if not matched and not snapshot.incomplete("pods"):
        yield Violation(path="spec.podSelector")


@control("net.imds-egress", Workload, needs=POLICY_INPUTS)
def imds_egress(workload: Workload, snapshot: Snapshot) -> Iterator[Outcome]:
    if not reaches(workload, IMDS, snapshot):
        return
    if workload.spec.host_network:
        yield Violation(path="spec.hostNetwork", value=IMDS)
        return
    if (answered := snapshot.once(_metadata_answers)) is None:
        yield Unknown(snapshot.missing("ec2:DescribeInstances") or "ec2:DescribeInstances: no instances")
    elif answered:
        yield Violation(path=".egress", value=IMDS)


def _metadata_answers(snapshot: Snapshot) -> bool | None:
    """Whether pods get answers of some instance; ``None`` when no instance was read.

    A hop limit of one keeps the answer from leaving the node's own network namespace, as in Auto Mode.
    """
    limits = [item.metadata_options.http_put_response_hop_limit for item in snapshot.of(Instance)]
    if not limits:
        return False if any(item.compute_config.enabled for item in snapshot.of(EksCluster)) else None
    return any(limit is None or limit > 1 for limit in limits)


@control("eks.networkpolicy.no-enforcer", Cluster, needs=("pods", "eks:DescribeAddon"))
def no_enforcer(_: Cluster, snapshot: Snapshot) -> Iterator[Outcome]:
    if not enforcers(snapshot):
        count = len(snapshot.of(NetworkPolicy))
        severity: Severity | None = None if count else "medium"
        yield Violation(path="enforcer", value=f"{count} policies", severity=severity)


@control("net.calico-host-access", Cluster, needs=("felixconfigurations.crd.projectcalico.org",))
def calico_host_access(_: Cluster, snapshot: Snapshot) -> Iterator[Outcome]:
    for item in snapshot.of(CustomObject):
        if item.kind == "FelixConfiguration":
            value = item.spec.get("defaultEndpointToHostAction", "Drop")
            if value == "Accept":
                yield Violation(path=f"{item.resource}:spec.defaultEndpointToHostAction", value=value)
            if item.spec.get("failsafeInboundHostPorts") == "any":
                yield Violation(path=f"{item.resource}:spec.failsafeInboundHostPorts", value="any")


@control("net.mesh-mtls", Cluster, needs=("peerauthentications.security.istio.io", "configmaps"))
def mesh_without_mtls(_: Cluster, snapshot: Snapshot) -> Iterator[Outcome]:
    strict = False
    for item in snapshot.of(CustomObject):
        if item.kind == "PeerAuthentication" and item.namespace == "istio-system":
            mode = text(at(item.spec, "mtls", "mode") or "PERMISSIVE")
            strict = strict or mode == "STRICT"
            if mode in ("PERMISSIVE", "DISABLE"):
                yield Violation(path=f"{item.resource}:spec.mtls.mode", value=mode)
                return
    meshed = any(workload.resource.name == "istiod" for workload in snapshot.of(Workload))
    if meshed and not strict:
        yield Violation(
            path="PeerAuthentication/istio-system", message="without one, Istio accepts plain text"
        )
