"""Verdicts: runs controls over a snapshot, groups what they say by top controller, and names each result.

A control is a pure function of one subject and the snapshot. It yields a :class:`Violation` for each field
that breaks the rule, or :class:`Unknown` when evidence it needs was not read; nothing yielded means PASSED.
All the rest (which objects, verdicts, ids, reasons) is decided here, once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Literal, TypeVar

import msgspec

from hullwatch.posture.model.snapshot import Resource, Snapshot, Subject

Verdict = Literal["PASSED", "FAILED", "NOT_APPLICABLE", "NOT_AVAILABLE"]
Severity = Literal["critical", "high", "medium", "low", "info"]
#: Why there is no verdict. ``not-read``: nobody read an input, or it was refused. ``partial``: there may be
#: more than what was read. ``unreadable``: the object does not fit its schema. ``undecided``: what was read
#: does not tell. ``defect``: the control itself failed.
Cause = Literal["", "not-read", "partial", "unreadable", "undecided", "defect"]
#: Highest first.
SEVERITIES: tuple[Severity, ...] = ("critical", "high", "medium", "low", "info")
#: What can be shown of a value, in JSON.
Shown = str | int | float | bool | list[str] | None

#: A value longer than this is cut: what stands in a violation came from outside.
MAX_SHOWN = 200
#: Objects named as evidence of one result; the count is kept beside them.
MAX_EVIDENCE = 20
MAX_VIOLATIONS = 100


class Violation(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One field that breaks the rule. ``severity`` overrides the control's.

    ``path`` leads from the subject; for a pod template that is from the template, and a leading dot means
    from the object that carries it.
    """

    path: str
    value: Shown = None
    message: str = ""
    severity: Severity | None = None


class Unknown(msgspec.Struct, frozen=True):
    """Evidence that this subject's verdict depends on was not read, and why."""

    reason: str
    cause: Cause = "undecided"


Outcome = Violation | Unknown
S = TypeVar("S", bound=Subject)
Check = Callable[[Any, Snapshot], Iterable[Outcome]]
Skip = Callable[[Any, Snapshot], str]


class Control(msgspec.Struct, frozen=True, kw_only=True):
    """A control as code: ``needs`` besides the subject's own input; ``skip`` says why it does not apply."""

    id: str
    subject: type[Subject]
    check: Check
    needs: tuple[str, ...] = ()
    skip: Skip | None = None


