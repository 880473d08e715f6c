"""What differs between two generations: which packages have other answers, and which CVEs other facts.

A fleet is matched again where an inventory holds one of the changed packages; nothing else can have changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import closing

import msgspec

from hullwatch.advisories import ecosystems
from hullwatch.advisories.shards import Shard
from hullwatch.advisories.store import ShardSource

#: What a shard says, by name.
_Names = Callable[[Shard], Iterable[tuple[str, bytes]]]


class Changes(msgspec.Struct, frozen=True, kw_only=True):
    """The difference between two generations."""

    #: Shard -> normal names of the packages of which something else is said; all of them where a shard came
    #: or went.
    packages: dict[str, frozenset[str]]
    #: CVEs of which something else is known: ratings, EPSS, KEV, rejection.
    cves: frozenset[str]
    #: Repositories that serve other streams.
    repositories: frozenset[str] = frozenset()


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

    def read(source: ShardSource, shard: str, of: _Names) -> set[tuple[str, bytes]]:
        if shard not in source.manifest().shards:
            return set()
        with closing(Shard(source.fetch(shard))) as opened:
            return set(of(opened))

    def names(shard: str, of: _Names) -> frozenset[str]:
        """Of what something else is said."""
        return frozenset(name for name, _ in read(before, shard, of) ^ read(after, shard, of))

    others = {ecosystems.ENRICHMENT: Shard.cves, ecosystems.REPOSITORIES: Shard.repositories}
    found = {shard: names(shard, others.get(shard, Shard.packages)) for shard in differing}
    return Changes(
        cves=found.pop(ecosystems.ENRICHMENT, frozenset()),
        repositories=found.pop(ecosystems.REPOSITORIES, frozenset()),
        packages={shard: changed for shard, changed in found.items() if changed},
    )
