"""Which advisories are live: one pointer in the evidence bucket, swapped by a conditional write.

``advisories/current.json`` names a generation, as :mod:`hullwatch.advisories.store` has it; two generations
share the shards that did not change.
"""

from __future__ import annotations

import time

import msgspec

from hullwatch.aws.evidence import Evidence
from hullwatch.aws.shards import PREFIX

#: The pointer's name among the advisories.
POINTER = "current.json"
_KEY = f"{PREFIX}/{POINTER}"
#: How long a warm function believes what it has read, in seconds.
_FRESH = 30.0


class Pointer(msgspec.Struct, frozen=True):
    """The live generation (empty before the first refresh) and when it went live (ISO 8601, UTC)."""

    generation: str = ""
    since: str = ""


class Generations:
    """The pointer, read and swapped."""

    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence
        self._read = (-_FRESH, "")

    def current(self) -> str:
        """The live generation; empty when no advisories were ever compiled here."""
        at, generation = self._read
        if time.monotonic() - at >= _FRESH or not generation:
            content = self._evidence.get(_KEY)
            generation = msgspec.json.decode(content, type=Pointer).generation if content else ""
            self._read = (time.monotonic(), generation)
        return generation

    def swap(self, generation: str, since: str) -> bool:
        """Make a generation live. ``False`` when another writer was faster."""
        content, etag = self._evidence.get_with_etag(_KEY)
        if content and msgspec.json.decode(content, type=Pointer).generation == generation:
            return True
        pointer = msgspec.json.encode(Pointer(generation, since))
        return self._evidence.replace(_KEY, pointer, etag)
