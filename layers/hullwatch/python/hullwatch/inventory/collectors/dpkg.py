"""Debian packages: dpkg's database, deb-control(5) and dpkg-query(1).

Images without dpkg (distroless, and what is built like it) keep one stanza per package in ``status.d``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from hullwatch.inventory.package import Package
from hullwatch.inventory.records import Ownership, Record

NAME = "dpkg"
VERSION = 1
PATHS = ("var/lib/dpkg/status", "var/lib/dpkg/status.d/*", "var/lib/dpkg/info/*.list")
MAX_BYTES = 64 << 20

#: States in which a package's files are in place and configured; all that dpkg waits for are triggers. After
#: a removal only configuration files are left (``config-files``), which is not an installed package.
_INSTALLED = {"installed", "triggers-awaited", "triggers-pending"}
_FIELDS = {"Package", "Status", "Version", "Architecture", "Source", "Maintainer"}
_SOURCE = re.compile(r"(\S+)(?:\s+\((\S+)\))?")
#: A rebuild of the same source by Debian's build daemons.
_BINARY_REBUILD = re.compile(r"\+b\d+$")


def parse(path: str, content: bytes) -> Iterable[Record]:
    """The packages of a status file, or the files of a list."""
    text = content.decode("utf-8", "backslashreplace")
    if path.endswith(".list"):
        return [Ownership(paths=tuple(line.lstrip("/") for line in text.splitlines() if len(line) > 2))]
    if path.endswith(".md5sums"):
        # Beside the stanzas of status.d: a digest, two spaces and a path.
        return [Ownership(paths=tuple(_without_root(line[34:]) for line in text.splitlines() if line[34:]))]
    return _packages(path, text)


def _packages(path: str, text: str) -> Iterator[Package]:
    for stanza in text.split("\n\n"):
        fields = dict[str, str]()
        for line in stanza.split("\n"):
            key, colon, value = line.partition(":")
            if colon and key in _FIELDS:
                fields[key] = value.strip()
        name, version = fields.get("Package"), fields.get("Version")
        # "want flag state"; status.d has no Status, since nothing there is ever removed.
        state = fields.get("Status", "install ok installed").rpartition(" ")[2]
        if not name or not version or state not in _INSTALLED:
            continue
        source = _SOURCE.match(fields.get("Source", ""))
        yield Package(
            type="deb",
            name=name,
            version=version,
            arch=fields.get("Architecture", ""),
            source_name=source[1] if source else name,
            source_version=(source and source[2]) or _BINARY_REBUILD.sub("", version),
            vendor=fields.get("Maintainer", ""),
            locations=(path,),
        )


def _without_root(path: str) -> str:
    return path.removeprefix("./").lstrip("/")
