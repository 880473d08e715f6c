"""The text of the controls: title, reason, remedy, severity and where each standard asks for it."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Literal

import msgspec

from hullwatch.posture.engine import Severity

#: ``planned``: described, not judged; never part of a result.
State = Literal["implemented", "planned"]


class Entry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One control for people. ``references``: a standard's or a peer's own numbers for the same idea."""

    id: str
    title: str
    why: str
    fix: str
    severity: Severity
    scope: str
    area: str
    status: State = "implemented"
    references: dict[str, tuple[str, ...]] = {}


@cache
def catalogue() -> dict[str, Entry]:
    """Every control by id, in the order of the catalogue: paths first, then by severity."""
    import yaml  # here, for those who never look a control up: reading a layer, above all

    text = files("hullwatch.posture").joinpath("catalogue.yaml").read_text(encoding="utf-8")
    entries = msgspec.convert(yaml.load(text, Loader=yaml.CSafeLoader), list[Entry])
    return {entry.id: entry for entry in entries}


def severity_of(control_id: str) -> Severity:
    """A control's severity before its violations are known."""
    return catalogue()[control_id].severity
