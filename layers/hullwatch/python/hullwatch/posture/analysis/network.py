"""What the internet reaches, and which pods a policy isolates, by selection alone: no path is traced."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

from hullwatch.errors import UserError
from hullwatch.posture.analysis.pod_security import namespace_labels
from hullwatch.posture.analysis.references import parse_reference
from hullwatch.posture.model.account import LoadBalancer
from hullwatch.posture.model.eks import Addon, EksCluster
from hullwatch.posture.model.kubernetes import CustomObject, Workload
from hullwatch.posture.model.network import (
    Direction,
    Gateway,
    Ingress,
    NetworkPolicy,
    NetworkRule,
    Route,
    Service,
)
from hullwatch.posture.model.snapshot import Snapshot
from hullwatch.posture.readers.documents import at, embedded

EXPOSURE_INPUTS = ("services", "ingresses.networking.k8s.io", "gateways.gateway.networking.k8s.io")
IMDS = "169.254.169.254"

_PREFIX = "service.beta.kubernetes.io/aws-load-balancer-"
_ALB = "alb.ingress.kubernetes.io/"
#: Classes of the AWS Load Balancer Controller and of Auto Mode: internal unless they are told otherwise.
_INTERNAL_BY_DEFAULT = frozenset({"service.k8s.aws/nlb", "eks.amazonaws.com/nlb"})
_OPEN = frozenset({"0.0.0.0/0", "::/0"})
_INGRESS_CONTROLLERS = (
    "ingress-nginx/controller",
    "nginx-ingress",
    "traefik",
    "haproxy-ingress",
    "kubernetes-ingress",
    "contour",
    "envoy",
    "kong",
    "istio/proxyv2",
    "ambassador",
)


def is_public(service: Service, snapshot: Snapshot) -> bool:
    """Whether a Service has an internet-facing load balancer.

    What EC2 says of the load balancer wins over what annotations ask for.
    """
    if service.type != "LoadBalancer":
        return False
    schemes = snapshot.once(_schemes)
    for hostname in service.hostnames:
        if hostname in schemes:
            return schemes[hostname] == "internet-facing"
    annotations = service.meta.annotations
    if scheme := annotations.get(_PREFIX + "scheme"):
        return scheme == "internet-facing"
    if annotations.get(_PREFIX + "internal", "false") not in ("false", ""):
        return False
    kind = annotations.get(_PREFIX + "type", "")
    return service.load_balancer_class not in _INTERNAL_BY_DEFAULT and kind not in ("external", "nlb-ip")


def _schemes(snapshot: Snapshot) -> dict[str, str]:
    return {item.dns_name: item.scheme for item in snapshot.of(LoadBalancer) if item.dns_name}


def source_ranges(service: Service) -> tuple[str, ...]:
    """The networks a load balancer takes traffic from; empty means all."""
    listed = service.meta.annotations.get("service.beta.kubernetes.io/load-balancer-source-ranges", "")
    ranges = service.source_ranges or tuple(part.strip() for part in listed.split(",") if part.strip())
    return () if _OPEN & set(ranges) else ranges


def is_public_ingress(ingress: Ingress, snapshot: Snapshot) -> bool:
    """Whether the internet reaches an Ingress: by its ALB's scheme, or by the Service of its controller."""
    annotations = ingress.meta.annotations
    if ingress.ingress_class.startswith("alb") or any(key.startswith(_ALB) for key in annotations):
        return annotations.get(_ALB + "scheme") == "internet-facing"
    return snapshot.once(_has_public_controller)


def _has_public_controller(snapshot: Snapshot) -> bool:
    public = [item for item in snapshot.of(Service) if is_public(item, snapshot) and not source_ranges(item)]
    return any(
        any(name in parse_reference(item.spec.image).name for name in _INGRESS_CONTROLLERS)
        for service in public
        for workload in selected(service, snapshot)
        for item in workload.containers
    )


def is_public_gateway(gateway: Gateway, _: Snapshot) -> bool:
    """Whether the internet reaches a Gateway: VPC Lattice never, others unless told to be internal."""
    annotations = gateway.meta.annotations
    internal = (
        annotations.get(_PREFIX + "scheme") == "internal"
        or annotations.get(_PREFIX + "internal", "false") != "false"
    )
    return gateway.gateway_class != "amazon-vpc-lattice" and not internal


def selected(service: Service, snapshot: Snapshot) -> Iterator[Workload]:
    """The workloads whose pods a Service sends traffic to."""
    if service.selector:
        wanted = service.selector.items()
        for workload in snapshot.once(_by_namespace).get(service.namespace, ()):
            if wanted <= workload.meta.labels.items():
                yield workload


def _by_namespace(snapshot: Snapshot) -> dict[str, list[Workload]]:
    found: dict[str, list[Workload]] = {}
    for workload in snapshot.of(Workload):
        found.setdefault(workload.namespace, []).append(workload)
    return found


@dataclass(frozen=True, slots=True)
class Exposure:
    """A workload that the internet reaches, and through what."""

    workload: Workload
    service: Service
    via: str


def exposures(snapshot: Snapshot) -> list[Exposure]:
    """Every workload behind a public load balancer, Ingress or Gateway."""
    return snapshot.once(_exposures)


def _exposures(snapshot: Snapshot) -> list[Exposure]:
    services = {(item.namespace, item.name): item for item in snapshot.of(Service)}
    return [
        Exposure(workload, service, via)
        for key, via in _public_ways(snapshot)
        if (service := services.get(key))
        for workload in selected(service, snapshot)
    ]


