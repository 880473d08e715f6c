"""From what was matched in the images of a track to what we say about it.

A finding is a package to upgrade: every binary package of one source package of the distribution together,
a language package by its name. The same package on several platforms is one finding with several images.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from urllib.parse import quote

import msgspec

from hullwatch.advisories.ecosystems import normal_name
from hullwatch.advisories.model import SEVERITIES, Match
from hullwatch.findings.compose_controls import priority_of
from hullwatch.findings.finding import Finding, ImageRef, Track
from hullwatch.findings.fixes import compared_version, fix_of, in_order, is_os_package, upgrade_to
from hullwatch.findings.priority import rank, running_words
from hullwatch.inventory.package import Package, Problem
from hullwatch.posture import engine as posture
from hullwatch.posture.failures import FailedControl
from hullwatch.settings import FindingSettings

#: Security Hub's limit on ``Id``.
MAX_ID = 512

#: Problems that the detail of one finding describes before it counts the rest, and its length in characters.
_DESCRIBED = 5
_MAX_DETAIL = 1_000

_DIGEST = re.compile(r"sha(256|512):[0-9a-f]{64,128}")


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """One platform's image of the track that findings are made of: of its head, or an older one that runs.

    ``problems`` says what could not be read; a single one without path and layer is the whole image.
    ``running`` is ``None`` while running workloads are not surveyed.
    """

    image: ImageRef
    matches: tuple[Match, ...] = ()
    problems: tuple[Problem, ...] = ()
    running: bool | None = None
    exposure: tuple[str, ...] = ()
    #: Controls that its configuration fails; ``None`` when nobody has looked.
    controls: tuple[FailedControl, ...] | None = ()


def findings_of(
    track: Track,
    subjects: Sequence[Subject],
    settings: FindingSettings,
) -> list[Finding]:
    """Everything there is to say about a track now, sorted by id.

    The findings carry no history yet (:mod:`hullwatch.findings.diff` adds it), and do not depend on the order
    of subjects, matches or problems.
    """
    groups: dict[tuple[str, ...], list[tuple[Subject, Match]]] = {}
    for subject in subjects:
        for match in subject.matches:
            if match.status == "under_investigation":
                # Nobody has said yet that it is affected; the report of the image shows the state.
                continue
            key: tuple[str, ...] = _group(match.package)
            if settings.group_by == "vulnerability":
                key = (*key, match.vulnerability.id)
            groups.setdefault(key, []).append((subject, match))
    findings = [_package_finding(track, key, entries, settings) for key, entries in groups.items()]
    failed = sorted({item.control for subject in subjects for item in _failures(subject)})
    findings += [_configuration_finding(track, control, subjects) for control in failed]
    if any(subject.problems for subject in subjects):
        findings.append(_unscannable_finding(track, subjects))
    return sorted(findings, key=lambda finding: finding.id)


def finding_id(track: Track, *parts: str) -> str:
    """``hullwatch/<account>/<region>/<repository>/<lineage>/<part>/...``, at most 512 characters.

    Every part is percent-encoded, so that different findings cannot meet in one id. What would be too long is
    cut and ends in ``#`` (which encoding never leaves) and a hash of the whole.
    """
    names = (track.account, track.region, track.repository, track.lineage, *parts)
    whole = "/".join(["hullwatch", *(quote(name, safe="*@:+") or "-" for name in names)])
    if len(whole) <= MAX_ID:
        return whole
    return f"{whole[: MAX_ID - 33]}#{hashlib.sha256(whole.encode()).hexdigest()[:32]}"


def fingerprint(finding: Finding) -> str:
    """A hash of what a reader of an open finding would notice.

    Left out are digests, tags, layers and push times, scores that move every day, and dates. So a rebuild
    that fixes nothing leaves the fingerprint alone and nothing is sent: the table names the current digests
    at once, while ``Resources`` in Security Hub names those of ``UpdatedAt``, the last time that something
    was worth saying. That is the price of not being a new event on every push. The platforms, and whatever
    moves the priority, do count.
    """
    noticed = {
        "kind": finding.kind,
        "package": finding.package,
        "installed": finding.installed,
        "fixed": finding.fixed,
        "control": finding.control,
        "reason": finding.reason,
        "detail": _DIGEST.sub("<digest>", finding.detail),
        "platforms": sorted({image.platform for image in finding.images}),
        "priority": finding.priority,
        "reasons": finding.reasons,
        "matches": sorted({_noticed(match) for match in finding.matches}),
    }
    return hashlib.sha256(msgspec.json.encode(noticed)).hexdigest()[:32]


def _noticed(match: Match) -> tuple[str | bool | tuple[str, ...], ...]:
    vulnerability, package = match.vulnerability, match.package
    return (
        vulnerability.id,
        vulnerability.severity,
        vulnerability.exploited is not None,
        vulnerability.malware,
        match.status,
        match.fixed,
        package.name,
        package.version,
        package.locations,
    )


def _group(package: Package) -> tuple[str, str]:
    if is_os_package(package):
        return package.type, package.source_name or package.name
    return package.type, normal_name(package.ecosystem, package.name)


def _package_finding(
    track: Track, key: tuple[str, ...], entries: Sequence[tuple[Subject, Match]], settings: FindingSettings
) -> Finding:
    matches = tuple(sorted({match for _, match in entries}, key=_worst_first))
    subjects = {subject.image.digest: subject for subject, _ in entries}.values()
    first = matches[0].package
    ranking = rank(
        matches,
        running=_running(subjects),
        exposure=sorted({word for subject in subjects for word in subject.exposure}),
        epss_threshold=settings.epss_threshold,
    )
    names = {match.package.name for match in matches}
    finding = Finding(
        id=finding_id(track, *key),
        kind="package" if len(key) == 2 else "vulnerability",
        track=track,
        package=key[1] if is_os_package(first) else min(names),
        type=key[0],
        installed=in_order(first.ecosystem, {compared_version(match.package) for match in matches}),
        fixed=upgrade_to(matches),
        matches=matches,
        images=_images(subjects),
        priority=ranking.priority,
        reasons=ranking.reasons,
        introduced_layer=next((match.package.layer for match in matches if match.package.layer), ""),
    )
    return msgspec.structs.replace(finding, fingerprint=fingerprint(finding))


def _configuration_finding(track: Track, control: str, subjects: Iterable[Subject]) -> Finding:
    failing = [
        (subject, item) for subject in subjects for item in _failures(subject) if item.control == control
    ]
    severity = min((item.severity for _, item in failing), key=posture.SEVERITIES.index)
    running = _running([subject for subject, _ in failing])
    lines = sorted({line for _, item in failing for line in item.lines})
    finding = Finding(
        id=finding_id(track, "configuration", control),
        kind="configuration",
        track=track,
        control=control,
        detail=_joined(lines),
        images=_images(subject for subject, _ in failing),
        priority=priority_of(severity),
        reasons=(f"severity is {severity}", running_words(running)),
    )
    return msgspec.structs.replace(finding, fingerprint=fingerprint(finding))


def _failures(subject: Subject) -> Iterator[FailedControl]:
    """What is worth a finding: what only informs stands in the report of a scan."""
    return (item for item in subject.controls or () if item.severity != "info")


def _joined(lines: Sequence[str]) -> str:
    more = len(lines) - _DESCRIBED
    return "; ".join(lines[:_DESCRIBED])[:_MAX_DETAIL] + (f"; and {more} more" if more > 0 else "")


def _unscannable_finding(track: Track, subjects: Iterable[Subject]) -> Finding:
    affected = [subject for subject in subjects if subject.problems]
    problems = sorted(
        {problem for subject in affected for problem in subject.problems},
        # What costs most comes first: the whole image, then a layer, then a file.
        key=lambda p: (bool(p.path), bool(p.layer), p.reason, p.detail, p.path, p.layer),
    )
    lines = [f"{problem.path}: {problem.detail}" if problem.path else problem.detail for problem in problems]
    finding = Finding(
        id=finding_id(track, "unscannable"),
        kind="unscannable",
        track=track,
        reason=problems[0].reason,
        detail=_joined(list(dict.fromkeys(lines))),
        images=_images(affected),
        reasons=("what could not be read may be vulnerable",),
    )
    return msgspec.structs.replace(finding, fingerprint=fingerprint(finding))


def _running(subjects: Iterable[Subject]) -> bool | None:
    states = {subject.running for subject in subjects}
    if True in states:
        return True
    return None if None in states else False


def _images(subjects: Iterable[Subject]) -> tuple[ImageRef, ...]:
    distinct = {subject.image.digest: subject.image for subject in subjects}
    return tuple(sorted(distinct.values(), key=lambda image: (image.platform, image.digest)))


def _worst_first(match: Match) -> tuple[object, ...]:
    vulnerability, package = match.vulnerability, match.package
    return (
        not vulnerability.malware,
        vulnerability.exploited is None,
        SEVERITIES.index(vulnerability.severity),
        -(vulnerability.epss or 0.0),
        vulnerability.id,
        not fix_of(match),
        package.name,
        package.version,
        package.arch,
        package.locations,
        package.layer,
    )
