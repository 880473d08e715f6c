"""What an organisation decides for itself: allow lists, ages and keys that controls compare with."""

from __future__ import annotations

import msgspec


class Parameters(msgspec.Struct, frozen=True, kw_only=True):
    """Defaults are strict but quiet: nothing that every account would have to switch off first."""

    #: Accounts besides the own one that may be trusted, and the organisation (``o-...``).
    trusted_accounts: tuple[str, ...] = ()
    organization: str = ""
    #: Registries (host, or host/path prefix) images may come from, besides the own account's ECR.
    approved_registries: tuple[str, ...] = ("public.ecr.aws/eks/", "public.ecr.aws/eks-distro/")
    #: ``fnmatch`` patterns of principals that may hold cluster-admin.
    break_glass_principals: tuple[str, ...] = ()
    #: Namespaces that are part of the platform: privileged is expected there.
    system_namespaces: tuple[str, ...] = ("kube-system", "kube-public", "kube-node-lease")
    #: Vendors' namespaces where the privileged level is accepted.
    privileged_namespaces: tuple[str, ...] = ("kube-system", "amazon-guardduty", "calico-system", "cilium")
    #: ``fnmatch`` patterns of workloads that belong in kube-system.
    kube_system_workloads: tuple[str, ...] = (
        "aws-*", "coredns", "kube-proxy", "ebs-csi-*", "efs-csi-*", "fsx-csi-*", "s3-csi-*", "eks-*",
        "cilium*", "calico-*", "metrics-server", "cluster-autoscaler", "karpenter", "kube-dns*",
        "snapshot-controller", "cloudwatch-agent", "fluent-bit", "node-local-dns", "adot-*",
        "nvidia-device-plugin*", "neuron-*",
    )  # fmt: skip
    mandatory_tags: tuple[str, ...] = ()
    #: A resource with this tag, key and value in lower case, is in production.
    production_tags: tuple[tuple[str, str], ...] = (
        ("environment", "production"),
        ("environment", "prod"),
        ("env", "production"),
        ("env", "prod"),
    )
    #: Namespace label that says "do not trust what runs here".
    untrusted_label: tuple[str, str] = ("hullwatch.io/trust", "untrusted")
    log_retention_days: int = 365
    image_max_age_days: int = 90
    node_image_max_age_days: int = 30
    unused_image_days: int = 90
    minimal_image_packages: int = 150
    #: Widest network that may reach a public cluster endpoint.
    endpoint_prefix_v4: int = 16
    endpoint_prefix_v6: int = 48
    #: Judge missing CPU limits; off because limits throttle and many teams leave them out on purpose.
    require_cpu_limit: bool = False


DEFAULTS = Parameters()
