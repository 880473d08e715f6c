"""Images as they are built, judged: from what was read of an image to the results of the image controls."""

from __future__ import annotations

from collections.abc import Container, Sequence
from datetime import datetime

from hullwatch.images.image import Image
from hullwatch.inventory.ecosystems import DISTRIBUTION_TYPES
from hullwatch.inventory.image_facts import FileFacts, file_facts
from hullwatch.inventory.layer_index import LayerIndex
from hullwatch.inventory.lifecycles import end_of_life
from hullwatch.inventory.overlay import named, remaining
from hullwatch.inventory.package import Inventory
from hullwatch.posture import controls as _controls  # noqa: F401  importing it fills CONTROLS
from hullwatch.posture.catalogue import severity_of
from hullwatch.posture.engine import CONTROLS, Result, evaluate
from hullwatch.posture.model.image import BuiltImage
from hullwatch.posture.model.snapshot import READ, Snapshot
from hullwatch.posture.parameters import DEFAULTS, Parameters

_PROGRAMS = (
    "apk", "apt", "apt-get", "ash", "bash", "busybox", "dash", "dnf", "dpkg", "microdnf", "pacman", "rpm",
    "sh", "tdnf", "yum", "zypper",
)  # fmt: skip
_DIRECTORIES = ("bin", "sbin", "usr/bin", "usr/sbin", "usr/local/bin")
#: Where shells and package managers are.
_TOOLS = frozenset(f"{directory}/{program}" for directory in _DIRECTORIES for program in _PROGRAMS)


def built_image(
    image: Image,
    inventory: Inventory,
    layers: Sequence[LayerIndex],
    *,
    files: FileFacts | None = None,
    repository: str = "",
    pushed_at: str = "",
) -> BuiltImage:
    """What is known of an image from its configuration, its inventory and its layers, lowest first.

    ``files`` where they were gathered already; ``repository`` and ``pushed_at`` (ISO 8601) as the registry
    says, where one was asked.
    """
    files = files or file_facts(layers)
    return BuiltImage(
        digest=image.digest,
        repository=repository,
        config=image.config,
        pushed_at=pushed_at,
        os_id=inventory.os.id,
        os_version=inventory.os.version_id,
        os_end_of_life=end_of_life(inventory.os),
        os_packages=sum(package.type in DISTRIBUTION_TYPES for package in inventory.packages),
        tools=remaining(layers, lambda layer: named(layer, _TOOLS)),
        setid_files=tuple(sorted({*files.setuid.named, *files.setgid.named})),
    )


def check_image(
    built: BuiltImage, *, now: datetime, parameters: Parameters = DEFAULTS, but: Container[str] = ()
) -> list[Result]:
    """The verdict of every image control ``but`` those. ``now`` is the time ages are measured at."""
    snapshot = Snapshot(
        [built], inputs=dict.fromkeys(BuiltImage.INPUTS, READ), now=now, parameters=parameters
    )
    controls = [item for item in CONTROLS.values() if item.subject is BuiltImage and item.id not in but]
    return list(evaluate(snapshot, controls, severity_of))
