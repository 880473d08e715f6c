"""opkg packages (OpenWrt, Yocto): a status file of stanzas as dpkg has them, and a list of files for each."""

from __future__ import annotations

import io
from collections.abc import Iterable

from hullwatch.inventory.package import Package
from hullwatch.inventory.records import Record, ownerships
from hullwatch.inventory.stanzas import read_stanzas

NAME = "opkg"
VERSION = 1
#: OpenWrt's place and that of Yocto and Entware.
PATHS = (
    "usr/lib/opkg/status",
    "usr/lib/opkg/info/*.list",
    "var/lib/opkg/status",
    "var/lib/opkg/info/*.list",
    "opt/lib/opkg/status",
    "opt/lib/opkg/info/*.list",
)
MAX_BYTES = 4 << 20

#: States in which a package's files are in place (libopkg, ``pkg.h``).
_INSTALLED = frozenset({"installed", "unpacked"})
_FIELDS = frozenset({b"Package", b"Version", b"Status", b"Architecture", b"License", b"Maintainer"})


def parse(path: str, content: bytes) -> Iterable[Record]:
    """The packages of a status file, or the files of a list."""
    lines = io.BytesIO(content)
    if path.endswith(".list"):
        # Yocto's opkg writes the mode after the path.
        names = (_text(line.partition(b"\t")[0]).strip("/\n") for line in lines)
        return ownerships(name for name in names if name)
    stanzas = read_stanzas(content, _FIELDS)
    return (package for fields in stanzas if (package := _package(path, fields)))


def _package(path: str, fields: dict[bytes, str]) -> Package | None:
    """The package of a stanza; ``None`` when it is not installed."""
    name, version = fields.get(b"Package"), fields.get(b"Version")
    # "want flag state"
    state = fields.get(b"Status", "").rpartition(" ")[2]
    if not name or not version or state not in _INSTALLED:
        return None
    return Package(
        type="opkg",
        name=name,
        version=version,
        arch=fields.get(b"Architecture", ""),
        source_name=name,
        source_version=version,
        licenses=(fields[b"License"],) if fields.get(b"License") else (),
        vendor=fields.get(b"Maintainer", ""),
        locations=(path,),
    )


def _text(part: bytes) -> str:
    return part.decode("utf-8", "backslashreplace")
