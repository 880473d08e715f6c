"""What the cluster exposes: load balancers, Ingresses, Gateways and Services."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from hullwatch.posture.analysis.network import (
    EXPOSURE_INPUTS,
    Exposure,
    exposures,
    is_public,
    is_public_gateway,
    is_public_ingress,
    source_ranges,
)
from hullwatch.posture.analysis.references import parse_reference
from hullwatch.posture.engine import Outcome, Severity, Violation, control
from hullwatch.posture.model.ec2 import SecurityGroup
from hullwatch.posture.model.kubernetes import Workload
from hullwatch.posture.model.network import Gateway, Ingress, Route, Service
from hullwatch.posture.model.snapshot import Resource, Snapshot

ADMIN_PORTS = frozenset({22, 2375, 2376, 2379, 2380, 3306, 3389, 5432, 6379, 9200, 10250, 27017})
#: Part of a repository's name → the interface it serves.
_INTERFACES: tuple[tuple[str, str], ...] = (
    ("kubernetesui/dashboard", "Kubernetes dashboard"),
    ("headlamp", "Headlamp"),
    ("argocd", "Argo CD"),
    ("argoproj/argo", "Argo Workflows"),
    ("jenkins", "Jenkins"),
    ("grafana/grafana", "Grafana"),
    ("kubeflow", "Kubeflow"),
    ("prom/prometheus", "Prometheus"),
    ("prometheus/prometheus", "Prometheus"),
    ("apache/airflow", "Airflow"),
    ("portainer", "Portainer"),
    ("rancher/rancher", "Rancher"),
    ("jupyter", "Jupyter"),
    ("phpmyadmin", "phpMyAdmin"),
    ("weaveworks/scope", "Weave Scope"),
    ("coreos/etcd", "etcd"),
    ("etcd-development/etcd", "etcd"),
)
_ALB = "alb.ingress.kubernetes.io/"
_NODE_PORTS = (30000, 32767)


def internal(service: Service, snapshot: Snapshot) -> str:
    """Only load balancers that face the internet."""
    return "" if is_public(service, snapshot) else "no internet-facing load balancer"


def internal_ingress(ingress: Ingress, snapshot: Snapshot) -> str:
    """Only Ingresses that the internet reaches."""
    return "" if is_public_ingress(ingress, snapshot) else "not reachable from the internet"


def internal_gateway(gateway: Gateway, snapshot: Snapshot) -> str:
    """Only Gateways that the internet reaches."""
    return "" if is_public_gateway(gateway, snapshot) else "not reachable from the internet"


@control("net.service-public-lb", Service)
def public_load_balancer(service: Service, snapshot: Snapshot) -> Iterator[Outcome]:
    if is_public(service, snapshot) and not source_ranges(service):
        ports = {port.port for port in service.ports}
        severity: Severity | None = "high" if ports & ADMIN_PORTS else None
        yield Violation(
            path="spec.loadBalancerSourceRanges", value=list(service.source_ranges), severity=severity
        )


@control("net.service-external-ips", Service)
def external_ips(service: Service, _: Snapshot) -> Iterator[Outcome]:
    if service.external_ips:
        yield Violation(path="spec.externalIPs", value=list(service.external_ips))


@control("net.service-nodeport", Service)
def node_port(service: Service, snapshot: Snapshot) -> Iterator[Outcome]:
    if service.type == "NodePort":
        opened = snapshot.once(_opens_node_ports)
        severity: Severity | None = "medium" if opened else None
        yield Violation(path="spec.type", value="NodePort", severity=severity)


def _opens_node_ports(snapshot: Snapshot) -> bool:
    return any(
        rule.world and rule.covers(*_NODE_PORTS)
        for group in snapshot.of(SecurityGroup)
        for rule in group.ip_permissions
    )


@dataclass(frozen=True, slots=True)
class ExposedWorkload:
    """A workload that the internet reaches, with every way in."""

    INPUTS: ClassVar[tuple[str, ...]] = EXPOSURE_INPUTS
    SOURCES: ClassVar[tuple[type, ...]] = (Workload, Service, Ingress, Gateway)

    workload: Workload
    ways: tuple[Exposure, ...]

    @classmethod
    def derive(cls, snapshot: Snapshot) -> Iterator[ExposedWorkload]:
        """Workloads by resource: replicas are one."""
        found: dict[Resource, list[Exposure]] = {}
        for item in exposures(snapshot):
            found.setdefault(item.workload.resource, []).append(item)
        for ways in found.values():
            yield cls(ways[0].workload, tuple(ways))

    @property
    def resource(self) -> Resource:
        return self.workload.resource

    @property
    def prefix(self) -> str:
        return self.workload.prefix


@control("net.exposed-admin-interface", ExposedWorkload, needs=("pods",))
def exposed_interface(exposed: ExposedWorkload, _: Snapshot) -> Iterator[Outcome]:
    ways = sorted({way.via for way in exposed.ways})
    for item in exposed.workload.containers:
        name = parse_reference(item.spec.image).name
        for part, interface in _INTERFACES:
            if part in name:
                yield Violation(
                    path=f"{item.path}.image", value=item.spec.image, message=f"{interface} via {ways[0]}"
                )
                break
    for way in exposed.ways:
        for port in way.service.ports:
            if port.port in (2379, 10250) or port.target_port in (2379, 10250):
                yield Violation(
                    path=f".{way.service.resource}:spec.ports", value=port.port, message=f"via {way.via}"
                )


@control("net.ingress-no-tls", Ingress, skip=internal_ingress)
def ingress_without_tls(ingress: Ingress, _: Snapshot) -> Iterator[Outcome]:
    annotations = ingress.meta.annotations
    if not any(key.startswith(_ALB) for key in annotations):
        if not ingress.tls:
            yield Violation(path="spec.tls")
        return
    listeners = annotations.get(_ALB + "listen-ports", "")
    encrypted = ingress.tls or _ALB + "certificate-arn" in annotations
    try:
        protocols = {key for item in json.loads(listeners) for key in item} if listeners else set()
    except (ValueError, TypeError):
        protocols = set()
    plain = "HTTP" in protocols if protocols else not encrypted
    if plain and _ALB + "ssl-redirect" not in annotations:
        path = f"metadata.annotations[{_ALB}listen-ports]"
        yield Violation(path=path, value=listeners or None)


@control("net.ingress-no-tls", Gateway, skip=internal_gateway)
def gateway_without_tls(gateway: Gateway, snapshot: Snapshot) -> Iterator[Outcome]:
    key = (gateway.namespace, gateway.name)
    routes = [route for route in snapshot.of(Route) if key in route.gateways]
    redirected = bool(routes) and any(route.redirects for route in routes)
    for index, listener in enumerate(gateway.listeners):
        if listener.protocol == "HTTP" and not redirected:
            yield Violation(path=f"spec.listeners[{index}].protocol", value="HTTP")


@control("net.ingress-no-tls", Service, skip=internal)
def service_without_tls(service: Service, _: Snapshot) -> Iterator[Outcome]:
    certificate = "service.beta.kubernetes.io/aws-load-balancer-ssl-cert"
    for index, port in enumerate(service.ports):
        if port.port == 80 and certificate not in service.meta.annotations:
            yield Violation(path=f"spec.ports[{index}].port", value=80)
