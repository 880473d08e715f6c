"""What has changed about a track: pure, the same whatever the order, and nothing the second time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
    opened: list[Finding] = []
    updated: list[Finding] = []
    kept: list[Finding] = []
    resolved: list[Finding] = []
    reopened: list[Finding] = []
    for finding in sorted(wanted, key=lambda finding: finding.id):
        before = stored.get(finding.id)
        if before is None:
            opened.append(_introduced(finding, head, first_seen=later(now, ""), updated_at=later(now, "")))
        elif before.state == "RESOLVED":
            at = later(now, before.updated_at)
            again = _introduced(finding, head, first_seen=before.first_seen, updated_at=at)
            reopened.append(msgspec.structs.replace(again, published=before.published))
        elif before.fingerprint == finding.fingerprint:
            kept.append(_continued(finding, before, before.updated_at))
        else:
            updated.append(_continued(finding, before, later(now, before.updated_at)))
    said = {finding.id for finding in wanted}
    for identifier in sorted(stored.keys() - said):
        before = stored[identifier]
        if before.state == "RESOLVED":
            continue
        if _examined(before, unread) and not (unjudged and before.kind == "configuration"):
            resolved.append(_resolved(before, head, later(now, before.updated_at)))
        else:
            kept.append(before)
    return Changes(
        opened=tuple(opened),
        updated=tuple(updated),
        kept=tuple(sorted(kept, key=lambda finding: finding.id)),
        resolved=tuple(resolved),
        reopened=tuple(reopened),
    )


def _introduced(finding: Finding, head: str, *, first_seen: str, updated_at: str) -> Finding:
    return msgspec.structs.replace(
        finding, introduced_by=head, first_seen=first_seen, updated_at=updated_at, state="OPEN"
    )


def _continued(finding: Finding, before: Finding, updated_at: str) -> Finding:
    return msgspec.structs.replace(
        finding,
        introduced_by=before.introduced_by,
        introduced_layer=before.introduced_layer,
        published=before.published,
        first_seen=before.first_seen,
        updated_at=updated_at,
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
