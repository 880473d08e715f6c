"""Bills of materials of an image: CycloneDX 1.6 and SPDX 2.3, both as JSON.

The same image and inventory give the same bytes but for the time, which is a parameter. What each format
needs is imported when it is asked for.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hullwatch.images.image import Image
    from hullwatch.inventory.package import Inventory


def cyclonedx(
    image: Image,
    inventory: Inventory,
    *,
    name: str = "",
    repository: str = "",
    created: datetime | None = None,
) -> bytes:
    """A CycloneDX 1.6 document (ECMA-424) in JSON.

    ``name`` is what the image is called, by default its digest. ``repository`` is where it is kept, with the
    host if there is one; the image's purl is made of it. ``created`` is the time that the document states,
    with its time zone; by default now.
    """
    from hullwatch.inventory.sbom.cyclonedx_document import write

    return write(image, inventory, name, repository, created)


def spdx(
    image: Image,
    inventory: Inventory,
    *,
    name: str = "",
    repository: str = "",
    created: datetime | None = None,
) -> bytes:
    """An SPDX 2.3 document in JSON. Parameters as for :func:`cyclonedx`."""
    from hullwatch.inventory.sbom.spdx_document import write

    return write(image, inventory, name, repository, created)
