"""How long a log group keeps what it is given."""

from __future__ import annotations

import msgspec

from hullwatch.posture.engine import Severity
from hullwatch.posture.model.account import LogGroup
from hullwatch.posture.model.snapshot import Snapshot


class Shortcoming(msgspec.Struct, frozen=True):
    """What is wrong with a log group, and how bad that is; no severity means the control's own."""

    message: str
    severity: Severity | None = None


def groups(snapshot: Snapshot) -> dict[str, LogGroup]:
    """Log groups by name."""
    return snapshot.once(_groups)


def _groups(snapshot: Snapshot) -> dict[str, LogGroup]:
    return {item.log_group_name: item for item in snapshot.of(LogGroup)}


def retention(name: str, snapshot: Snapshot) -> Shortcoming | None:
    """The worst shortcoming of a log group; ``None`` when there is none."""
    group = groups(snapshot).get(name)
    if group is None:
        return Shortcoming("the log group does not exist")
    days = group.retention_in_days
    if days is not None and days < snapshot.parameters.log_retention_days:
        return Shortcoming(f"kept for {days} days")
    if not group.kms_key_id:
        return Shortcoming("not encrypted with a customer key", "low")
    if days is None:
        return Shortcoming("never expires", "info")
    return None
