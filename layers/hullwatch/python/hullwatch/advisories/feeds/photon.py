"""Photon OS: one list of CVEs per release (https://packages.vmware.com/photon/photon_cve_metadata/)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import msgspec

from hullwatch.advisories import aliases, severity
from hullwatch.advisories.feeds.feed import Document, content, each, parse
from hullwatch.advisories.record import Advisory, Affected, Event, Reading, RuleStatus
from hullwatch.errors import FeedInvalid

NAME = "photon"
VERSION = 1
MAX_AGE = 30
LICENCE = "no explicit licence; published by VMware by Broadcom for scanners"

URL = "https://packages.vmware.com/photon/photon_cve_metadata"
RELEASES = ("1.0", "2.0", "3.0", "4.0", "5.0")

_LIMIT = 128 * 1024 * 1024
_NONE = frozenset({"", "NA"})
_Text = Annotated[str, msgspec.Meta(max_length=500)]


class _Issue(msgspec.Struct):
    cve_id: _Text
    pkg: _Text
    #: Nothing where nobody has rated it.
    cve_score: float | None = None
    res_ver: _Text = ""
    status: _Text = "Fixed"


def documents() -> tuple[Document, ...]:
    """One file per release."""
    return tuple(
        Document(
            path=f"photon/{release}/cve_data.json",
            url=f"{URL}/cve_data_photon{release}.json",
            limit=_LIMIT,
        )
        for release in RELEASES
    )


def find(mirror: Path) -> dict[str, str]:
    """Every release that the mirror has."""
    return each(mirror, "photon/*/cve_data.json")


def read(path: Path, log: Reading) -> Iterator[Advisory]:
    """One record per issue and package; the release is the name of the folder."""
    release = path.parent.name
    if not re.fullmatch(r"\d+\.\d+", release):
        raise FeedInvalid(f"{release[:50]!r} is no release")
    for raw in parse(content(path, _LIMIT), list[msgspec.Raw]):
        log.entries += 1
        try:
            issue = msgspec.json.decode(raw, type=_Issue)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            log.skipped["invalid"] += 1
            continue
        state = _state(issue)
        if state is None:
            log.skipped["no version"] += 1
            continue
        status, events = state
        yield Advisory(
            id=issue.cve_id,
            source=NAME,
            authority="photon",
            covers=(issue.cve_id,) if aliases.is_cve(issue.cve_id) else (),
            affected=(
                Affected(ecosystem=f"Photon OS:{release}", name=issue.pkg, ranges=(events,), status=status),
            ),
            severity="unknown" if not issue.cve_score else severity.of_score(issue.cve_score),
            url=f"https://github.com/vmware/photon/wiki/Security-Updates-{release.partition('.')[0]}",
        )


def _state(issue: _Issue) -> tuple[RuleStatus, tuple[Event, ...]] | None:
    always: Event = ("introduced", "0")
    if issue.status.lower() == "not affected":
        return "not_affected", (always,)
    if issue.res_ver in _NONE:
        return None
    return "affected", (always, ("fixed", issue.res_ver))
