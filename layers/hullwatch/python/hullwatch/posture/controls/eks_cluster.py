"""EKS clusters: endpoints, logs, encryption, versions, add-ons."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network, ip_network

from hullwatch.posture.analysis.logs import retention
from hullwatch.posture.analysis.times import days_between
from hullwatch.posture.controls.ecs_service import missing_tags
from hullwatch.posture.engine import Outcome, Severity, Unknown, Violation, control
from hullwatch.posture.model.account import Coverage, Detector, KmsKey
from hullwatch.posture.model.ec2 import SecurityGroup
from hullwatch.posture.model.eks import (
    Addon,
    AddonInfo,
    ClusterVersion,
    EksCluster,
    IdentityProvider,
    Insight,
)
from hullwatch.posture.model.snapshot import Snapshot, parse_version

#: From here on EKS encrypts all API data with a key of its own.
ENVELOPE_ENCRYPTION_SINCE = (1, 28)
_NOTICE_DAYS = 60
#: Ports of nodes and control plane that nobody outside has business with.
_PORTS = ((443, 443), (10250, 10250), (22, 22), (2379, 2380), (30000, 32767))
_OWN_IDENTITY = ("vpc-cni", "aws-ebs-csi-driver", "aws-efs-csi-driver", "amazon-cloudwatch-observability")


@control("eks.endpoint.public-open", EksCluster)
def public_endpoint(cluster: EksCluster, snapshot: Snapshot) -> Iterator[Outcome]:
    config = cluster.resources_vpc_config
    if not config.endpoint_public_access:
        return
    cidrs = config.public_access_cidrs or ("0.0.0.0/0",)
    wide = [cidr for cidr in cidrs if _is_wide(cidr, snapshot)]
    if wide:
        yield Violation(path="resourcesVpcConfig.publicAccessCidrs", value=wide)
    else:
        yield Violation(path="resourcesVpcConfig.endpointPublicAccess", value=True, severity="low")


def _is_wide(cidr: str, snapshot: Snapshot) -> bool:
    try:
        network = ip_network(cidr, strict=False)
    except ValueError:
        return True
    limits = snapshot.parameters
    limit = limits.endpoint_prefix_v4 if isinstance(network, IPv4Network) else limits.endpoint_prefix_v6
    return network.prefixlen < limit


@control("eks.endpoint.private-disabled", EksCluster)
def private_endpoint_disabled(cluster: EksCluster, _: Snapshot) -> Iterator[Outcome]:
    if not cluster.resources_vpc_config.endpoint_private_access:
        yield Violation(path="resourcesVpcConfig.endpointPrivateAccess", value=False)


@control("eks.logging.audit-off", EksCluster)
def audit_log_off(cluster: EksCluster, _: Snapshot) -> Iterator[Outcome]:
    if "audit" not in cluster.log_types:
        yield Violation(path="logging.clusterLogging", value=sorted(cluster.log_types))


@control("eks.logging.types-missing", EksCluster)
def log_types_missing(cluster: EksCluster, _: Snapshot) -> Iterator[Outcome]:
    for name in ("authenticator", "api", "controllerManager", "scheduler"):
        if name not in cluster.log_types:
            severity: Severity = "medium" if name == "authenticator" else "low"
            yield Violation(path=f"logging.clusterLogging[{name}]", value=False, severity=severity)


def no_logs(cluster: EksCluster, _: Snapshot) -> str:
    """Without logs there is no log group to judge."""
    return "" if cluster.log_types else "no control-plane log is enabled"


@control("eks.logging.retention", EksCluster, needs=("logs:DescribeLogGroups",), skip=no_logs)
def log_retention(cluster: EksCluster, snapshot: Snapshot) -> Iterator[Outcome]:
    name = f"/aws/eks/{cluster.name}/cluster"
    if found := retention(name, snapshot):
        yield Violation(path="logGroup", value=name, message=found.message, severity=found.severity)


@control("eks.encryption.secrets-cmk", EksCluster)
def no_customer_key(cluster: EksCluster, _: Snapshot) -> Iterator[Outcome]:
    keys = [item.provider.key_arn for item in cluster.encryption_config if "secrets" in item.resources]
    if not any(keys):
        try:
            by_default = parse_version(cluster.version) >= ENVELOPE_ENCRYPTION_SINCE
        except ValueError as error:
            yield Unknown(str(error), "unreadable")
            return
        severity: Severity | None = None if by_default else "high"
        yield Violation(path="encryptionConfig", severity=severity)


def no_key(cluster: EksCluster, _: Snapshot) -> str:
    """Only clusters with a key of their own."""
    return "" if any(item.provider.key_arn for item in cluster.encryption_config) else "no customer key"


@control("eks.encryption.key-unusable", EksCluster, needs=("kms:DescribeKey",), skip=no_key)
def key_unusable(cluster: EksCluster, snapshot: Snapshot) -> Iterator[Outcome]:
    keys = {key.arn: key for key in snapshot.of(KmsKey)}
    for index, item in enumerate(cluster.encryption_config):
        arn = item.provider.key_arn
        path = f"encryptionConfig[{index}].provider.keyArn"
        key = keys.get(arn)
        if key is None:
            yield Unknown(f"the key {arn} was not read")
        elif key.key_state != "Enabled":
            yield Violation(path=path, value=arn, message=key.key_state)
        elif key.rotation is False:
            yield Violation(path=path, value=arn, message="not rotated", severity="medium")


@control("eks.version.unsupported", EksCluster, needs=("eks:DescribeClusterVersions",))
def version_unsupported(cluster: EksCluster, snapshot: Snapshot) -> Iterator[Outcome]:
    known = {item.cluster_version: item for item in snapshot.of(ClusterVersion)}
    item = known.get(cluster.version)
    if item is None:
        yield Violation(path="version", value=cluster.version, message="EKS does not list this version")
        return
    status = (item.version_status or item.status).upper()
    left = days_between(item.end_of_standard_support_date, snapshot.now)
    if status == "UNSUPPORTED":
        yield Violation(path="version", value=cluster.version, message=status)
    elif status == "EXTENDED_SUPPORT":
        yield Violation(path="version", value=cluster.version, message=status, severity="medium")
    elif left is not None and left > -_NOTICE_DAYS:
        message = f"standard support ends in {-left} days"
        yield Violation(path="version", value=cluster.version, message=message, severity="low")


@control("eks.auth.configmap-mode", EksCluster)
def config_map_mode(cluster: EksCluster, _: Snapshot) -> Iterator[Outcome]:
    mode = cluster.access_config.authentication_mode
    if mode != "API":
        severity: Severity | None = None if mode == "CONFIG_MAP" else "low"
        yield Violation(path="accessConfig.authenticationMode", value=mode, severity=severity)


@control("eks.clustersg.open", EksCluster, needs=("ec2:DescribeSecurityGroups",))
def open_security_group(cluster: EksCluster, snapshot: Snapshot) -> Iterator[Outcome]:
    config = cluster.resources_vpc_config
    own = {config.cluster_security_group_id, *config.security_group_ids}
    for group in snapshot.of(SecurityGroup):
        for index, rule in enumerate(group.ip_permissions if group.group_id in own else ()):
            if rule.world and any(rule.covers(low, high) for low, high in _PORTS):
                yield Violation(path=f"{group.group_id}.IpPermissions[{index}]", value=rule.world)


@control("eks.cluster.deletion-protection", EksCluster)
def deletion_protection(cluster: EksCluster, snapshot: Snapshot) -> Iterator[Outcome]:
    tags = {key.lower(): value.lower() for key, value in cluster.tags.items()}
    production = any(tags.get(key) == value for key, value in snapshot.parameters.production_tags)
    if production and not cluster.deletion_protection:
        yield Violation(path="deletionProtection", value=False)


@control("eks.tags.missing", EksCluster)
def cluster_tags(cluster: EksCluster, snapshot: Snapshot) -> Iterator[Outcome]:
    if missing := missing_tags(cluster.tags, snapshot):
        yield Violation(path="tags", value=missing)


@control("eks.tags.missing", IdentityProvider)
def provider_tags(provider: IdentityProvider, snapshot: Snapshot) -> Iterator[Outcome]:
    if missing := missing_tags(provider.tags, snapshot):
        yield Violation(path="tags", value=missing)


@control("eks.oidc-idp.external", EksCluster, needs=("eks:DescribeIdentityProviderConfig",))
def external_provider(cluster: EksCluster, snapshot: Snapshot) -> Iterator[Outcome]:
    for provider in snapshot.of(IdentityProvider):
        if provider.cluster_name != cluster.name:
            continue
        prefixes = (("usernamePrefix", provider.username_prefix), ("groupsPrefix", provider.groups_prefix))
        # Without a prefix the provider can name a user or group that Kubernetes or EKS trusts.
        loose = [name for name, prefix in prefixes if prefix in ("", "-") or prefix.startswith("system:")]
        severity: Severity | None = "medium" if loose else None
        message = f"no safe {' and '.join(loose)}" if loose else ""
        path = f"identityProviderConfigs[{provider.identity_provider_config_name}]"
        yield Violation(path=path, value=provider.issuer_url, message=message, severity=severity)


@control("eks.upgrade.insights", Insight)
def insight(item: Insight, _: Snapshot) -> Iterator[Outcome]:
    status = item.insight_status.status
    if status in ("ERROR", "WARNING"):
        severity: Severity | None = "low" if status == "WARNING" else None
        yield Violation(
            path="insightStatus.status", value=status, message=item.insight_status.reason, severity=severity
        )


@control("eks.guardduty.coverage", EksCluster, needs=("guardduty:GetDetector",))
def guardduty(cluster: EksCluster, snapshot: Snapshot) -> Iterator[Outcome]:
    detectors = snapshot.of(Detector)
    for name, extra in (("EKS_AUDIT_LOGS", ""), ("RUNTIME_MONITORING", "EKS_ADDON_MANAGEMENT")):
        if not any(item.enabled(name, extra) for item in detectors):
            yield Violation(path=f"Features[{name}]{f'.{extra}' if extra else ''}", value="DISABLED")
    for item in snapshot.of(Coverage):
        if item.kind == "EKS" and item.cluster == cluster.name and item.status == "UNHEALTHY":
            yield Violation(path="coverageStatus", value="UNHEALTHY", message=item.issue, severity="medium")


@control("eks.addon.outdated", Addon, needs=("eks:DescribeAddonVersions",))
def addon_outdated(addon: Addon, snapshot: Snapshot) -> Iterator[Outcome]:
    for index, issue in enumerate(addon.health.issues):
        yield Violation(path=f"health.issues[{index}].code", value=issue.code, message=issue.message)
    if addon.status == "DEGRADED" and not addon.health.issues:
        yield Violation(path="status", value=addon.status)
    clusters = {item.name: item.version for item in snapshot.of(EksCluster)}
    version = clusters.get(addon.cluster_name)
    known = {item.addon_name: item for item in snapshot.of(AddonInfo)}.get(addon.addon_name)
    if version is None or known is None:
        yield Unknown("eks:DescribeAddonVersions: this add-on was not asked for")
        return
    versions = [item.addon_version for item in known.addon_versions]
    fits = [
        item.addon_version
        for item in known.addon_versions
        if any(entry.cluster_version == version for entry in item.compatibilities)
    ]
    defaults = [
        item.addon_version
        for item in known.addon_versions
        if any(entry.cluster_version == version and entry.default_version for entry in item.compatibilities)
    ]
    if addon.addon_version not in fits:
        message = f"not for Kubernetes {version}"
        yield Violation(path="addonVersion", value=addon.addon_version, message=message)
    elif defaults and versions.index(addon.addon_version) > versions.index(defaults[0]):
        # Versions are listed newest first.
        message = f"behind the default {defaults[0]}"
        yield Violation(path="addonVersion", value=addon.addon_version, message=message, severity="low")


def without_aws_access(addon: Addon, _: Snapshot) -> str:
    """Only add-ons that call AWS."""
    return "" if addon.addon_name in _OWN_IDENTITY else "the add-on does not call AWS"


@control("eks.addon.node-role", Addon, skip=without_aws_access)
def addon_on_node_role(addon: Addon, _: Snapshot) -> Iterator[Outcome]:
    if not addon.service_account_role_arn and not addon.pod_identity_associations:
        yield Violation(path="serviceAccountRoleArn")
