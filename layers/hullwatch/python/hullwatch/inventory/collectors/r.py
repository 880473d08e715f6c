"""Installed R packages: the ``DESCRIPTION`` of each.

"Writing R Extensions", section 1.1.1. ``R CMD INSTALL`` adds the field ``Built``, which source code lacks.
"""

from __future__ import annotations

from collections.abc import Iterable

from hullwatch.inventory.package import Package
from hullwatch.inventory.stanzas import read_stanzas

NAME = "r"
VERSION = 1
PATHS = ("**/DESCRIPTION",)
MAX_BYTES = 1 << 20

_FIELDS = frozenset({b"Package", b"Version", b"License", b"Built"})


def parse(path: str, content: bytes) -> Iterable[Package]:
    """The package that a description names, when it is installed."""
    for fields in read_stanzas(content, _FIELDS):
        name, version = fields.get(b"Package"), fields.get(b"Version")
        if name and version and fields.get(b"Built"):
            license_text = fields.get(b"License")
            yield Package(
                type="cran",
                name=name,
                version=version,
                licenses=(license_text,) if license_text else (),
                locations=(path,),
            )
        return
