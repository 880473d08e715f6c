"""What people read of a finding: title, description and remediation.

The title says what to do and where, because a list of findings shows nothing else. Everything that comes from
an image or a feed is shown without control, format and direction characters, and bounded.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from hullwatch.advisories.model import SEVERITIES, Match
from hullwatch.findings.finding import Finding, FindingKind
from hullwatch.findings.fixes import fix_of, is_os_package, upgrade_command
from hullwatch.inventory.package import Package
from hullwatch.posture.catalogue import catalogue

MAX_TITLE = 256
MAX_DESCRIPTION = 1_024
MAX_REMEDIATION = 512

_MAX_NAME = 80
_MAX_VERSION = 48
_MAX_PLACE = 120


def plain(text: str, limit: int) -> str:
    """The text in one line of printable characters, cut to ``limit`` with ``...`` where it is longer."""
    shown = "".join(character if character.isprintable() else "?" for character in text).strip()
    return shown if len(shown) <= limit else shown[: max(0, limit - 3)] + "..."


def title(finding: Finding) -> str:
    """One line of at most 256 characters."""
    return plain(_title(finding), MAX_TITLE)


def _title(finding: Finding) -> str:
    place = plain(f"{finding.track.repository}:{finding.track.lineage}", _MAX_PLACE)
    if finding.kind == "unscannable":
        return f"{place} could not be read completely: {finding.reason.replace('_', ' ').lower()}"
    if finding.kind == "configuration":
        return f"{catalogue()[finding.control].title}: {place}"
    installed = f"{plain(finding.package, _MAX_NAME)} {_versions(finding.installed)}"
    malware = sorted({match.vulnerability.id for match in finding.matches if match.vulnerability.malware})
    if malware:
        return f"Remove {installed} from {place}: malicious code ({listed(malware, 3)})"
    if finding.kind == "vulnerability":
        mend = f"upgrade to {plain(finding.fixed, _MAX_VERSION)}" if finding.fixed else "no fix yet"
        ids = sorted({match.vulnerability.id for match in finding.matches})
        return f"{listed(ids, 1) or 'Vulnerability'} in {installed} of {place}: {mend}"
    if finding.fixed:
        name, fixed = plain(finding.package, _MAX_NAME), plain(finding.fixed, _MAX_VERSION)
        return f"Upgrade {name} to {fixed} in {place}: {counted(finding.matches)}"
    return f"No fix yet for {installed} in {place}: {counted(finding.matches)}"


def counted(matches: Sequence[Match]) -> str:
    """``5 vulnerabilities (1 known exploited, 2 critical, 3 high)``."""
    by_id = {match.vulnerability.id: match.vulnerability for match in matches}
    severities = Counter(vulnerability.severity for vulnerability in by_id.values())
    exploited = sum(vulnerability.exploited is not None for vulnerability in by_id.values())
    parts = [f"{exploited} known exploited"] if exploited else []
    parts += [f"{severities[severity]} {severity}" for severity in SEVERITIES if severities[severity]]
    noun = "vulnerability" if len(by_id) == 1 else "vulnerabilities"
    return f"{len(by_id)} {noun} ({', '.join(parts)})" if parts else f"{len(by_id)} {noun}"


def listed(items: Iterable[str], most: int) -> str:
    """``a, b and 3 more``."""
    entries = list(items)
    rest = len(entries) - most
    return ", ".join(entries[:most]) + (f" and {rest} more" if rest > 0 else "")


def description(finding: Finding) -> str:
    """Sentences in order of weight, as many as fit into 1024 characters."""
    sentences = _SENTENCES[finding.kind](finding)
    text = ""
    for sentence in sentences:
        longer = f"{text} {plain(sentence, 480)}".lstrip()
        if len(longer) <= MAX_DESCRIPTION:
            text = longer
    return text


def _where(finding: Finding) -> str:
    repository = plain(finding.track.repository, _MAX_PLACE)
    platforms = listed(sorted({image.platform for image in finding.images if image.platform}), 3)
    return f"{repository} (tags {finding.track.lineage}{'; ' + platforms if platforms else ''})"


def _unscannable(finding: Finding) -> Iterable[str]:
    yield f"{_where(finding)} could not be read completely, so what it contains is not fully known."
    yield f"{finding.reason}: {finding.detail.rstrip('.')}."
    yield "Findings that only the unread part could confirm stay open."


def _misconfigured(finding: Finding) -> Iterable[str]:
    yield from _resolved(finding)
    yield f"{_where(finding)} {'fails' if finding.state == 'OPEN' else 'failed'} {finding.control}."
    yield catalogue()[finding.control].why
    yield f"{finding.detail.rstrip('.')}."
    yield f"Priority {finding.priority}: {'; '.join(finding.reasons)}."


def _resolved(finding: Finding) -> Iterable[str]:
    if finding.state == "RESOLVED":
        by = f" by {finding.resolved_by}" if finding.resolved_by else ""
        yield f"Resolved{by}."


def _vulnerable(finding: Finding) -> Iterable[str]:
    yield from _resolved(finding)
    names = sorted({match.package.name for match in finding.matches} - {finding.package})
    built = f" (installed as {listed((plain(n, _MAX_NAME) for n in names), 4)})" if names else ""
    verb = "contains" if finding.state == "OPEN" else "contained"
    yield (
        f"{_where(finding)} {verb} {plain(finding.package, _MAX_NAME)} {_versions(finding.installed)}{built}."
    )
    by_id: dict[str, list[Match]] = {}
    for match in finding.matches:
        by_id.setdefault(match.vulnerability.id, []).append(match)
    if by_id:
        yield f"Affected by {listed((_named(entries[0]) for entries in by_id.values()), 6)}."
    mended = sum(all(fix_of(match) for match in entries) for entries in by_id.values())
    if not finding.fixed:
        yield "There is no fix yet."
    elif mended == len(by_id):
        yield f"Version {plain(finding.fixed, _MAX_VERSION)} fixes {'all' if mended > 1 else 'it'}."
    else:
        yield f"Version {plain(finding.fixed, _MAX_VERSION)} fixes {mended} of {len(by_id)}."
    yield f"Priority {finding.priority}: {'; '.join(finding.reasons)}."
    if finding.introduced_by:
        layer = f", layer {finding.introduced_layer}" if finding.introduced_layer else ""
        yield f"First seen in image {finding.introduced_by}{layer}."


_SENTENCES: dict[FindingKind, Callable[[Finding], Iterable[str]]] = {
    "package": _vulnerable,
    "vulnerability": _vulnerable,
    "configuration": _misconfigured,
    "unscannable": _unscannable,
}


def _named(match: Match) -> str:
    vulnerability = match.vulnerability
    facts: list[str] = [vulnerability.severity]
    if vulnerability.exploited:
        facts.append("known exploited")
    if vulnerability.epss is not None and vulnerability.epss >= 0.01:
        facts.append(f"EPSS {vulnerability.epss:.0%}")
    return f"{vulnerability.id} ({', '.join(facts)})"


def _versions(versions: Sequence[str]) -> str:
    return listed((plain(version, _MAX_VERSION) for version in versions), 2)


def remediation(finding: Finding) -> str:
    """What a developer can do, in at most 512 characters."""
    return plain(_remediation(finding), MAX_REMEDIATION)


def _remediation(finding: Finding) -> str:
    if finding.kind == "unscannable":
        return _READABLE_AGAIN.get(finding.reason, "Rebuild and push the image again, then have it scanned.")
    if finding.kind == "configuration":
        return catalogue()[finding.control].fix
    if any(match.vulnerability.malware for match in finding.matches):
        return (
            f"Remove {plain(finding.package, _MAX_NAME)}, rebuild without it, and replace every secret that "
            "the build or a running container could read."
        )
    return (
        package_remediation([match.package for match in finding.matches], finding.installed, finding.fixed)
        or (_WITHOUT_FIX[_promise(finding.matches)])
    )


def package_remediation(packages: Sequence[Package], installed: Sequence[str], fixed: str) -> str:
    """How to upgrade packages of one group to ``fixed``; empty when there is nothing to upgrade to."""
    if not fixed or not packages:
        return ""
    first = packages[0]
    command = upgrade_command(packages, fixed)
    target = plain(fixed, _MAX_VERSION)
    what = plain(first.source_name or first.name, _MAX_NAME)
    upgrade = f"Upgrade {what} {_versions(installed)} to {target} or later"
    if is_os_package(first):
        how = f"rebuild on a current base image, or run `{command}` in the Dockerfile"
    elif command:
        how = f"`{command}`, or upgrade the dependency that brings it"
    else:
        how = "change its version where the build declares it"
    text = f"{upgrade}: {how}."
    # A command that is cut would do something else.
    return text if len(text) <= MAX_REMEDIATION else f"{upgrade}."


def _promise(matches: Iterable[Match]) -> str:
    statuses = {match.status for match in matches}
    return next((status for status in _WITHOUT_FIX if status in statuses), "affected")


_WITHOUT_FIX = {
    "fixed_in_pro": (
        "The fix needs the distribution's paid subscription. Subscribe, move to a release with standard "
        "support, or remove the package if the application does not need it."
    ),
    "deferred": (
        "The vendor has put the fix off. Remove the package if the application does not need it, or accept "
        "the risk; this finding changes by itself when a fix appears."
    ),
    "will_not_fix": (
        "The vendor will not fix this. Remove the package if the application does not need it, move to a "
        "base image without it, or accept the risk."
    ),
    "affected": (
        "There is no fixed version yet. Remove the package if the application does not need it; this finding "
        "changes by itself when a fix appears."
    ),
}

_READABLE_AGAIN = {
    "ARCHIVED": "Restore the image from archive storage, or delete it if nothing needs it.",
    "ACCESS_REFUSED": "Give the scanner permission to read the repository and its encryption key.",
    "BUDGET_EXCEEDED": "Make the image smaller, or raise the limit that the description names.",
    "DIGEST_MISMATCH": (
        "The stored bytes are not what the manifest vouches for. Find out why, and push the image again from "
        "a trusted build."
    ),
    "UNSUPPORTED": "Push the image as an OCI or Docker (schema 2) image for Linux.",
}
