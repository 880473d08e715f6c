"""Who can reach cluster-admin, and by which steps: a shortest-path search over what rights make possible.

Edges follow https://kubernetes.io/docs/concepts/security/rbac-good-practices/ (privilege escalation risks).
EKS signs no client certificates, so approving signing requests leads nowhere here.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar

import msgspec

from hullwatch.posture.analysis.rbac import (
    BINDINGS,
    CHANGE,
    RBAC,
    WRITE,
    account_name,
    grants,
    is_built_in,
    is_everything,
    permits,
    uses_aws_auth,
    writes_aws_auth,
)
from hullwatch.posture.model.kubernetes import ServiceAccount, Workload
from hullwatch.posture.model.rbac import Binding, Role, Rule
from hullwatch.posture.model.snapshot import Resource, Snapshot

ADMIN = "cluster-admin"
_MASTERS = "Group/system:masters"


class Way(msgspec.Struct, frozen=True):
    """Rights that lead to the service accounts of a kind: all, those that run, those with a token Secret.

    One verb of every tuple in ``verbs`` is needed. ``everywhere``: only when held in every namespace.
    """

    verbs: tuple[tuple[str, ...], ...]
    group: str
    resources: tuple[str, ...]
    to: str
    how: str
    everywhere: bool = False


_READ = ("get", "list", "watch")
WAYS: tuple[Way, ...] = (
    Way((("create",),), "", ("pods",), "accounts", "run {} under any service account"),
    Way((WRITE,), "", ("replicationcontrollers",), "accounts", "run {} under any service account"),
    Way(
        (WRITE,),
        "apps",
        ("deployments", "daemonsets", "statefulsets", "replicasets"),
        "accounts",
        "run {} under any service account",
    ),
    Way((WRITE,), "batch", ("jobs", "cronjobs"), "accounts", "run {} under any service account"),
    Way((_READ,), "", ("secrets",), "tokens", "read service account tokens in {}"),
    Way((_READ, ("create",)), "", ("secrets",), "accounts", "have tokens made in {}"),
    Way((("create", "get"),), "", ("pods/exec", "pods/attach"), "running", "use {}"),
    Way((CHANGE,), "", ("pods/ephemeralcontainers",), "running", "use {}"),
    Way((("get", "create"),), "", ("nodes/proxy",), "running", "run commands through {}", everywhere=True),
    Way(
        (WRITE,),
        "admissionregistration.k8s.io",
        ("mutatingwebhookconfigurations",),
        "accounts",
        "rewrite new pods through {}",
        everywhere=True,
    ),
)


@dataclass(frozen=True, slots=True)
class Hop:
    """One step: what its holder can do, and who they are then."""

    how: str
    to: str


@dataclass(slots=True)
class _Graph:
    edges: dict[str, list[Hop]] = field(default_factory=dict)
    #: For each node that reaches cluster-admin: the first hop of a shortest path.
    next: dict[str, Hop] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Holder:
    """A subject that somebody bound to something, with its shortest way to cluster-admin if there is one."""

    INPUTS: ClassVar[tuple[str, ...]] = BINDINGS
    SOURCES: ClassVar[tuple[type, ...]] = (Role, Binding)

    resource: Resource
    hops: tuple[Hop, ...]

    @classmethod
    def derive(cls, snapshot: Snapshot) -> Iterator[Holder]:
        """Subjects of bindings that neither the API server nor EKS made."""
        for name, held in grants(snapshot).items():
            if all(is_built_in(item.binding.metadata.labels, item.binding.metadata.name) for item in held):
                continue
            kind, _, rest = name.partition("/")
            namespace, _, account = rest.partition("/") if kind == "ServiceAccount" else ("", "", rest)
            yield cls(Resource(kind=kind, name=account, namespace=namespace), path_to_admin(snapshot, name))


def path_to_admin(snapshot: Snapshot, node: str) -> tuple[Hop, ...]:
    """The shortest way from a subject to ``*`` on ``*`` at cluster scope; empty when there is none."""
    graph = snapshot.once(_graph)
    hops: list[Hop] = []
    while node != ADMIN and node in graph.next:
        hop = graph.next[node]
        hops.append(hop)
        node = hop.to
    return tuple(hops) if node == ADMIN else ()


def _graph(snapshot: Snapshot) -> _Graph:
    graph = _Graph()
    graph.edges[_MASTERS] = [Hop("is above authorization", ADMIN)]
    cache: dict[tuple[int, str], list[Hop]] = {}
    for name, held in grants(snapshot).items():
        for grant in held:
            key = (id(grant.rules), grant.namespace)
            if key not in cache:
                cache[key] = list(_hops(snapshot, grant.rules, grant.namespace))
            graph.edges.setdefault(name, []).extend(cache[key])
    for source, hop in _memberships(snapshot):
        graph.edges.setdefault(source, []).append(hop)
    _shortest(graph)
    return graph


def _memberships(snapshot: Snapshot) -> Iterator[tuple[str, Hop]]:
    """Steps nobody has to take: from a set of identities to its members, and from these to their groups."""
    listed = snapshot.of(ServiceAccount)
    accounts = {account_name(item.namespace, item.name) for item in listed}
    accounts |= {name for name in grants(snapshot) if name.startswith("ServiceAccount/")}
    running = {account_name(item.namespace, item.service_account) for item in snapshot.of(Workload)}
    tokens = {account_name(item.namespace, item.name) for item in listed if item.secrets}
    for kind, members in (("accounts", accounts), ("running", running), ("tokens", tokens)):
        for member in members:
            yield f"{kind}:{member.split('/')[1]}", Hop("", member)
            yield f"{kind}:*", Hop("", member)
    everybody = "Group/system:authenticated"
    for account in accounts | running:
        _, namespace, name = account.split("/")
        yield f"named:{name}", Hop("", account)
        for group in (f"Group/system:serviceaccounts:{namespace}", "Group/system:serviceaccounts", everybody):
            yield account, Hop("belongs to", group)
    for user in (name for name in grants(snapshot) if name.startswith("User/")):
        yield "users:*", Hop("", user)
        yield user, Hop("belongs to", everybody)


def _shortest(graph: _Graph) -> None:
    back: dict[str, list[tuple[str, Hop]]] = {}
    for node, hops in graph.edges.items():
        for hop in hops:
            back.setdefault(hop.to, []).append((node, hop))
    queue = deque([ADMIN])
    while queue:
        for node, hop in back.get(queue.popleft(), ()):
            if node not in graph.next and node != ADMIN:
                graph.next[node] = hop
                queue.append(node)


def _hops(snapshot: Snapshot, rules: tuple[Rule, ...], namespace: str) -> Iterator[Hop]:
    """What rules held in a namespace (or everywhere: empty) make their holder able to become."""
    if is_everything(rules):
        everything = Hop(f"holds * in {namespace}", f"accounts:{namespace}")
        yield everything if namespace else Hop("holds * on *", ADMIN)
        return
    where = f"in {namespace}" if namespace else "in every namespace"
    for way in WAYS:
        if not (way.everywhere and namespace) and (resource := _unnamed(rules, way)):
            yield Hop(f"can {way.how.format(resource)} {where}", f"{way.to}:{namespace or '*'}")
    yield from _identity_hops(rules, namespace, where)
    yield from _role_hops(rules, namespace, where)
    if namespace in ("", "kube-system") and writes_aws_auth(rules) and uses_aws_auth(snapshot):
        yield Hop("can map itself to system:masters in aws-auth", _MASTERS)


def _unnamed(rules: tuple[Rule, ...], way: Way) -> str:
    """The first resource that rules without ``resourceNames`` open a way through."""
    open_rules = [rule for rule in rules if not rule.resource_names]
    found = (
        resource
        for resource in way.resources
        if all(any(permits(rule, verbs, way.group, resource) for rule in open_rules) for verbs in way.verbs)
    )
    return next(found, "")


def _identity_hops(rules: tuple[Rule, ...], namespace: str, where: str) -> Iterator[Hop]:
    for rule in rules:
        names = rule.resource_names
        for verb, resource, how in (
            ("create", "serviceaccounts/token", f"can mint service account tokens {where}"),
            ("impersonate", "serviceaccounts", f"can impersonate service accounts {where}"),
        ):
            if permits(rule, (verb,), "", resource):
                named = [account_name(namespace, name) if namespace else f"named:{name}" for name in names]
                yield from (Hop(how, to) for to in named or [f"accounts:{namespace or '*'}"])
        if namespace:
            continue  # users and groups have none
        if permits(rule, ("impersonate",), "", "users"):
            yield from (Hop("can impersonate a user", f"User/{name}") for name in names)
            if not names:
                yield Hop("can impersonate any user", "users:*")
        if permits(rule, ("impersonate",), "", "groups"):
            # A user has to be impersonated along with a group; with system:masters any will do.
            yield from (Hop("can impersonate a group", f"Group/{name}") for name in names)
            if not names:
                yield Hop("can impersonate system:masters", _MASTERS)


def _role_hops(rules: tuple[Rule, ...], namespace: str, where: str) -> Iterator[Hop]:
    def may(verbs: tuple[str, ...], resource: str) -> bool:
        return any(permits(rule, verbs, RBAC, resource) for rule in rules)

    def may_bind_admin() -> bool:
        return any(
            permits(rule, ("bind",), RBAC, "clusterroles")
            and (not rule.resource_names or "cluster-admin" in rule.resource_names)
            for rule in rules
        )

    if not namespace and may_bind_admin() and may(("create",), "clusterrolebindings"):
        yield Hop("can bind cluster-admin", ADMIN)
    elif may_bind_admin() and may(("create",), "rolebindings"):
        yield Hop(f"can bind cluster-admin {where}", f"accounts:{namespace or '*'}")
    if not namespace and may(("escalate",), "clusterroles") and may(CHANGE, "clusterroles"):
        yield Hop("can widen its own ClusterRole", ADMIN)
    if namespace and may(("escalate",), "roles") and may(CHANGE, "roles"):
        yield Hop(f"can widen its own Role {where}", f"accounts:{namespace}")
