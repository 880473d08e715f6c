"""Oracle Linux: ELSA errata of all releases as one OVAL document (https://linux.oracle.com/security/oval/).

Builds for Ksplice and for FIPS carry the names of the ordinary packages with versions of their own: an
ordinary package is not compared with them. Where architectures are fixed in different versions, the lower
one counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from hullwatch.advisories import aliases, severity, versions
from hullwatch.advisories.feeds import oval
from hullwatch.advisories.feeds.feed import Document, each, one_line
from hullwatch.advisories.feeds.xml import text_of
from hullwatch.advisories.record import ANY_STREAM, Advisory, Affected, Reading, is_module_build

NAME = "oracle"
VERSION = 1
MAX_AGE = 14
LICENCE = "no explicit licence; published by Oracle for scanners"

URL = "https://linux.oracle.com/security/oval/com.oracle.elsa-all.xml.bz2"
_PATH = "oracle/com.oracle.elsa-all.xml.bz2"

_RELEASE = re.compile(r"Oracle Linux (\d+) is installed")
_MODULE = re.compile(r"Module ([\w.+-]+:[\w.+-]+) is enabled")
_ERRATUM = re.compile(r"(ELSA-\d{4}-\d+):\s*(.*?)(?:\s*\([A-Z/]+\))?\s*", re.DOTALL)
_OTHER_BUILD = re.compile(r"ksplice|_fips")


def documents() -> tuple[Document, ...]:
    """All releases in one document."""
    return (Document(path=_PATH, url=URL, limit=512 * 1024 * 1024),)


def find(mirror: Path) -> dict[str, str]:
    """All releases in one document."""
    return each(mirror, _PATH)


def read(path: Path, log: Reading) -> Iterator[Advisory]:
    """One record per erratum."""
    log.dated(oval.date_of(path))
    for definition in oval.definitions(path):
        log.entries += 1
        metadata = definition.metadata
        title = _ERRATUM.fullmatch(text_of(metadata, "title"))
        if title is None:
            log.skipped["invalid"] += 1
            continue
        affected = _affected(definition)
        if not affected:
            log.skipped["affects no package here"] += 1
            continue
        issued = metadata.find("advisory/issued")
        cves = {(cve.text or "").strip() for cve in metadata.iterfind("advisory/cve")}
        date = issued.get("date", "") if issued is not None else ""
        yield Advisory(
            id=title[1],
            source=NAME,
            authority="oracle",
            covers=tuple(sorted(cve for cve in cves if aliases.is_cve(cve))),
            affected=affected,
            severity=severity.of_label(metadata.findtext("advisory/severity") or ""),
            summary=one_line(title[2]),
            published=date,
            modified=date,
            url=f"https://linux.oracle.com/errata/{title[1]}.html",
        )


def _affected(definition: oval.Definition) -> tuple[Affected, ...]:
    #: Ecosystem, name and module -> the lowest fix.
    fixes: dict[tuple[str, str, str], str] = {}
    for check in definition.checks:
        release = _condition(_RELEASE, check)
        if not release or _OTHER_BUILD.search(check.evr) or check.operation != "less than":
            continue
        module = _condition(_MODULE, check) or (ANY_STREAM if is_module_build(check.evr) else "")
        key = (f"Oracle Linux:{release}", check.name, module)
        if key not in fixes or versions.compare("rpm", check.evr, fixes[key]) < 0:
            fixes[key] = check.evr
    return tuple(
        Affected(
            ecosystem=ecosystem, name=name, ranges=((("introduced", "0"), ("fixed", fix)),), module=module
        )
        for (ecosystem, name, module), fix in fixes.items()
    )


def _condition(pattern: re.Pattern[str], check: oval.Check) -> str:
    return next((found[1] for text in check.conditions if (found := pattern.fullmatch(text))), "")
