"""Amazon EKS: clusters, node groups, add-ons and who gets in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from hullwatch.aws.survey.named import Named
from hullwatch.aws.survey.reading import Document, Reading
from hullwatch.errors import HullwatchError

CLUSTER, NODEGROUP, ADDON = "eks:DescribeCluster", "eks:DescribeNodegroup", "eks:DescribeAddon"
ADDON_VERSIONS, VERSIONS = "eks:DescribeAddonVersions", "eks:DescribeClusterVersions"
ENTRY, ENTRY_POLICIES = "eks:DescribeAccessEntry", "eks:ListAssociatedAccessPolicies"
POD_IDENTITY, PROFILE = "eks:DescribePodIdentityAssociation", "eks:DescribeFargateProfile"
INSIGHTS, PROVIDER = "eks:ListInsights", "eks:DescribeIdentityProviderConfig"

_IN_CLUSTERS = (
    NODEGROUP, ADDON, ADDON_VERSIONS, ENTRY, ENTRY_POLICIES, POD_IDENTITY, PROFILE, INSIGHTS, PROVIDER
)  # fmt: skip
INPUTS = frozenset({CLUSTER, VERSIONS, *_IN_CLUSTERS})
ACTIONS = (
    "eks:DescribeAccessEntry",
    "eks:DescribeAddon",
    "eks:DescribeAddonVersions",
    "eks:DescribeCluster",
    "eks:DescribeClusterVersions",
    "eks:DescribeFargateProfile",
    "eks:DescribeIdentityProviderConfig",
    "eks:DescribeNodegroup",
    "eks:DescribePodIdentityAssociation",
    "eks:ListAccessEntries",
    "eks:ListAddons",
    "eks:ListAssociatedAccessPolicies",
    "eks:ListClusters",
    "eks:ListFargateProfiles",
    "eks:ListIdentityProviderConfigs",
    "eks:ListInsights",
    "eks:ListNodegroups",
    "eks:ListPodIdentityAssociations",
)
#: What was listed is gone meanwhile.
_GONE = ("ResourceNotFoundException",)
#: Access entries need an authentication mode that has them; a cluster with the ConfigMap alone has none.
_NO_ENTRIES = (*_GONE, "InvalidRequestException")
#: Node images whose release is published, by the architecture in the parameter's name.
_RELEASES = {"AL2023_x86_64_STANDARD": "x86_64", "AL2023_ARM_64_STANDARD": "arm64"}


def documents(reading: Reading, named: Named, cluster: str = "") -> Iterator[Document]:
    """Every cluster, or one. What their descriptions name is added to ``named``."""
    reading.begin(*INPUTS)
    if reading.wants(VERSIONS):
        with reading.input(VERSIONS):
            for page in reading.pages(VERSIONS, includeAll=True):
                yield {"clusterVersions": page["clusterVersions"]}
    if not reading.wants(CLUSTER, *_IN_CLUSTERS):
        return
    addons: set[str] = set()
    for name in [cluster] if cluster else _names(reading):
        with reading.input(CLUSTER):
            answer = reading.call(CLUSTER, _GONE, name=name)
            if answer is None:
                continue
            _cluster(named, answer["cluster"])
            yield answer
        yield from _each_in(reading, named, name, addons)
    yield from _addon_versions(reading, addons)


def _names(reading: Reading) -> list[str]:
    try:
        return [name for page in reading.pages("eks:ListClusters") for name in page["clusters"]]
    except HullwatchError as error:
        for name in (CLUSTER, *_IN_CLUSTERS):
            if reading.wants(name):
                reading.lacks(name, error)
        return []


def _cluster(named: Named, cluster: Document) -> None:
    vpc = cluster.get("resourcesVpcConfig", {})
    named.clusters.add(cluster["name"])
    named.vpcs |= {vpc.get("vpcId", "")} - {""}
    groups = {vpc.get("clusterSecurityGroupId", ""), *vpc.get("securityGroupIds", ())}
    named.security_groups |= groups - {""}
    for item in cluster.get("encryptionConfig", ()):
        if key := item.get("provider", {}).get("keyArn"):
            named.keys.add(key)
    group = f"/aws/eks/{cluster['name']}/cluster"
    named.log_groups.add(group)
    named.audit_log_groups.add(group)


def _each_in(reading: Reading, named: Named, cluster: str, addons: set[str]) -> Iterator[Document]:
    for document in _described(
        reading, NODEGROUP, "eks:ListNodegroups", "nodegroups", cluster, "nodegroupName"
    ):
        _nodegroup(named, document["nodegroup"])
        yield document
    if reading.wants(ADDON, ADDON_VERSIONS):
        for document in _described(reading, ADDON, "eks:ListAddons", "addons", cluster, "addonName"):
            addons.add(document["addon"]["addonName"])
            if role := document["addon"].get("serviceAccountRoleArn"):
                named.roles.add(role)
            yield document
        reading.follows(ADDON_VERSIONS, ADDON)
    yield from _access(reading, named, cluster)
    yield from _described(
        reading, PROFILE, "eks:ListFargateProfiles", "fargateProfileNames", cluster, "fargateProfileName"
    )
    yield from _pod_identities(reading, named, cluster)
    yield from _identity_providers(reading, cluster)
    if reading.wants(INSIGHTS):
        with reading.input(INSIGHTS):
            for page in reading.pages(INSIGHTS, _GONE, clusterName=cluster):
                yield {"insights": page["insights"], "clusterName": cluster}


def _described(
    reading: Reading, name: str, listing: str, key: str, cluster: str, parameter: str
) -> Iterator[Document]:
    """List names in a cluster and describe each."""
    if not reading.wants(name) and name != ADDON:
        return
    for item in _listed(reading, name, listing, key, cluster, _GONE):
        with reading.input(name):
            answer = reading.call(name, _GONE, **{"clusterName": cluster, parameter: item})
            if answer:
                yield answer


def _listed(
    reading: Reading, name: str, listing: str, key: str, cluster: str, missing: Iterable[str]
) -> list[Any]:
    found: list[Any] = []
    with reading.input(name):
        for page in reading.pages(listing, tuple(missing), clusterName=cluster):
            found += page[key]
    return found


def _nodegroup(named: Named, group: Document) -> None:
    named.roles |= {group.get("nodeRole", "")} - {""}
    template = group.get("launchTemplate", {})
    if template.get("id"):
        named.templates.setdefault(template["id"], set()).add(template.get("version") or "$Default")
    if architecture := _RELEASES.get(group.get("amiType", "")):
        named.node_releases.add((group.get("version", ""), architecture))


def _access(reading: Reading, named: Named, cluster: str) -> Iterator[Document]:
    if not reading.wants(ENTRY, ENTRY_POLICIES):
        return
    for principal in _listed(reading, ENTRY, "eks:ListAccessEntries", "accessEntries", cluster, _NO_ENTRIES):
        about: Mapping[str, str] = {"clusterName": cluster, "principalArn": principal}
        with reading.input(ENTRY):
            answer = reading.call(ENTRY, _GONE, **about)
            if answer is None:
                continue
            yield answer
        if reading.wants(ENTRY_POLICIES):
            yield from _entry_policies(reading, about)
    reading.follows(ENTRY_POLICIES, ENTRY)


def _entry_policies(reading: Reading, about: Mapping[str, str]) -> Iterator[Document]:
    # The pages are joined to the entry one by one, and a later one would replace an earlier.
    policies: list[Document] = []
    try:
        for page in reading.pages(ENTRY_POLICIES, _GONE, **about):
            policies += page["associatedAccessPolicies"]
    except HullwatchError as error:
        reading.lacks(ENTRY_POLICIES, error)
        refused = {"operation": ENTRY_POLICIES, "name": about["principalArn"], "reason": str(error)}
        yield {"refused": refused}
        return
    yield {"associatedAccessPolicies": policies, **about}


def _pod_identities(reading: Reading, named: Named, cluster: str) -> Iterator[Document]:
    if not reading.wants(POD_IDENTITY):
        return
    listing = "eks:ListPodIdentityAssociations"
    for item in _listed(reading, POD_IDENTITY, listing, "associations", cluster, _GONE):
        with reading.input(POD_IDENTITY):
            answer = reading.call(
                POD_IDENTITY, _GONE, clusterName=cluster, associationId=item["associationId"]
            )
            if answer:
                named.roles |= {answer["association"].get("roleArn", "")} - {""}
                yield answer


def _identity_providers(reading: Reading, cluster: str) -> Iterator[Document]:
    if not reading.wants(PROVIDER):
        return
    listing = "eks:ListIdentityProviderConfigs"
    for item in _listed(reading, PROVIDER, listing, "identityProviderConfigs", cluster, _GONE):
        with reading.input(PROVIDER):
            answer = reading.call(PROVIDER, _GONE, clusterName=cluster, identityProviderConfig=item)
            if answer:
                yield answer


def _addon_versions(reading: Reading, addons: Iterable[str]) -> Iterator[Document]:
    for addon in sorted(addons) if reading.wants(ADDON_VERSIONS) else ():
        with reading.input(ADDON_VERSIONS):
            # One document, since a control takes the first description of an add-on for all of it.
            versions: list[Document] = []
            for page in reading.pages(ADDON_VERSIONS, _GONE, addonName=addon):
                versions += [version for item in page["addons"] for version in item.get("addonVersions", ())]
            found = {"addonName": addon, "addonVersions": versions}
            yield {"addons": [found]}
