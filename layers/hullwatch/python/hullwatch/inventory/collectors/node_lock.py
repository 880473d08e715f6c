"""Lock files of npm (all three versions), Yarn (classic and Berry) and pnpm.

package-lock.json(5); ``yarn.lock`` and ``pnpm-lock.yaml`` as their tools write them: what is read of both is
keys and scalars on lines of their own, for which no YAML reader is needed. What is only for development is
left out where the file says so.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

from hullwatch.inventory import lock_files
from hullwatch.inventory.lock_files import counts, load_json, table, text
from hullwatch.inventory.package import Package

NAME = "node-lock"
VERSION = 1
PATHS = ("**/package-lock.json", "**/npm-shrinkwrap.json", "**/yarn.lock", "**/pnpm-lock.yaml")
MAX_BYTES = lock_files.MAX_BYTES

_MODULES = "node_modules/"
_NAME = r"(@[^/@\s]+/[^/@\s]+|[^/@\s]+)"
_ALIAS = re.compile(rf"npm:{_NAME}@(\d\S*)")
_SPECIFIER = re.compile(rf"{_NAME}@(?:npm:)?(?:{_NAME}@)?(?!workspace:|link:|file:|portal:|patch:)")
_YARN_VERSION = re.compile(r'  version:? "?(\d[^"\s]*)"?$')
_YARN_RESOLUTION = re.compile(rf'  resolution: "{_NAME}@npm:')
#: ``/name/1.0.0_peers`` until version 5, ``/name@1.0.0(peers)`` in 6, without the slash since 9.
_PNPM = re.compile(rf"/{_NAME}/(\d[^_(/]*)(?:[_(][^/]*)?|/?{_NAME}@(\d[^_(]*).*")
_PNPM_KEY = re.compile(r"  '?([^\s'][^']*?)'?:(?: \{\})?")


def parse(path: str, content: bytes) -> Iterable[Package]:
    """The modules that a lock file names."""
    if not counts(path):
        return
    name = path.rpartition("/")[2]
    if name.endswith(".json"):
        found = _npm(load_json(content))
    else:
        lines = chain(lock_files.lines(content), ("end:",))
        found = _yarn(lines) if name == "yarn.lock" else _pnpm(lines)
    for module, version in dict.fromkeys(found):
        yield Package(type="npm", name=module, version=version, locations=(path,), declared_only=True)


def _npm(document: dict[str, Any]) -> Iterator[tuple[str, str]]:
    packages = document.get("packages")
    if isinstance(packages, dict):
        for key, value in packages.items():
            details = table(value)
            # The project itself and its workspaces are no modules.
            if _MODULES in key and not details.get("link") and not details.get("dev"):
                name = text(details.get("name")) or key.rpartition(_MODULES)[2]
                if version := text(details.get("version")):
                    yield name, version
        return
    open_ = [table(document.get("dependencies"))]
    while open_:
        for name, value in open_.pop().items():
            details = table(value)
            open_.append(table(details.get("dependencies")))
            version = text(details.get("version"))
            if details.get("dev"):
                continue
            if alias := _ALIAS.fullmatch(version):
                yield alias[1], alias[2]
            elif version[:1].isdigit():
                yield name, version


def _yarn(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    """A key of specifiers for each module, then its version and, from Berry, what it was resolved to."""
    name = version = ""
    for line in lines:
        if line[:1] not in ("", " ", "#"):
            if name and version:
                yield name, version
            found = _SPECIFIER.match(line.lstrip('"'))
            name, version = (found[2] or found[1] if found else ""), ""
        elif found := _YARN_VERSION.fullmatch(line):
            version = found[1]
        elif found := _YARN_RESOLUTION.match(line):
            name = found[1]


def _pnpm(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    """The keys under ``packages``, without those that have ``dev: true``."""
    inside = False
    module: tuple[str, str] | None = None
    for line in lines:
        if line[:1] not in ("", " ", "#"):
            if module:
                yield module
            inside, module = line.rstrip() == "packages:", None
        elif inside and (key := _PNPM_KEY.fullmatch(line)):
            if module:
                yield module
            found = _PNPM.fullmatch(key[1])
            module = (found[1] or found[3], found[2] or found[4]) if found else None
        elif line == "    dev: true":
            module = None