class Result(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The verdict of one control on one resource.

    ``id`` depends on the control, the account, Region and cluster, and on namespace, kind and name of the
    resource: never on a time, a revision or a pod.
    """

    id: str
    control: str
    resource: Resource
    verdict: Verdict
    reason: str = ""
    #: Set with NOT_AVAILABLE only.
    cause: Cause = ""
    severity: Severity = "info"
    violations: tuple[Violation, ...] = ()
    #: Pods or revisions that bear witness; ``witnesses`` counts those that are not named too.
    evidence: tuple[str, ...] = ()
    witnesses: int = 0


#: By id and subject type: a control may be about several types. Filled by importing
#: :mod:`hullwatch.posture.controls`.
CONTROLS: dict[tuple[str, type], Control] = {}


def control(
    control_id: str,
    subject: type[S],
    *,
    needs: Sequence[str] = (),
    skip: Callable[[S, Snapshot], str] | None = None,
) -> Callable[[Callable[[S, Snapshot], Iterable[Outcome]]], Callable[[S, Snapshot], Iterable[Outcome]]]:
    """Declares the decorated function to be the control ``control_id``, about objects of type ``subject``.

    ``needs``: inputs or further reads of the subject itself without which there is no verdict.
    ``skip(subject, snapshot)``: why the control does not apply to this subject, in words; empty when it does.
    """

    def register(
        check: Callable[[S, Snapshot], Iterable[Outcome]],
    ) -> Callable[[S, Snapshot], Iterable[Outcome]]:
        if (control_id, subject) in CONTROLS:
            raise ValueError(f"two controls about {subject.__name__} are called {control_id}")
        item = Control(id=control_id, subject=subject, check=check, needs=tuple(needs), skip=skip)
        CONTROLS[control_id, subject] = item
        return check

    return register


def result_id(control_id: str, snapshot: Snapshot, resource: Resource) -> str:
    """32 hexadecimal digits that stay the same as long as the control and the resource do."""
    scope = snapshot.scope
    parts = (
        control_id,
        scope.account,
        scope.region,
        scope.cluster,
        resource.namespace,
        resource.kind,
        resource.name,
    )
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


def inputs(controls: Iterable[Control]) -> frozenset[str]:
    """Every input that controls take their objects from or need: what a collector has to read."""
    return frozenset(name for item in controls for name in (*item.subject.INPUTS, *item.needs))


class _Judged(msgspec.Struct):
    verdict: Verdict
    reason: str = ""
    cause: Cause = ""
    violations: tuple[Violation, ...] = ()


class _Unjudged(msgspec.Struct):
    """Stands for what there is, or may be, and could not be read."""

    resource: Resource
    reason: str
    cause: Cause


def evaluate(
    snapshot: Snapshot, controls: Iterable[Control], severities: Callable[[str], Severity]
) -> Iterator[Result]:
    """The verdict of every control on every resource it is about, control by control, one for each.

    ``severities`` gives a control's severity by its id (the catalogue's). Violations may raise or lower it.
    """
    by_id: dict[str, list[Control]] = {}
    for item in controls:
        by_id.setdefault(item.id, []).append(item)
    for control_id, variants in by_id.items():
        groups: dict[tuple[str, str, str], list[tuple[Control, Any]]] = {}
        for item in variants:
            for member in _members(snapshot, item):
                resource = member.resource
                key = (resource.kind, resource.namespace, resource.name)
                groups.setdefault(key, []).append((item, member))
        for members in groups.values():
            yield _judge_group(snapshot, members, severities(control_id))


def _members(snapshot: Snapshot, item: Control) -> Iterator[Any]:
    """The subjects of a control, and what stands for those that could not be read."""
    for broken in snapshot.unreadable:
        if broken.subject in (item.subject, *getattr(item.subject, "SOURCES", ())):
            yield _Unjudged(broken.resource, broken.reason, "unreadable")
    try:
        subjects: list[Any] = snapshot.of(item.subject)
    except Exception as error:  # a defect in one derivation must not cost the other controls
        yield _Unjudged(_whole(snapshot, ""), _defect(error), "defect")
        return
    # What could not be listed may exist: the verdict on all of it is missing, not just on what is there.
    for name in item.subject.INPUTS if subjects else (*item.subject.INPUTS, *item.needs):
        if name in snapshot.inputs and (reason := snapshot.missing(name)):
            yield _Unjudged(_whole(snapshot, name), reason, "not-read")
    yield from subjects


def _judge_group(snapshot: Snapshot, members: list[tuple[Control, Any]], severity: Severity) -> Result:
    """One result for all that share a resource: the worst verdict, every violation once."""
    worst = _Judged("NOT_APPLICABLE")
    violations: list[Violation] = []
    said: set[tuple[str, str]] = set()
    witnesses: list[str] = []
    for place, (item, member) in enumerate(members):
        judged = _judge(snapshot, item, member)
        prefix, evidence = getattr(member, "prefix", ""), getattr(member, "evidence", "")
        if judged.verdict == "FAILED" and evidence:
            witnesses.append(evidence)
        for violation in judged.violations:
            # A pod repeats what its controller's template says; a kind with two templates does not.
            same = (violation.path, str(violation.value))
            if not (evidence and same in said) and len(violations) < MAX_VIOLATIONS:
                violations.append(_shown(violation, prefix))
            said.add(same)
        if place == 0 or _WORSE[judged.verdict] > _WORSE[worst.verdict]:
            worst = judged
    control_id, resource = members[0][0].id, members[0][1].resource
    if violations:
        severity = min((item.severity or severity for item in violations), key=SEVERITIES.index)
    return Result(
        id=result_id(control_id, snapshot, resource),
        control=control_id,
        resource=resource,
        verdict=worst.verdict,
        reason=worst.reason,
        cause=worst.cause,
        severity=severity,
        violations=tuple(violations),
        evidence=tuple(witnesses[:MAX_EVIDENCE]),
        witnesses=len(witnesses),
    )


_WORSE: dict[Verdict, int] = {"NOT_APPLICABLE": 0, "PASSED": 1, "NOT_AVAILABLE": 2, "FAILED": 3}


def _judge(snapshot: Snapshot, item: Control, subject: Any) -> _Judged:
    if isinstance(subject, _Unjudged):
        return _Judged("NOT_AVAILABLE", subject.reason, subject.cause)
    try:
        if item.skip and (reason := item.skip(subject, snapshot)):
            return _Judged("NOT_APPLICABLE", reason)
        lacking = _lacking(snapshot, item, subject)
        if lacking and not lacking.partly:
            return _Judged("NOT_AVAILABLE", lacking.reason, "not-read")
        violations: list[Violation] = []
        unknown: Unknown | None = None
        for outcome in item.check(subject, snapshot):
            if isinstance(outcome, Violation):
                violations.append(outcome)
            else:
                unknown = unknown or outcome
    except Exception as error:  # a control that raises costs only itself, and never passes
        return _Judged("NOT_AVAILABLE", _defect(error), "defect")
    if violations:
        return _Judged("FAILED", violations=tuple(violations))
    if unknown:
        return _Judged("NOT_AVAILABLE", unknown.reason, unknown.cause)
    if lacking:
        return _Judged("NOT_AVAILABLE", lacking.reason, "partial")
    return _Judged("PASSED")


class _Lacking(msgspec.Struct):
    reason: str
    #: Something was read: what violates the rule does so whatever else there is; a pass cannot be told.
    partly: bool


def _lacking(snapshot: Snapshot, item: Control, subject: Any) -> _Lacking | None:
    own: dict[str, str] = getattr(subject, "READS", {})
    partly: _Lacking | None = None
    for need in item.needs:
        if need in own.values():
            if need in subject.unread:
                return _Lacking(f"{need}: {subject.unread[need]}", partly=False)
            continue
        if reason := snapshot.missing(need):
            return _Lacking(reason, partly=False)
        if partly is None and (reason := snapshot.incomplete(need)):
            partly = _Lacking(reason, partly=True)
    return partly


def _shown(violation: Violation, prefix: str) -> Violation:
    value, path = violation.value, violation.path
    if isinstance(value, str) and len(value) > MAX_SHOWN:
        value = value[:MAX_SHOWN] + "…"
    elif isinstance(value, list):
        value = [text[:MAX_SHOWN] for text in value[:MAX_EVIDENCE]]
    path = path[1:] if path.startswith(".") else prefix + path
    return msgspec.structs.replace(violation, path=path, value=value)


def _whole(snapshot: Snapshot, name: str) -> Resource:
    """What a missing input is about: the account for an AWS read, else the cluster."""
    if ":" in name:
        return Resource(kind="Account", name=snapshot.scope.account)
    return Resource(kind="Cluster", name=snapshot.scope.cluster)


def _defect(error: Exception) -> str:
    return f"the control failed: {type(error).__name__}: {str(error)[:MAX_SHOWN]}"
