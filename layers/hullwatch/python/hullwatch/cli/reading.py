"""Read an image for a command: any target, several layers at a time where that pays."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import msgspec

from hullwatch.errors import UserError
from hullwatch.images.image import Image, Layer, Platform
from hullwatch.images.opening import load_image, load_images, open_source
from hullwatch.images.reference import Target
from hullwatch.images.sources import Source
from hullwatch.inventory.image_facts import ImageFacts, image_facts
from hullwatch.inventory.layer_index import LayerIndex, decode, encode, index_layer
from hullwatch.inventory.overlay import assemble
from hullwatch.inventory.package import Inventory, Problem

#: Below this many compressed bytes, starting a second process takes longer than it saves.
_WORTH_A_PROCESS = 16 << 20

#: Called with the number of layers read so far and in all.
Progress = Callable[[int, int], None]


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """An image that was read: what it is, what it holds, its layers, and seconds by layer digest."""

    image: Image
    inventory: Inventory
    facts: ImageFacts
    layers: tuple[LayerIndex, ...]
    seconds: dict[str, float]


def read_image(
    target: Target, platform: Platform | None, *, jobs: int = 0, progress: Progress | None = None
) -> Reading:
    """Read every layer of an image and assemble what it holds.

    ``jobs`` is the number of processes (0: one per processor). Raises the errors of the source and of the
    reader: an image of which a layer is damaged is not half right.
    """
    source = source_of(target)
    return _read(target, source, load_image(source, target.reference, platform), jobs, progress)


def read_images(target: Target, *, jobs: int = 0, progress: Progress | None = None) -> Iterator[Reading]:
    """Read the images of all platforms of an index, one after another, as :func:`read_image` does."""
    source = source_of(target)
    for image in load_images(source, target.reference):
        yield _read(target, source, image, jobs, progress)


def _read(target: Target, source: Source, image: Image, jobs: int, progress: Progress | None) -> Reading:
    layers = tuple({layer.descriptor.digest: layer for layer in image.layers}.values())
    found: dict[str, LayerIndex] = {}
    seconds: dict[str, float] = {}
    for number, (index, spent) in enumerate(_indexes(target, source, layers, jobs), start=1):
        found[index.digest] = index
        seconds[index.digest] = spent
        if progress:
            progress(number, len(layers))
    indexes = [found[layer.descriptor.digest] for layer in image.layers]
    inventory = assemble(image.digest, indexes)
    foreign = tuple(
        Problem(reason="FOREIGN_LAYER", detail="kept out of the registry, and not read", layer=digest)
        for digest in image.foreign_layers
    )
    inventory = msgspec.structs.replace(inventory, problems=inventory.problems + foreign)
    facts = image_facts(image, indexes)
    return Reading(image=image, inventory=inventory, facts=facts, layers=tuple(indexes), seconds=seconds)


def source_of(target: Target) -> Source:
    """The source of a target; an ECR address is read through AWS's own API and credentials."""
    if target.kind != "registry" and not Path(target.path).exists():
        raise UserError(f"there is nothing at {target.path}")
    if target.ecr:
        import boto3
        import urllib3

        from hullwatch.aws.ecr import Repository

        client = boto3.client("ecr", region_name=target.ecr.region)
        http = urllib3.PoolManager(timeout=urllib3.Timeout(connect=10, read=60), retries=False)
        return Repository(client, http, target.repository)
    return open_source(target)


def _indexes(
    target: Target, source: Source, layers: tuple[Layer, ...], jobs: int
) -> Iterator[tuple[LayerIndex, float]]:
    count = min(jobs or os.cpu_count() or 1, len(layers))
    if count < 2 or sum(layer.descriptor.size for layer in layers) < _WORTH_A_PROCESS:
        yield from (_index(source, layer) for layer in layers)
        return
    # The largest first, so that no process is left with it at the end.
    by_size = sorted(layers, key=lambda layer: -layer.descriptor.size)
    with ProcessPoolExecutor(count) as pool:
        for content, spent in pool.map(_index_there, [target] * len(layers), by_size):
            yield decode(content), spent


def _index(source: Source, layer: Layer) -> tuple[LayerIndex, float]:
    started = time.perf_counter()
    with source.open_blob(layer.descriptor) as stream:
        index = index_layer(stream, layer)
    return index, time.perf_counter() - started


def _index_there(target: Target, layer: Layer) -> tuple[bytes, float]:
    index, spent = _index(source_of(target), layer)
    return encode(index), spent
