"""An image that could not be read: its reason, recorded, so that it becomes a finding and not a silence."""

from __future__ import annotations

import json

import msgspec

from hullwatch.aws.image_records import ImageRecord, Status
from hullwatch.aws.services import Services
from hullwatch.errors import (
    HullwatchError,
    ImageArchived,
    ImageGone,
    PermanentError,
    kind_of,
)
from hullwatch.inventory.dispatch import analyzer

#: The longest detail that a record keeps, in characters.
_MAX_DETAIL = 500

_STATUS: dict[type[PermanentError], Status] = {ImageGone: "GONE", ImageArchived: "ARCHIVED"}


def record_failure(services: Services, repository: str, digest: str, error: str, cause: str) -> ImageRecord:
    """Record what Step Functions caught: ``error`` is a class name, ``cause`` the runtime's JSON.

    Permanent errors make the image ``UNSCANNABLE`` for these versions of reader and advisories. Anything else
    makes it ``FAILED`` and counts the attempt, so that the next hint tries again.
    """
    return _record(services, repository, digest, kind_of(error), error, _message(cause))


def record_error(services: Services, repository: str, digest: str, error: PermanentError) -> ImageRecord:
    """Record a permanent error that was met directly."""
    return _record(services, repository, digest, type(error), type(error).__name__, str(error))


def _record(
    services: Services,
    repository: str,
    digest: str,
    kind: type[HullwatchError] | None,
    name: str,
    detail: str,
) -> ImageRecord:
    known = services.images.get(repository, digest) or ImageRecord(
        repository=repository, digest=digest, status="PENDING"
    )
    permanent = kind if kind and issubclass(kind, PermanentError) else None
    status = _STATUS.get(permanent, "UNSCANNABLE") if permanent else "FAILED"
    record = msgspec.structs.replace(
        known,
        status=status,
        reason=permanent.reason if permanent else _reason(name),
        detail=detail[:_MAX_DETAIL],
        analyzer=analyzer(),
        generation=services.generations.current(),
        attempts=known.attempts + (status != "UNSCANNABLE"),
        updated_at=services.timestamp(),
    )
    services.images.put(record)
    return record


def _reason(name: str) -> str:
    """A word for what is not of our tree: the runtime's and Step Functions' own errors."""
    return {
        "States.Timeout": "TIMEOUT",
        "Sandbox.Timedout": "TIMEOUT",
        "Lambda.Unknown": "OUT_OF_RESOURCES",
    }.get(name, "SCAN_FAILED")


def _message(cause: str) -> str:
    try:
        return str(json.loads(cause)["errorMessage"])
    except (ValueError, TypeError, KeyError):
        return cause
