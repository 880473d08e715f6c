"""Dart: packages in Pub's cache, and what ``pubspec.lock`` and ``package_config.json`` declare.

The cache has one directory for each version, ``hosted/<host>/<name>-<version>``, with the package's pubspec
in it. A lock file is read line by line: what is needed of it is scalars on lines of their own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import chain

from hullwatch.inventory import lock_files
from hullwatch.inventory.lock_files import load_json, tables, text
from hullwatch.inventory.package import Package

NAME = "dart"
VERSION = 1
PATHS = ("**/hosted/*/*/pubspec.yaml", "**/pubspec.lock", "**/.dart_tool/package_config.json")
MAX_BYTES = 8 << 20

_CACHED = re.compile(r"(?:.*/)?hosted/[^/]+/([a-z_]\w*)-(\d[^/]*?)(?:/pubspec\.yaml|/?)", re.DOTALL)
_KEY = re.compile(r"  ([a-z_]\w*):")
_SCALAR = re.compile(r'    (source|version): "?([^"\s]+)"?')


def parse(path: str, content: bytes) -> Iterable[Package]:
    """The package of a directory of the cache, or the declared ones."""
    name = path.rpartition("/")[2]
    if name == "pubspec.yaml":
        if found := _CACHED.fullmatch(path):
            yield Package(type="pub", name=found[1], version=found[2], locations=(path,))
    elif lock_files.counts(path):
        declared = _locked(lock_files.lines(content)) if name == "pubspec.lock" else _resolved(content)
        for package, version in declared:
            yield Package(type="pub", name=package, version=version, locations=(path,), declared_only=True)


def _resolved(content: bytes) -> Iterator[tuple[str, str]]:
    for item in tables(load_json(content).get("packages")):
        if found := _CACHED.fullmatch(text(item.get("rootUri"))):
            yield found[1], found[2]


def _locked(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Packages from a host: those of the SDK, of directories and of repositories have another source."""
    inside, name = False, ""
    values: dict[str, str] = {}
    for line in chain(lines, ("end:",)):
        key = _KEY.fullmatch(line)
        if key or line[:1] not in ("", " ", "#"):
            if inside and name and values.get("source") == "hosted" and values.get("version"):
                yield name, values["version"]
            inside = inside if key else line == "packages:"
            name, values = (key[1] if key else ""), {}
        elif scalar := _SCALAR.fullmatch(line):
            values[scalar[1]] = scalar[2]
