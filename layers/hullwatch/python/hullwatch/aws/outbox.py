"""The outbox: findings of every kind that still have to be sent, and the board of those that are open.

A finding's item carries ``outbox``, ``updated_at`` (its version), ``state`` and ``priority``. One that has to
be sent stands in the work list index under ``OUTBOX#PENDING``, an open one on the board under
``OPEN#<priority>``. What else an item holds, and how it is read, is the business of its records.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from hullwatch.aws.image_records import RETENTION, WORK_LIST
from hullwatch.aws.table import Item, Key, Table
from hullwatch.findings.control import ControlFinding
from hullwatch.findings.finding import Finding, Priority

#: The index of open findings: ``g3pk`` is ``OPEN#<priority>``, ``g3sk`` first seen and id.
BOARD = "board"

#: ``PENDING`` is to be sent, ``SENT`` stands in Security Hub, ``REJECTED`` was refused for good,
#: ``WITHHELD`` is not meant for Security Hub by configuration.
Outbox = Literal["PENDING", "SENT", "REJECTED", "WITHHELD"]

AnyFinding = Finding | ControlFinding


def outbox_fields(finding: AnyFinding, outbox: Outbox, now: int) -> dict[str, Any]:
    """What every finding's item says besides the finding itself; ``now`` in epoch seconds."""
    is_open, waits = finding.state == "OPEN", outbox == "PENDING"
    return {
        # Said even where they are the defaults, for whoever reads the table itself.
        "state": finding.state,
        "priority": finding.priority,
        "outbox": outbox,
        "g1pk": "OUTBOX#PENDING" if waits else None,
        "g1sk": finding.updated_at if waits else None,
        "g3pk": f"OPEN#{finding.priority}" if is_open else None,
        "g3sk": f"{finding.first_seen}#{finding.id}" if is_open else None,
        "expires": None if is_open else now + RETENTION,
    }


def unsent_item(table: Table, key: Key, finding: AnyFinding) -> Item | None:
    """The finding's item, if this version of it is still the newest and still to be sent."""
    item = table.get(*key)
    if item is None or item["updated_at"] != finding.updated_at or item["outbox"] != "PENDING":
        return None
    return item


def mark_item(table: Table, key: Key, finding: AnyFinding, outbox: Outbox, note: str) -> bool:
    """Note what became of sending this version of a finding; ``False`` if it has changed since."""
    return table.update_if(
        key,
        "SET outbox = :outbox, outbox_note = :note, published = :published REMOVE g1pk, g1sk",
        "updated_at = :at",
        {
            ":outbox": outbox,
            ":note": note,
            ":at": finding.updated_at,
            ":published": outbox == "SENT" or finding.published,
        },
    )


def pending_items(table: Table) -> Iterator[Item]:
    """Items of findings that are still to be sent, oldest first."""
    return table.query_index(WORK_LIST, "g1pk", "OUTBOX#PENDING")


def board_items(table: Table, priority: Priority) -> Iterator[Item]:
    """Items of the open findings of a priority, oldest first."""
    return table.query_index(BOARD, "g3pk", f"OPEN#{priority}")