def _public_ways(snapshot: Snapshot) -> Iterator[tuple[tuple[str, str], str]]:
    """Namespace and name of every Service that the internet reaches, and through what."""
    for service in snapshot.of(Service):
        if is_public(service, snapshot) and not source_ranges(service):
            yield (service.namespace, service.name), str(service.resource)
    for ingress in snapshot.of(Ingress):
        if is_public_ingress(ingress, snapshot):
            yield from (((ingress.namespace, name), str(ingress.resource)) for name in ingress.backends)
    gateways = snapshot.of(Gateway)
    public = {(item.namespace, item.name): item for item in gateways if is_public_gateway(item, snapshot)}
    for route in snapshot.of(Route):
        for key in route.gateways:
            if key in public:
                yield from ((backend, str(public[key].resource)) for backend in route.backends)


# --- Policies ----------------------------------------------------------------------------------------------


def policies_for(workload: Workload, snapshot: Snapshot) -> list[NetworkPolicy]:
    """The policies that select a workload's pods."""
    namespace = workload.namespace
    labels = namespace_labels(snapshot).get(namespace, {})
    own, everywhere = snapshot.once(_policies)
    candidates = [*own.get(namespace, ()), *everywhere]
    return [item for item in candidates if item.selects(workload.meta.labels, namespace, labels)]


def _policies(snapshot: Snapshot) -> tuple[dict[str, list[NetworkPolicy]], list[NetworkPolicy]]:
    own: dict[str, list[NetworkPolicy]] = {}
    everywhere: list[NetworkPolicy] = []
    for policy in snapshot.of(NetworkPolicy):
        (own.setdefault(policy.namespace, []) if policy.namespace else everywhere).append(policy)
    return own, everywhere


def isolated(workload: Workload, direction: Direction, snapshot: Snapshot) -> bool:
    """Whether some policy denies by default in a direction, and none opens it to everyone again."""
    if denies_by_default(snapshot):
        return True
    chosen = policies_for(workload, snapshot)
    reopened = any(
        rule.direction == direction and rule.action == "allow" and rule.everyone and rule.every_port
        for policy in chosen
        for rule in policy.rules
    )
    return not reopened and any(direction in policy.isolates for policy in chosen)


def denies_by_default(snapshot: Snapshot) -> bool:
    """Whether Auto Mode's NodeClass isolates every pod (``networkPolicy: DefaultDeny``)."""
    return snapshot.once(_denies_by_default)


def _denies_by_default(snapshot: Snapshot) -> bool:
    custom = snapshot.of(CustomObject)
    classes = [item for item in custom if (item.group, item.kind) == ("eks.amazonaws.com", "NodeClass")]
    return bool(classes) and all(item.spec.get("networkPolicy") == "DefaultDeny" for item in classes)


def reaches(workload: Workload, address: str, snapshot: Snapshot) -> bool:
    """Whether policies let a pod's traffic out to an IP address, by their CIDRs and rules for everyone."""
    if workload.spec.host_network:
        return True
    chosen = sorted(policies_for(workload, snapshot), key=lambda item: item.order)
    isolated_by = [item for item in chosen if "egress" in item.isolates]
    if not isolated_by and not denies_by_default(snapshot):
        return not any(_first(item, address) == "deny" for item in chosen)
    if any(
        rule.action == "deny" and _covers(rule, address)
        for item in chosen
        if item.kind.startswith("Cilium")
        for rule in item.rules
    ):
        return False  # Cilium's deny rules win over every allow rule
    for policy in chosen:
        decision = _first(policy, address)
        if decision == "deny":
            return False
        if decision == "allow":
            return True
    return False


def _first(policy: NetworkPolicy, address: str) -> str:
    for rule in policy.rules:
        if rule.direction == "egress" and rule.action in ("allow", "deny") and _covers(rule, address):
            return rule.action
    return ""


def _covers(rule: NetworkRule, address: str) -> bool:
    if rule.direction != "egress" or rule.dns_only:
        return False
    if rule.anywhere:
        return True
    return any(
        _inside(address, cidr) and not any(_inside(address, item) for item in exceptions)
        for cidr, exceptions in rule.blocks
    )


def _inside(address: str, cidr: str) -> bool:
    try:
        return ip_address(address) in ip_network(cidr, strict=False)
    except ValueError:
        return False


def enforcers(snapshot: Snapshot) -> set[str]:
    """Which of ``vpc-cni``, ``cilium``, ``calico`` and ``auto-mode`` enforce policies in the cluster."""
    return snapshot.once(_enforcers)


def _enforcers(snapshot: Snapshot) -> set[str]:
    found: set[str] = set()
    for workload in snapshot.of(Workload):
        if workload.resource.kind == "DaemonSet":
            match workload.resource.name:
                case "cilium":
                    found.add("cilium")
                case "calico-node":
                    found.add("calico")
                case "aws-node":
                    words = [word for item in workload.containers for word in item.words]
                    if "--enable-network-policy=true" in words or "--enable-network-policy" in words:
                        found.add("vpc-cni")
    for addon in snapshot.of(Addon):
        if addon.addon_name == "vpc-cni" and _enabled(addon.configuration_values):
            found.add("vpc-cni")
    if any(item.compute_config.enabled for item in snapshot.of(EksCluster)):
        found.add("auto-mode")
    return found


def _enabled(configuration: str) -> bool:
    try:
        values = embedded(configuration, "configurationValues")
    except UserError:
        return False
    return str(at(values, "enableNetworkPolicy")).lower() == "true"
