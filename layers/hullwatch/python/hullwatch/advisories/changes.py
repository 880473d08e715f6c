"""What differs between two generations: which packages have other answers, and which CVEs other facts.

A fleet is matched again where an inventory holds one of the changed packages; nothing else can have changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import closing
from typing import TypeVar

import msgspec

from hullwatch.advisories import ecosystems
from hullwatch.advisories.shards import Shard
from hullwatch.advisories.store import ShardSource

_Said = TypeVar("_Said")


class Changes(msgspec.Struct, frozen=True, kw_only=True):
    """The difference between two generations."""

    #: Shard -> normal names of the packages of which something else is said; all of them where a shard came
    #: or went.
    packages: dict[str, frozenset[str]]
    #: CVEs of which something else is known: ratings, EPSS, KEV, rejection.
    cves: frozenset[str]


def changes(before: ShardSource, after: ShardSource) -> Changes:
    """Compare two generations; only shards with different digests are read.

    :raises FeedInvalid: a shard is damaged.
    """
    old, new = before.manifest().shards, after.manifest().shards
    differing = [
        name
        for name in sorted(old.keys() | new.keys())
        if name not in old or name not in new or old[name].digest != new[name].digest
    ]

    def read(source: ShardSource, shard: str, of: Callable[[Shard], Iterable[_Said]]) -> set[_Said]:
        if shard not in source.manifest().shards:
            return set()
        with closing(Shard(source.fetch(shard))) as opened:
            return set(of(opened))

    packages = {
        name: frozenset(
            package for package, _ in read(before, name, Shard.packages) ^ read(after, name, Shard.packages)
        )
        for name in differing
        if name != ecosystems.ENRICHMENT
    }
    cves: frozenset[str] = frozenset()
    if ecosystems.ENRICHMENT in differing:
        known = read(before, ecosystems.ENRICHMENT, Shard.cves)
        cves = frozenset(cve for cve, _ in known ^ read(after, ecosystems.ENRICHMENT, Shard.cves))
    return Changes(packages={name: names for name, names in packages.items() if names}, cves=cves)
