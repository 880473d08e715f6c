"""RPM packages: the headers in rpm's database, whichever backend wrote it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from hullwatch.inventory.package import Package
from hullwatch.inventory.records import Ownership, Record, Unreadable
from hullwatch.inventory.rpmdb import DatabaseInvalid, bdb, ndb, sqlite
from hullwatch.inventory.rpmdb.header import Header, HeaderInvalid, split_source_rpm

NAME = "rpm"
VERSION = 2
#: What CBL-Mariner and Azure Linux leave in their distroless images.
_MANIFEST = "var/lib/rpmmanifest/container-manifest-2"
#: How rpm writes a tag that is not there.
_NONE = "(none)"
#: Where rpm has its database, had it, and has it where /var belongs to the machine.
PATHS = (
    "var/lib/rpm/Packages",
    "var/lib/rpm/Packages.db",
    "var/lib/rpm/rpmdb.sqlite",
    "var/lib/rpm/rpmdb.sqlite-wal",
    "usr/lib/sysimage/rpm/Packages",
    "usr/lib/sysimage/rpm/Packages.db",
    "usr/lib/sysimage/rpm/rpmdb.sqlite",
    "usr/lib/sysimage/rpm/rpmdb.sqlite-wal",
    "usr/share/rpm/Packages",
    "usr/share/rpm/Packages.db",
    "usr/share/rpm/rpmdb.sqlite",
    "usr/share/rpm/rpmdb.sqlite-wal",
    _MANIFEST,
)
MAX_BYTES = 128 << 20

#: Damaged headers after which the rest of a database is not worth the time.
_MAX_DAMAGED = 1000
_READERS = {
    "Packages": bdb.read_headers,
    "Packages.db": ndb.read_headers,
    "rpmdb.sqlite": sqlite.read_headers,
}


def parse(path: str, content: bytes) -> Iterable[Record]:
    """Every installed package, and all their files."""
    if path == _MANIFEST:
        return _listed(path, content.decode("utf-8", "backslashreplace"))
    name = path.rpartition("/")[2]
    if name == "rpmdb.sqlite-wal":
        if sqlite.has_unmerged_changes(content):
            raise Unreadable(
                "the last changes of the rpm database are in its write-ahead log, which is not read"
            )
        return ()
    return _packages(path, _READERS[name](content))


def _listed(path: str, text: str) -> Iterator[Record]:
    """The packages of an image that was made without rpm: a line of tab-separated fields for each."""
    damaged = 0
    for line in text.splitlines():
        name, version, _, _, vendor, _, _, arch, epoch, source, *_ = (
            "" if field == _NONE else field for field in (*line.split("\t"), *[""] * 10)
        )
        if not name or not version:
            damaged += bool(line.strip())
            continue
        source_name, source_version = split_source_rpm(source)
        yield Package(
            type="rpm",
            name=name,
            version=f"{epoch}:{version}" if epoch not in ("", "0") else version,
            arch=arch,
            source_name=source_name or name,
            source_version=source_version or version,
            vendor=vendor,
            locations=(path,),
        )
    if damaged:
        raise Unreadable(f"{damaged} lines of the package list are damaged")


def _packages(path: str, blobs: Iterable[bytes]) -> Iterator[Record]:
    """What can be read comes first, then the complaint about what cannot."""
    damaged = 0
    try:
        for blob in blobs:
            try:
                header = Header(blob)
                package = header.package(path)
                files = header.files()
            except HeaderInvalid:
                damaged += 1
                if damaged == _MAX_DAMAGED:
                    raise DatabaseInvalid(f"it has {damaged} damaged headers or more") from None
                continue
            if package:
                yield package
                yield Ownership(paths=tuple(name.lstrip("/") for name in files))
    except DatabaseInvalid as error:
        raise Unreadable(f"the rpm database is damaged: {error}") from None
    if damaged:
        raise Unreadable(f"{damaged} headers of the rpm database are damaged")
