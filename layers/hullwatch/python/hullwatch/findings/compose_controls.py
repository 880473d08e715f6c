"""From verdicts to what we say about the configuration of an account or a cluster."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Sequence

import msgspec

from hullwatch.findings.control import Breach, ControlFinding
from hullwatch.findings.finding import Priority
from hullwatch.findings.wording import listed, plain
from hullwatch.posture.catalogue import catalogue
from hullwatch.posture.coverage import Covered
from hullwatch.posture.engine import Result, Severity, Shown, Violation
from hullwatch.posture.model.snapshot import InputState, Resource, describe
from hullwatch.posture.requirements import requirements_of, standards_of

#: A finding has to fit into 4 KB of the table, whatever a manifest holds.
MAX_BREACHES = 8
MAX_EVIDENCE = 5
_MAX_TEXT = 120
_MAX_NAME = 253

#: The control that speaks of inputs and objects that could not be read. In a report it is all there is.
_INCOMPLETE = "mon.evaluation.incomplete"

_PRIORITIES: dict[Severity, Priority] = {
    "critical": "P1",
    "high": "P2",
    "medium": "P3",
    "low": "P4",
    "info": "P4",
}


def priority_of(severity: Severity) -> Priority:
    """How urgent a failed control is. Its severity already weighs what an attacker gains."""
    return _PRIORITIES[severity]


def control_finding(result: Result, covered: Covered) -> ControlFinding:
    """A failed result as a finding without history; :mod:`hullwatch.findings.diff_controls` adds that."""
    entry = catalogue()[result.control]
    finding = ControlFinding(
        id=f"hullwatch/{result.control}/{result.id}",
        kind="control",
        part=covered.part.scope,
        scope=covered.scope,
        resource=_bounded(result.resource),
        control=result.control,
        title=entry.title,
        why=entry.why,
        fix=entry.fix,
        severity=result.severity,
        priority=priority_of(result.severity),
        requirements=requirements_of(entry),
        standards=tuple(standard.id for standard in standards_of(entry)),
        breaches=tuple(sorted(map(_breach, result.violations), key=_place)[:MAX_BREACHES]),
        violations=len(result.violations),
        evidence=tuple(plain(name, _MAX_TEXT) for name in result.evidence[:MAX_EVIDENCE]),
        witnesses=result.witnesses,
    )
    return msgspec.structs.replace(finding, fingerprint=fingerprint(finding))


def unread_findings(covered: Covered) -> list[ControlFinding]:
    """One finding for each API that could not be read, or not to the end, sorted by id.

    A cluster that does not answer lacks dozens of inputs and has one remedy, so it is one finding. A survey
    of one thing says nothing here.
    """
    return [
        _unread(covered, source, missing)
        for source, missing in sorted(_by_source(covered).items())
        if missing
    ]


def without_unread(result: Result, covered: Covered) -> Result:
    """The result less what :func:`unread_findings` says of the same inputs, with the step that mends it."""
    if result.control != _INCOMPLETE or result.verdict != "FAILED" or not covered.part.whole:
        return result
    rest = tuple(violation for violation in result.violations if violation.path not in covered.inputs)
    return msgspec.structs.replace(result, violations=rest, verdict="FAILED" if rest else "PASSED")


def sources_of(covered: Covered) -> frozenset[str]:
    """The APIs that an evaluation of a whole part asked: what it says nothing about was read."""
    return frozenset(_by_source(covered))


def fingerprint(finding: ControlFinding) -> str:
    """A hash of what a reader of an open finding would notice.

    Left out are pods and revisions, which change with every rollout, and their number.
    """
    noticed = {
        "title": finding.title,
        "why": finding.why,
        "fix": finding.fix,
        "severity": finding.severity,
        "requirements": finding.requirements,
        "breaches": [_place(item) for item in finding.breaches],
        "violations": finding.violations,
    }
    return hashlib.sha256(msgspec.json.encode(noticed)).hexdigest()[:32]


def _by_source(covered: Covered) -> dict[str, dict[str, InputState]]:
    """For each API that was asked, the inputs that it did not give whole."""
    sources: dict[str, dict[str, InputState]] = {}
    if not covered.part.whole:
        return sources
    for name, state in covered.inputs.items():
        service, colon, _ = name.partition(":")
        missing = sources.setdefault(service if colon else "kubernetes", {})
        if not state.complete:
            missing[name] = state
    return sources


def _unread(covered: Covered, source: str, missing: dict[str, InputState]) -> ControlFinding:
    scope, part = covered.scope, covered.part.scope
    statuses = {state.status for state in missing.values()}
    cluster = source == "kubernetes"
    place = f"cluster {scope.cluster}" if cluster else f"account {scope.account}"
    # Several parts may need one API: each says so for itself, and takes it back for itself.
    needed = "" if cluster or part == "account" else f", needed for {part}"
    resource = (
        Resource(kind="Cluster", name=scope.cluster)
        if cluster
        else Resource(kind="Account", name=scope.account)
    )
    what = "Kubernetes API" if cluster else f"{source} API"
    how = (
        "could not be reached"
        if statuses == {"unavailable"}
        else "refused to be read"
        if statuses == {"forbidden"}
        else "was read in part only"
    )
    lines = [describe(name, state) for name, state in sorted(missing.items())]
    parts = (scope.account, scope.region, part, source)
    finding = ControlFinding(
        id=f"hullwatch/unread/{hashlib.sha256(chr(0).join(parts).encode()).hexdigest()[:32]}",
        kind="unread",
        part=part,
        scope=scope,
        resource=_bounded(resource),
        control=source,
        title=f"{what} of {plain(place, _MAX_TEXT)} {how}{needed}",
        why="Controls that need it have no verdict, and what they found before stays open.",
        fix=_mend(source, statuses),
        severity="info",
        priority=priority_of("info"),
        breaches=tuple(Breach(path=plain(line, _MAX_TEXT)) for line in lines[:MAX_BREACHES]),
        violations=len(lines),
    )
    return msgspec.structs.replace(finding, fingerprint=fingerprint(finding))


def _mend(source: str, statuses: Collection[str]) -> str:
    if source != "kubernetes":
        if "forbidden" in statuses:
            return "Allow the surveying role the named actions; a service control policy may deny them too."
        return "If it stays, look for throttling or an outage of the service in this Region."
    if "forbidden" in statuses:
        return "Give the surveying role an EKS access entry with a policy that may list the named kinds."
    if "unavailable" in statuses:
        return (
            "Let the surveying function reach the cluster's endpoint: run it in subnets of the cluster's "
            "VPC, or add its addresses to the endpoint's public access list."
        )
    return "Raise the survey's limits, or survey the namespaces of this cluster in parts."


def _bounded(resource: Resource) -> Resource:
    return Resource(
        kind=plain(resource.kind, _MAX_TEXT),
        namespace=plain(resource.namespace, _MAX_NAME),
        name=plain(resource.name, _MAX_NAME),
        arn=resource.arn if resource.arn.isascii() and resource.arn.isprintable() else "",
    )


def _breach(violation: Violation) -> Breach:
    return Breach(
        path=plain(violation.path, _MAX_TEXT),
        value=plain(shown(violation.value), _MAX_TEXT),
        message=plain(violation.message, _MAX_TEXT),
    )


def _place(breach: Breach) -> tuple[str, str, str]:
    return breach.path, breach.value, breach.message


def shown(value: Shown) -> str:
    """A violating value as people read it: JSON, without quotes around a text; empty for nothing there."""
    match value:
        case None:
            return ""
        case str():
            return value
        case list():
            return listed(value, 5)
        case _:
            return json.dumps(value)


def counted(results: Sequence[Result], accepted: int) -> dict[str, int]:
    """How many verdicts of each kind an evaluation came to; an accepted failure is counted as such."""
    counts = {"passed": 0, "failed": -accepted, "not_applicable": 0, "not_available": 0, "accepted": accepted}
    for result in results:
        counts[result.verdict.lower()] += 1
    return counts
