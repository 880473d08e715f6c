"""The catalogue as a page for people: ``hullwatch controls --format markdown``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hullwatch.posture.analysis.pod_security import MEMBERS
from hullwatch.posture.catalogue import Entry
from hullwatch.posture.engine import SEVERITIES
from hullwatch.posture.standards import STANDARDS, entries_of

SCOPES: dict[str, str] = {
    "ecr": "Amazon ECR",
    "ecs": "Amazon ECS",
    "eks": "Amazon EKS",
    "image-config": "Images",
    "k8s-workload": "Kubernetes workloads and namespaces",
    "k8s-rbac": "Kubernetes access",
    "k8s-network": "Kubernetes network",
    "k8s-secrets": "Secrets in Kubernetes",
}
#: Reference key → how people call it. Peers' numbers are for finding the same idea, not a claim of equality.
NAMES: dict[str, str] = {
    "security_hub": "Security Hub",
    "aws_config": "AWS Config",
    "cis_eks_1.8": "CIS EKS 1.8",
    "cis_docker_1.6": "CIS Docker 1.6",
    "pss": "Pod Security Standards",
    "nsa_cisa": "NSA/CISA",
    "nist_800_53": "NIST 800-53",
    "nist_800_190": "NIST 800-190",
    "guardduty": "GuardDuty",
    "checkov": "Checkov",
    "kube_bench_eks_1.8": "kube-bench EKS 1.8",
    "kube_hunter": "kube-hunter",
    "kube_linter": "KubeLinter",
    "kubescape": "Kubescape",
    "kubiscan": "KubiScan",
    "polaris": "Polaris",
    "prowler": "Prowler",
    "rbac_police": "rbac-police",
    "trivy": "Trivy",
}


def render(entries: Sequence[Entry]) -> str:
    """The page of these controls, as Markdown."""
    ids = {entry.id for entry in entries}
    planned = [entry.id for entry in entries if entry.status == "planned"]
    lines = [
        "# Controls",
        "",
        "Written by `hullwatch controls --format markdown`; do not edit.",
        "",
        f"{len(entries)} controls, {len(entries) - len(planned)} of them implemented."
        + (f" Planned: {', '.join(planned)}." if planned else ""),
        "",
        "| Severity | Controls |",
        "|---|---|",
        *(f"| {name} | {sum(entry.severity == name for entry in entries)} |" for name in SEVERITIES),
        "",
        "| `--standard` | Controls |",
        "|---|---|",
        *(f"| {name} | {sum(entry.id in ids for entry in entries_of(name))} |" for name in STANDARDS),
        "",
    ]
    for scope, title in SCOPES.items():
        inside = [entry for entry in entries if entry.scope == scope]
        lines += [f"## {title}", ""] if inside else []
        for entry in inside:
            lines += _entry(entry)
    return "\n".join(lines).rstrip() + "\n"


def _entry(entry: Entry) -> Iterator[str]:
    yield f"### {entry.id}"
    yield ""
    state = "" if entry.status == "implemented" else ", planned"
    yield f"**{entry.title}** ({entry.severity}, {entry.area}{state})"
    yield ""
    yield f"{entry.why} *Mend it:* {entry.fix}"
    yield ""
    if member := MEMBERS.get(entry.id):
        yield f"Part of the {member.level} level from Kubernetes {member.since[0]}.{member.since[1]}."
        yield ""
    named = [f"{NAMES[key]}: {', '.join(numbers)}" for key, numbers in entry.references.items()]
    if named:
        yield "; ".join(named) + "."
        yield ""
