"""Who may do what in a cluster: rules as the API server matches them, roles with their bindings, grants."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import ClassVar

from hullwatch.posture.engine import Severity, Violation
from hullwatch.posture.model.eks import EksCluster
from hullwatch.posture.model.rbac import Binding, RbacSubject, Role, Rule
from hullwatch.posture.model.snapshot import Resource, Snapshot
from hullwatch.posture.readers.selectors import label_selector

RBAC = "rbac.authorization.k8s.io"
ROLES = (f"clusterroles.{RBAC}", f"roles.{RBAC}")
BINDINGS = (f"clusterrolebindings.{RBAC}", f"rolebindings.{RBAC}")
EVERYTHING = Rule(api_groups=("*",), resources=("*",), verbs=("*",))
WRITE = ("create", "update", "patch")
CHANGE = ("update", "patch")

_EDIT = (
    Rule(api_groups=("",), resources=("pods", "secrets", "configmaps", "services"), verbs=("*",)),
    Rule(
        api_groups=("",),
        resources=("pods/exec", "pods/attach", "pods/portforward"),
        verbs=("create", "get"),
    ),
    Rule(api_groups=("",), resources=("serviceaccounts/token",), verbs=("create",)),
    Rule(api_groups=("apps", "batch"), resources=("*",), verbs=("*",)),
)
#: What the API server's user-facing roles allow, as far as controls ask: for when only a binding was read.
BUILT_IN: dict[str, tuple[Rule, ...]] = {
    "cluster-admin": (EVERYTHING,),
    "admin": (*_EDIT, Rule(api_groups=(RBAC,), resources=("roles", "rolebindings"), verbs=WRITE)),
    "edit": _EDIT,
}
CONTROLLERS: tuple[tuple[str, str], ...] = (
    ("", "pods"),
    ("", "replicationcontrollers"),
    ("apps", "deployments"),
    ("apps", "daemonsets"),
    ("apps", "statefulsets"),
    ("apps", "replicasets"),
    ("batch", "jobs"),
    ("batch", "cronjobs"),
)


def permits(rule: Rule, verbs: Iterable[str], group: str, resource: str) -> str:
    """The first of ``verbs`` that a rule gives on ``resource`` (``pods/exec``) of an API group; else empty.

    A rule's ``*`` covers every subresource; ``*/scale`` one subresource of everything.
    """
    if "*" not in rule.api_groups and group not in rule.api_groups:
        return ""
    subresource = resource.partition("/")[2]
    named = rule.resources
    if not ("*" in named or resource in named or (subresource and f"*/{subresource}" in named)):
        return ""
    return next((verb for verb in verbs if verb in rule.verbs or "*" in rule.verbs), "")


def is_everything(rules: Iterable[Rule]) -> bool:
    """Whether some rule is ``*`` on ``*`` in ``*``."""
    return any("*" in rule.api_groups and "*" in rule.resources and "*" in rule.verbs for rule in rules)


def is_built_in(labels: dict[str, str], name: str) -> bool:
    """Whether the API server or EKS made and keeps this role or binding."""
    return labels.get("kubernetes.io/bootstrapping") == "rbac-defaults" or name.startswith(
        ("system:", "eks:")
    )


# --- Roles with their bindings -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RoleGrant:
    """A role with everything that binds it; for a built-in role, one binding of somebody else's.

    Results are about the role, where the rules can be changed; for built-in roles about the binding.
    """

    INPUTS: ClassVar[tuple[str, ...]] = (*ROLES, *BINDINGS)
    SOURCES: ClassVar[tuple[type, ...]] = (Role, Binding)

    resource: Resource
    rules: tuple[Rule, ...]
    bindings: tuple[Binding, ...]
    #: Nothing binds it, and every binding was read.
    unbound: bool
    #: ``rules[2]`` of a role, or ``roleRef`` of a binding.
    root: str = "rules"

    @classmethod
    def derive(cls, snapshot: Snapshot) -> Iterator[RoleGrant]:
        """Roles of users, then bindings to built-in roles."""
        index = rules_by_role(snapshot)
        bound: dict[tuple[str, str, str], list[Binding]] = {}
        for binding in snapshot.of(Binding):
            bound.setdefault(role_key(binding), []).append(binding)
        complete = not snapshot.incomplete(*BINDINGS)
        for role in snapshot.of(Role):
            key = (role.kind, role.metadata.namespace, role.metadata.name)
            bindings = tuple(bound.get(key, ()))
            if is_built_in(role.metadata.labels, role.metadata.name) or role.metadata.name in BUILT_IN:
                yield from _of_bindings(index.get(key, ()), bindings)
            else:
                unbound = complete and not any(binding.subjects for binding in bindings)
                yield cls(role.resource, index.get(key, ()), bindings, unbound)
        for key, bindings_of in bound.items():
            if key not in index and key[2] in BUILT_IN and key[0] == "ClusterRole":
                yield from _of_bindings(BUILT_IN[key[2]], tuple(bindings_of))

    @property
    def cluster_wide(self) -> bool:
        """Whether it holds in every namespace: by a ClusterRoleBinding, or if it were bound."""
        if not self.bindings:
            return self.resource.kind == "ClusterRole"
        return any(binding.cluster_wide for binding in self.bindings)

    def holds_in(self, namespace: str) -> bool:
        """Whether it gives rights in a namespace."""
        return self.cluster_wide or any(item.metadata.namespace == namespace for item in self.bindings) or (
            not self.bindings and self.resource.namespace == namespace
        )  # fmt: skip

    def path(self, index: int) -> str:
        """Where a rule stands."""
        return f"rules[{index}]" if self.root == "rules" else self.root

    def found(
        self,
        verbs: Iterable[str],
        group: str,
        *resources: str,
        unnamed: bool = False,
        namespaced: Severity | None = None,
        severity: Severity | None = None,
    ) -> Iterator[Violation]:
        """A violation for each rule that gives one of ``verbs`` on one of ``resources``.

        ``unnamed`` leaves out rules narrowed by ``resourceNames``. ``namespaced`` is the severity when no
        binding is cluster-wide. What nothing binds is info.
        """
        verbs = tuple(verbs)
        if self.unbound:
            severity = "info"
        elif namespaced and not self.cluster_wide:
            severity = namespaced
        for index, rule in enumerate(self.rules):
            if unnamed and rule.resource_names:
                continue
            for resource in resources:
                if verb := permits(rule, verbs, group, resource):
                    yield Violation(path=self.path(index), value=f"{verb} {resource}", severity=severity)
                    break


def _of_bindings(rules: tuple[Rule, ...], bindings: tuple[Binding, ...]) -> Iterator[RoleGrant]:
    for binding in bindings:
        if not is_built_in(binding.metadata.labels, binding.metadata.name):
            yield RoleGrant(
                binding.resource, rules, (binding,), unbound=not binding.subjects, root="roleRef.name"
            )


def role_key(binding: Binding) -> tuple[str, str, str]:
    """Kind, namespace and name of the role a binding refers to."""
    kind = binding.role_ref.kind
    return kind, binding.metadata.namespace if kind == "Role" else "", binding.role_ref.name


def rules_by_role(snapshot: Snapshot) -> dict[tuple[str, str, str], tuple[Rule, ...]]:
    """Effective rules of every role that was read, aggregation included."""
    return snapshot.once(_rules_by_role)


def _rules_by_role(snapshot: Snapshot) -> dict[tuple[str, str, str], tuple[Rule, ...]]:
    roles = snapshot.of(Role)
    rules = {(role.kind, role.metadata.namespace, role.metadata.name): role.rules for role in roles}
    for role in roles:
        if role.aggregation_rule:
            # The controller writes the union into ``rules``; a manifest has only the selectors.
            selectors = [
                label_selector({
                    "matchLabels": selector.match_labels,
                    "matchExpressions": [
                        {"key": item.key, "operator": item.operator, "values": list(item.values)}
                        for item in selector.match_expressions
                    ],
                })
                for selector in role.aggregation_rule.cluster_role_selectors
            ]  # fmt: skip
            parts = [
                other.rules
                for other in roles
                if other is not role
                and other.kind == "ClusterRole"
                and any(matches(other.metadata.labels) for matches in selectors)
            ]
            union = dict.fromkeys((*role.rules, *(rule for part in parts for rule in part)))
            rules[role.kind, role.metadata.namespace, role.metadata.name] = tuple(union)
    return rules


def rules_of(snapshot: Snapshot, binding: Binding) -> tuple[Rule, ...] | None:
    """What a binding gives; ``None`` when its role was not read."""
    key = role_key(binding)
    found = rules_by_role(snapshot).get(key)
    return BUILT_IN.get(key[2]) if found is None and key[0] == "ClusterRole" else found


# --- Who holds what ----------------------------------------------------------------------------------------


def subject_name(subject: RbacSubject, namespace: str) -> str:
    """``ServiceAccount/ns/name``, ``User/name`` or ``Group/name``; service account users are accounts."""
    if subject.kind == "ServiceAccount":
        return account_name(subject.namespace or namespace, subject.name)
    if subject.kind == "User" and subject.name.startswith("system:serviceaccount:"):
        return account_name(*subject.name.split(":", 3)[2:4])
    return f"{subject.kind}/{subject.name}"


def account_name(namespace: str, name: str = "") -> str:
    """The node of a service account."""
    return f"ServiceAccount/{namespace}/{name}"


@dataclass(frozen=True, slots=True)
class Grant:
    """Rules held in one namespace, or everywhere when ``namespace`` is empty."""

    rules: tuple[Rule, ...]
    namespace: str
    binding: Binding


def grants(snapshot: Snapshot) -> dict[str, list[Grant]]:
    """Every subject's grants, by :func:`subject_name`."""
    return snapshot.once(_grants)


