"""What a digest is, and what has to be read for it: the first step of a scan."""

from __future__ import annotations

from typing import Literal

import msgspec

from hullwatch.aws.ecr import ImageState, Repository
from hullwatch.aws.image_records import ImageRecord, Status
from hullwatch.aws.queue import ImageMessage
from hullwatch.aws.services import Services
from hullwatch.errors import ImageArchived, ImageGone, PermanentError
from hullwatch.images.image import Child, Image
from hullwatch.images.manifest import ParsedManifest
from hullwatch.images.opening import load_image, load_index
from hullwatch.inventory.dispatch import analyzer
from hullwatch.pipeline import keys
from hullwatch.pipeline.failure import record_error


class LayerTask(msgspec.Struct, frozen=True, kw_only=True):
    """One layer to read, as it travels through the state machine (``size`` in bytes, compressed)."""

    digest: str
    diff_id: str
    size: int
    media_type: str


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What the rest of the scan has to do. ``layers`` are those that nobody has read yet."""

    repository: str
    digest: str
    kind: Literal["image", "index", "artifact", "assessed", "unreadable"]
    generation: str
    layers: tuple[LayerTask, ...] = ()


class Index(msgspec.Struct, frozen=True, kw_only=True):
    """The images of an index, as stored."""

    children: tuple[Child, ...]


def resolve(services: Services, repository: str, digest: str) -> Plan:
    """Look at the image in ECR, record what it is, and plan what to read.

    The children of an index go back to the intake queue, on the same way as a push. An image that is gone,
    archived or no image hullwatch can read is recorded with its reason and needs nothing more.
    """
    generation = services.generations.current()
    try:
        kind, layers = _resolve(services, services.repository(repository), digest, generation)
    except PermanentError as error:
        record_error(services, repository, digest, error)
        return Plan(repository=repository, digest=digest, kind="unreadable", generation=generation)
    return Plan(repository=repository, digest=digest, kind=kind, generation=generation, layers=layers)


def _resolve(
    services: Services, repository: Repository, digest: str, generation: str
) -> tuple[Literal["image", "index", "artifact", "assessed"], tuple[LayerTask, ...]]:
    state = repository.states([digest]).get(digest)
    if state is None:
        raise ImageGone(f"{repository.name} no longer has {digest}")
    if state.archived:
        raise ImageArchived(f"{digest} is in archive storage")
    known = services.images.get(repository.name, digest)
    if known and known.assessed_with(analyzer(), generation):
        return "assessed", ()
    parsed = load_index(repository, digest)
    if parsed.kind == "artifact":
        _put(services, repository, parsed, state, "SKIPPED")
        return "artifact", ()
    if parsed.kind == "index":
        _link_children(services, repository.name, digest, parsed.children)
        _put(services, repository, parsed, state, "LINKED")
        return "index", ()
    image = load_image(repository, digest)
    services.evidence.put_document(keys.image(digest), image)
    attempts = known.attempts if known else 0
    _put(services, repository, parsed, state, "PENDING", platform=str(image.platform), attempts=attempts)
    return "image", _unread(services, image)


def _link_children(services: Services, repository: str, index: str, children: tuple[Child, ...]) -> None:
    services.evidence.put_document(keys.index(index), Index(children=children))
    digests = tuple(child.descriptor.digest for child in children)
    # Links first: a child that finishes before its index is recorded must find its way to the track.
    services.images.link(repository, index, digests)
    services.queue.send([ImageMessage(repository, digest) for digest in digests])


def _unread(services: Services, image: Image) -> tuple[LayerTask, ...]:
    read = services.layers.indexed(layer.descriptor.digest for layer in image.layers)
    # The same layer may stand twice in one image (an empty one often does).
    tasks = {
        layer.descriptor.digest: LayerTask(
            digest=layer.descriptor.digest,
            diff_id=layer.diff_id,
            size=layer.descriptor.size,
            media_type=layer.descriptor.media_type,
        )
        for layer in image.layers
        if layer.descriptor.digest not in read
    }
    return tuple(tasks.values())


def _put(
    services: Services,
    repository: Repository,
    parsed: ParsedManifest,
    state: ImageState,
    status: Status,
    *,
    platform: str = "",
    attempts: int = 0,
) -> None:
    services.images.put(
        ImageRecord(
            repository=repository.name,
            digest=parsed.digest,
            status=status,
            kind=parsed.kind,
            platform=platform,
            media_type=parsed.media_type,
            reason=parsed.artifact_type if status == "SKIPPED" else "",
            pushed_at=state.pushed_at,
            updated_at=services.timestamp(),
            attempts=attempts,
        )
    )
