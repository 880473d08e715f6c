"""Failed controls in short, for records that have little room."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from hullwatch.posture.engine import MAX_SHOWN, Result, Severity, Shown

#: Violations that one keeps.
_MAX_LINES = 8


class FailedControl(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A control that something fails; what fails it is named where this is kept."""

    control: str
    severity: Severity
    #: ``path: value``, the first of them.
    lines: tuple[str, ...] = ()


def failed(results: Iterable[Result]) -> tuple[FailedControl, ...]:
    """The failed ones among results on one resource, by id."""
    return tuple(
        FailedControl(
            control=result.control,
            severity=result.severity,
            lines=tuple(
                f"{item.path}: {_text(item.value)}"[:MAX_SHOWN] for item in result.violations[:_MAX_LINES]
            ),
        )
        for result in sorted(results, key=lambda item: item.control)
        if result.verdict == "FAILED"
    )


def _text(value: Shown) -> str:
    match value:
        case None:
            return "not set"
        case list():
            return ", ".join(value)
        case _:
            return str(value)
