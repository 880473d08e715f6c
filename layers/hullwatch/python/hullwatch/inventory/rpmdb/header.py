"""RPM headers as every database backend stores them.

RPM manual, "RPM V4 package file format", header structure; tags as in ``rpmtag.h``. In a database the header
has no magic: it begins with its number of index entries and its data size.
"""

from __future__ import annotations

import struct

from hullwatch.inventory.package import Package

_NAME, _VERSION, _RELEASE, _EPOCH = 1000, 1001, 1002, 1003
_VENDOR, _LICENSE, _ARCH, _SOURCERPM = 1011, 1014, 1022, 1044
_OLDFILENAMES, _DIRINDEXES, _BASENAMES, _DIRNAMES = 1027, 1116, 1117, 1118
_MODULARITYLABEL = 5096
_WANTED = {
    _NAME, _VERSION, _RELEASE, _EPOCH, _VENDOR, _LICENSE, _ARCH, _SOURCERPM,
    _OLDFILENAMES, _DIRINDEXES, _BASENAMES, _DIRNAMES, _MODULARITYLABEL,
}  # fmt: skip
_INT32, _STRING, _STRING_ARRAY, _I18N_STRING = 4, 6, 8, 9

#: rpm's own limits (``header.c``): entries, and bytes of data.
_MAX_ENTRIES = 0xFFFF
_MAX_DATA = 0x0FFFFFFF
#: Files of one package, and characters of all their paths: some ten times what the largest packages have.
_MAX_FILES = 500_000
_MAX_PATHS = 64 << 20
_LEAD = struct.Struct(">II")
_ENTRY = struct.Struct(">IIII")
#: Imported public keys stand in the database like packages.
_PUBLIC_KEY = "gpg-pubkey"


class HeaderInvalid(ValueError):
    """Bytes that are no RPM header."""


class Header:
    """The tags of one header that an inventory needs."""

    def __init__(self, blob: bytes) -> None:
        if len(blob) < _LEAD.size:
            raise HeaderInvalid("shorter than its lead")
        entries, size = _LEAD.unpack_from(blob)
        start = _LEAD.size + entries * _ENTRY.size
        if entries > _MAX_ENTRIES or size > _MAX_DATA or start + size > len(blob):
            raise HeaderInvalid("its sizes do not fit")
        self._data = blob[start : start + size]
        self._tags: dict[int, tuple[int, int, int]] = {}
        for number in range(entries):
            tag, kind, offset, count = _ENTRY.unpack_from(blob, _LEAD.size + number * _ENTRY.size)
            if tag in _WANTED and offset <= size:
                self._tags[tag] = (kind, offset, count)

    def package(self, path: str) -> Package | None:
        """The package that the header describes, found in the database at ``path``; ``None`` for a key."""
        name, version, release = self._string(_NAME), self._string(_VERSION), self._string(_RELEASE)
        if not name or not version:
            raise HeaderInvalid("no name or version")
        if name == _PUBLIC_KEY:
            return None
        epoch = next(iter(self._integers(_EPOCH)), 0)
        full_version = f"{version}-{release}" if release else version
        source_name, source_version = split_source_rpm(self._string(_SOURCERPM))
        license_text = self._string(_LICENSE)
        return Package(
            type="rpm",
            name=name,
            version=f"{epoch}:{full_version}" if epoch else full_version,
            arch=self._string(_ARCH),
            source_name=source_name or name,
            source_version=source_version or full_version,
            licenses=(license_text,) if license_text else (),
            vendor=self._string(_VENDOR),
            module=self._string(_MODULARITYLABEL),
            locations=(path,),
        )

    def files(self) -> list[str]:
        """The package's files, absolute. Since rpm 4 a name is a directory's number and a base name.

        Raises :class:`HeaderInvalid` for more than any package has: many names may share a long directory.
        """
        directories, indexes = self._strings(_DIRNAMES), self._integers(_DIRINDEXES)
        names = self._strings(_BASENAMES)
        if not names:
            return self._strings(_OLDFILENAMES)
        paths: list[str] = []
        room = _MAX_PATHS
        for index, name in zip(indexes, names, strict=False):
            if index < len(directories):
                path = directories[index] + name
                room -= len(path)
                if room < 0:
                    raise HeaderInvalid("its file names are too long")
                paths.append(path)
        return paths

    def _string(self, tag: int) -> str:
        return next(iter(self._strings(tag)), "")

    def _strings(self, tag: int) -> list[str]:
        kind, offset, count = self._tags.get(tag, (0, 0, 0))
        if kind == _STRING:
            count = 1
        elif kind not in (_STRING_ARRAY, _I18N_STRING):
            return []
        if count > _MAX_FILES:
            # It may lie: every string ends with a NUL.
            count = self._data.count(b"\0", offset)
            if count > _MAX_FILES:
                raise HeaderInvalid("too many strings")
        parts = self._data[offset:].split(b"\0", count)[:count] if count else []
        return [part.decode("utf-8", "backslashreplace") for part in parts]

    def _integers(self, tag: int) -> tuple[int, ...]:
        kind, offset, count = self._tags.get(tag, (0, 0, 0))
        if kind != _INT32:
            return ()
        count = min(count, (len(self._data) - offset) // 4)
        if count > _MAX_FILES:
            raise HeaderInvalid("too many numbers")
        return struct.unpack_from(f">{count}I", self._data, offset)


def split_source_rpm(file_name: str) -> tuple[str, str]:
    """Name and version of a source package from its file's name, ``NAME-VERSION-RELEASE.src.rpm``."""
    stem = file_name.removesuffix(".rpm").removesuffix(".src").removesuffix(".nosrc")
    name, _, release = stem.rpartition("-")
    name, _, version = name.rpartition("-")
    return (name, f"{version}-{release}") if name else ("", "")
