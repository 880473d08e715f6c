"""Roles and bindings as they stand in the API."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from hullwatch.posture.model.kubernetes import Meta, Wire
from hullwatch.posture.model.snapshot import Resource


class Rule(Wire, frozen=True, kw_only=True):
    """``PolicyRule``."""

    api_groups: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    resource_names: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ()
    non_resource_urls: tuple[str, ...] = msgspec.field(name="nonResourceURLs", default=())


class RbacSubject(Wire, frozen=True, kw_only=True):
    kind: str = ""
    name: str = ""
    namespace: str = ""

    def __str__(self) -> str:
        return "/".join(part for part in (self.kind, self.namespace, self.name) if part)


class RoleRef(Wire, frozen=True, kw_only=True):
    kind: str = ""
    name: str = ""


class LabelRequirement(Wire, frozen=True, kw_only=True):
    key: str = ""
    operator: str = ""
    values: tuple[str, ...] = ()


class LabelSelector(Wire, frozen=True, kw_only=True):
    match_labels: dict[str, str] = msgspec.field(default_factory=dict)
    match_expressions: tuple[LabelRequirement, ...] = ()


class AggregationRule(Wire, frozen=True, kw_only=True):
    cluster_role_selectors: tuple[LabelSelector, ...] = ()


class Role(Wire, frozen=True, kw_only=True):
    """A Role, or a ClusterRole when ``meta.namespace`` is empty."""

    INPUTS: ClassVar[tuple[str, ...]] = (
        "clusterroles.rbac.authorization.k8s.io",
        "roles.rbac.authorization.k8s.io",
    )
    kind: str = ""
    metadata: Meta = Meta()
    rules: tuple[Rule, ...] = ()
    aggregation_rule: AggregationRule | None = None

    @property
    def resource(self) -> Resource:
        return Resource(kind=self.kind, name=self.metadata.name, namespace=self.metadata.namespace)


class Binding(Wire, frozen=True, kw_only=True):
    """A RoleBinding, or a ClusterRoleBinding when ``meta.namespace`` is empty."""

    INPUTS: ClassVar[tuple[str, ...]] = (
        "clusterrolebindings.rbac.authorization.k8s.io",
        "rolebindings.rbac.authorization.k8s.io",
    )
    kind: str = ""
    metadata: Meta = Meta()
    role_ref: RoleRef = RoleRef()
    subjects: tuple[RbacSubject, ...] = ()

    @property
    def resource(self) -> Resource:
        return Resource(kind=self.kind, name=self.metadata.name, namespace=self.metadata.namespace)

    @property
    def cluster_wide(self) -> bool:
        return self.kind == "ClusterRoleBinding"
