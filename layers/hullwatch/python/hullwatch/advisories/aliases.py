"""Which advisories speak of the same mistake, and under which name it is shown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

_CVE = re.compile(r"CVE-(\d{4})-(\d{4,9})")


def is_cve(identifier: str) -> bool:
    """Whether this is a CVE number in its normal spelling."""
    return _CVE.fullmatch(identifier) is not None


def cve_number(identifier: str) -> int | None:
    """A CVE as one integer that sorts by year, then number; ``None`` for anything else."""
    found = _CVE.fullmatch(identifier)
    return None if found is None else int(found[1]) * 1_000_000_000 + int(found[2])


def cve_of(number: int) -> str:
    """The CVE of :func:`cve_number`."""
    return f"CVE-{number // 1_000_000_000}-{number % 1_000_000_000:04}"


def shown(identifiers: Iterable[str]) -> str:
    """The name of a group: its lowest CVE, else GHSA, else the first in alphabetical order."""

    def preference(identifier: str) -> tuple[int, int, str]:
        number = cve_number(identifier)
        if number is not None:
            return 0, number, identifier
        return (1 if identifier.startswith("GHSA-") else 2), 0, identifier

    return min(identifiers, key=preference)


class Groups:
    """The transitive closure of alias statements: a union-find over identifiers."""

    def __init__(self) -> None:
        self._parent: dict[str, str] = {}

    def join(self, identifier: str, aliases: Iterable[str]) -> None:
        """Note that ``identifier`` and every alias name the same mistake."""
        root = self._root(identifier)
        for alias in aliases:
            other = self._root(alias)
            if other != root:
                # The lower name becomes the root, so that the order of the feed does not matter.
                root, other = min(root, other), max(root, other)
                self._parent[other] = root

    def members(self) -> Iterator[list[str]]:
        """Every group, sorted inside and among each other."""
        groups: dict[str, list[str]] = {}
        for identifier in sorted(self._parent):
            groups.setdefault(self._root(identifier), []).append(identifier)
        yield from groups.values()

    def _root(self, identifier: str) -> str:
        parent = self._parent
        root = parent.setdefault(identifier, identifier)
        while root != parent[root]:
            root = parent[root]
        while identifier != root:
            parent[identifier], identifier = root, parent[identifier]
        return root