def _grants(snapshot: Snapshot) -> dict[str, list[Grant]]:
    held: dict[str, list[Grant]] = {}
    for binding in snapshot.of(Binding):
        rules = rules_of(snapshot, binding)
        if rules:
            namespace = "" if binding.cluster_wide else binding.metadata.namespace
            for subject in binding.subjects:
                name = subject_name(subject, binding.metadata.namespace)
                held.setdefault(name, []).append(Grant(rules, namespace, binding))
    return held


def own_grants(snapshot: Snapshot, namespace: str, account: str) -> list[Grant]:
    """What somebody gave to a service account itself, beyond discovery."""
    return [
        grant
        for grant in grants(snapshot).get(account_name(namespace, account), ())
        if not grant.binding.role_ref.name.startswith("system:discovery")
    ]


# --- aws-auth ---------------------------------------------------------------------------------------------


def writes_aws_auth(rules: Iterable[Rule]) -> bool:
    """Whether rules allow changing the ConfigMap ``aws-auth``."""
    return any(
        permits(rule, CHANGE, "", "configmaps")
        and (not rule.resource_names or "aws-auth" in rule.resource_names)
        for rule in rules
    )


def uses_aws_auth(snapshot: Snapshot) -> bool:
    """Whether the cluster still authenticates through ``aws-auth``; assumed when its mode was not read."""
    clusters = [item for item in snapshot.of(EksCluster) if snapshot.scope.cluster in ("", item.name)]
    return not clusters or any(item.access_config.authentication_mode != "API" for item in clusters)
