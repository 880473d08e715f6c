"""How far an evaluation saw: what it may say is gone, and what it could not read."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from hullwatch.posture.engine import Control
from hullwatch.posture.model.snapshot import InputState, Scope, Snapshot, Subject
from hullwatch.posture.parts import Part, kind_of


class Covered(msgspec.Struct, frozen=True, kw_only=True):
    """What stood behind the results of one evaluation of a part.

    ``controls``: those whose every object in the part was listed, so that one without a result is gone.
    ``inputs``: how each input that any of the controls needs was read; what nobody tried to read is left out.
    """

    part: Part
    scope: Scope
    controls: frozenset[str] = frozenset()
    inputs: dict[str, InputState] = {}


def covered_by(snapshot: Snapshot, controls: Iterable[Control], part: Part) -> Covered:
    """How far ``controls`` could see in the snapshot of a part.

    A control counts as fully listed when all that its objects in the part come from, or that it needs of it,
    was read to the end, and every object fits its schema: what does not may stand for another one. What other
    parts list is their business. Of a part with a name only one thing was read, and nothing is fully listed.
    """
    listed: dict[str, bool] = {}
    inputs: dict[str, InputState] = {}
    for control in controls:
        names = _inputs(control)
        inputs |= {name: state for name in names if (state := snapshot.state(name)).status != "not-read"}
        owners = [
            name
            for subject in _subjects(control)
            for name in getattr(subject, "OWNERS", ())
            if name in snapshot.inputs
        ]
        inputs |= {name: snapshot.state(name) for name in owners}
        own = [name for name in names if kind_of(name) == part.kind]
        whole = part.whole and not snapshot.incomplete(*own, *owners) and _readable(snapshot, control)
        listed[control.id] = listed.get(control.id, True) and whole
    return Covered(
        part=part,
        scope=snapshot.scope,
        controls=frozenset(control_id for control_id, whole in listed.items() if whole),
        inputs=inputs,
    )


def _inputs(control: Control) -> list[str]:
    """Inputs that list the control's objects or that it needs; further reads of one object are none."""
    own = getattr(control.subject, "READS", {}).values()
    listing = [name for subject in _subjects(control) for name in subject.INPUTS]
    return [*listing, *(name for name in control.needs if name not in own)]


def _subjects(control: Control) -> tuple[type[Subject], ...]:
    return (control.subject, *getattr(control.subject, "SOURCES", ()))


def _readable(snapshot: Snapshot, control: Control) -> bool:
    if any(broken.subject in _subjects(control) for broken in snapshot.unreadable):
        return False
    try:
        snapshot.of(control.subject)
    except Exception:  # the engine says so in its result; here it only means that not all was seen
        return False
    return True
