"""EKS nodes: their role, their reach, their age."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from hullwatch.posture.analysis.iam import Escalation, escalations, role_allows, roles, statements
from hullwatch.posture.analysis.times import days_between
from hullwatch.posture.controls.storage import encrypted_by_default
from hullwatch.posture.engine import Outcome, Severity, Unknown, Violation, control
from hullwatch.posture.model.account import SsmParameter
from hullwatch.posture.model.aws import short
from hullwatch.posture.model.ec2 import Instance, LaunchTemplateVersion, MachineImage, Subnet
from hullwatch.posture.model.eks import Addon, EksCluster, Nodegroup
from hullwatch.posture.model.kubernetes import CustomObject, Node
from hullwatch.posture.model.snapshot import Resource, Snapshot, parse_version
from hullwatch.posture.readers.documents import at, mappings, text

_RETIRED_SYSTEMS = ("AL2_", "WINDOWS_CORE_2016", "WINDOWS_FULL_2016")
_PUSHES = ("ecr:PutImage", "ecr:InitiateLayerUpload", "ecr:DeleteRepository")
_MAX_NODE_DAYS = 21
_MAX_PINNED_DAYS = 60
_RELEASE_DATE = re.compile(r"-(\d{4})(\d{2})(\d{2})$")


def members(group: Nodegroup, snapshot: Snapshot) -> list[Instance]:
    """The instances of a node group, by the tags EKS sets."""
    return [
        item
        for item in snapshot.of(Instance)
        if item.tags.get("eks:nodegroup-name") == group.nodegroup_name
        and item.tags.get("eks:cluster-name", group.cluster_name) == group.cluster_name
    ]


def template(group: Nodegroup, snapshot: Snapshot) -> LaunchTemplateVersion | None:
    """The version of the launch template a node group uses."""
    reference = group.launch_template
    if reference is None:
        return None
    versions = [
        item
        for item in snapshot.of(LaunchTemplateVersion)
        if (reference.id and item.launch_template_id == reference.id)
        or (reference.name and item.launch_template_name == reference.name)
    ]
    match reference.version:
        case "$Latest":
            return max(versions, key=lambda item: item.version_number, default=None)
        case "" | "$Default":
            return next((item for item in versions if item.default_version), None)
        case number:
            return next((item for item in versions if str(item.version_number) == number), None)


@control("eks.nodegroup.imds", Nodegroup, needs=("ec2:DescribeInstances",))
def imds(group: Nodegroup, snapshot: Snapshot) -> Iterator[Outcome]:
    instances = members(group, snapshot)
    observed = [(item.instance_id, item.metadata_options) for item in instances]
    launched = template(group, snapshot)
    if not observed and launched and launched.launch_template_data.metadata_options:
        observed = [("launchTemplate", launched.launch_template_data.metadata_options)]
    if not observed:
        yield Unknown("neither instances nor metadata options of a launch template were found")
    for name, options in observed:
        if options.http_endpoint == "disabled":
            continue
        if options.http_tokens != "required":
            yield Violation(path=f"{name}.MetadataOptions.HttpTokens", value=options.http_tokens)
        if (options.http_put_response_hop_limit or 1) > 1:
            path = f"{name}.MetadataOptions.HttpPutResponseHopLimit"
            yield Violation(path=path, value=options.http_put_response_hop_limit)


@control("eks.nodegroup.public-nodes", Nodegroup, needs=("ec2:DescribeInstances", "ec2:DescribeSubnets"))
def public_nodes(group: Nodegroup, snapshot: Snapshot) -> Iterator[Outcome]:
    for item in members(group, snapshot):
        if item.public_ip_address:
            yield Violation(path=f"{item.instance_id}.PublicIpAddress", value=item.public_ip_address)
    launched = template(group, snapshot)
    interfaces = launched.launch_template_data.network_interfaces if launched else ()
    if any(item.associate_public_ip_address is False for item in interfaces):
        return
    for subnet in snapshot.of(Subnet):
        if subnet.subnet_id in group.subnets and subnet.map_public_ip_on_launch:
            yield Violation(path=f"{subnet.subnet_id}.MapPublicIpOnLaunch", value=True, severity="medium")


@control("eks.nodegroup.role-broad", Nodegroup, needs=("iam:GetAccountAuthorizationDetails",))
def broad_role(group: Nodegroup, snapshot: Snapshot) -> Iterator[Outcome]:
    role = roles(snapshot).get(group.node_role)
    if role is None:
        yield Unknown(f"the role {short(group.node_role)} was not read")
        return
    for found in escalations(role):
        if isinstance(found, Escalation):
            yield Violation(path="nodeRole", value=role.arn, message=found.how)
    for action in _PUSHES:
        if role_allows(role, action):
            yield Violation(path="nodeRole", value=role.arn, message=f"may {action}")
    for policy in role.policies:
        wide = {
            action
            for item in statements(policy.document)
            if item.allow and item.everywhere
            for action in item.actions
            if action.endswith(":*")
        }
        if wide:
            yield Violation(path="nodeRole", value=policy.name, message=f"allows {', '.join(sorted(wide))}")
        if policy.name == "AmazonEKS_CNI_Policy" and _cni_has_own_role(group, snapshot):
            yield Violation(
                path="nodeRole", value=policy.name, message="vpc-cni has its own role", severity="low"
            )


def _cni_has_own_role(group: Nodegroup, snapshot: Snapshot) -> bool:
    return any(
        item.addon_name == "vpc-cni"
        and item.cluster_name == group.cluster_name
        and (item.service_account_role_arn or item.pod_identity_associations)
        for item in snapshot.of(Addon)
    )


@control("eks.nodegroup.ssh-open", Nodegroup)
def open_ssh(group: Nodegroup, _: Snapshot) -> Iterator[Outcome]:
    access = group.remote_access
    if access and access.ec2_ssh_key and not access.source_security_groups:
        yield Violation(path="remoteAccess.sourceSecurityGroups", value=[])


@control("eks.nodegroup.os-eol", Nodegroup)
def retired_system(group: Nodegroup, _: Snapshot) -> Iterator[Outcome]:
    if group.ami_type.startswith(_RETIRED_SYSTEMS):
        yield Violation(path="amiType", value=group.ami_type)


@control("eks.nodegroup.os-eol", Node)
def retired_node_system(node: Node, _: Snapshot) -> Iterator[Outcome]:
    if node.os_image in ("Amazon Linux 2", "Amazon Linux") or node.os_image.startswith("Amazon Linux 2 "):
        yield Violation(path="status.nodeInfo.osImage", value=node.os_image)


@control("eks.nodegroup.ami-outdated", Nodegroup)
def outdated_image(group: Nodegroup, snapshot: Snapshot) -> Iterator[Outcome]:
    limit = snapshot.parameters.node_image_max_age_days
    if group.ami_type == "CUSTOM":
        launched = template(group, snapshot)
        image = launched.launch_template_data.image_id if launched else ""
        created = {item.image_id: item.creation_date for item in snapshot.of(MachineImage)}.get(image, "")
    else:
        found = _RELEASE_DATE.search(group.release_version)
        created, image = ("-".join(found.groups()) if found else ""), group.release_version
    age = days_between(created, snapshot.now)
    if age is None:
        yield Unknown(f"the date of {image or 'the image'} is not known")
    elif age > limit and _newer_release(group, snapshot):
        yield Violation(path="releaseVersion", value=image, message=f"{age} days old")


def _newer_release(group: Nodegroup, snapshot: Snapshot) -> bool:
    """Whether a newer release is known; assumed for custom images and when nobody asked."""
    released = [
        item.value
        for item in snapshot.of(SsmParameter)
        if item.name.endswith("/release_version") and item.value.startswith(group.version)
    ]
    return not released or any(value != group.release_version for value in released)


@control("eks.nodegroup.version-skew", Nodegroup, needs=("eks:DescribeCluster",))
def version_skew(group: Nodegroup, snapshot: Snapshot) -> Iterator[Outcome]:
    clusters = {item.name: item.version for item in snapshot.of(EksCluster)}
    if version := clusters.get(group.cluster_name):
        yield from _skew("version", group.version, version)
    else:
        yield Unknown(f"the cluster {group.cluster_name} was not read")


@control("eks.nodegroup.version-skew", Node)
def kubelet_skew(node: Node, snapshot: Snapshot) -> Iterator[Outcome]:
    if any(item.version for item in snapshot.of(EksCluster)):
        major, minor = snapshot.kubernetes_version
        yield from _skew("status.nodeInfo.kubeletVersion", node.kubelet, f"{major}.{minor}")


def _skew(path: str, version: str, cluster: str) -> Iterator[Outcome]:
    try:
        behind = parse_version(cluster)[1] - parse_version(version)[1]
    except ValueError as error:
        yield Unknown(str(error), "unreadable")
        return
    if behind >= 2:
        severity: Severity | None = "high" if behind > 3 else None
        yield Violation(path=path, value=version, message=f"{behind} minors behind", severity=severity)


@control("eks.nodegroup.disk-unencrypted", Nodegroup, needs=("ec2:GetEbsEncryptionByDefault",))
def unencrypted_disk(group: Nodegroup, snapshot: Snapshot) -> Iterator[Outcome]:
    if encrypted_by_default(snapshot):
        return
    launched = template(group, snapshot)
    devices = launched.launch_template_data.block_device_mappings if launched else ()
    for item in devices:
        if not item.ebs.encrypted:
            yield Violation(
                path=f"BlockDeviceMappings[{item.device_name}].Ebs.Encrypted", value=item.ebs.encrypted
            )
    if not devices and group.launch_template and launched is None:
        yield Unknown(
            snapshot.missing("ec2:DescribeLaunchTemplateVersions") or "the launch template was not found"
        )
    elif not devices:
        yield Violation(
            path="BlockDeviceMappings", message="the root volume follows the account's default: off"
        )


# --- Auto Mode and Karpenter -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class NodePool:
    """A NodePool, NodeClass or EC2NodeClass."""

    INPUTS: ClassVar[tuple[str, ...]] = ("nodepools.karpenter.sh",)
    item: CustomObject

    @classmethod
    def derive(cls, snapshot: Snapshot) -> Iterator[NodePool]:
        """Those among the custom objects."""
        groups = ("karpenter.sh", "karpenter.k8s.aws", "eks.amazonaws.com")
        kinds = ("NodePool", "NodeClass", "EC2NodeClass")
        yield from (
            cls(item) for item in snapshot.of(CustomObject) if item.group in groups and item.kind in kinds
        )

    @property
    def resource(self) -> Resource:
        return self.item.resource


@control("eks.automode.nodepool-hardening", NodePool)
def weak_node_pool(pool: NodePool, snapshot: Snapshot) -> Iterator[Outcome]:
    spec = pool.item.spec
    if pool.item.kind == "NodePool":
        value = text(at(spec, "template", "spec", "expireAfter") or "720h")
        hours = _hours(value)
        if hours is None or hours > _MAX_NODE_DAYS * 24:
            yield Violation(path="spec.template.spec.expireAfter", value=value)
    if at(spec, "metadataOptions", "httpTokens") == "optional":
        yield Violation(path="spec.metadataOptions.httpTokens", value="optional")
    created = {item.image_id: item.creation_date for item in snapshot.of(MachineImage)}
    terms = list(mappings(spec.get("amiSelectorTerms")))
    if len(terms) == 1 and (image := text(terms[0].get("id", ""))):
        age = days_between(created.get(image, ""), snapshot.now)
        if age is not None and age > _MAX_PINNED_DAYS:
            yield Violation(path="spec.amiSelectorTerms[0].id", value=image, message=f"{age} days old")
    if pool.item.kind == "NodeClass" and spec.get("networkPolicy", "DefaultAllow") == "DefaultAllow":
        yield Violation(path="spec.networkPolicy", value="DefaultAllow", severity="info")


def _hours(duration: str) -> float | None:
    """Hours of a Go duration (``720h``, ``30m``); ``None`` for ``Never`` and what is no duration."""
    units = {"h": 1.0, "m": 1 / 60, "s": 1 / 3600}
    parts = re.findall(r"(\d+(?:\.\d+)?)([hms])", duration)
    if not parts or "".join(number + unit for number, unit in parts) != duration:
        return None
    return sum(float(number) * units[unit] for number, unit in parts)
