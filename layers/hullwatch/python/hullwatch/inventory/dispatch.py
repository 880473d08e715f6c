"""Which collectors want a path: one look-up per file, however many collectors there are."""

from __future__ import annotations

import hashlib
import pkgutil
import re
from collections.abc import Callable, Iterable
from functools import cache, partial
from importlib import import_module
from itertools import chain
from operator import eq
from typing import cast

from hullwatch.inventory import binaries, collectors, programs
from hullwatch.inventory.records import Collector, ProgramCollector

#: Part of the analyzer version: counted up when the layer index itself changes its meaning.
_LAYER_INDEX_VERSION = 2

_Matcher = Callable[[str], object]
_Candidates = list[tuple[_Matcher, Collector]]


class DispatchTable:
    """Collectors by base name, extension and directory of what they want."""

    def __init__(self, wanted_by: Iterable[Collector]) -> None:
        self._by_name: dict[str, _Candidates] = {}
        self._by_extension: dict[str, _Candidates] = {}
        self._by_directory: dict[str, _Candidates] = {}
        for collector in wanted_by:
            for pattern in collector.PATHS:
                self._add(pattern, collector)

    def find(self, path: str) -> list[Collector]:
        """The collectors that want the file at ``path``, mostly none."""
        directory, _, name = path.rpartition("/")
        by_name = self._by_name.get(name)
        by_extension = self._by_extension.get(name[name.rfind(".") + 1 :])
        by_directory = self._by_directory.get(directory)
        if by_name is by_extension is by_directory is None:
            return []
        candidates = chain(by_name or (), by_extension or (), by_directory or ())
        # Two patterns of one collector may fit.
        return list(dict.fromkeys(collector for matches, collector in candidates if matches(path)))

    def _add(self, pattern: str, collector: Collector) -> None:
        directory, _, name = pattern.rpartition("/")
        entry = (_compile(pattern), collector)
        if "*" not in name:
            self._by_name.setdefault(name, []).append(entry)
        elif name.startswith("*.") and "*" not in name[1:]:
            self._by_extension.setdefault(name[name.rfind(".") + 1 :], []).append(entry)
        elif name == "*" and "*" not in directory:
            self._by_directory.setdefault(directory, []).append(entry)
        else:
            raise ValueError(
                f"{collector.NAME}: {pattern!r} cannot be looked up by name, extension or directory"
            )


@cache
def all_collectors() -> tuple[Collector, ...]:
    """Every collector, in the order of their names."""
    names = sorted(module.name for module in pkgutil.iter_modules(collectors.__path__))
    return tuple(cast("Collector", import_module(f"{collectors.__name__}.{name}")) for name in names)


@cache
def program_collectors() -> tuple[ProgramCollector, ...]:
    """Every collector of what is in programs, in the order of their names."""
    names = sorted(module.name for module in pkgutil.iter_modules(programs.__path__))
    return tuple(cast("ProgramCollector", import_module(f"{programs.__name__}.{name}")) for name in names)


@cache
def dispatch_table() -> DispatchTable:
    """The table of all collectors."""
    return DispatchTable(all_collectors())


@cache
def analyzer() -> str:
    """The version of everything that decides what a layer index says, fit for a path.

    Layer indexes of another analyzer are made again.
    """
    everyone: tuple[Collector | ProgramCollector, ...] = (*all_collectors(), *program_collectors())
    versions = "\n".join(
        f"{name}={version}"
        for name, version in (
            *((collector.NAME, collector.VERSION) for collector in everyone),
            (binaries.NAME, binaries.VERSION),
        )
    )
    return f"{_LAYER_INDEX_VERSION}-{hashlib.sha256(versions.encode()).hexdigest()[:12]}"


def _compile(pattern: str) -> _Matcher:
    """Something true of the paths that ``pattern`` stands for."""
    if "*" not in pattern:
        return partial(eq, pattern)
    parts = (
        {"**/": "(?:.*/)?", "*": "[^/]*"}.get(part) or re.escape(part)
        for part in re.split(r"(\*\*/|\*)", pattern)
    )
    return re.compile("".join(parts), re.DOTALL).fullmatch
