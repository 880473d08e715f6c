"""What an image is, beside what it contains: its sizes, its age, how it runs, and what it was built on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import msgspec

from hullwatch.images.image import HistoryEntry, Image, ImageConfig
from hullwatch.inventory.layer_index import LayerIndex, Paths
from hullwatch.inventory.overlay import remaining

#: OCI image specification, annotations.md, "Pre-Defined Annotation Keys"; builders set them as labels, too.
_BASE_NAME = "org.opencontainers.image.base.name"
_BASE_DIGEST = "org.opencontainers.image.base.digest"


class BaseImage(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What an image was probably built on, and what says so.

    ``label``: the image itself. ``layers``: a known image whose layers are the lowest of this one.
    ``history``: only where the base ends, by the command that it set.
    """

    source: Literal["label", "layers", "history"]
    name: str = ""
    digest: str = ""
    #: How many of the image's layers are the base's; 0 when only its name is known.
    layers: int = 0


class FileFacts(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Files of an image, after whiteouts and replaced files, that give rights to whoever runs or finds them.

    A layer names a thousand of each kind. What it only counts is counted as still there.
    """

    setuid: Paths = Paths()
    setgid: Paths = Paths()
    #: Files, and directories without the sticky bit.
    world_writable: Paths = Paths()
    #: Files with Linux capabilities.
    capabilities: Paths = Paths()


class ImageFacts(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One image as a whole. Sizes in bytes, over all layers that were read."""

    digest: str
    platform: str
    layers: int
    compressed_bytes: int
    uncompressed_bytes: int
    #: RFC 3339; empty when the image does not say, and of no use (1970) in some reproducible builds.
    created: str = ""
    base: BaseImage | None = None
    config: ImageConfig = ImageConfig()
    files: FileFacts = FileFacts()


def image_facts(
    image: Image, indexes: Sequence[LayerIndex], known: Mapping[str, Sequence[str]] | None = None
) -> ImageFacts:
    """The facts of an image from its description and the indexes of its layers, lowest first.

    ``known`` are other images that may be its base: by name, the diff_ids of their layers, lowest first.
    """
    return ImageFacts(
        digest=image.digest,
        platform=str(image.platform),
        layers=len(indexes),
        compressed_bytes=sum(index.compressed_bytes for index in indexes),
        uncompressed_bytes=sum(index.uncompressed_bytes for index in indexes),
        created=image.config.created,
        base=base_image(image, known or {}),
        config=image.config,
        files=file_facts(indexes),
    )


def file_facts(indexes: Sequence[LayerIndex]) -> FileFacts:
    """The files of an image that have a property, from the indexes of its layers, lowest first."""
    return FileFacts(
        setuid=_of_image(indexes, lambda index: index.setuid),
        setgid=_of_image(indexes, lambda index: index.setgid),
        world_writable=_of_image(indexes, lambda index: index.world_writable),
        capabilities=_of_image(indexes, lambda index: index.capabilities),
    )


def _of_image(indexes: Sequence[LayerIndex], of_layer: Callable[[LayerIndex], Paths]) -> Paths:
    left = remaining(indexes, lambda index: of_layer(index).named)
    unnamed = sum(of_layer(index).total - len(of_layer(index).named) for index in indexes)
    return Paths(named=left, total=len(left) + unnamed)


def base_image(image: Image, known: Mapping[str, Sequence[str]]) -> BaseImage | None:
    """The best guess at what an image was built on; nothing when nothing says so."""
    labels = image.config.labels
    diff_ids = [layer.diff_id for layer in image.layers]
    shared = {
        name: len(lower)
        for name, lower in known.items()
        if 0 < len(lower) < len(diff_ids) and list(lower) == diff_ids[: len(lower)]
    }
    if name := labels.get(_BASE_NAME, ""):
        return BaseImage(
            source="label", name=name, digest=labels.get(_BASE_DIGEST, ""), layers=shared.get(name, 0)
        )
    if shared:
        # The largest; of equals the first by name, so that the answer is always the same.
        name = min(shared, key=lambda candidate: (-shared[candidate], candidate))
        return BaseImage(source="layers", name=name, layers=shared[name])
    layers = _layers_below_last_command(image.config.history)
    return BaseImage(source="history", layers=layers) if layers else None


def _layers_below_last_command(history: Sequence[HistoryEntry]) -> int:
    """Layers made before the last command (``CMD``) that further layers came after."""
    total = sum(1 for entry in history if entry.layer)
    below = made = 0
    for entry in history:
        made += bool(entry.layer)
        instruction = entry.created_by.removeprefix("/bin/sh -c #(nop)").lstrip()
        # A command above all layers is the image's own: nothing was built on it.
        if not entry.layer and instruction.startswith("CMD ") and made < total:
            below = made
    return below
