"""Amazon EC2 and load balancers: the network and the machines that containers run on.

Everything is asked for by filters: a list of ids fails as a whole when one of them is gone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from hullwatch.aws.survey.named import Named
from hullwatch.aws.survey.reading import Document, Reading, several, trimmed

GROUPS, TEMPLATES = "ec2:DescribeSecurityGroups", "ec2:DescribeLaunchTemplateVersions"
INSTANCES, SUBNETS, ENDPOINTS = "ec2:DescribeInstances", "ec2:DescribeSubnets", "ec2:DescribeVpcEndpoints"
IMAGES, VOLUMES = "ec2:DescribeImages", "ec2:DescribeVolumes"
ENCRYPTION = "ec2:GetEbsEncryptionByDefault"
BALANCERS = "elasticloadbalancing:DescribeLoadBalancers"

INPUTS = frozenset({GROUPS, TEMPLATES, INSTANCES, SUBNETS, ENDPOINTS, IMAGES, VOLUMES, ENCRYPTION, BALANCERS})
ACTIONS = (*sorted(INPUTS), "elasticloadbalancing:DescribeTargetGroups")
#: Values that one filter takes (EC2 API reference), and names that one call to a load balancer's API does.
_VALUES, _NAMES = 200, 20
_INSTANCE_FIELDS = ("InstanceId", "ImageId", "PublicIpAddress", "MetadataOptions", "Tags")
_BALANCER_FIELDS = ("LoadBalancerArn", "DNSName", "Scheme", "SecurityGroups")
_NO_TEMPLATE = (
    "InvalidLaunchTemplateId.NotFound",
    "InvalidLaunchTemplateId.VersionNotFound",
    "InvalidLaunchTemplateName.NotFoundException",
)


def documents(reading: Reading, named: Named) -> Iterator[Document]:
    """What ``named`` names. Machine images and security groups of the instances found are looked up too."""
    reading.begin(*INPUTS)
    yield from _instances(reading, named)
    yield from _templates(reading, named)
    yield from _by_filter(reading, GROUPS, "SecurityGroups", "group-id", named.security_groups)
    yield from _by_filter(reading, SUBNETS, "Subnets", "vpc-id", named.vpcs)
    yield from _by_filter(reading, ENDPOINTS, "VpcEndpoints", "vpc-id", named.vpcs)
    # Old images are the ones that are looked for.
    yield from _by_filter(reading, IMAGES, "Images", "image-id", named.machine_images, IncludeDeprecated=True)
    if reading.wants(VOLUMES):
        with reading.input(VOLUMES):
            for page in reading.pages(VOLUMES, MaxResults=500):
                yield {"Volumes": trimmed(page["Volumes"], "VolumeId", "Encrypted")}
    if reading.wants(ENCRYPTION):
        with reading.input(ENCRYPTION):
            if answer := reading.call(ENCRYPTION):
                yield answer
    if reading.wants(BALANCERS):
        with reading.input(BALANCERS):
            for page in reading.pages(BALANCERS):
                balancers = trimmed(page["LoadBalancers"], *_BALANCER_FIELDS)
                yield {"LoadBalancers": balancers}


def public_target_groups(reading: Reading, groups: Collection[str]) -> dict[str, bool]:
    """Target groups that could be looked up, and whether a load balancer lets the internet at them."""
    balancers: dict[str, set[str]] = {}
    public: dict[str, bool] = {}
    with reading.input("elasticloadbalancing:DescribeTargetGroups"):
        for some in several(sorted(groups), _NAMES):
            answer = reading.call(
                "elasticloadbalancing:DescribeTargetGroups", ("TargetGroupNotFound",), TargetGroupArns=some
            )
            for item in (answer or {}).get("TargetGroups", ()):
                balancers[item["TargetGroupArn"]] = set(item.get("LoadBalancerArns", ()))
        for some in several(sorted(set().union(*balancers.values())), _NAMES):
            answer = reading.call(BALANCERS, ("LoadBalancerNotFound",), LoadBalancerArns=some)
            for item in (answer or {}).get("LoadBalancers", ()):
                public[item["LoadBalancerArn"]] = item.get("Scheme") == "internet-facing"
    return {
        group: any(public[arn] for arn in arns) for group, arns in balancers.items() if arns <= public.keys()
    }


def _instances(reading: Reading, named: Named) -> Iterator[Document]:
    if not reading.wants(INSTANCES):
        return
    for key, values in (
        ("instance-id", named.instances),
        ("tag:eks:cluster-name", named.clusters),
    ):
        for page in _pages(reading, INSTANCES, key, values):
            reservations = []
            for reservation in page["Reservations"]:
                instances = reservation.get("Instances", [])
                for item in instances:
                    groups = {group["GroupId"] for group in item.get("SecurityGroups", ())}
                    named.security_groups |= groups
                reservations.append({"Instances": trimmed(instances, *_INSTANCE_FIELDS)})
            yield {"Reservations": reservations}


def _templates(reading: Reading, named: Named) -> Iterator[Document]:
    if not reading.wants(TEMPLATES):
        return
    for template, versions in sorted(named.templates.items()):
        with reading.input(TEMPLATES):
            pages = reading.pages(
                TEMPLATES, _NO_TEMPLATE, LaunchTemplateId=template, Versions=sorted(versions)
            )
            for page in pages:
                for item in page["LaunchTemplateVersions"]:
                    # User data may hold secrets, and no control looks at it.
                    item.get("LaunchTemplateData", {}).pop("UserData", None)
                    if image := item.get("LaunchTemplateData", {}).get("ImageId"):
                        named.machine_images.add(image)
                yield {"LaunchTemplateVersions": page["LaunchTemplateVersions"]}


def _by_filter(
    reading: Reading, name: str, key: str, filter_name: str, values: Collection[str], **more: Any
) -> Iterator[Document]:
    if reading.wants(name):
        for page in _pages(reading, name, filter_name, values, **more):
            yield {key: page[key]}


def _pages(
    reading: Reading, name: str, filter_name: str, values: Collection[str], **more: Any
) -> Iterator[Document]:
    for some in several(sorted(values), _VALUES):
        with reading.input(name):
            yield from reading.pages(name, Filters=[{"Name": filter_name, "Values": some}], **more)
