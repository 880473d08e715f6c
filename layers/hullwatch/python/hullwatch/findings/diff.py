"""What has changed about a track: pure, the same whatever the order, and nothing the second time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Generic, TypeVar

import msgspec

from hullwatch.findings.control import ControlFinding
from hullwatch.findings.finding import Finding
from hullwatch.inventory.package import Problem

#: What the fingerprint of a resolved finding begins with: it is never that of an open one.
RESOLVED = "resolved:"

F = TypeVar("F", Finding, ControlFinding)


class Changes(msgspec.Struct, Generic[F], frozen=True, kw_only=True):
    """Findings as they are to be stored, each list sorted by id.

    ``kept`` reads as before; it only names the images of today, and is not sent. A kept finding that could
    not be examined comes back exactly as it was stored.
    """

    opened: tuple[F, ...] = ()
    updated: tuple[F, ...] = ()
    kept: tuple[F, ...] = ()
    resolved: tuple[F, ...] = ()
    reopened: tuple[F, ...] = ()

    @property
    def to_send(self) -> tuple[F, ...]:
        """What a reader of Security Hub has to learn."""
        return tuple(chain(self.opened, self.updated, self.resolved, self.reopened))


def diff(
    stored: Mapping[str, Finding],
    wanted: Sequence[Finding],
    *,
    head: str,
    now: str,
    unread: Sequence[Problem],
    unjudged: bool = False,
) -> Changes[Finding]:
    """Compare what is said about a track with what there is to say.

    Args:
        stored: the track's findings by id, open and resolved. Only :func:`_examined` looks at their matches.
        wanted: what :func:`~hullwatch.findings.compose.findings_of` makes of the track now.
        head: digest of the track's head; empty when the track has no image left.
        now: ISO 8601, UTC.
        unread: what could not be read of the images behind ``wanted``. What only those bytes could show stays
            open: a finding is never closed without proof.
        unjudged: whether nobody has looked at the configuration of one of these images.
    """

    def carried(finding: Finding, before: Finding | None, at: str) -> Finding:
        return _carried(finding, before, head, at)

    def ended(before: Finding, at: str) -> Finding | None:
        proven = _examined(before, unread) and not (unjudged and before.kind == "configuration")
        return _resolved(before, head, at) if proven else None

    return compare(stored, {finding.id: finding for finding in wanted}, now, carried, ended)


def compare(
    stored: Mapping[str, F],
    wanted: Mapping[str, F],
    now: str,
    carried: Callable[[F, F | None, str], F],
    ended: Callable[[F, str], F | None],
) -> Changes[F]:
    """Compare what is said with what there is to say, both by id.

    Args:
        carried: a wanted finding as it is to be stored, from what stood there and the time of its change.
        ended: a finding that is wanted no more as resolved at a time, or ``None`` without proof of that.
    """
    opened: list[F] = []
    updated: list[F] = []
    kept: list[F] = []
    resolved: list[F] = []
    reopened: list[F] = []
    for identifier in sorted(stored.keys() | wanted.keys()):
        before, finding = stored.get(identifier), wanted.get(identifier)
        at = later(now, before.updated_at if before else "")
        if finding is None:
            if before and before.state == "OPEN":
                if end := ended(before, at):
                    resolved.append(end)
                else:
                    kept.append(before)
        elif before is None:
            opened.append(carried(finding, None, at))
        elif before.state == "RESOLVED":
            reopened.append(carried(finding, before, at))
        elif before.fingerprint == finding.fingerprint:
            kept.append(carried(finding, before, before.updated_at))
        else:
            updated.append(carried(finding, before, at))
    return Changes(
        opened=tuple(opened),
        updated=tuple(updated),
        kept=tuple(kept),
        resolved=tuple(resolved),
        reopened=tuple(reopened),
    )


def _carried(finding: Finding, before: Finding | None, head: str, at: str) -> Finding:
    if before is None:
        return msgspec.structs.replace(finding, introduced_by=head, first_seen=at, updated_at=at)
    reopened = before.state == "RESOLVED"
    return msgspec.structs.replace(
        finding,
        introduced_by=head if reopened else before.introduced_by,
        introduced_layer=finding.introduced_layer if reopened else before.introduced_layer,
        published=before.published,
        first_seen=before.first_seen,
        updated_at=at,
    )


def _resolved(before: Finding, head: str, updated_at: str) -> Finding:
    return msgspec.structs.replace(
        before,
        state="RESOLVED",
        resolved_by=head,
        updated_at=updated_at,
        fingerprint=RESOLVED + before.fingerprint,
    )


def _examined(finding: Finding, unread: Sequence[Problem]) -> bool:
    """Whether the absence of a finding was seen, not assumed.

    A whole image or layer that could not be read may hide anything. A single file hides only what it bears
    witness to, which the finding's matches tell; a finding stored without matches gets the benefit of doubt.
    """
    if not unread:
        return True
    if not all(problem.path for problem in unread):
        return False
    if finding.kind == "configuration":
        # It rests on the configuration and on the names and modes of files, which were read.
        return True
    witnesses = {location for match in finding.matches for location in match.package.locations}
    return bool(witnesses) and not any(
        witness.startswith(problem.path) for witness in witnesses for problem in unread
    )


def later(now: str, before: str) -> str:
    """``now`` in milliseconds, but always after ``before``: Security Hub ignores what is not newer."""
    moment = datetime.fromisoformat(now).astimezone(UTC)
    if before:
        moment = max(moment, datetime.fromisoformat(before) + timedelta(milliseconds=1))
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"
