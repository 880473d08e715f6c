"""Advisory shards in the evidence bucket, unpacked on this machine when a match needs them.

The bucket has them below ``advisories/`` in the layout of :mod:`hullwatch.advisories.store`.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import msgspec

from hullwatch.advisories.store import Manifest, unpack
from hullwatch.aws.evidence import Evidence
from hullwatch.errors import FeedInvalid

#: Where everything about advisories lies in the bucket.
PREFIX = "advisories"


class EvidenceSource:
    """A :class:`~hullwatch.advisories.store.ShardSource` for one generation.

    Unpacked shards stay in ``cache`` for the next match of the same worker; they are named by content.
    """

    def __init__(self, evidence: Evidence, generation: str, cache: Path | None = None) -> None:
        self._evidence = evidence
        self._cache = cache or Path(tempfile.gettempdir()) / "hullwatch-shards"
        content = evidence.get(f"{PREFIX}/generations/{generation}.json")
        if content is None:
            raise FeedInvalid(f"advisory generation {generation} is not in the bucket")
        self._manifest = msgspec.json.decode(content, type=Manifest)

    def manifest(self) -> Manifest:
        """The generation's manifest."""
        return self._manifest

    def fetch(self, shard: str) -> Path:
        """Download and unpack a shard unless it is here already."""
        state = self._manifest.shards[shard]
        unpacked = self._cache / f"{shard}-{state.digest[:32]}.sqlite"
        if unpacked.is_file():
            return unpacked
        with tempfile.TemporaryDirectory() as scratch:
            packed = Path(scratch) / state.file_name(shard)
            self._evidence.download(f"{PREFIX}/shards/{packed.name}", packed)
            return unpack(packed, unpacked, state)
