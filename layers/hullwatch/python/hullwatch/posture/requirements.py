"""Where standards ask for a control, in the words that Security Hub and auditors use for them."""

from __future__ import annotations

import msgspec

from hullwatch.posture.catalogue import Entry


class Standard(msgspec.Struct, frozen=True, kw_only=True):
    """A standard. ``requirement`` has a place for one of its numbers; ``id`` is its name without an ARN."""

    title: str
    id: str
    requirement: str


#: By the key of the catalogue's references. NIST 800-53 is written as Security Hub's own controls write it,
#: so that one filter finds both.
STANDARDS: dict[str, Standard] = {
    "cis_eks_1.8": Standard(
        title="CIS EKS Benchmark",
        id="standards/cis-eks-benchmark/v/1.8.0",
        requirement="CIS Amazon EKS Benchmark v1.8.0/{}",
    ),
    "cis_docker_1.6": Standard(
        title="CIS Docker Benchmark",
        id="standards/cis-docker-benchmark/v/1.6.0",
        requirement="CIS Docker Benchmark v1.6.0/{}",
    ),
    "pss": Standard(
        title="Pod Security Standards",
        id="standards/kubernetes-pod-security-standards",
        requirement="Kubernetes Pod Security Standards/{}",
    ),
    "nsa_cisa": Standard(
        title="NSA-CISA Kubernetes Hardening Guidance",
        id="standards/nsa-cisa-kubernetes-hardening-guidance/v/1.2.0",
        requirement="NSA-CISA Kubernetes Hardening Guidance v1.2/{}",
    ),
    "nist_800_53": Standard(
        title="NIST 800-53",
        id="standards/nist-800-53/v/5.0.0",
        requirement="NIST.800-53.r5 {}",
    ),
    "nist_800_190": Standard(
        title="NIST 800-190",
        id="standards/nist-800-190",
        requirement="NIST.800-190 {}",
    ),
}


def standards_of(entry: Entry) -> tuple[Standard, ...]:
    """The standards that ask for a control, in the order of :data:`STANDARDS`."""
    return tuple(standard for key, standard in STANDARDS.items() if entry.references.get(key))


def requirements_of(entry: Entry) -> tuple[str, ...]:
    """Every requirement that a control is about, such as ``NIST.800-53.r5 AC-6``."""
    return tuple(
        standard.requirement.format(number)
        for key, standard in STANDARDS.items()
        for number in entry.references.get(key, ())
    )
