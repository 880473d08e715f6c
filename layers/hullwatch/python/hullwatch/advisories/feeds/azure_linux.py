"""Azure Linux, CBL-Mariner before version 3: one OVAL document per release.

https://github.com/microsoft/AzureLinuxVulnerabilityData. "Less than" names the fix, "less than or equal" the
last version that is known to be affected, without a fix.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from hullwatch.advisories import aliases, severity
from hullwatch.advisories.feeds import oval
from hullwatch.advisories.feeds.feed import Document, each, one_line
from hullwatch.advisories.feeds.xml import text_of
from hullwatch.advisories.record import Advisory, Affected, Event, EventKind, Reading
from hullwatch.errors import FeedInvalid

NAME = "azure-linux"
VERSION = 1
MAX_AGE = 14
LICENCE = "MIT"

URL = "https://raw.githubusercontent.com/microsoft/AzureLinuxVulnerabilityData/main"
_FILES = {
    "1": "cbl-mariner-1.0-oval.xml",
    "2": "cbl-mariner-2.0-oval.xml",
    "3": "azurelinux-3.0-oval.xml",
}
_FILE = "oval.xml"
#: What ``patchable`` says where the package turned out not to have the vulnerability.
_NOT_AFFECTED = "Not Applicable"


def documents() -> tuple[Document, ...]:
    """One document per release."""
    return tuple(
        Document(path=f"azure-linux/{release}/{_FILE}", url=f"{URL}/{name}", limit=512 * 1024 * 1024)
        for release, name in _FILES.items()
    )


def find(mirror: Path) -> dict[str, str]:
    """Every release that the mirror has."""
    return each(mirror, f"azure-linux/*/{_FILE}")


def read(path: Path, log: Reading) -> Iterator[Advisory]:
    """One record per definition; the release is the name of the folder."""
    release = path.parent.name
    if not re.fullmatch(r"\d+", release):
        raise FeedInvalid(f"{release[:50]!r} is no release")
    log.dated(oval.date_of(path))
    for definition in oval.definitions(path):
        log.entries += 1
        metadata = definition.metadata
        reference = metadata.find("reference")
        cve = reference.get("ref_id", "").strip() if reference is not None else ""
        if not aliases.is_cve(cve):
            log.skipped["no identifier"] += 1
            continue
        if text_of(metadata, "patchable") == _NOT_AFFECTED:
            log.skipped["not affected"] += 1
            continue
        affected = _affected(release, definition)
        if not affected:
            log.skipped["affects no package here"] += 1
            continue
        yield Advisory(
            id=text_of(metadata, "advisory_id") or definition.id,
            source=NAME,
            authority="azure-linux",
            covers=(cve,),
            affected=affected,
            severity=severity.of_label(text_of(metadata, "severity")),
            summary=one_line(text_of(metadata, "title")),
            published=text_of(metadata, "advisory_date"),
            modified=text_of(metadata, "advisory_date"),
            url=f"https://nvd.nist.gov/vuln/detail/{cve}",
        )


def _affected(release: str, definition: oval.Definition) -> tuple[Affected, ...]:
    """All checks of one package hold together: "greater than" is where its affected versions begin."""
    begins: dict[str, str] = {}
    ends: dict[str, Event] = {}
    for check in definition.checks:
        if check.operation == "greater than":
            begins[check.name] = check.evr
        else:
            kind: EventKind = "fixed" if check.operation == "less than" else "last_affected"
            ends[check.name] = kind, check.evr
    return tuple(
        Affected(
            ecosystem=f"Azure Linux:{release}",
            name=name,
            ranges=((("introduced", begins.get(name, "0")), end),),
        )
        for name, end in ends.items()
    )
