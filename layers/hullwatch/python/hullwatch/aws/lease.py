"""Leases: one worker at a time brings what stands under a partition in line."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from hullwatch.aws.table import Table


def claim(table: Table, partition: str, now: int, until: int) -> str:
    """Claim a partition until a time (epoch seconds): the lease's name, empty when another holds it."""
    # Its own name lets a call go through that was answered once, and whose answer was lost.
    lease = uuid.uuid4().hex
    held = table.update_if(
        (partition, "META"),
        "SET lease_until = :until, lease = :lease",
        "attribute_not_exists(lease_until) OR lease_until < :now OR lease = :lease",
        {":now": now, ":until": until, ":lease": lease},
    )
    return lease if held else ""


def give_back(table: Table, partition: str, lease: str, notes: Mapping[str, Any]) -> None:
    """Give our lease back and leave notes beside it; nothing when it ran out and another has it."""
    sets = ", ".join(f"#{name} = :{name}" for name in notes)
    table.update_if(
        (partition, "META"),
        f"SET {sets} REMOVE lease_until, lease" if notes else "REMOVE lease_until, lease",
        "lease = :lease",
        {":lease": lease, **{f":{name}": value for name, value in notes.items()}},
        {f"#{name}": name for name in notes},
    )
