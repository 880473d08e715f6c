"""Swift's ``Package.resolved``, versions 1 to 3. Compiled programs keep nothing of their packages."""

from __future__ import annotations

import re
from collections.abc import Iterable

from hullwatch.inventory import lock_files
from hullwatch.inventory.lock_files import load_json, table, tables, text
from hullwatch.inventory.package import Package

NAME = "swift"
VERSION = 1
PATHS = ("**/Package.resolved",)
MAX_BYTES = lock_files.MAX_BYTES

#: A package is named by where it is, without scheme, user and ending (package URL type ``swift``).
_LOCATION = re.compile(r"(?:\w+://)?(?:[^@/]+@)?([^/:]+)[:/](.+?)(?:\.git)?/?")


def parse(path: str, content: bytes) -> Iterable[Package]:
    """The packages with a version; a branch or a commit alone is none."""
    if not lock_files.counts(path):
        return
    document = load_json(content)
    for pin in tables(document.get("pins")) or tables(table(document.get("object")).get("pins")):
        location = _LOCATION.fullmatch(text(pin.get("location")) or text(pin.get("repositoryURL")))
        version = text(table(pin.get("state")).get("version"))
        if location and version:
            name = f"{location[1].lower()}/{location[2]}"
            yield Package(type="swift", name=name, version=version, locations=(path,), declared_only=True)
