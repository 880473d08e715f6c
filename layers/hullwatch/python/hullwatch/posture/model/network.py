"""Services and routes, and one model for every kind of network policy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import msgspec

from hullwatch.posture.model.kubernetes import Meta, Named
from hullwatch.posture.model.snapshot import Resource

#: The kinds of policy that are read.
POLICY_INPUTS = (
    "networkpolicies.networking.k8s.io",
    "ciliumnetworkpolicies.cilium.io",
    "ciliumclusterwidenetworkpolicies.cilium.io",
    "globalnetworkpolicies.crd.projectcalico.org",
    "networkpolicies.crd.projectcalico.org",
    "adminnetworkpolicies.policy.networking.k8s.io",
    "clusternetworkpolicies.policy.networking.k8s.io",
)
Direction = Literal["ingress", "egress"]
Action = Literal["allow", "deny", "pass", "log"]
#: ``(pod labels, namespace name, namespace labels)`` → selected or not.
PodMatch = Callable[[Mapping[str, str], str, Mapping[str, str]], bool]


class ServicePort(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    name: str = ""
    port: int = 0
    target_port: int | str = 0
    node_port: int = 0
    protocol: str = "TCP"


class Service(Named, frozen=True, kw_only=True):
    INPUTS: ClassVar[tuple[str, ...]] = ("services",)
    type: str = "ClusterIP"
    selector: dict[str, str] = msgspec.field(default_factory=dict)
    ports: tuple[ServicePort, ...] = ()
    external_ips: tuple[str, ...] = ()
    source_ranges: tuple[str, ...] = ()
    load_balancer_class: str = ""
    hostnames: tuple[str, ...] = ()

    @property
    def resource(self) -> Resource:
        return Resource(kind="Service", name=self.name, namespace=self.namespace)


class Ingress(Named, frozen=True, kw_only=True):
    INPUTS: ClassVar[tuple[str, ...]] = ("ingresses.networking.k8s.io",)
    ingress_class: str = ""
    tls: bool = False
    backends: tuple[str, ...] = ()

    @property
    def resource(self) -> Resource:
        return Resource(kind="Ingress", name=self.name, namespace=self.namespace)


class Listener(msgspec.Struct, frozen=True, kw_only=True):
    name: str = ""
    protocol: str = ""
    port: int = 0
    tls: bool = False


class Gateway(Named, frozen=True, kw_only=True):
    INPUTS: ClassVar[tuple[str, ...]] = ("gateways.gateway.networking.k8s.io",)
    gateway_class: str = ""
    listeners: tuple[Listener, ...] = ()

    @property
    def resource(self) -> Resource:
        return Resource(kind="Gateway", name=self.name, namespace=self.namespace)


class Route(Named, frozen=True, kw_only=True):
    """An HTTPRoute, GRPCRoute, TCPRoute or TLSRoute: gateways it hangs on and services it leads to."""

    kind: str = ""
    gateways: tuple[tuple[str, str], ...] = ()
    backends: tuple[tuple[str, str], ...] = ()
    #: A filter of this route answers with a redirect to https.
    redirects: bool = False


@dataclass(frozen=True, slots=True)
class NetworkRule:
    """One rule. ``everyone``: every pod of the cluster is a peer; ``anywhere``: every address is."""

    direction: Direction
    action: Action
    everyone: bool
    anywhere: bool
    every_port: bool
    #: ``(cidr, exceptions)``.
    blocks: tuple[tuple[str, tuple[str, ...]], ...] = ()
    #: It allows nothing but DNS.
    dns_only: bool = False
    path: str = ""


@dataclass(frozen=True, slots=True)
class NetworkPolicy:
    """A policy of any kind. ``isolates`` are the directions in which a selected pod is denied by default."""

    INPUTS: ClassVar[tuple[str, ...]] = POLICY_INPUTS
    kind: str
    api_group: str
    meta: Meta
    #: Where its pods are; empty means in every namespace.
    namespace: str
    selects: PodMatch
    isolates: frozenset[Direction]
    rules: tuple[NetworkRule, ...]
    #: Lower comes first, where the kind has an order.
    order: float = 0.0

    @property
    def resource(self) -> Resource:
        return Resource(kind=self.kind, name=self.meta.name, namespace=self.namespace)
