"""Updateinfo: the errata of an RPM repository, as createrepo_c and dnf know them.

``<update type="security">`` with identifier, severity, references and the binary packages that mend it. The
same package stands there once per architecture.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree.ElementTree import Element

import msgspec

from hullwatch.advisories import aliases, severity
from hullwatch.advisories.feeds.feed import one_line
from hullwatch.advisories.feeds.xml import elements, text_of
from hullwatch.advisories.model import Severity
from hullwatch.advisories.record import Reading

#: A repository's metadata and a list of its mirrors are small.
SMALL = 4 * 1024 * 1024
_LIMIT = 1024 * 1024 * 1024
#: Debugging symbols are installed nowhere and vulnerable nowhere.
_DEBUG = re.compile(r".*-(?:debuginfo|debugsource)(?:-.*)?")
_NAME = re.compile(r"[A-Za-z0-9_][\w.+-]{0,199}")
#: Epoch, version and release, without what separates them.
_PART = re.compile(r"[\w.+~^]{1,200}")
_DATE = re.compile(r"(\d{4}-\d{2}-\d{2})(?:[ T](\d{2}:\d{2})(:\d{2})?)?")


class Erratum(msgspec.Struct, frozen=True, kw_only=True):
    """One update: the versions that bring it, by binary package."""

    id: str
    security: bool
    severity: Severity
    cves: tuple[str, ...]
    #: ``(name, EVR)`` without repetition; the epoch is left out when it is 0.
    packages: tuple[tuple[str, str], ...]
    summary: str
    published: str
    modified: str
    references: tuple[str, ...]


def is_debug(name: str) -> bool:
    """Whether a package holds debugging symbols or their sources only."""
    return _DEBUG.fullmatch(name) is not None


def errata(path: Path, log: Reading) -> Iterator[Erratum]:
    """The updates of one document; what is none is counted and left out.

    :raises FeedInvalid: not XML, or damaged.
    """
    for update in elements(path, "update", limit=_LIMIT):
        log.entries += 1
        erratum = _erratum(update)
        if erratum is None:
            log.skipped["invalid"] += 1
            continue
        log.dated(erratum.modified)
        yield erratum


def _erratum(update: Element) -> Erratum | None:
    identifier = text_of(update, "id")
    packages = dict.fromkeys(
        found for package in update.iterfind(".//package") if (found := _package(package)) is not None
    )
    if not identifier or len(identifier) > 200 or not packages:
        return None
    references = list(update.iterfind("references/reference"))
    cves = {reference.get("id", "").strip() for reference in references}
    issued = _date(update.find("issued"))
    return Erratum(
        id=identifier,
        security=update.get("type", "security") == "security",
        severity=severity.of_label(text_of(update, "severity")),
        cves=tuple(sorted(cve for cve in cves if aliases.is_cve(cve))),
        packages=tuple((name, evr) for name, evr in packages if not is_debug(name)),
        summary=one_line(text_of(update, "title")),
        published=issued,
        modified=_date(update.find("updated")) or issued,
        references=tuple(
            href for r in references if (href := r.get("href", "")).startswith("https://") and len(href) < 500
        ),
    )


def _package(package: Element) -> tuple[str, str] | None:
    name, epoch = package.get("name", ""), package.get("epoch") or "0"
    version, release = package.get("version", ""), package.get("release", "")
    if package.get("arch") == "src" or not _NAME.fullmatch(name):
        return None
    if not (epoch.isascii() and epoch.isdigit() and _PART.fullmatch(version) and _PART.fullmatch(release)):
        return None
    evr = f"{version}-{release}"
    return name, evr if int(epoch) == 0 else f"{epoch}:{evr}"


def _date(element: Element | None) -> str:
    """A date with or without seconds, or with neither, as ISO 8601."""
    found = _DATE.match(element.get("date", "")) if element is not None else None
    if found is None:
        return ""
    return f"{found[1]}T{found[2]}{found[3] or ':00'}Z" if found[2] else found[1]


def location(repomd: Path) -> str:
    """Where a repository has its updateinfo, relative to its root, by its ``repomd.xml``; empty for nowhere.

    :raises FeedInvalid: not XML.
    """
    for data in elements(repomd, "data", limit=SMALL):
        place = data.find("location")
        if data.get("type") == "updateinfo" and place is not None:
            return place.get("href", "")
    return ""
