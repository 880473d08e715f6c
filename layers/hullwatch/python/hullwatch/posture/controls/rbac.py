"""Rights inside the cluster: what roles allow, whom they are bound to, and what can be reached from there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import ClassVar

import msgspec

from hullwatch.errors import UserError
from hullwatch.posture.analysis.pod_security import level_of, namespace_labels
from hullwatch.posture.analysis.rbac import (
    BINDINGS,
    CHANGE,
    CONTROLLERS,
    RBAC,
    ROLES,
    WRITE,
    RoleGrant,
    is_built_in,
    is_everything,
    permits,
    role_key,
    rules_by_role,
    rules_of,
    uses_aws_auth,
)
from hullwatch.posture.analysis.rbac_paths import Holder
from hullwatch.posture.engine import Outcome, Severity, Unknown, Violation, control
from hullwatch.posture.model.kubernetes import ConfigMap, ServiceAccount
from hullwatch.posture.model.rbac import Binding
from hullwatch.posture.model.snapshot import Resource, Snapshot
from hullwatch.posture.readers.documents import embedded, mappings, text

_PUBLIC = "system:public-info-viewer"
_DISCOVERY = frozenset(
    {_PUBLIC, "system:discovery", "system:basic-user", "system:service-account-issuer-discovery"}
)
_ANONYMOUS = frozenset({"system:anonymous", "system:unauthenticated"})
_ADMISSION = "admissionregistration.k8s.io"
_ADMISSION_RESOURCES = (
    "mutatingwebhookconfigurations",
    "validatingwebhookconfigurations",
    "validatingadmissionpolicies",
    "validatingadmissionpolicybindings",
    "mutatingadmissionpolicies",
    "mutatingadmissionpolicybindings",
)
_NETWORK_KINDS = (
    ("networking.k8s.io", ("networkpolicies", "ingresses")),
    (
        "policy.networking.k8s.io",
        ("adminnetworkpolicies", "baselineadminnetworkpolicies", "clusternetworkpolicies"),
    ),
    ("cilium.io", ("ciliumnetworkpolicies", "ciliumclusterwidenetworkpolicies")),
    ("crd.projectcalico.org", ("networkpolicies", "globalnetworkpolicies")),
    ("projectcalico.org", ("networkpolicies", "globalnetworkpolicies")),
    ("", ("services/status",)),
)


def built_in(binding: Binding, _: Snapshot) -> str:
    """Bindings that the API server or EKS keeps are theirs."""
    return "made by Kubernetes or EKS" if is_built_in(binding.metadata.labels, binding.metadata.name) else ""


def system_account(account: ServiceAccount, snapshot: Snapshot) -> str:
    """Service accounts in namespaces of the platform."""
    return "belongs to the platform" if account.namespace in snapshot.parameters.system_namespaces else ""


@control("rbac.path-to-admin", Holder, needs=(*ROLES, *BINDINGS))
def path_to_admin(holder: Holder, _: Snapshot) -> Iterator[Outcome]:
    # Holding cluster-admin itself is rbac.cluster-admin-binding's finding; this one is about ways to it.
    if holder.hops and holder.hops[0].how != "holds * on *":
        steps = [f"{hop.how} → {hop.to}" for hop in holder.hops if hop.how]
        yield Violation(path="subject", value=steps, message=f"{len(steps)} steps to cluster-admin")


@control("rbac.cluster-admin-binding", Binding, skip=built_in)
def cluster_admin(binding: Binding, snapshot: Snapshot) -> Iterator[Outcome]:
    rules = rules_of(snapshot, binding)
    if rules and is_everything(rules):
        severity: Severity | None = None if binding.cluster_wide else "medium"
        for index, subject in enumerate(binding.subjects):
            excused = any(
                fnmatchcase(subject.name, pattern) for pattern in snapshot.parameters.break_glass_principals
            )
            if subject.name != "system:masters" and not excused:
                yield Violation(path=f"subjects[{index}]", value=str(subject), severity=severity)


@control("rbac.anonymous", Binding)
def anonymous(binding: Binding, _: Snapshot) -> Iterator[Outcome]:
    for index, subject in enumerate(binding.subjects):
        if subject.name in _ANONYMOUS and binding.role_ref.name != _PUBLIC:
            yield Violation(path=f"subjects[{index}].name", value=subject.name)


@control("rbac.all-authenticated", Binding)
def all_authenticated(binding: Binding, snapshot: Snapshot) -> Iterator[Outcome]:
    escalates = any(
        permits(rule, verbs, group, resource)
        for rule in rules_of(snapshot, binding) or ()
        for verbs, group, resource in (
            (WRITE, "", "pods"),
            (("get",), "", "secrets"),
            (("bind",), RBAC, "clusterroles"),
        )
    )
    severity: Severity | None = "critical" if escalates else None
    for index, subject in enumerate(binding.subjects):
        wide = subject.name == "system:authenticated" or subject.name.startswith("system:serviceaccounts")
        if subject.kind == "Group" and wide and binding.role_ref.name not in _DISCOVERY:
            yield Violation(path=f"subjects[{index}].name", value=subject.name, severity=severity)


@control("rbac.default-sa-bound", Binding, skip=built_in)
def default_account_bound(binding: Binding, _: Snapshot) -> Iterator[Outcome]:
    for index, subject in enumerate(binding.subjects):
        if subject.kind == "ServiceAccount" and subject.name == "default":
            yield Violation(path=f"subjects[{index}].name", value=str(subject))


@control("rbac.direct-user", Binding, skip=built_in)
def direct_user(binding: Binding, _: Snapshot) -> Iterator[Outcome]:
    for index, subject in enumerate(binding.subjects):
        if subject.kind == "User" and not subject.name.startswith(("system:", "eks:")):
            yield Violation(path=f"subjects[{index}].name", value=subject.name)


@control("rbac.dangling", Binding, needs=(*ROLES, "serviceaccounts"), skip=built_in)
def dangling(binding: Binding, snapshot: Snapshot) -> Iterator[Outcome]:
    if snapshot.incomplete(*ROLES, "serviceaccounts"):
        return  # what was not read may well exist
    if role_key(binding) not in rules_by_role(snapshot):
        yield Violation(path="roleRef.name", value=binding.role_ref.name, message="there is no such role")
    accounts = snapshot.once(_account_names)
    for index, subject in enumerate(binding.subjects):
        namespace = subject.namespace or binding.metadata.namespace
        if subject.kind == "ServiceAccount" and (namespace, subject.name) not in accounts:
            message = "there is no such service account"
            yield Violation(
                path=f"subjects[{index}].name", value=f"{namespace}/{subject.name}", message=message
            )


def _account_names(snapshot: Snapshot) -> frozenset[tuple[str, str]]:
    return frozenset((item.namespace, item.name) for item in snapshot.of(ServiceAccount))


class AwsAuth(msgspec.Struct, frozen=True, kw_only=True):
    """An entry of ``mapRoles`` or ``mapUsers`` in the ConfigMap ``aws-auth``."""

    path: str
    arn: str
    username: str
    groups: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Mapping:
    """The ConfigMap ``aws-auth``, where there is one. ``problem`` says what of it could not be read."""

    INPUTS: ClassVar[tuple[str, ...]] = ("configmaps",)
    resource: Resource
    entries: tuple[AwsAuth, ...]
    problem: str

    @classmethod
    def derive(cls, snapshot: Snapshot) -> Iterator[Mapping]:
        """One or none."""
        for item in snapshot.of(ConfigMap):
            if (item.namespace, item.name) == ("kube-system", "aws-auth"):
                try:
                    yield cls(item.resource, tuple(_aws_auth_entries(item)), "")
                except UserError:
                    yield cls(item.resource, (), "aws-auth does not hold YAML")


def _aws_auth_entries(config: ConfigMap) -> Iterator[AwsAuth]:
    for key, name in (("mapRoles", "rolearn"), ("mapUsers", "userarn")):
        entries = embedded(config.data.get(key, "[]"), key)
        for index, item in enumerate(mappings(entries)):
            groups = item.get("groups")
            yield AwsAuth(
                path=f"data.{key}[{index}]",
                arn=text(item.get(name, "")),
                username=text(item.get("username", "")),
                groups=tuple(text(group) for group in groups) if isinstance(groups, list) else (),
            )


@control("rbac.system-masters", Mapping)
def masters_in_aws_auth(mapping: Mapping, snapshot: Snapshot) -> Iterator[Outcome]:
    if mapping.problem:
        yield Unknown(mapping.problem, "unreadable")
    for entry in mapping.entries:
        excused = any(
            fnmatchcase(entry.arn, pattern) for pattern in snapshot.parameters.break_glass_principals
        )
        if "system:masters" in entry.groups and not excused:
            yield Violation(path=entry.path, value=entry.arn)


@control("rbac.system-masters", Binding, skip=built_in)
def masters_in_binding(binding: Binding, _: Snapshot) -> Iterator[Outcome]:
    for index, subject in enumerate(binding.subjects):
        if subject.kind == "Group" and subject.name == "system:masters":
            yield Violation(path=f"subjects[{index}].name", value=subject.name)


@control("rbac.legacy-token", ServiceAccount, skip=system_account)
def legacy_token(account: ServiceAccount, snapshot: Snapshot) -> Iterator[Outcome]:
    if snapshot.kubernetes_version < (1, 24):
        return  # until 1.24 every account had one, made by the controller
    for index, name in enumerate(account.secrets):
        if not name.startswith(f"{account.name}-dockercfg-"):
            yield Violation(path=f"secrets[{index}].name", value=name)


# --- What a role allows ------------------------------------------------------------------------------------


@control("rbac.escalate-bind", RoleGrant)
def escalate_or_bind(grant: RoleGrant, _: Snapshot) -> Iterator[Outcome]:
    yield from grant.found(("bind", "escalate"), RBAC, "clusterroles", "roles")


@control("rbac.impersonate", RoleGrant)
def impersonate(grant: RoleGrant, _: Snapshot) -> Iterator[Outcome]:
    yield from grant.found(("impersonate",), "", "users", "groups", "serviceaccounts", unnamed=True)
    yield from grant.found(("impersonate",), "authentication.k8s.io", "userextras", "uids", unnamed=True)


@control("rbac.secrets-read", RoleGrant)
def secrets_read(grant: RoleGrant, _: Snapshot) -> Iterator[Outcome]:
    namespaced: Severity = "high" if grant.holds_in("kube-system") else "medium"
    yield from grant.found(("get", "list", "watch"), "", "secrets", unnamed=True, namespaced=namespaced)


@control("rbac.nodes-proxy", RoleGrant)
def nodes_proxy(grant: RoleGrant, _: Snapshot) -> Iterator[Outcome]:
    verbs = ("get", "create", "update", "patch", "delete")
    yield from grant.found(verbs, "", "nodes/proxy")


@control("rbac.webhook-config", RoleGrant)
def webhook_configuration(grant: RoleGrant, _: Snapshot) -> Iterator[Outcome]:
    yield from grant.found((*WRITE, "delete"), _ADMISSION, *_ADMISSION_RESOURCES, unnamed=True)


@control("rbac.token-create", RoleGrant)
def token_create(grant: RoleGrant, _: Snapshot) -> Iterator[Outcome]:
    yield from grant.found(("create",), "", "serviceaccounts/token", unnamed=True)


@control("rbac.csr-approve", RoleGrant)
def approve_requests(grant: RoleGrant, _: Snapshot) -> Iterator[Outcome]:
    group = "certificates.k8s.io"
    if any(permits(rule, ("approve",), group, "signers") for rule in grant.rules):
        yield from grant.found(CHANGE, group, "certificatesigningrequests/approval")


@control("rbac.ephemeral-containers", RoleGrant)
def ephemeral_containers(grant: RoleGrant, _: Snapshot) -> Iterator[Outcome]:
    yield from grant.found(CHANGE, "", "pods/ephemeralcontainers")


@control("rbac.wildcard", RoleGrant)
def wildcard(grant: RoleGrant, _: Snapshot) -> Iterator[Outcome]:
    if grant.root != "rules":
        return  # a built-in role has the wildcards it needs; its binding is judged by the other controls
    severity: Severity | None = "info" if grant.unbound else None
    for index, rule in enumerate(grant.rules):
        for field, values in (
            ("verbs", rule.verbs),
            ("resources", rule.resources),
            ("apiGroups", rule.api_groups),
        ):
            if "*" in values:
                yield Violation(path=f"rules[{index}].{field}", value="*", severity=severity)


@control("rbac.pod-create", RoleGrant)
def create_pods(grant: RoleGrant, snapshot: Snapshot) -> Iterator[Outcome]:
    severity: Severity | None = "high" if _admits_privileged(grant, snapshot) else None
    for group in ("", "apps", "batch"):
        resources = [resource for owner, resource in CONTROLLERS if owner == group]
        yield from grant.found(WRITE, group, *resources, severity=severity)


def _admits_privileged(grant: RoleGrant, snapshot: Snapshot) -> bool:
    """Whether one of the namespaces is kube-system or admits privileged pods."""
    return bool(grant.bindings) and any(
        grant.holds_in(name) for name in snapshot.once(_privileged_namespaces)
    )


def _privileged_namespaces(snapshot: Snapshot) -> frozenset[str]:
    labels = namespace_labels(snapshot)
    open_ones = (name for name in labels if level_of(labels[name]) in (None, "privileged"))
    return frozenset({"kube-system", *open_ones})


@control("rbac.pod-exec", RoleGrant)
def exec_in_pods(grant: RoleGrant, _: Snapshot) -> Iterator[Outcome]:
    severity: Severity | None = "high" if grant.bindings and grant.holds_in("kube-system") else None
    resources = ("pods/exec", "pods/attach", "pods/portforward")
    yield from grant.found(("create", "get"), "", *resources, severity=severity)


@control("rbac.pv-create", RoleGrant)
def create_volumes(grant: RoleGrant, _: Snapshot) -> Iterator[Outcome]:
    yield from grant.found(("create",), "", "persistentvolumes")


@control("rbac.network-control", RoleGrant)
def network_control(grant: RoleGrant, _: Snapshot) -> Iterator[Outcome]:
    for group, resources in _NETWORK_KINDS:
        yield from grant.found((*WRITE, "delete"), group, *resources)


@control("rbac.evidence-delete", RoleGrant)
def delete_evidence(grant: RoleGrant, _: Snapshot) -> Iterator[Outcome]:
    for group in ("", "events.k8s.io"):
        yield from grant.found(("delete", "deletecollection"), group, "events")


@control("rbac.node-control", RoleGrant)
def node_control(grant: RoleGrant, _: Snapshot) -> Iterator[Outcome]:
    yield from grant.found(CHANGE, "", "nodes/status", "nodes", "pods/status")


@control("rbac.coredns-config", RoleGrant)
def dns_configuration(grant: RoleGrant, _: Snapshot) -> Iterator[Outcome]:
    if grant.holds_in("kube-system"):
        yield from grant.found((*CHANGE, "delete"), "", "configmaps", unnamed=True)


@control("rbac.aws-auth-write", RoleGrant)
def write_aws_auth(grant: RoleGrant, snapshot: Snapshot) -> Iterator[Outcome]:
    if not grant.holds_in("kube-system"):
        return
    severity: Severity | None = None if uses_aws_auth(snapshot) else "info"
    for index, rule in enumerate(grant.rules):
        named = not rule.resource_names or "aws-auth" in rule.resource_names
        if named and (verb := permits(rule, CHANGE, "", "configmaps")):
            severity = "info" if grant.unbound else severity
            yield Violation(path=grant.path(index), value=f"{verb} configmaps", severity=severity)
