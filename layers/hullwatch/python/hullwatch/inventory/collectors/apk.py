"""Alpine packages: the database of apk-tools (apk-v2(5), "installed database").

Lower-case and upper-case keys differ. A blank line ends a package; ``F:`` names a directory and the ``R:``
lines after it the files in it.
"""

from __future__ import annotations

from collections.abc import Iterable

from hullwatch.inventory.package import Package
from hullwatch.inventory.records import Ownership, Record

NAME = "apk"
VERSION = 1
#: The second since Alpine merged /lib into /usr/lib.
PATHS = ("lib/apk/db/installed", "usr/lib/apk/db/installed")
MAX_BYTES = 64 << 20


def parse(path: str, content: bytes) -> Iterable[Record]:
    """Every installed package, and all their files."""
    owned: list[str] = []
    for block in content.decode("utf-8", "backslashreplace").split("\n\n"):
        fields = dict[str, str]()
        directory = ""
        for line in block.split("\n"):
            key, colon, value = line.partition(":")
            if not colon:
                continue
            if key == "R":
                owned.append(f"{directory}/{value}" if directory else value)
            elif key == "F":
                directory = value
            else:
                fields[key] = value.strip()
        name, version = fields.get("P"), fields.get("V")
        if name and version:
            yield Package(
                type="apk",
                name=name,
                version=version,
                arch=fields.get("A", ""),
                source_name=fields.get("o") or name,
                source_version=version,
                licenses=(fields["L"],) if fields.get("L") else (),
                vendor=fields.get("m", ""),
                locations=(path,),
            )
    yield Ownership(paths=tuple(owned))
