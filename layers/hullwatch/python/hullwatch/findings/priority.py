"""How urgent a finding is, and why, in words.

==  =====================================================================================
P1  known to be exploited, or EPSS at the threshold or above, and running; or malicious code
P2  critical or high severity with a fix, and running
P3  a fix is available, or the severity is medium or higher
P4  the rest
==  =====================================================================================

Where running workloads are not surveyed, an image is presumed to run, and the reasons say so. Being exposed
raises what runs by one. A priority never falls when the severity rises, a fix appears or the image starts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from hullwatch.advisories.model import SEVERITIES, Match, Severity
from hullwatch.findings.finding import Priority
from hullwatch.findings.fixes import fix_of

PRIORITIES: tuple[Priority, ...] = ("P1", "P2", "P3", "P4")

#: Ids that one reason names before it counts the rest.
_NAMED = 3


class Ranking(msgspec.Struct, frozen=True, kw_only=True):
    """A priority with its reasons, most important first."""

    priority: Priority
    reasons: tuple[str, ...]


def worst(matches: Iterable[Match]) -> Severity:
    """The highest severity among the matches; ``unknown`` without any."""
    return min((match.vulnerability.severity for match in matches), key=SEVERITIES.index, default="unknown")


def rank(
    matches: Sequence[Match],
    *,
    running: bool | None,
    epss_threshold: float,
    exposure: Sequence[str] = (),
) -> Ranking:
    """The priority of the matches of one finding.

    Args:
        running: whether an image with them runs; ``None`` when running workloads are not surveyed.
        epss_threshold: the probability of exploitation within 30 days (https://www.first.org/epss/) from
            which on a vulnerability counts as likely to be exploited.
        exposure: how what runs can be reached or what it may do, in words (``reachable from the internet``).
    """
    malware = [match for match in matches if match.vulnerability.malware]
    exploited = [match for match in matches if match.vulnerability.exploited]
    likely = [match for match in matches if (match.vulnerability.epss or 0.0) >= epss_threshold]
    fixable = [match for match in matches if fix_of(match)]
    urgent = [match for match in fixable if match.vulnerability.severity in ("critical", "high")]
    severity = worst(matches)
    runs = running is not False

    reasons: list[str] = []
    if malware:
        reasons.append(f"{_named(malware)}: malicious code, not a mistake in code")
    if exploited:
        reasons.append(f"known to be exploited (CISA KEV): {_named(exploited)}")
    if likely:
        reasons.append(f"EPSS of {epss_threshold:.0%} or more: {_named(likely)}")
    reasons.append(f"highest severity is {severity}")
    reasons.append("a fix is available" if fixable else "no fix is available")
    reasons.append(running_words(running))

    priority: Priority
    if malware or (runs and (exploited or likely)):
        priority = "P1"
    elif runs and urgent:
        priority = "P2"
    elif fixable or severity in ("critical", "high", "medium"):
        priority = "P3"
    else:
        priority = "P4"
    if runs and exposure:
        priority = PRIORITIES[max(0, PRIORITIES.index(priority) - 1)]
        reasons.append(f"exposed: {', '.join(exposure)}")
    return Ranking(priority=priority, reasons=tuple(reasons))


def running_words(running: bool | None) -> str:
    """Whether what a finding is about runs, as a reason."""
    if running is None:
        return "presumed to run: running workloads are not surveyed"
    return "running" if running else "not running"


def _named(matches: Iterable[Match]) -> str:
    ids = sorted({match.vulnerability.id for match in matches})
    more = len(ids) - _NAMED
    return ", ".join(ids[:_NAMED]) + (f" and {more} more" if more > 0 else "")
