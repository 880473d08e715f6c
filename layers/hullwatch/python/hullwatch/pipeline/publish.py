"""The outbox: what the table says, told to Security Hub and to the event bus.

The stream only says that something changed. A finding is read again before it is sent, and marked as sent
only if it is still that version, so that a stream read twice or late does no harm.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import msgspec

from hullwatch.aws.events import DetailType, Event
from hullwatch.aws.finding_records import finding_of
from hullwatch.aws.image_records import ImageRecord, image_record
from hullwatch.aws.outbox import AnyFinding
from hullwatch.aws.services import Services, timestamp
from hullwatch.aws.table import unmarshal
from hullwatch.findings.asff import to_asff
from hullwatch.findings.control import ControlFinding
from hullwatch.findings.control_asff import control_to_asff
from hullwatch.findings.finding import Finding

logger = logging.getLogger(__name__)

#: The longest note about a refusal that a finding keeps, in characters.
_MAX_NOTE = 500

#: How long the stream has to deliver a finding before it counts as waiting, in seconds.
_PATIENCE = 900

#: What became of a finding in its last change, for the event bus.
Turn = Literal["Finding Opened", "Finding Resolved", ""]


class Change(msgspec.Struct, frozen=True):
    """One record of the stream: an image or a finding, before and after."""

    before: dict[str, Any]
    after: dict[str, Any]

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Change:
        """Read ``dynamodb`` of a stream record (view type NEW_AND_OLD_IMAGES)."""
        return cls(unmarshal(record.get("OldImage", {})), unmarshal(record.get("NewImage", {})))


def publish_changes(services: Services, records: Sequence[Mapping[str, Any]]) -> list[str]:
    """Publish what a batch of stream records is about, in as few calls as possible.

    Returns the sequence numbers of the records that have to come again. Raises a transient error when the
    whole batch has to.
    """
    changes = [
        (str(record["dynamodb"]["SequenceNumber"]), Change.of(record["dynamodb"])) for record in records
    ]
    findings = {number: finding_of(change.after) for number, change in changes if "state" in change.after}
    again = {finding.id for finding in publish(services, findings.values())}
    events: list[Event] = []
    for number, change in changes:
        if number in findings:
            events += _finding_events(findings[number], _turn(change))
        elif change.after:
            events += image_events(services, change)
    services.bus.put(events)
    return [number for number, finding in findings.items() if finding.id in again]


def publish_waiting(services: Services) -> int:
    """Send findings that have been waiting for a while, and say how many there were.

    For what the stream gave up on: while Security Hub was disabled or out of reach, findings stay pending.
    """
    before = timestamp(services.clock() - _PATIENCE)
    waiting = [finding for finding in services.findings.pending() if finding.updated_at < before]
    again = publish(services, waiting)
    logger.info("sent %d of %d waiting findings", len(waiting) - len(again), len(waiting))
    return len(waiting)


def publish(services: Services, findings: Iterable[AnyFinding]) -> list[AnyFinding]:
    """Send findings to Security Hub, mark what became of each, and return those to try again.

    A finding that Security Hub refuses for good is marked with its reason and not tried again. Raises a
    transient error when nothing could be sent, and :class:`~hullwatch.errors.HubDisabled` when Security Hub
    is not enabled.
    """
    documents: list[dict[str, Any]] = []
    sending: dict[str, AnyFinding] = {}
    for finding in findings:
        current = services.findings.unsent(finding)
        if current is None:
            continue
        if _wanted(services, current):
            sending[current.id] = current
            documents.append(_document(services, current))
        else:
            services.findings.mark(current, "WITHHELD")
    if not documents:
        return []
    result = services.hub.import_findings(documents)
    for identifier in result.sent:
        services.findings.mark(sending[identifier], "SENT")
    again: list[AnyFinding] = []
    for failure in result.failed:
        finding, why = sending[failure.id], f"{failure.code}: {failure.message}"
        logger.error("Security Hub did not take %s: %s", failure.id, why)
        if failure.permanent:
            services.findings.mark(finding, "REJECTED", why[:_MAX_NOTE])
        else:
            again.append(finding)
    return again


def image_events(services: Services, change: Change) -> list[Event]:
    """What to tell about an image whose record has changed."""
    record = image_record(change.after)
    before = image_record(change.before) if change.before else None
    if not record.settled or record.kind != "image" or _said(before) == _said(record):
        return []
    environment = services.environment
    arn = (
        f"arn:{environment.partition}:ecr:{environment.region}:{environment.account}:"
        f"repository/{record.repository}/{record.digest}"
    )
    detail = {
        "repository": record.repository,
        "digest": record.digest,
        "platform": record.platform,
        "status": record.status,
        "reason": record.reason,
        "generation": record.generation,
        "packages": record.packages,
        "vulnerabilities": record.vulnerabilities,
        "unmatched": record.unmatched,
    }
    names: list[DetailType] = []
    if record.status in {"ASSESSED", "PARTIAL"}:
        names.append("Image Scan Completed")
    elif record.status in {"UNSCANNABLE", "FAILED"}:
        names.append("Image Scan Failed")
    if _covered(before) != _covered(record):
        names.append("Coverage Changed")
    return [Event(name, (arn,), {**detail, "covered": _covered(record)}) for name in names]


def _said(record: ImageRecord | None) -> tuple[str, ...] | None:
    return (record.status, record.analyzer, record.generation) if record else None


def _covered(record: ImageRecord | None) -> bool | None:
    """Whether an image was read whole; ``None`` while that is not known."""
    if record is None or record.status in {"PENDING", "GONE"}:
        return None
    return record.status == "ASSESSED"


def _turn(change: Change) -> Turn:
    before, after = change.before.get("state"), change.after["state"]
    if before == after:
        return ""
    return "Finding Opened" if after == "OPEN" else "Finding Resolved"


def _finding_events(finding: AnyFinding, turn: Turn) -> Sequence[Event]:
    if not turn:
        return []
    if isinstance(finding, ControlFinding):
        arns = (finding.resource.arn,) if finding.resource.arn else ()
        return [Event(turn, arns, _control_detail(finding))]
    return [Event(turn, (), _track_detail(finding, turn))]


def _track_detail(finding: Finding, turn: Turn) -> dict[str, Any]:
    return {
        "id": finding.id,
        "repository": finding.track.repository,
        "track": finding.track.lineage,
        "kind": finding.kind,
        "control": finding.control,
        "package": finding.package,
        "installed": finding.installed,
        "fixed": finding.fixed,
        "priority": finding.priority,
        "reasons": finding.reasons,
        "digest": finding.introduced_by if turn == "Finding Opened" else finding.resolved_by,
    }


def _control_detail(finding: ControlFinding) -> dict[str, Any]:
    return {
        "id": finding.id,
        "kind": finding.kind,
        "control": finding.control,
        "title": finding.title,
        "cluster": finding.scope.cluster,
        "resource": str(finding.resource),
        "severity": finding.severity,
        "priority": finding.priority,
        "requirements": finding.requirements,
        "outcome": finding.outcome,
        "because": finding.because,
    }


def _wanted(services: Services, finding: AnyFinding) -> bool:
    """Whether Security Hub is to hear of it: by configuration, and always when it has to unlearn it."""
    settings = services.environment.settings.findings
    if not settings.security_hub:
        return False
    return finding.published or (finding.state == "OPEN" and _ranks(services, finding))


def _ranks(services: Services, finding: AnyFinding) -> bool:
    # P1 sorts before P4. What could not be read is said whatever its priority.
    minimum = services.environment.settings.findings.minimum_priority
    return finding.kind in ("unscannable", "unread") or finding.priority <= minimum


def _document(services: Services, finding: AnyFinding) -> dict[str, Any]:
    environment = services.environment
    account, region, partition = environment.account, environment.region, environment.partition
    if isinstance(finding, ControlFinding):
        document = control_to_asff(finding, account=account, region=region, partition=partition)
    else:
        document = to_asff(finding, account=account, region=region, partition=partition)
    if not _ranks(services, finding):
        # It was worth showing once and no longer is.
        document["RecordState"] = "ARCHIVED"
    return document
