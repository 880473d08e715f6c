"""Amazon EC2: the network, the instances and what they start from."""

from __future__ import annotations

import msgspec

from hullwatch.posture.model.aws import Tags, Upper


class IpRange(Upper, frozen=True, kw_only=True):
    cidr_ip: str = ""


class Ipv6Range(Upper, frozen=True, kw_only=True):
    cidr_ipv6: str = msgspec.field(name="CidrIpv6", default="")


class IpPermission(Upper, frozen=True, kw_only=True):
    ip_protocol: str = ""
    from_port: int | None = None
    to_port: int | None = None
    ip_ranges: tuple[IpRange, ...] = ()
    ipv6_ranges: tuple[Ipv6Range, ...] = msgspec.field(name="Ipv6Ranges", default=())

    @property
    def world(self) -> str:
        """``0.0.0.0/0`` or ``::/0`` when the rule is open to everyone; empty otherwise."""
        cidrs = [item.cidr_ip for item in self.ip_ranges] + [item.cidr_ipv6 for item in self.ipv6_ranges]
        return next((cidr for cidr in cidrs if cidr in ("0.0.0.0/0", "::/0")), "")

    def covers(self, low: int, high: int) -> bool:
        """Whether it opens any port from ``low`` to ``high``."""
        if self.ip_protocol == "-1" or self.from_port is None or self.to_port is None:
            return True
        return self.from_port <= high and low <= self.to_port


class SecurityGroup(Upper, frozen=True, kw_only=True):
    group_id: str
    ip_permissions: tuple[IpPermission, ...] = ()


class MetadataOptions(Upper, frozen=True, kw_only=True):
    http_tokens: str = ""
    http_put_response_hop_limit: int | None = None
    http_endpoint: str = "enabled"


class Ebs(Upper, frozen=True, kw_only=True):
    encrypted: bool | None = None


class BlockDevice(Upper, frozen=True, kw_only=True):
    device_name: str = ""
    ebs: Ebs = Ebs()


class TemplateInterface(Upper, frozen=True, kw_only=True):
    associate_public_ip_address: bool | None = None


class LaunchTemplateData(Upper, frozen=True, kw_only=True):
    metadata_options: MetadataOptions | None = None
    block_device_mappings: tuple[BlockDevice, ...] = ()
    network_interfaces: tuple[TemplateInterface, ...] = ()
    image_id: str = ""


class LaunchTemplateVersion(Upper, frozen=True, kw_only=True):
    launch_template_id: str = ""
    launch_template_name: str = ""
    version_number: int = 0
    default_version: bool = False
    launch_template_data: LaunchTemplateData = LaunchTemplateData()


class Instance(Upper, frozen=True, kw_only=True):
    instance_id: str
    image_id: str = ""
    public_ip_address: str = ""
    metadata_options: MetadataOptions = MetadataOptions()
    tags: Tags = msgspec.field(default_factory=dict)


class Subnet(Upper, frozen=True, kw_only=True):
    subnet_id: str
    vpc_id: str = ""
    map_public_ip_on_launch: bool = False


class VpcEndpoint(Upper, frozen=True, kw_only=True):
    vpc_id: str = ""
    service_name: str = ""
    state: str = "available"


class MachineImage(Upper, frozen=True, kw_only=True):
    image_id: str
    creation_date: str = ""


class EbsVolume(Upper, frozen=True, kw_only=True):
    volume_id: str
    encrypted: bool = False


class EbsDefault(Upper, frozen=True, kw_only=True):
    ebs_encryption_by_default: bool = False
