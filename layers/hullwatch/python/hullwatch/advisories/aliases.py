"""Which advisories speak of the same mistake, and under which name it is shown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import msgspec

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


class Spoken(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An identifier that the records of a shard use, and what one of them says it is also called."""

    shard: str
    identifier: str
    aliases: tuple[str, ...] = ()


#: One alias statement: an identifier and its other names.
Statement = tuple[str, tuple[str, ...]]


class Groups:
    """The closure of alias statements, in which no two CVEs ever become one.

    A CVE is one mistake, so what links two of them (an advisory for both, or a chain of aliases) names both.
    """

    def __init__(self) -> None:
        self._beside: dict[str, set[str]] = {}

    def join(self, identifier: str, aliases: Iterable[str]) -> None:
        """Note that ``identifier`` is also called by its aliases."""
        beside = self._beside.setdefault(identifier, set())
        for alias in aliases:
            beside.add(alias)
            self._beside.setdefault(alias, set()).add(identifier)

    def names(self) -> dict[str, tuple[str, ...]]:
        """Identifier -> the vulnerabilities it stands for, under the names they are shown by.

        One, unless its group holds several CVEs: then the nearest of them, or all that are equally near.
        """
        named: dict[str, tuple[str, ...]] = {}
        for group in self.members():
            cves = [member for member in group if is_cve(member)]
            if len(cves) < 2:
                name = shown(group)
                named.update((member, (name,)) for member in group)
            else:
                named.update(self._nearest(cves))
        return named

    def members(self) -> Iterator[list[str]]:
        """Every connected group, sorted inside and among each other."""
        seen: set[str] = set()
        for identifier in sorted(self._beside):
            if identifier in seen:
                continue
            seen.add(identifier)
            group = [identifier]
            for member in group:
                for other in self._beside[member] - seen:
                    seen.add(other)
                    group.append(other)
            yield sorted(group)

    def _nearest(self, cves: list[str]) -> dict[str, tuple[str, ...]]:
        named: dict[str, tuple[str, ...]] = {cve: (cve,) for cve in cves}
        frontier = named
        while frontier:
            reached: dict[str, set[str]] = {}
            for member, names in frontier.items():
                for other in self._beside[member] - named.keys():
                    reached.setdefault(other, set()).update(names)
            frontier = {member: tuple(sorted(names)) for member, names in reached.items()}
            named |= frontier
        return named


def said_elsewhere(spoken: Iterable[Spoken]) -> dict[str, tuple[Statement, ...]]:
    """What each shard has to hear from the others, so that all of them form the same groups.

    Shard -> the alias statements of other shards in every group that it speaks of, sorted. A shard whose
    groups nobody else speaks of is left out, so that it is compiled again for its own records alone.
    """
    groups = Groups()
    alone: list[Spoken] = []
    said: dict[Statement, set[str]] = {}
    for entry in spoken:
        if entry.aliases:
            groups.join(entry.identifier, entry.aliases)
            said.setdefault((entry.identifier, entry.aliases), set()).add(entry.shard)
        else:
            alone.append(entry)
    group_of = {member: number for number, group in enumerate(groups.members()) for member in group}
    statements: dict[int, list[Statement]] = {}
    listeners: dict[int, set[str]] = {}
    for statement, shards in said.items():
        number = group_of[statement[0]]
        statements.setdefault(number, []).append(statement)
        listeners.setdefault(number, set()).update(shards)
    for entry in alone:
        if entry.identifier in group_of:
            listeners[group_of[entry.identifier]].add(entry.shard)
    heard: dict[str, list[Statement]] = {}
    for number, shards in listeners.items():
        for shard in shards if len(shards) > 1 else ():
            heard.setdefault(shard, []).extend(s for s in statements[number] if shard not in said[s])
    return {shard: tuple(sorted(heard[shard])) for shard in sorted(heard) if heard[shard]}
