"""What has changed about the configuration of a part: pure, in any order, and nothing the second time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime

import msgspec

from hullwatch.findings.compose_controls import control_finding, sources_of, unread_findings, without_unread
from hullwatch.findings.control import ControlFinding, Outcome
from hullwatch.findings.diff import RESOLVED, Changes, compare
from hullwatch.findings.wording import plain
from hullwatch.posture.catalogue import catalogue
from hullwatch.posture.coverage import Covered
from hullwatch.posture.engine import Result
from hullwatch.posture.model.snapshot import Scope
from hullwatch.settings import AcceptedRisk

_MAX_REASON = 200


class _Ended(msgspec.Struct, frozen=True):
    outcome: Outcome
    because: str = ""


def diff_controls(
    stored: Mapping[str, ControlFinding],
    results: Sequence[Result],
    *,
    covered: Covered,
    now: str,
    exceptions: Sequence[AcceptedRisk] = (),
) -> Changes[ControlFinding]:
    """Compare what is said about the configuration of a part with what an evaluation came to.

    A finding is resolved by proof only: its control passed or does not apply, somebody accepts the risk, or
    the resource is gone from a list that was read to the end. A result without a verdict closes nothing.

    Args:
        stored: the part's findings by id, open and resolved.
        results: every result of the evaluation, passed ones too.
        covered: how far the evaluation saw.
        now: ISO 8601, UTC.
        exceptions: accepted risks; those whose day is over count no more.
    """
    today = datetime.fromisoformat(now).date()
    wanted = {finding.id: finding for finding in unread_findings(covered)}
    ended: dict[str, _Ended] = {}
    unknown: set[str] = set()
    for result in (without_unread(result, covered) for result in results):
        finding = control_finding(result, covered)
        if result.verdict == "NOT_AVAILABLE":
            unknown.add(finding.id)
        elif result.verdict in ("PASSED", "NOT_APPLICABLE"):
            if _seen_whole(stored.get(finding.id), covered):
                ended[finding.id] = (
                    _Ended("fixed")
                    if result.verdict == "PASSED"
                    else _Ended("not-applicable", plain(result.reason, _MAX_REASON))
                )
            else:
                unknown.add(finding.id)
        elif risk := accepted_by(exceptions, result, covered.scope, today):
            ended[finding.id] = _Ended("accepted", f"accepted by {risk}")
        else:
            wanted[finding.id] = finding
    for identifier in stored.keys() - wanted.keys() - ended.keys() - unknown:
        if end := _unsaid(stored[identifier], covered):
            ended[identifier] = end

    def end_of(before: ControlFinding, at: str) -> ControlFinding | None:
        end = ended.get(before.id)
        return _resolved(before, end, at) if end else None

    return compare(stored, wanted, now, _carried, end_of)


def accepted_by(
    exceptions: Iterable[AcceptedRisk], result: Result, scope: Scope, today: date
) -> AcceptedRisk | None:
    """The first exception that holds today and accepts a failed result."""
    if result.verdict != "FAILED":
        return None
    resource = str(result.resource)
    return next(
        (
            risk
            for risk in exceptions
            if today <= risk.until and risk.accepts(result.control, resource, scope.cluster)
        ),
        None,
    )


def _seen_whole(before: ControlFinding | None, covered: Covered) -> bool:
    """Whether a verdict can speak for a finding: a pod that bore witness may not have been read."""
    return (
        before is None
        or not before.witnesses
        or before.control in covered.controls
        or covered.part.is_about(before.resource)
    )


def _unsaid(finding: ControlFinding, covered: Covered) -> _Ended | None:
    """How a finding ended that no result speaks of; ``None`` when that proves nothing."""
    if finding.kind == "unread":
        return _Ended("fixed") if finding.control in sources_of(covered) else None
    entry = catalogue().get(finding.control)
    if entry is None or entry.status != "implemented":
        return _Ended("withdrawn", "this control is not checked any more")
    # A part with a name is one resource: if all of it was read and no verdict speaks of it, it is not there.
    alone = covered.part.is_about(finding.resource) and all(
        state.complete for state in covered.inputs.values()
    )
    gone = alone or finding.control in covered.controls
    return _Ended("gone", "the resource is gone") if gone else None


def _carried(finding: ControlFinding, before: ControlFinding | None, at: str) -> ControlFinding:
    if before is None:
        return msgspec.structs.replace(finding, first_seen=at, updated_at=at)
    return msgspec.structs.replace(
        finding, first_seen=before.first_seen, updated_at=at, published=before.published
    )


def _resolved(before: ControlFinding, end: _Ended, updated_at: str) -> ControlFinding:
    return msgspec.structs.replace(
        before,
        state="RESOLVED",
        outcome=end.outcome,
        because=end.because,
        updated_at=updated_at,
        fingerprint=RESOLVED + before.fingerprint,
    )
