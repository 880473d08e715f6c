"""What we say about the configuration: a control that a resource fails, or an API that was not read."""

from __future__ import annotations

from typing import Literal

import msgspec

from hullwatch.findings.finding import Priority, State
from hullwatch.posture.engine import Severity
from hullwatch.posture.model.snapshot import Resource, Scope

#: ``control``: a resource fails a control. ``unread``: an API, or a part of it, could not be read.
ControlFindingKind = Literal["control", "unread"]
#: How a finding ended; empty while it is open. ``withdrawn``: nobody checks it any more.
Outcome = Literal["", "fixed", "gone", "not-applicable", "accepted", "withdrawn"]


class Breach(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One field that breaks the rule, its value as text for people."""

    path: str
    value: str = ""
    message: str = ""


class ControlFinding(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One finding of a part, as the table keeps it and Security Hub shows it.

    ``id`` comes from the result's: control, account, Region, cluster and resource, never a time, a revision
    or a pod. ``fingerprint`` covers everything a reader would notice; equal fingerprints mean that nothing
    has to be sent.
    """

    id: str
    kind: ControlFindingKind
    #: The part of the account that is settled in one go: ``ecs``, ``eks/prod``.
    part: str
    scope: Scope
    #: A top controller, a cluster object or an AWS resource; for ``unread`` the cluster or the account.
    resource: Resource
    #: Id in the catalogue; for ``unread`` what could not be read (``kubernetes``, ``iam``).
    control: str
    title: str
    why: str
    fix: str
    severity: Severity
    priority: Priority
    #: Requirements and ids of the standards that ask for the control.
    requirements: tuple[str, ...] = ()
    standards: tuple[str, ...] = ()
    #: The first violations, and how many there are.
    breaches: tuple[Breach, ...] = ()
    violations: int = 0
    #: Pods or revisions that bear witness, the first of them, and how many there are.
    evidence: tuple[str, ...] = ()
    witnesses: int = 0
    state: State = "OPEN"
    #: How it ended, and why in words.
    outcome: Outcome = ""
    because: str = ""
    #: ISO 8601, UTC.
    first_seen: str = ""
    updated_at: str = ""
    fingerprint: str = ""
    #: Whether Security Hub has it.
    published: bool = False
