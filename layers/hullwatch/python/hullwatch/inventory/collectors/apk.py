"""Alpine packages: the database of apk-tools (apk-v2(5), "installed database").

Lower-case and upper-case keys differ. A blank line ends a package; ``F:`` names a directory and the ``R:``
lines after it the files in it.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from itertools import chain

from hullwatch.inventory.package import Package
from hullwatch.inventory.records import Ownership, Record

NAME = "apk"
VERSION = 1
#: The second since Alpine merged /lib into /usr/lib.
PATHS = ("lib/apk/db/installed", "usr/lib/apk/db/installed")
MAX_BYTES = 64 << 20

#: Files of one record: a long list of them takes no memory.
_FILES_AT_ONCE = 4096
#: Name, version, architecture, license, source, maintainer.
_FIELDS = {b"P:", b"V:", b"A:", b"L:", b"o:", b"m:"}


def parse(path: str, content: bytes) -> Iterable[Record]:
    """Every installed package, and all their files."""
    fields = dict[bytes, str]()
    directory = ""
    files: list[str] = []
    for line in chain(io.BytesIO(content), (b"\n",)):
        key = line[:2]
        if key == b"R:":
            name = _text(line)
            files.append(f"{directory}/{name}" if directory else name)
            if len(files) == _FILES_AT_ONCE:
                yield Ownership(paths=tuple(files))
                files.clear()
        elif key == b"F:":
            directory = _text(line)
        elif key in _FIELDS:
            fields[key] = _text(line).strip()
        elif key == b"\n":
            if fields and (package := _package(path, fields)):
                yield package
            fields.clear()
            directory = ""
    yield Ownership(paths=tuple(files))


def _package(path: str, fields: dict[bytes, str]) -> Package | None:
    name, version = fields.get(b"P:"), fields.get(b"V:")
    if not name or not version:
        return None
    return Package(
        type="apk",
        name=name,
        version=version,
        arch=fields.get(b"A:", ""),
        source_name=fields.get(b"o:") or name,
        source_version=version,
        licenses=(fields[b"L:"],) if fields.get(b"L:") else (),
        vendor=fields.get(b"m:", ""),
        locations=(path,),
    )


def _text(line: bytes) -> str:
    """What follows the key."""
    return line[2:].rstrip(b"\n").decode("utf-8", "backslashreplace")
