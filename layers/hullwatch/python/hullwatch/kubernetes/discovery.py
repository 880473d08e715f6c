"""What a cluster serves: the forms that the API's discovery documents have, and what can be listed of them.

Kubernetes documentation, "API Overview": aggregated and unaggregated discovery.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping

import msgspec

from hullwatch.kubernetes.resources import group_of

#: What asks for all groups and their resources in one document.
AGGREGATED = ",".join(
    f"application/json;g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList"
    for version in ("v2", "v2beta1")
)
_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")


class Served(msgspec.Struct, frozen=True, kw_only=True):
    """A resource that the cluster serves and lists."""

    group: str
    version: str
    plural: str
    kind: str

    @property
    def name(self) -> str:
        """``plural.group``, or ``plural`` in the core group."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def api_version(self) -> str:
        """As objects carry it."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def path(self) -> str:
        return f"/{'apis' if self.group else 'api'}/{self.api_version}/{self.plural}"


class Discovery(msgspec.Struct, frozen=True, kw_only=True):
    """What a cluster serves, by ``plural.group``; ``unknown`` says why a group's resources are not known."""

    resources: Mapping[str, Served]
    unknown: Mapping[str, str] = {}

    def find(self, resource: str) -> list[Served]:
        """What a resource's name stands for: nothing when it is absent, several when it is a whole group."""
        if resource.startswith("*."):
            group = group_of(resource)
            return [item for _, item in sorted(self.resources.items()) if item.group == group]
        found = self.resources.get(resource)
        return [found] if found else []


class _Kind(msgspec.Struct):
    kind: str = ""


class _Aggregated(msgspec.Struct, rename="camel"):
    """A resource in ``APIGroupDiscoveryList``."""

    resource: str = ""
    response_kind: _Kind = msgspec.field(default_factory=_Kind)
    verbs: list[str] = []


class _AggregatedVersion(msgspec.Struct):
    version: str = ""
    resources: list[_Aggregated] = []
    freshness: str = ""


class _AggregatedMeta(msgspec.Struct):
    name: str = ""


class _AggregatedGroup(msgspec.Struct):
    metadata: _AggregatedMeta = msgspec.field(default_factory=_AggregatedMeta)
    versions: list[_AggregatedVersion] = []


class _Resource(msgspec.Struct):
    """A resource in ``APIResourceList``."""

    name: str = ""
    kind: str = ""
    verbs: list[str] = []


class ResourceList(msgspec.Struct):
    resources: list[_Resource] = []


class _Version(msgspec.Struct):
    version: str = ""


class _Group(msgspec.Struct, rename="camel"):
    name: str = ""
    versions: list[_Version] = []
    preferred_version: _Version = msgspec.field(default_factory=_Version)


class Root(msgspec.Struct):
    """``APIVersions``, ``APIGroupList`` or ``APIGroupDiscoveryList``: which one, its kind says."""

    kind: str = ""
    versions: list[str] = []
    groups: list[_Group] = []
    items: list[_AggregatedGroup] = []


def aggregated(root: Root, groups: Collection[str], unknown: dict[str, str]) -> Iterator[Served]:
    """What a document of all groups lists, in the order in which the cluster prefers versions.

    Groups whose resources it does not know go into ``unknown``, with the reason.
    """
    for group in root.items:
        name = group.metadata.name
        if name not in groups or not _NAME.fullmatch(name or "core"):
            continue
        for version in group.versions:
            if version.freshness == "Stale":
                unknown[name] = "the server behind this API group does not answer"
            for item in version.resources:
                named = _NAME.fullmatch(item.resource) and _NAME.fullmatch(version.version)
                if named and "list" in item.verbs and item.response_kind.kind:
                    yield Served(
                        group=name,
                        version=version.version,
                        plural=item.resource,
                        kind=item.response_kind.kind,
                    )


def group_versions(root: Root, groups: Collection[str]) -> Iterator[tuple[str, str]]:
    """Groups and their versions, preferred first, that have documents of their own: discovery before 1.27."""
    listed = [("", version) for version in root.versions if "" in groups]
    for group in root.groups:
        if group.name in groups:
            preferred = group.preferred_version.version
            versions = sorted((item.version for item in group.versions), key=lambda it: it != preferred)
            listed += [(group.name, version) for version in versions]
    for name, version in listed:
        if _NAME.fullmatch(version) and _NAME.fullmatch(name or "core"):
            yield name, version


def listable(answer: ResourceList, group: str, version: str) -> Iterator[Served]:
    """What can be listed of one version of a group."""
    for item in answer.resources:
        if "list" in item.verbs and _NAME.fullmatch(item.name) and item.kind:
            yield Served(group=group, version=version, plural=item.name, kind=item.kind)
