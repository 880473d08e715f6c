"""Debian packages: dpkg's database, deb-control(5) and dpkg-query(1).

Images without dpkg (distroless, and what is built like it) keep one stanza per package in ``status.d``.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable

from hullwatch.inventory.package import Package
from hullwatch.inventory.records import Record, ownerships
from hullwatch.inventory.stanzas import read_stanzas

NAME = "dpkg"
VERSION = 1
PATHS = ("var/lib/dpkg/status", "var/lib/dpkg/status.d/*", "var/lib/dpkg/info/*.list")
MAX_BYTES = 64 << 20

#: States in which a package's files are in place and configured; all that dpkg waits for are triggers. After
#: a removal only configuration files are left (``config-files``), which is not an installed package.
_INSTALLED = {"installed", "triggers-awaited", "triggers-pending"}
_FIELDS = {b"Package", b"Status", b"Version", b"Architecture", b"Source", b"Maintainer"}
_SOURCE = re.compile(r"(\S+)(?:\s+\((\S+)\))?")
#: A rebuild of the same source by Debian's build daemons.
_BINARY_REBUILD = re.compile(r"\+b\d+$")


def parse(path: str, content: bytes) -> Iterable[Record]:
    """The packages of a status file, or the files of a list."""
    lines = io.BytesIO(content)
    if path.endswith(".list"):
        return ownerships(_text(line.lstrip(b"/")) for line in lines if len(line) > 3)
    if path.endswith(".md5sums"):
        # Beside the stanzas of status.d: a digest, two spaces and a path.
        return ownerships(_without_root(_text(line[34:])) for line in lines if len(line) > 35)
    stanzas = read_stanzas(content, _FIELDS)
    return (package for fields in stanzas if (package := _package(path, fields)))


def _package(path: str, fields: dict[bytes, str]) -> Package | None:
    """The package of a stanza; ``None`` when it is not installed."""
    name, version = fields.get(b"Package"), fields.get(b"Version")
    # "want flag state"; status.d has no Status, since nothing there is ever removed.
    state = fields.get(b"Status", "install ok installed").rpartition(" ")[2]
    if not name or not version or state not in _INSTALLED:
        return None
    source = _SOURCE.match(fields.get(b"Source", ""))
    return Package(
        type="deb",
        name=name,
        version=version,
        arch=fields.get(b"Architecture", ""),
        source_name=source[1] if source else name,
        source_version=(source and source[2]) or _BINARY_REBUILD.sub("", version),
        vendor=fields.get(b"Maintainer", ""),
        locations=(path,),
    )


def _text(line: bytes) -> str:
    return line.rstrip(b"\n").decode("utf-8", "backslashreplace")


def _without_root(path: str) -> str:
    return path.removeprefix("./").lstrip("/")
