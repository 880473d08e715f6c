"""Read one layer, once: the only step that touches image bytes."""

from __future__ import annotations

import logging

from hullwatch.aws.services import Services
from hullwatch.errors import LeaseHeld
from hullwatch.images.image import Descriptor, Layer
from hullwatch.inventory.dispatch import analyzer
from hullwatch.inventory.layer_index import encode, index_layer
from hullwatch.pipeline import keys
from hullwatch.pipeline.resolve import LayerTask

logger = logging.getLogger(__name__)


def index(services: Services, repository: str, task: LayerTask, seconds: float) -> bool:
    """Index a layer unless somebody has, and say whether it was read now.

    ``seconds`` is how long this worker can live: its lease ends with it. Raises
    :class:`~hullwatch.errors.LeaseHeld` while another worker is reading the same layer, and the reader's
    permanent errors for a layer that cannot be read.
    """
    now = services.now()
    lease = services.layers.lease(task.digest, now, now + int(seconds) + 1)
    if lease == "done":
        return False
    if lease == "refused":
        raise LeaseHeld(f"another worker is reading layer {task.digest}")
    try:
        layer = Layer(
            descriptor=Descriptor(digest=task.digest, size=task.size, media_type=task.media_type),
            diff_id=task.diff_id,
        )
        with services.repository(repository).open_blob(layer.descriptor) as stream:
            found = index_layer(stream, layer)
        services.evidence.put(keys.layer(analyzer(), task.digest), encode(found))
    except BaseException:
        services.layers.release(task.digest)
        raise
    packages = sum(len(document.packages) for document in found.documents)
    services.layers.done(task.digest, size=found.compressed_bytes, packages=packages, at=services.timestamp())
    logger.info("read layer %s: %d entries, %d packages", task.digest, found.entries, packages)
    return True
