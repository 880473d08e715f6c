"""The Debian security tracker: per source package, CVE and release, whether and where it is fixed.

https://security-tracker.debian.org/tracker/data/json; the meaning of the states is explained in
https://security-team.debian.org/security_tracker.html.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import msgspec

from hullwatch.advisories import aliases
from hullwatch.advisories.feeds.feed import Document, content, newest, one_line, parse
from hullwatch.advisories.model import Severity
from hullwatch.advisories.record import Advisory, Affected, Event, Reading, RuleStatus
from hullwatch.inventory.distributions import DEBIAN_RELEASES

NAME = "debian"
VERSION = 1
MAX_AGE = 3
LICENCE = "Debian security tracker data, published without a licence; attributed"

URL = "https://security-tracker.debian.org/tracker/data/json"
_PATH = "debian/tracker-data.json"

#: Unstable is where everything is fixed first; it has no number and is a release of its own.
_RELEASES = DEBIAN_RELEASES | {"sid": "sid"}

_Text = Annotated[str, msgspec.Meta(max_length=500)]


class _Release(msgspec.Struct):
    status: _Text
    fixed_version: _Text | None = None
    urgency: _Text = ""
    nodsa: str | None = None
    nodsa_reason: _Text | None = None


class _Issue(msgspec.Struct):
    releases: dict[_Text, _Release]
    description: str = ""


_Tracker = dict[_Text, dict[_Text, _Issue]]


def documents() -> tuple[Document, ...]:
    """The whole tracker. ``If-Modified-Since`` works."""
    return (Document(path=_PATH, url=URL, limit=512 * 1024 * 1024),)


def find(mirror: Path) -> dict[str, str]:
    """The whole tracker, else a part of it."""
    return newest(mirror, _PATH, "debian/tracker-data*.json")


def read(path: Path, log: Reading) -> Iterator[Advisory]:
    """One record per source package and issue."""
    tracker: _Tracker = parse(content(path), _Tracker)
    for package, issues in tracker.items():
        for identifier, issue in issues.items():
            log.entries += 1
            affected = []
            negligible = True
            for codename, release in issue.releases.items():
                number = _RELEASES.get(codename)
                state = _state(release)
                if number is None or state is None:
                    log.skipped["unknown release" if number is None else "unknown state"] += 1
                    continue
                negligible = negligible and release.urgency == "unimportant"
                status, events = state
                affected.append(
                    Affected(ecosystem=f"Debian:{number}", name=package, ranges=(events,), status=status)
                )
            if affected:
                yield _advisory(identifier, issue, tuple(affected), "negligible" if negligible else "unknown")


def _state(release: _Release) -> tuple[RuleStatus, tuple[Event, ...]] | None:
    always: tuple[Event, ...] = (("introduced", "0"),)
    if release.status == "resolved":
        if release.fixed_version is None:
            return None
        if release.fixed_version == "0":
            return "not_affected", always
        return "affected", (*always, ("fixed", release.fixed_version))
    if release.status == "undetermined":
        return "under_investigation", always
    if release.status != "open":
        return None
    if release.urgency == "end-of-life" or release.nodsa_reason == "ignored":
        return "will_not_fix", always
    return ("deferred" if release.nodsa_reason == "postponed" else "affected"), always


def _advisory(identifier: str, issue: _Issue, affected: tuple[Affected, ...], severity: Severity) -> Advisory:
    # Other urgencies than "unimportant" say how soon Debian will act, not how bad it is.
    return Advisory(
        id=identifier,
        source=NAME,
        authority="debian",
        covers=(identifier,) if aliases.is_cve(identifier) else (),
        affected=affected,
        severity=severity,
        summary=one_line(issue.description),
        url=f"https://security-tracker.debian.org/tracker/{identifier}",
    )
