"""Lock files of Python: Pipenv, Poetry, uv, PDM, and the pins of ``requirements.txt``.

Only exact versions (``==``) are pins. What is only for development is left out where the file says so, and so
is what comes from a directory.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from hullwatch.inventory import lock_files
from hullwatch.inventory.lock_files import counts, load_json, load_toml, table, tables, text
from hullwatch.inventory.package import Package

NAME = "python-lock"
VERSION = 1
PATHS = ("**/Pipfile.lock", "**/poetry.lock", "**/uv.lock", "**/pdm.lock", "**/requirements.txt")
MAX_BYTES = lock_files.MAX_BYTES

_PIN = re.compile(
    r"([A-Za-z0-9][\w.-]*)\s*(?:\[[^\]]*\]\s*)?==\s*([A-Za-z0-9][\w.!+-]*)\s*(?:[;#\\].*|--hash.*)?"
)
#: The groups that are not for development: Poetry's and PDM's.
_MAIN = {"main", "default"}
_LOCAL = {"virtual", "editable", "directory"}


def parse(path: str, content: bytes) -> Iterable[Package]:
    """The distributions that a lock file names."""
    if not counts(path):
        return
    name = path.rpartition("/")[2]
    if name == "requirements.txt":
        found = _pins(lock_files.lines(content))
    elif name == "Pipfile.lock":
        found = _pipenv(load_json(content))
    else:
        found = _packages(load_toml(content))
    for project, version in dict.fromkeys(found):
        yield Package(type="pypi", name=project, version=version, locations=(path,), declared_only=True)


def _pins(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    for line in lines:
        if found := _PIN.fullmatch(line.strip()):
            yield found[1], found[2]


def _pipenv(document: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for name, details in table(document.get("default")).items():
        version = text(table(details).get("version"))
        if version.startswith("=="):
            yield name, version[2:]


def _packages(document: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for package in tables(document.get("package")):
        name, version, groups = text(package.get("name")), text(package.get("version")), package.get("groups")
        is_main = not isinstance(groups, list) or any(group in _MAIN for group in groups)
        is_local = not _LOCAL.isdisjoint(table(package.get("source"))) or "path" in package
        if name and version and is_main and not is_local and package.get("category") != "dev":
            yield name, version
