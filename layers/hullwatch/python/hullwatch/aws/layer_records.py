"""Layers in the table: which were read by which analyzer, and who is reading one now.

``LAYER#<digest>`` / ``IDX#<analyzer>``. The lease keeps two pushes from reading the same layer twice; it
ends by itself, so that a worker that died blocks nobody for longer than it could have lived.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import Literal

from hullwatch.aws.table import Table

Lease = Literal["held", "done", "refused"]


class LayerRecords:
    """Layers, leased and done."""

    def __init__(self, table: Table, analyzer: str) -> None:
        self._table = table
        self._sk = f"IDX#{analyzer}"

    def indexed(self, digests: Iterable[str]) -> set[str]:
        """Those of the layers that this analyzer has read."""
        items = self._table.get_many([(f"LAYER#{digest}", self._sk) for digest in digests])
        return {item["pk"].removeprefix("LAYER#") for item in items if item["state"] == "DONE"}

    def lease(self, digest: str, now: int, until: int) -> Lease:
        """Claim a layer until a time (both in epoch seconds).

        ``held``: it is ours to read. ``done``: somebody has read it. ``refused``: somebody is at it.
        """
        # Its own name lets a call go through that was answered once, and whose answer was lost.
        lease = uuid.uuid4().hex
        item = {
            "pk": f"LAYER#{digest}",
            "sk": self._sk,
            "state": "LEASED",
            "lease_until": until,
            "lease": lease,
        }
        free = "attribute_not_exists(pk) OR lease_until < :now OR lease = :lease"
        if self._table.put_if(item, free, {":now": now, ":lease": lease}):
            return "held"
        stored = self._table.get(f"LAYER#{digest}", self._sk)
        return "done" if stored and stored["state"] == "DONE" else "refused"

    def done(self, digest: str, *, size: int, packages: int, at: str) -> None:
        """The layer's index is stored (``size`` in bytes, compressed)."""
        self._table.put(
            {
                "pk": f"LAYER#{digest}",
                "sk": self._sk,
                "state": "DONE",
                "size": size,
                "packages": packages,
                "updated_at": at,
            }
        )

    def release(self, digest: str) -> None:
        """Give a lease back after reading failed."""
        self._table.write(deletes=[(f"LAYER#{digest}", self._sk)])
