"""Dates and times as AWS and Kubernetes write them."""

from __future__ import annotations

from datetime import UTC, datetime


def parse_time(value: str | float) -> datetime | None:
    """ISO 8601 text or epoch seconds as an aware time; ``None`` when it is neither."""
    try:
        if isinstance(value, int | float):
            return datetime.fromtimestamp(value, UTC)
        parsed = datetime.fromisoformat(value)
    except (ValueError, OverflowError, OSError):
        return None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def days_between(earlier: str | float, now: datetime) -> int | None:
    """Whole days from a written time to ``now``; negative when it lies ahead, ``None`` when it is no time."""
    parsed = parse_time(earlier)
    return None if parsed is None else (now - parsed).days
