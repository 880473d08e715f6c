"""What the answers of a survey name and another API describes: collected on the way, read afterwards."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Named:
    """Names, ids and ARNs by what they are of."""

    #: Names of EKS clusters.
    clusters: set[str] = field(default_factory=set)
    vpcs: set[str] = field(default_factory=set)
    security_groups: set[str] = field(default_factory=set)
    #: EC2 instances that are container instances of ECS.
    instances: set[str] = field(default_factory=set)
    #: Launch template id → versions.
    templates: dict[str, set[str]] = field(default_factory=dict)
    machine_images: set[str] = field(default_factory=set)
    #: ARNs of roles whose permissions matter.
    roles: set[str] = field(default_factory=set)
    #: ARNs or ids.
    keys: set[str] = field(default_factory=set)
    log_groups: set[str] = field(default_factory=set)
    #: Log groups of which it matters who reads them.
    audit_log_groups: set[str] = field(default_factory=set)
    #: Parameters that task definitions take secrets from, by name.
    parameters: set[str] = field(default_factory=set)
    #: ``(Kubernetes version, architecture)`` of node groups with Amazon Linux 2023.
    node_releases: set[tuple[str, str]] = field(default_factory=set)
    target_groups: set[str] = field(default_factory=set)
    #: Digests of images that run.
    digests: set[str] = field(default_factory=set)
    #: References of the images that workloads have, as written.
    images: set[str] = field(default_factory=set)
