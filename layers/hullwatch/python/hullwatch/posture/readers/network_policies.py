"""Network policies of every kind to one model.

Kubernetes NetworkPolicy; CiliumNetworkPolicy and CiliumClusterwideNetworkPolicy (``spec`` and ``specs``);
Calico's NetworkPolicy and GlobalNetworkPolicy in both API groups; AdminNetworkPolicy,
BaselineAdminNetworkPolicy and ClusterNetworkPolicy.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Literal

import msgspec

from hullwatch.posture.model.kubernetes import Meta
from hullwatch.posture.model.network import Action, Direction, NetworkPolicy, NetworkRule
from hullwatch.posture.readers import selectors
from hullwatch.posture.readers.documents import Document, at, mapping, mappings, text, texts

DIRECTIONS: tuple[Direction, ...] = ("ingress", "egress")
_ALL_ENTITIES = frozenset({"all", "world"})
_BOTH_FAMILIES = {"0.0.0.0/0", "::/0"}
_DNS_PORTS = ({"53"}, {"dns"}, {"53", "dns"}, {"53", "dns-tcp", "dns"}, {"dns", "dns-tcp"}, {"53", "5353"})


def read(document: Document, group: str, kind: str, meta: Meta) -> Iterable[NetworkPolicy] | None:
    """The policies in a document, or ``None`` when its kind is none of them.

    Raises :class:`msgspec.ValidationError` for a selector that does not parse.
    """
    match group, kind:
        case ("networking.k8s.io" | "extensions", "NetworkPolicy"):
            return [_kubernetes(document, group, meta)]
        case ("cilium.io", "CiliumNetworkPolicy" | "CiliumClusterwideNetworkPolicy"):
            return _cilium(document, kind, meta)
        case ("crd.projectcalico.org" | "projectcalico.org", "NetworkPolicy" | "GlobalNetworkPolicy"):
            return [_calico(document, group, kind, meta)]
        case ("policy.networking.k8s.io", _) if kind.endswith("NetworkPolicy"):
            return [_admin(document, kind, meta)]
    return None


def _kubernetes(document: Document, group: str, meta: Meta) -> NetworkPolicy:
    spec = mapping(document, "spec")
    types = {item.lower() for item in texts(spec.get("policyTypes"))}
    if not types:  # the API's default: ingress always, egress when there is such a section
        types = {"ingress", "egress"} if "egress" in spec else {"ingress"}
    rules = [rule for direction in DIRECTIONS for rule in _kubernetes_rules(spec, direction, types)]
    return NetworkPolicy(
        kind="NetworkPolicy",
        api_group=group,
        meta=meta,
        namespace=meta.namespace or "default",
        selects=selectors.pods(spec.get("podSelector", {})),
        isolates=frozenset(direction for direction in DIRECTIONS if direction in types),
        rules=tuple(rules),
    )


def _kubernetes_rules(spec: Document, direction: Direction, types: set[str]) -> Iterator[NetworkRule]:
    if direction not in types:
        return
    peers_key = "from" if direction == "ingress" else "to"
    for index, rule in enumerate(mappings(spec.get(direction))):
        peers = list(mappings(rule.get(peers_key)))
        blocks = _blocks(peers)
        wide = any(not peer or _selects_all_namespaces(peer) for peer in peers)
        yield NetworkRule(
            direction=direction,
            action="allow",
            everyone=not peers or wide or _covers_world(blocks),
            anywhere=not peers or _covers_world(blocks),
            every_port=not rule.get("ports"),
            blocks=blocks,
            dns_only=_dns_only(rule.get("ports"), "port"),
            path=f"spec.{direction}[{index}]",
        )


def _selects_all_namespaces(peer: Document) -> bool:
    """An empty namespace selector with no or an empty pod selector: every pod of the cluster."""
    return peer.get("namespaceSelector") == {} and not peer.get("podSelector")


def _blocks(peers: Iterable[Document]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    found = [mapping(peer, "ipBlock") for peer in peers]
    return tuple((text(item.get("cidr", "")), texts(item.get("except"))) for item in found if item)


def _covers_world(blocks: Iterable[tuple[str, tuple[str, ...]]]) -> bool:
    return any(cidr in _BOTH_FAMILIES and not exceptions for cidr, exceptions in blocks)


def _dns_only(ports: Any, key: str) -> bool:
    names = {text(item.get(key, "")) for item in mappings(ports)}
    return names in _DNS_PORTS


# --- Cilium ------------------------------------------------------------------------------------------------


def _cilium(document: Document, kind: str, meta: Meta) -> Iterator[NetworkPolicy]:
    clusterwide = kind == "CiliumClusterwideNetworkPolicy"
    specs = [("spec", mapping(document, "spec"))] if "spec" in document else []
    specs += [(f"specs[{index}]", item) for index, item in enumerate(mappings(document.get("specs")))]
    for path, spec in specs:
        if "nodeSelector" in spec:
            continue  # host policies say nothing about pods
        isolates = frozenset(direction for direction in DIRECTIONS if _cilium_isolates(spec, direction))
        yield NetworkPolicy(
            kind=kind,
            api_group="cilium.io",
            meta=meta,
            namespace="" if clusterwide else meta.namespace or "default",
            selects=selectors.cilium(spec.get("endpointSelector", {})),
            isolates=isolates,
            rules=tuple(
                rule
                for direction in DIRECTIONS
                for rule in _cilium_rules(spec, path, direction, clusterwide=clusterwide)
            ),
        )


def _cilium_isolates(spec: Document, direction: Direction) -> bool:
    """Rules for a direction deny the rest of it, unless ``enableDefaultDeny`` says otherwise."""
    said = at(spec, "enableDefaultDeny", direction)
    return said if isinstance(said, bool) else bool(spec.get(direction) or spec.get(f"{direction}Deny"))


def _cilium_rules(
    spec: Document, path: str, direction: Direction, *, clusterwide: bool
) -> Iterator[NetworkRule]:
    prefix = "from" if direction == "ingress" else "to"
    sections: tuple[tuple[str, Action], ...] = ((direction, "allow"), (f"{direction}Deny", "deny"))
    for section, action in sections:
        for index, rule in enumerate(mappings(spec.get(section))):
            cidrs = [(cidr, ()) for cidr in texts(rule.get(f"{prefix}CIDR"))]
            sets = [
                (text(item.get("cidr", "")), texts(item.get("except")))
                for item in mappings(rule.get(f"{prefix}CIDRSet"))
            ]
            entities = set(texts(rule.get(f"{prefix}Entities")))
            narrowed = any(key.startswith(prefix) and key != "toPorts" for key in rule)
            blocks = (*cidrs, *sets)
            ports = [item for group in mappings(rule.get("toPorts")) for item in mappings(group.get("ports"))]
            # Without a peer field a rule with ports is for every peer; an empty rule allows nothing.
            anywhere = (
                (bool(rule) and not narrowed) or _covers_world(blocks) or bool(entities & _ALL_ENTITIES)
            )
            everyone = any(item == {} for item in mappings(rule.get(f"{prefix}Endpoints"))) and clusterwide
            yield NetworkRule(
                direction=direction,
                action=action,
                everyone=anywhere or everyone or "cluster" in entities,
                anywhere=anywhere,
                every_port=not ports,
                blocks=blocks,
                dns_only=_dns_only(ports, "port"),
                path=f"{path}.{section}[{index}]",
            )


# --- Calico ------------------------------------------------------------------------------------------------


def _calico(document: Document, group: str, kind: str, meta: Meta) -> NetworkPolicy:
    spec = mapping(document, "spec")
    types = {item.lower() for item in texts(spec.get("types"))}
    if not types:  # https://docs.tigera.io/calico/latest/reference/resources/networkpolicy#spec
        types = {"egress"} if "egress" in spec else set()
        types |= {"ingress"} if "ingress" in spec or not types else set()
    try:
        selects = selectors.calico(text(spec.get("selector", "")), text(spec.get("namespaceSelector", "")))
    except selectors.SelectorSyntax as error:
        raise msgspec.ValidationError(f"selector: {error}") from error
    order = spec.get("order")
    return NetworkPolicy(
        kind=kind if kind == "GlobalNetworkPolicy" else "CalicoNetworkPolicy",
        api_group=group,
        meta=meta,
        namespace="" if kind == "GlobalNetworkPolicy" else meta.namespace or "default",
        selects=selects,
        isolates=frozenset(direction for direction in DIRECTIONS if direction in types),
        rules=tuple(
            rule for direction in DIRECTIONS if direction in types for rule in _calico_rules(spec, direction)
        ),
        order=float(order) if isinstance(order, int | float) else float("inf"),
    )


_CALICO_ACTIONS: dict[str, Action] = {"Allow": "allow", "Deny": "deny", "Pass": "pass", "Log": "log"}


def _calico_rules(spec: Document, direction: Direction) -> Iterator[NetworkRule]:
    peer_key: Literal["source", "destination"] = "source" if direction == "ingress" else "destination"
    for index, rule in enumerate(mappings(spec.get(direction))):
        peer = mapping(rule, peer_key)
        nets = tuple((cidr, texts(peer.get("notNets"))) for cidr in texts(peer.get("nets")))
        ports = mapping(rule, "destination").get("ports") or rule.get("protocol")
        peer_fields = {key for key in peer if key != "ports"}
        yield NetworkRule(
            direction=direction,
            action=_CALICO_ACTIONS.get(text(rule.get("action", "")), "deny"),
            everyone=not peer_fields or (peer_fields == {"nets"} and _covers_world(nets)),
            anywhere=not peer_fields,
            every_port=not ports,
            blocks=nets,
            dns_only=set(texts(mapping(rule, "destination").get("ports"))) == {"53"},
            path=f"spec.{direction}[{index}]",
        )


# --- AdminNetworkPolicy family -----------------------------------------------------------------------------

_ADMIN_ACTIONS: dict[str, Action] = {"Allow": "allow", "Accept": "allow", "Deny": "deny", "Pass": "pass"}


def _admin(document: Document, kind: str, meta: Meta) -> NetworkPolicy:
    spec = mapping(document, "spec")
    subject = mapping(spec, "subject")
    both = mapping(subject, "pods")
    selects = (
        selectors.pods_and_namespaces(both.get("podSelector", {}), both.get("namespaceSelector", {}))
        if both
        else selectors.pods_and_namespaces({}, subject.get("namespaces", {}))
    )
    rules = tuple(rule for direction in DIRECTIONS for rule in _admin_rules(spec, direction))
    denied = {rule.direction for rule in rules if rule.action == "deny" and rule.everyone and rule.every_port}
    priority = spec.get("priority")
    return NetworkPolicy(
        kind=kind,
        api_group="policy.networking.k8s.io",
        meta=meta,
        namespace="",
        selects=selects,
        isolates=frozenset(denied),  # these kinds deny only what a rule of theirs denies
        rules=rules,
        order=float(priority) if isinstance(priority, int | float) else float("inf"),
    )


def _admin_rules(spec: Document, direction: Direction) -> Iterator[NetworkRule]:
    peers_key = "from" if direction == "ingress" else "to"
    for index, rule in enumerate(mappings(spec.get(direction))):
        peers = list(mappings(rule.get(peers_key)))
        networks = tuple((cidr, ()) for peer in peers for cidr in texts(peer.get("networks")))
        wide = any(
            peer.get("namespaces") == {}
            or (at(peer, "pods", "namespaceSelector") == {} and not at(peer, "pods", "podSelector"))
            for peer in peers
        )
        ports = [
            item for port in mappings(rule.get("ports")) for item in port.values() if isinstance(item, dict)
        ]
        yield NetworkRule(
            direction=direction,
            action=_ADMIN_ACTIONS.get(text(rule.get("action", "")), "deny"),
            everyone=wide or _covers_world(networks),
            anywhere=_covers_world(networks),
            every_port=not rule.get("ports"),
            blocks=networks,
            dns_only=_dns_only(ports, "port"),
            path=f"spec.{direction}[{index}]",
        )
