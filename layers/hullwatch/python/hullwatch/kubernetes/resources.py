"""Which resources of the API each input of the controls is read from.

An input and a resource are written alike: ``plural``, or ``plural.group`` outside of the core group. ``*``
stands for every resource of a group, where the kinds are made by people (Gatekeeper's constraints).
"""

from __future__ import annotations

#: Inputs that are read from anything but the resource of the same name.
_READ_FROM: dict[str, tuple[str, ...]] = {
    # Owners tell what a pod belongs to, and templates what runs without a pod at the moment.
    "pods": (
        "pods",
        "replicationcontrollers",
        "daemonsets.apps",
        "deployments.apps",
        "replicasets.apps",
        "statefulsets.apps",
        "cronjobs.batch",
        "jobs.batch",
    ),
    "webhookconfigurations.admissionregistration.k8s.io": (
        "mutatingwebhookconfigurations.admissionregistration.k8s.io",
        "validatingwebhookconfigurations.admissionregistration.k8s.io",
    ),
    "gateways.gateway.networking.k8s.io": (
        "gateways.gateway.networking.k8s.io",
        "grpcroutes.gateway.networking.k8s.io",
        "httproutes.gateway.networking.k8s.io",
        "tcproutes.gateway.networking.k8s.io",
        "tlsroutes.gateway.networking.k8s.io",
    ),
    "adminnetworkpolicies.policy.networking.k8s.io": (
        "adminnetworkpolicies.policy.networking.k8s.io",
        "baselineadminnetworkpolicies.policy.networking.k8s.io",
    ),
    "nodepools.karpenter.sh": (
        "ec2nodeclasses.karpenter.k8s.aws",
        "nodeclasses.eks.amazonaws.com",
        "nodepools.karpenter.sh",
    ),
    "customresources": (
        "*.constraints.gatekeeper.sh",
        "clusterimagepolicies.policy.sigstore.dev",
        "clusterpolicies.kyverno.io",
        "clustersecretstores.external-secrets.io",
        "externalsecrets.external-secrets.io",
        "imagevalidatingpolicies.policies.kyverno.io",
        "nodeclasses.eks.amazonaws.com",
        "policies.kyverno.io",
        "secretproviderclasses.secrets-store.csi.x-k8s.io",
        "secretstores.external-secrets.io",
        "validatingadmissionpolicybindings.admissionregistration.k8s.io",
        "validatingpolicies.policies.kyverno.io",
        "vaultconnections.secrets.hashicorp.com",
    ),
}  # fmt: skip
#: Inputs that are never read from the API, and why.
NEVER_READ: dict[str, str] = {
    "kubeletconfigurations": "only nodes/proxy serves it, which runs commands too",
    "secrets": "Secrets are never read",
}
#: Inputs without a service's name that are no resource of Kubernetes.
_ELSEWHERE = frozenset({"images"})


def is_resource(name: str) -> bool:
    """Whether an input is one of Kubernetes; those of AWS are written ``service:Operation``."""
    return ":" not in name and name not in _ELSEWHERE


def read_from(name: str) -> tuple[str, ...]:
    """The resources that an input is read from; none when it is never read."""
    return () if name in NEVER_READ else _READ_FROM.get(name, (name,))


def group_of(resource: str) -> str:
    """The API group of a resource; empty for the core group."""
    return resource.partition(".")[2]
