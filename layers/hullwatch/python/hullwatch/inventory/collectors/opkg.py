"""opkg packages (OpenWrt, Yocto): a status file of stanzas as dpkg has them, and a list of files per package."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from hullwatch.inventory.package import Package
from hullwatch.inventory.records import Ownership, Record

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
MAX_BYTES = 16 << 20

#: States in which a package's files are in place (libopkg, ``pkg.h``).
_INSTALLED = frozenset({"installed", "unpacked"})
_FIELDS = frozenset({"Package", "Version", "Status", "Architecture", "License", "Maintainer"})


def parse(path: str, content: bytes) -> Iterable[Record]:
    """The packages of a status file, or the files of a list."""
    text = content.decode("utf-8", "backslashreplace")
    if path.endswith(".list"):
        # Yocto's opkg writes the mode after the path.
        names = (line.partition("\t")[0].strip("/") for line in text.splitlines())
        return [Ownership(paths=tuple(name for name in names if name))]
    return _packages(path, text)


def _packages(path: str, text: str) -> Iterator[Package]:
    for stanza in text.split("\n\n"):
        fields = dict[str, str]()
        for line in stanza.split("\n"):
            key, colon, value = line.partition(":")
            if colon and key in _FIELDS:
                fields[key] = value.strip()
        name, version = fields.get("Package"), fields.get("Version")
        # "want flag state"
        state = fields.get("Status", "").rpartition(" ")[2]
        if not name or not version or state not in _INSTALLED:
            continue
        yield Package(
            type="opkg",
            name=name,
            version=version,
            arch=fields.get("Architecture", ""),
            source_name=name,
            source_version=version,
            licenses=(fields["License"],) if fields.get("License") else (),
            vendor=fields.get("Maintainer", ""),
            locations=(path,),
        )
