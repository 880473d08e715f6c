"""Amazon EKS: clusters, node groups, add-ons and who gets in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import msgspec

from hullwatch.posture.model.aws import Tags, Wire
from hullwatch.posture.model.snapshot import Resource, Snapshot


class VpcConfig(Wire, frozen=True, kw_only=True):
    endpoint_public_access: bool = True
    endpoint_private_access: bool = False
    public_access_cidrs: tuple[str, ...] = ()
    security_group_ids: tuple[str, ...] = ()
    cluster_security_group_id: str = ""
    subnet_ids: tuple[str, ...] = ()
    vpc_id: str = ""


class LogSetup(Wire, frozen=True, kw_only=True):
    types: tuple[str, ...] = ()
    enabled: bool = False


class Logging(Wire, frozen=True, kw_only=True):
    cluster_logging: tuple[LogSetup, ...] = ()


class KeyProvider(Wire, frozen=True, kw_only=True):
    key_arn: str = ""


class EncryptionConfig(Wire, frozen=True, kw_only=True):
    resources: tuple[str, ...] = ()
    provider: KeyProvider = KeyProvider()


class Oidc(Wire, frozen=True, kw_only=True):
    issuer: str = ""


class Identity(Wire, frozen=True, kw_only=True):
    oidc: Oidc = Oidc()


class AccessConfig(Wire, frozen=True, kw_only=True):
    authentication_mode: str = "CONFIG_MAP"


class ComputeConfig(Wire, frozen=True, kw_only=True):
    enabled: bool = False


class EksCluster(Wire, frozen=True, kw_only=True):
    """``DescribeCluster``."""

    INPUTS: ClassVar[tuple[str, ...]] = ("eks:DescribeCluster",)
    name: str
    arn: str = ""
    version: str = ""
    resources_vpc_config: VpcConfig = VpcConfig()
    logging: Logging = Logging()
    encryption_config: tuple[EncryptionConfig, ...] = ()
    identity: Identity = Identity()
    access_config: AccessConfig = AccessConfig()
    compute_config: ComputeConfig = ComputeConfig()
    deletion_protection: bool = False
    tags: Tags = msgspec.field(default_factory=dict)

    @property
    def resource(self) -> Resource:
        return Resource(kind="EksCluster", name=self.name, arn=self.arn)

    @property
    def log_types(self) -> frozenset[str]:
        """Every type of every enabled entry: the API gives several entries, in any order."""
        entries = self.logging.cluster_logging
        return frozenset(kind for entry in entries if entry.enabled for kind in entry.types)


class ClusterVersion(Wire, frozen=True, kw_only=True):
    """``DescribeClusterVersions``. Dates are ISO 8601 or epoch seconds, as the client gave them."""

    cluster_version: str
    version_status: str = ""
    status: str = ""
    end_of_standard_support_date: str | float = ""


class LaunchTemplateReference(Wire, frozen=True, kw_only=True):
    id: str = ""
    name: str = ""
    version: str = ""


class RemoteAccess(Wire, frozen=True, kw_only=True):
    ec2_ssh_key: str = ""
    source_security_groups: tuple[str, ...] = ()


class Nodegroup(Wire, frozen=True, kw_only=True):
    INPUTS: ClassVar[tuple[str, ...]] = ("eks:DescribeNodegroup",)
    nodegroup_name: str
    nodegroup_arn: str = ""
    cluster_name: str = ""
    version: str = ""
    release_version: str = ""
    ami_type: str = ""
    node_role: str = ""
    subnets: tuple[str, ...] = ()
    launch_template: LaunchTemplateReference | None = None
    remote_access: RemoteAccess | None = None
    tags: Tags = msgspec.field(default_factory=dict)

    @property
    def resource(self) -> Resource:
        return Resource(
            kind="Nodegroup", namespace=self.cluster_name, name=self.nodegroup_name, arn=self.nodegroup_arn
        )


class AddonIssue(Wire, frozen=True, kw_only=True):
    code: str = ""
    message: str = ""


class AddonHealth(Wire, frozen=True, kw_only=True):
    issues: tuple[AddonIssue, ...] = ()


class Addon(Wire, frozen=True, kw_only=True):
    INPUTS: ClassVar[tuple[str, ...]] = ("eks:DescribeAddon",)
    addon_name: str
    addon_arn: str = ""
    cluster_name: str = ""
    addon_version: str = ""
    status: str = "ACTIVE"
    health: AddonHealth = AddonHealth()
    service_account_role_arn: str = ""
    pod_identity_associations: tuple[str, ...] = ()
    configuration_values: str = ""

    @property
    def resource(self) -> Resource:
        return Resource(kind="Addon", namespace=self.cluster_name, name=self.addon_name, arn=self.addon_arn)


class AddonCompatibility(Wire, frozen=True, kw_only=True):
    cluster_version: str = ""
    default_version: bool = False


class AddonVersion(Wire, frozen=True, kw_only=True):
    addon_version: str
    compatibilities: tuple[AddonCompatibility, ...] = ()


class AddonInfo(Wire, frozen=True, kw_only=True):
    """``DescribeAddonVersions``."""

    addon_name: str
    addon_versions: tuple[AddonVersion, ...] = ()


class AccessScope(Wire, frozen=True, kw_only=True):
    type: str = ""
    namespaces: tuple[str, ...] = ()


class AccessPolicy(Wire, frozen=True, kw_only=True):
    policy_arn: str = ""
    access_scope: AccessScope = AccessScope()


class AccessEntry(Wire, frozen=True, kw_only=True):
    """``DescribeAccessEntry`` with ``ListAssociatedAccessPolicies`` joined."""

    INPUTS: ClassVar[tuple[str, ...]] = ("eks:DescribeAccessEntry",)
    READS: ClassVar[dict[str, str]] = {"policies": "eks:ListAssociatedAccessPolicies"}
    principal_arn: str
    cluster_name: str = ""
    access_entry_arn: str = ""
    username: str = ""
    kubernetes_groups: tuple[str, ...] = ()
    type: str = "STANDARD"
    policies: tuple[AccessPolicy, ...] = ()
    unread: dict[str, str] = msgspec.field(default_factory=dict)

    @property
    def resource(self) -> Resource:
        return Resource(
            kind="AccessEntry",
            namespace=self.cluster_name,
            name=self.principal_arn,
            arn=self.access_entry_arn,
        )


class PodIdentity(Wire, frozen=True, kw_only=True):
    INPUTS: ClassVar[tuple[str, ...]] = ("eks:DescribePodIdentityAssociation",)
    cluster_name: str
    namespace: str
    service_account: str
    role_arn: str = ""
    association_arn: str = ""
    disable_session_tags: bool = False


class FargateSelector(Wire, frozen=True, kw_only=True):
    namespace: str = ""
    labels: dict[str, str] = msgspec.field(default_factory=dict)


class FargateProfile(Wire, frozen=True, kw_only=True):
    fargate_profile_name: str
    cluster_name: str = ""
    pod_execution_role_arn: str = ""
    selectors: tuple[FargateSelector, ...] = ()


class InsightStatus(Wire, frozen=True, kw_only=True):
    status: str = ""
    reason: str = ""


class Insight(Wire, frozen=True, kw_only=True):
    """``ListInsights`` or ``DescribeInsight`` of the cluster in scope."""

    INPUTS: ClassVar[tuple[str, ...]] = ("eks:ListInsights",)
    id: str = ""
    name: str = ""
    category: str = ""
    kubernetes_version: str = ""
    insight_status: InsightStatus = InsightStatus()

    @property
    def resource(self) -> Resource:
        return Resource(kind="Insight", name=self.name)


class IdentityProvider(Wire, frozen=True, kw_only=True):
    """The ``oidc`` part of ``DescribeIdentityProviderConfig``."""

    INPUTS: ClassVar[tuple[str, ...]] = ("eks:DescribeIdentityProviderConfig",)
    identity_provider_config_name: str
    cluster_name: str = ""
    issuer_url: str = ""
    username_prefix: str = ""
    groups_prefix: str = ""
    tags: Tags = msgspec.field(default_factory=dict)

    @property
    def resource(self) -> Resource:
        return Resource(
            kind="IdentityProvider", namespace=self.cluster_name, name=self.identity_provider_config_name
        )


class VpcOfContainers(msgspec.Struct, frozen=True, kw_only=True):
    """A VPC that EKS clusters are in."""

    INPUTS: ClassVar[tuple[str, ...]] = ("eks:DescribeCluster",)
    vpc_id: str
    used_by: tuple[str, ...] = ()

    @classmethod
    def derive(cls, snapshot: Snapshot) -> Iterator[VpcOfContainers]:
        """By the clusters there."""
        users: dict[str, list[str]] = {}
        for cluster in snapshot.of(EksCluster):
            if cluster.resources_vpc_config.vpc_id:
                users.setdefault(cluster.resources_vpc_config.vpc_id, []).append(cluster.name)
        for vpc_id, names in users.items():
            yield cls(vpc_id=vpc_id, used_by=tuple(sorted(names)))

    @property
    def resource(self) -> Resource:
        return Resource(kind="Vpc", name=self.vpc_id)
