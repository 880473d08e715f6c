"""Images as they are used: where from, how pinned, whether what runs still exists."""

from __future__ import annotations

from collections.abc import Iterator

from hullwatch.images.reference import parse_ecr_host
from hullwatch.posture.analysis.references import Reference, parse_reference
from hullwatch.posture.engine import Outcome, Severity, Violation, control
from hullwatch.posture.model.ecr import ImageDetail, Repository
from hullwatch.posture.model.image import ImageUse, RunningImage
from hullwatch.posture.model.snapshot import Snapshot

#: Registries that are frozen or gone, and where their images went.
_RETIRED: dict[str, str] = {
    "k8s.gcr.io": "registry.k8s.io",
    "gcr.io/google-containers": "registry.k8s.io",
    "gcr.io/google_containers": "registry.k8s.io",
    "docker.pkg.github.com": "ghcr.io",
    "quay.io/coreos/flannel": "docker.io/flannel",
    "docker.io/bitnami": "docker.io/bitnamilegacy or Bitnami Secure Images",
}
#: Accounts that serve EKS's own images, by Region (EKS user guide, "Amazon container image registries").
EKS_IMAGE_ACCOUNTS = frozenset(
    {
        "602401143452", "800184023465", "877085696533", "590381155156", "296578399912", "491585149902",
        "900612956339", "558608220178", "455263428931", "066635153087", "759879836304", "143095308808",
        "961992271922", "918309763551", "013241004608", "151742754352",
    }
)  # fmt: skip


def _approved(reference: Reference, snapshot: Snapshot) -> bool:
    own = {snapshot.scope.account, *snapshot.parameters.trusted_accounts} - {""}
    if reference.account:
        # Without knowing the own account every private registry of ECR is taken for it.
        return reference.account in own or not snapshot.scope.account
    return any(
        f"{reference.name}/".startswith(entry.rstrip("/") + "/")
        for entry in snapshot.parameters.approved_registries
    )


@control("image.registry.untrusted", ImageUse)
def untrusted_registry(use: ImageUse, snapshot: Snapshot) -> Iterator[Outcome]:
    reference = parse_reference(use.image)
    if not _approved(reference, snapshot):
        severity: Severity | None = "info" if reference.account in EKS_IMAGE_ACCOUNTS else None
        yield Violation(path=use.path, value=use.image, message=reference.host, severity=severity)


@control("image.registry.deprecated", ImageUse)
def retired_registry(use: ImageUse, _: Snapshot) -> Iterator[Outcome]:
    name = parse_reference(use.image).name
    for place, successor in _RETIRED.items():
        if name == place or name.startswith(place + "/"):
            yield Violation(path=use.path, value=use.image, message=f"moved to {successor}")


@control("image.tag.latest", ImageUse)
def latest_tag(use: ImageUse, _: Snapshot) -> Iterator[Outcome]:
    reference = parse_reference(use.image)
    if reference.tag in ("", "latest") and not reference.digest:
        yield Violation(path=use.path, value=use.image)


@control("image.tag.not-digest", ImageUse)
def not_pinned(use: ImageUse, snapshot: Snapshot) -> Iterator[Outcome]:
    reference = parse_reference(use.image)
    if not reference.digest:
        own = snapshot.once(_repositories).get(reference.repository) if reference.account else None
        movable = own.image_tag_mutability.startswith("MUTABLE") if own else not reference.account
        severity: Severity | None = "medium" if movable else None
        yield Violation(path=use.path, value=use.image, severity=severity)


def _repositories(snapshot: Snapshot) -> dict[str, Repository]:
    return {item.repository_name: item for item in snapshot.of(Repository)}


def foreign(running: RunningImage, snapshot: Snapshot) -> str:
    """Only images of the account's own registry in this Region can be looked up."""
    ecr, scope = parse_ecr_host(parse_reference(running.image).host), snapshot.scope
    if ecr is None:
        return "not an image in ECR"
    # Documents alone do not say whose they are; their registry is then taken for the one at hand.
    own = (scope.account or ecr.account, scope.region or ecr.region)
    return "" if own == (ecr.account, ecr.region) else "an image of another registry"


def _details(snapshot: Snapshot) -> dict[tuple[str, str], ImageDetail]:
    return {(item.repository_name, item.image_digest): item for item in snapshot.of(ImageDetail)}


def _tags(snapshot: Snapshot) -> dict[tuple[str, str], ImageDetail]:
    return {(item.repository_name, tag): item for item in snapshot.of(ImageDetail) for tag in item.image_tags}


@control(
    "image.signature.missing",
    RunningImage,
    needs=("ecr:DescribeImages", "ecr:DescribeImageSigningStatus"),
    skip=foreign,
)
def unsigned(running: RunningImage, snapshot: Snapshot) -> Iterator[Outcome]:
    key = (parse_reference(running.image).repository, running.digest)
    detail = snapshot.once(_details).get(key)
    if detail and not detail.signed:
        yield Violation(path=running.path, value=running.digest)


@control("image.digest.drift", RunningImage, needs=("ecr:DescribeImages",), skip=foreign)
def drifted(running: RunningImage, snapshot: Snapshot) -> Iterator[Outcome]:
    reference = parse_reference(running.image)
    tag = "" if reference.digest else reference.tag or "latest"
    now = snapshot.once(_tags).get((reference.repository, tag))
    if tag and now and now.image_digest != running.digest:
        before = snapshot.once(_details).get((reference.repository, running.digest))
        known = before is not None and before.vulnerabilities is not None and now.vulnerabilities is not None
        fixes = known and (now.vulnerabilities or 0) < (before.vulnerabilities or 0) if before else False
        severity: Severity | None = "low" if known and not fixes else None
        yield Violation(
            path=running.path, value=running.digest, message=f"{tag} is {now.image_digest}", severity=severity
        )


@control("image.running.gone", RunningImage, needs=("ecr:DescribeImages",), skip=foreign)
def gone(running: RunningImage, snapshot: Snapshot) -> Iterator[Outcome]:
    reference = parse_reference(running.image)
    detail = snapshot.once(_details).get((reference.repository, running.digest))
    if detail is None:
        yield Violation(path=running.path, value=running.digest, message="deleted from the registry")
    elif detail.image_status == "ARCHIVED":
        yield Violation(path=running.path, value=running.digest, message="archived")
