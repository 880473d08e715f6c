"""Findings about the configuration in the table, by part.

``POSTURE#<part>`` (``POSTURE#ecs``, ``POSTURE#eks/<cluster>``) holds ``META`` (the lease, the counts of
verdicts) and ``FND#<name>``, a whole finding; ``<name>`` is a digest of its id. The outbox and the board are
those that tracks have.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

import msgspec

from hullwatch.aws.lease import claim, give_back
from hullwatch.aws.outbox import Outbox, mark_item, outbox_fields, unsent_item
from hullwatch.aws.table import Item, Key, Table
from hullwatch.findings.control import ControlFinding

#: What the partition keys of these records begin with.
PREFIX = "POSTURE#"


class ControlRecords:
    """The parts of one account and Region, each by the name of its scope."""

    def __init__(self, table: Table) -> None:
        self._table = table

    # The lease: one worker at a time settles a part

    def lease(self, part: str, now: int, until: int) -> str:
        """Claim a part until a time (epoch seconds): the lease's name, empty when another holds it."""
        return claim(self._table, _partition(part), now, until)

    def release(self, part: str, lease: str, at: str, counts: Mapping[str, int] | None = None) -> None:
        """Give our lease back and, once the part is settled, note how many verdicts of each kind it has."""
        notes = {} if counts is None else {"settled_at": at, "verdicts": dict(counts)}
        give_back(self._table, _partition(part), lease, notes)

    def verdicts(self, part: str) -> dict[str, int]:
        """How many verdicts of each kind the last evaluation came to; empty when there was none."""
        item = self._table.get(_partition(part), "META") or {}
        return dict(item.get("verdicts", {}))

    # Findings

    def findings(self, part: str) -> dict[str, ControlFinding]:
        """What we say about a part, open and resolved, by id."""
        items = self._table.query(_partition(part), "FND#")
        return {finding.id: finding for finding in map(control_finding_of, items)}

    def save(self, findings: Iterable[ControlFinding], outbox: Outbox, now: int) -> None:
        """Write findings, open or resolved."""
        self._table.write(_finding_item(finding, outbox, now) for finding in findings)

    def name_witnesses(self, finding: ControlFinding) -> None:
        """Note which pods or revisions bear witness now, when only that has changed: nothing is sent."""
        self._table.update_if(
            _key(finding),
            "SET evidence = :evidence, witnesses = :witnesses, #resource = :resource",
            "updated_at = :at",
            {
                ":evidence": list(finding.evidence),
                ":witnesses": finding.witnesses,
                ":resource": msgspec.to_builtins(finding.resource),
                ":at": finding.updated_at,
            },
            {"#resource": "resource"},
        )

    def unsent(self, finding: ControlFinding) -> ControlFinding | None:
        """The finding, if this version of it is still the newest and still to be sent."""
        item = unsent_item(self._table, _key(finding), finding)
        return None if item is None else control_finding_of(item)

    def mark(self, finding: ControlFinding, outbox: Outbox, note: str = "") -> bool:
        """Note what became of sending this version of a finding; ``False`` if it has changed since."""
        return mark_item(self._table, _key(finding), finding, outbox, note)


def control_finding_of(item: Item) -> ControlFinding:
    """The finding in an item of the table or of its stream."""
    return msgspec.convert(item, type=ControlFinding)


def _finding_item(finding: ControlFinding, outbox: Outbox, now: int) -> Item:
    pk, sk = _key(finding)
    return {**msgspec.to_builtins(finding), "pk": pk, "sk": sk, **outbox_fields(finding, outbox, now)}


def _partition(part: str) -> str:
    return f"{PREFIX}{part}"


def _key(finding: ControlFinding) -> Key:
    return _partition(finding.part), f"FND#{hashlib.sha256(finding.id.encode()).hexdigest()[:20]}"
