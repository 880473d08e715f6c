"""How bad it is: labels, CVSS vectors, and whose word counts first.

Precedence: the vendor that built the package, then the database or authority that published the advisory
(GHSA before the CVE's own CNA before others), then CISA's enrichment, then NVD.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable

from hullwatch.advisories.model import SEVERITIES, Cvss, Severity

_LABELS: dict[str, Severity] = {
    "critical": "critical",
    "high": "high",
    "important": "high",
    "moderate": "medium",
    "medium": "medium",
    "low": "low",
    "negligible": "negligible",
    "none": "negligible",
    "unimportant": "negligible",
}

_VENDORS = frozenset(
    {
        "alpine",
        "almalinux",
        "amazon",
        "azure-linux",
        "bottlerocket",
        "chainguard",
        "debian",
        "oracle",
        "photon",
        "redhat",
        "rocky",
        "suse",
        "ubuntu",
        "wolfi",
    }
)
_RANKS = {"ghsa": 1, "cna": 2, "cisa-adp": 4, "nvd": 5}
_OTHER_AUTHORITY = 3

#: A newer CVSS version says more, whatever its number.
_CVSS_ORDER = ("4.0", "3.1", "3.0", "2.0")


def of_label(label: str) -> Severity:
    """The severity behind a word of a feed (``Important``, ``MODERATE``); ``unknown`` for any other word."""
    return _LABELS.get(label.strip().lower(), "unknown")


def of_score(score: float) -> Severity:
    """The qualitative rating of a CVSS base score (CVSS 3.1, section 5; CVSS 4.0, section 6)."""
    if score >= 9.0:
        return "critical"
    if score >= 7.0:
        return "high"
    if score >= 4.0:
        return "medium"
    if score > 0.0:
        return "low"
    return "negligible"


def worst(severities: Iterable[Severity]) -> Severity:
    """The gravest of several; ``unknown`` when nobody knows."""
    return min(severities, key=SEVERITIES.index, default="unknown")


def rank(authority: str) -> int:
    """Whose word counts first: lower comes first."""
    return 0 if authority in _VENDORS else _RANKS.get(authority, _OTHER_AUTHORITY)


def rate(vector: str, source: str) -> Cvss | None:
    """A CVSS 2.0, 3.0, 3.1 or 4.0 vector with its base score; ``None`` for what is no valid vector."""
    scored = _score(vector.strip())
    if scored is None:
        return None
    version, score = scored
    return Cvss(version=version, vector=vector.strip(), score=score, source=source)


@functools.lru_cache(maxsize=65536)
def _score(vector: str) -> tuple[str, float] | None:
    # Only feeds are rated, never a scan: the import stays out of the matching path.
    import cvss

    if len(vector) > 500:
        return None
    try:
        if vector.startswith("CVSS:4"):
            return "4.0", float(cvss.CVSS4(vector).base_score)
        if vector.startswith("CVSS:3"):
            return vector[5:8], float(cvss.CVSS3(vector).base_score)
        return "2.0", float(cvss.CVSS2(vector.strip("()")).base_score)
    except cvss.exceptions.CVSSError:
        return None


def ordered(ratings: Iterable[Cvss]) -> tuple[Cvss, ...]:
    """Ratings without repetition, the one that counts first in front."""
    unique = {(rating.source, rating.vector): rating for rating in ratings}
    return tuple(
        sorted(
            unique.values(),
            key=lambda r: (rank(r.source), r.source, _CVSS_ORDER.index(r.version), -r.score, r.vector),
        )
    )


def decide(labels: Iterable[tuple[str, Severity]], ratings: Iterable[Cvss]) -> Severity:
    """The severity to show.

    ``labels`` are words with their authority, ``ratings`` the CVSS ratings. The first authority in order that
    has an opinion decides; its word counts before its vector, and the gravest of its words.
    """
    spoken: dict[tuple[int, int], list[Severity]] = {}
    for authority, severity in labels:
        if severity != "unknown":
            spoken.setdefault((rank(authority), 0), []).append(severity)
    for rating in ratings:
        position = (rank(rating.source), 1 + _CVSS_ORDER.index(rating.version))
        spoken.setdefault(position, []).append(of_score(rating.score))
    return worst(spoken[min(spoken)]) if spoken else "unknown"
