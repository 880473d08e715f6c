"""Findings of every kind, wherever they stand: what the outbox is emptied from."""

from __future__ import annotations

from collections.abc import Iterator

from hullwatch.aws.control_records import PREFIX, ControlRecords, control_finding_of
from hullwatch.aws.outbox import AnyFinding, Outbox, board_items, pending_items
from hullwatch.aws.table import Item, Table
from hullwatch.aws.track_records import TrackRecords, track_finding_of
from hullwatch.findings.control import ControlFinding
from hullwatch.findings.finding import Priority


class FindingRecords:
    """The findings of tracks and of parts together."""

    def __init__(self, table: Table, tracks: TrackRecords, controls: ControlRecords) -> None:
        self._table = table
        self._tracks = tracks
        self._controls = controls

    def unsent(self, finding: AnyFinding) -> AnyFinding | None:
        """The finding as it is sent, if this version of it is still the newest and still to be sent."""
        if isinstance(finding, ControlFinding):
            return self._controls.unsent(finding)
        return self._tracks.unsent(finding)

    def mark(self, finding: AnyFinding, outbox: Outbox, note: str = "") -> bool:
        """Note what became of sending this version of a finding; ``False`` if it has changed since."""
        if isinstance(finding, ControlFinding):
            return self._controls.mark(finding, outbox, note)
        return self._tracks.mark(finding, outbox, note)

    def pending(self) -> Iterator[AnyFinding]:
        """Findings whose projection is still to be sent, oldest first."""
        return map(finding_of, pending_items(self._table))

    def board(self, priority: Priority) -> Iterator[AnyFinding]:
        """Open findings of a priority, oldest first."""
        return map(finding_of, board_items(self._table, priority))


def finding_of(item: Item) -> AnyFinding:
    """The finding in an item of the table or of its stream; one of a track comes without matches."""
    return control_finding_of(item) if item["pk"].startswith(PREFIX) else track_finding_of(item)
