"""Whether anybody would notice: coverage of this evaluation, alerts on the audit log, telemetry."""

from __future__ import annotations

from collections.abc import Iterator

from hullwatch.posture.analysis.logs import groups
from hullwatch.posture.engine import Outcome, Unknown, Violation, control
from hullwatch.posture.model.account import Detector
from hullwatch.posture.model.eks import Addon, EksCluster
from hullwatch.posture.model.kubernetes import Cluster, Workload
from hullwatch.posture.model.snapshot import Snapshot, describe

_AGENTS = (
    "fluent-bit", "fluentd", "otel", "opentelemetry", "adot", "datadog", "cloudwatch-agent", "vector",
    "promtail", "alloy", "newrelic", "dynatrace", "splunk", "elastic-agent", "filebeat",
    "node-exporter", "telegraf",
)  # fmt: skip
_AGENT_ADDONS = frozenset({"amazon-cloudwatch-observability", "adot", "prometheus-node-exporter"})


@control("mon.evaluation.incomplete", Cluster)
def incomplete(_: Cluster, snapshot: Snapshot) -> Iterator[Outcome]:
    for name, state in sorted(snapshot.inputs.items()):
        if state.status in ("forbidden", "unavailable"):
            yield Violation(path=name, value=state.status, message=describe(name, state))
    for broken in snapshot.unreadable:
        yield Violation(path=str(broken.resource), value="unreadable", message=broken.reason)


def no_audit_log(cluster: EksCluster, _: Snapshot) -> str:
    """Without an audit log eks.logging.audit-off speaks."""
    return "" if "audit" in cluster.log_types else "the audit log is not delivered"


@control(
    "mon.audit-alerts",
    EksCluster,
    needs=("logs:DescribeLogGroups", "guardduty:GetDetector"),
    skip=no_audit_log,
)
def nobody_reads_audit(cluster: EksCluster, snapshot: Snapshot) -> Iterator[Outcome]:
    if any(item.enabled("EKS_AUDIT_LOGS") for item in snapshot.of(Detector)):
        return
    group = groups(snapshot).get(f"/aws/eks/{cluster.name}/cluster")
    if group and group.consumers is None:
        yield Unknown("logs:DescribeSubscriptionFilters: not read")
    elif not group or not group.consumers:
        yield Violation(path="subscriptionFilters", value=f"/aws/eks/{cluster.name}/cluster")


@control("mon.cluster.no-telemetry", Cluster, needs=("pods", "eks:DescribeAddon"))
def no_telemetry(_: Cluster, snapshot: Snapshot) -> Iterator[Outcome]:
    addons = {item.addon_name for item in snapshot.of(Addon)}
    agents = any(
        part in workload.resource.name
        for workload in snapshot.of(Workload)
        if workload.resource.kind == "DaemonSet"
        for part in _AGENTS
    )
    if not agents and not addons & _AGENT_ADDONS:
        yield Violation(path="agents")
