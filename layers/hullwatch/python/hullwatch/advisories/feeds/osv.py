"""OSV: one zip of JSON records per ecosystem (https://ossf.github.io/osv-schema/, schema 1.7).

A zip holds every record that affects its ecosystem, so only the ``affected`` entries of that ecosystem are
taken from it. Distribution exports name the CVEs that an advisory mends in ``upstream`` (Debian, Ubuntu,
Alpine) or ``related`` (AlmaLinux, Rocky): each of those is a vulnerability of its own, whereas ``aliases`` of
a language ecosystem name the same mistake.
"""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import msgspec

from hullwatch.advisories import aliases, ecosystems, severity
from hullwatch.advisories.feeds.feed import Document, archive_entries, each, one_line
from hullwatch.advisories.model import Cvss, Severity
from hullwatch.advisories.record import (
    ANY_STREAM,
    Advisory,
    Affected,
    Enrichment,
    Event,
    EventKind,
    Reading,
    Record,
    RuleStatus,
    is_module_build,
)

NAME = "osv"
VERSION = 3
MAX_AGE = 3
LICENCE = "per source: CC-BY-4.0 (GHSA, PyPA, Go), CC0-1.0 (RustSec), CC-BY-SA-4.0 (Ubuntu), MIT (AlmaLinux)"

URL = "https://storage.googleapis.com/osv-vulnerabilities"
#: What is fetched without a mirror: the ecosystems of our collectors. Wolfi and Chainguard are left out for
#: their licence, and Alpine because its own database is read.
ECOSYSTEMS = (
    "AlmaLinux",
    "Bitnami",
    "CRAN",
    "ConanCenter",
    "Debian",
    "Go",
    "Hackage",
    "Hex",
    "Maven",
    "NuGet",
    "Packagist",
    "Pub",
    "PyPI",
    "Rocky Linux",
    "RubyGems",
    "SUSE",
    "Ubuntu",
    "crates.io",
    "npm",
    "openSUSE",
)

_Identifier = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
_Name = Annotated[str, msgspec.Meta(min_length=1, max_length=500)]
_Version = Annotated[str, msgspec.Meta(max_length=500)]


class _Package(msgspec.Struct):
    ecosystem: _Name
    name: _Name


class _Event(msgspec.Struct):
    introduced: _Version | None = None
    fixed: _Version | None = None
    last_affected: _Version | None = None
    limit: _Version | None = None


class _Range(msgspec.Struct):
    type: str
    events: list[_Event]


class _Rating(msgspec.Struct):
    type: str
    score: str


class _Specific(msgspec.Struct):
    # Free form by the schema: only what turns out to be a string is used.
    severity: Any = None
    informational: Any = None


class _Affected(msgspec.Struct):
    package: _Package | None = None
    ranges: list[_Range] | None = None
    versions: list[_Version] | None = None
    severity: list[_Rating] | None = None
    database_specific: _Specific | None = None


class _Reference(msgspec.Struct):
    type: str = "WEB"
    url: str = ""


class _Record(msgspec.Struct):
    id: _Identifier
    modified: str
    published: str = ""
    withdrawn: str | None = None
    aliases: list[_Identifier] | None = None
    upstream: list[_Identifier] | None = None
    related: list[_Identifier] | None = None
    summary: str | None = None
    details: str | None = None
    severity: list[_Rating] | None = None
    affected: list[_Affected] | None = None
    references: list[_Reference] | None = None
    database_specific: _Specific | None = None


_DECODER = msgspec.json.Decoder(_Record)

#: By prefix of the identifier: who vouches for the record, and its page.
_AUTHORITIES: dict[str, tuple[str, str]] = {
    "ALBA": ("almalinux", ""),
    "ALEA": ("almalinux", ""),
    "ALSA": ("almalinux", ""),
    "ALPINE": ("alpine", "https://security.alpinelinux.org/vuln/{cve}"),
    "BIT": ("bitnami", ""),
    "DEBIAN": ("debian", "https://security-tracker.debian.org/tracker/{cve}"),
    "DLA": ("debian", "https://security-tracker.debian.org/tracker/{id}"),
    "DSA": ("debian", "https://security-tracker.debian.org/tracker/{id}"),
    "DTSA": ("debian", "https://security-tracker.debian.org/tracker/{id}"),
    "GHSA": ("ghsa", "https://github.com/advisories/{id}"),
    "GO": ("go", "https://pkg.go.dev/vuln/{id}"),
    "MAL": ("openssf", ""),
    "PYSEC": ("pypa", ""),
    "RLSA": ("rocky", "https://errata.rockylinux.org/{id}"),
    "RUSTSEC": ("rustsec", "https://rustsec.org/advisories/{id}.html"),
    "RXSA": ("rocky", "https://errata.rockylinux.org/{id}"),
    "UBUNTU": ("ubuntu", "https://ubuntu.com/security/{cve}"),
    "USN": ("ubuntu", "https://ubuntu.com/security/notices/{id}"),
    "openSUSE": ("suse", ""),
    "SUSE": ("suse", ""),
}
_DISTRIBUTION_CVE = re.compile(r"[A-Z]+-(CVE-\d{4}-\d{4,9})")
#: Bug-fix and enhancement errata of the RPM distributions: ALBA-..., RLEA-..., RHBA-...
_NO_SECURITY = re.compile(r"[A-Z]{2}(?:BA|EA)-")
_TITLE_SEVERITY = re.compile(r"(Critical|Important|Moderate|Low): ")
_TITLE_MODULE = re.compile(r"(?<![\w.-])([a-z0-9][\w.-]*):([\w.][\w.-]*)")
_REFERENCE_ORDER = {"ADVISORY": 0, "FIX": 1, "REPORT": 2, "WEB": 3}
_MAX_REFERENCES = 4
_PRO = "Ubuntu:Pro:"
#: SUSE's support of a service pack after its general support has ended.
_LTSS = re.compile(
    r"SUSE:Linux Enterprise Server (?:LTSS Extended Security )?(\d+(?: SP\d+)?)(?:-LTSS|-ESPOS)?"
)
#: RustSec's notes that are no vulnerability (https://github.com/rustsec/advisory-db, "informational").
_INFORMATIONAL = frozenset({"notice", "unmaintained"})


def documents() -> tuple[Document, ...]:
    """One zip per ecosystem."""
    return tuple(
        Document(
            path=f"osv/{ecosystem}/all.zip",
            url=f"{URL}/{urllib.parse.quote(ecosystem)}/all.zip",
            limit=1024 * 1024 * 1024,
        )
        for ecosystem in ECOSYSTEMS
    )


def find(mirror: Path) -> dict[str, str]:
    """Every ecosystem that the mirror has."""
    return each(mirror, "osv/*/all.zip")


def read(path: Path, log: Reading) -> Iterator[Record]:
    """The records of one ecosystem's zip; the ecosystem is the name of the folder."""
    ecosystem = path.parent.name
    for _, data in archive_entries(path, ".json"):
        log.entries += 1
        try:
            record = _DECODER.decode(data)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            log.skipped["invalid"] += 1
            continue
        log.dated(record.modified)
        if record.withdrawn:
            log.skipped["withdrawn"] += 1
            continue
        advisory = _advisory(record, ecosystem)
        if advisory is None:
            log.skipped["affects no package here"] += 1
        else:
            yield advisory
            yield from _nvd_ratings(advisory)


def _advisory(record: _Record, ecosystem: str) -> Advisory | None:
    entries = [
        entry
        for entry in record.affected or ()
        if entry.package is not None and ecosystems.family(entry.package.ecosystem) == ecosystem
    ]
    covers = _covers(record) if ecosystems.is_distribution(ecosystem) else ()
    status: RuleStatus = "affected"
    if _NO_SECURITY.match(record.id) and not covers and ecosystems.is_distribution(ecosystem):
        status = "bugfix"
    module = _title_module(record.summary or "")
    affected = _merge_subscriptions([_affected(entry, status, module) for entry in entries])
    affected = [entry for entry in affected if entry.ranges or entry.versions]
    if not affected:
        return None

    authority, page = _AUTHORITIES.get(record.id.partition("-")[0], ("osv", ""))
    url = page.format(id=record.id, cve=covers[0] if covers else record.id)
    references = _references(record)
    label, ratings = _ratings(record, entries, authority)
    return Advisory(
        id=record.id,
        source=NAME,
        authority=authority,
        aliases=tuple(dict.fromkeys(record.aliases or ())),
        covers=covers,
        affected=tuple(affected),
        severity=label,
        cvss=ratings,
        summary=one_line(record.summary or record.details or ""),
        published=record.published,
        modified=record.modified,
        url=url or (references[0] if references else f"https://osv.dev/vulnerability/{record.id}"),
        references=tuple(reference for reference in references if reference != url)[:_MAX_REFERENCES],
        malware=record.id.startswith("MAL-"),
    )


def _nvd_ratings(advisory: Advisory) -> Iterator[Enrichment]:
    """Ubuntu repeats NVD's ratings, which say as much of the same CVE in any other package."""
    ratings = tuple(rating for rating in advisory.cvss if rating.source == "nvd")
    if ratings and len(advisory.covers) == 1:
        yield Enrichment(cve=advisory.covers[0], cvss=ratings)


def _covers(record: _Record) -> tuple[str, ...]:
    for named in (record.upstream, record.aliases, record.related):
        cves = sorted({name for name in named or () if aliases.is_cve(name)})
        if cves:
            return tuple(cves)
    found = _DISTRIBUTION_CVE.fullmatch(record.id)
    return (found[1],) if found else ()


def _affected(entry: _Affected, status: RuleStatus, module: str) -> Affected:
    package = entry.package
    assert package is not None
    # GIT ranges speak of commits, which no package database knows.
    ranges = tuple(
        events for span in entry.ranges or () if span.type != "GIT" and (events := _events(span.events))
    )
    modular = any(is_module_build(version) for events in ranges for _, version in events)
    return Affected(
        ecosystem=ecosystems.installed_as(package.ecosystem),
        name=ecosystems.normal_name(package.ecosystem, package.name),
        ranges=ranges,
        versions=tuple(entry.versions or ()),
        status=status,
        module=(module or ANY_STREAM) if modular else "",
    )


def _events(events: list[_Event]) -> tuple[Event, ...]:
    kinds: tuple[EventKind, ...] = ("introduced", "fixed", "last_affected", "limit")
    return tuple(
        (kind, value) for event in events for kind in kinds if (value := getattr(event, kind)) is not None
    )


def _title_module(summary: str) -> str:
    """Module and stream out of an erratum's title, ``Moderate: nodejs:18 security update``."""
    found = _TITLE_MODULE.search(_TITLE_SEVERITY.sub("", summary, count=1))
    return f"{found[1]}:{found[2]}" if found else ""


def _standard(ecosystem: str) -> str:
    """The release that a subscription's ecosystem belongs to; empty for releases and for other builds.

    FIPS, real-time and other variants of Ubuntu Pro are different builds.
    """
    if ecosystem.startswith(_PRO):
        release = ecosystem.removeprefix(_PRO)
        return f"Ubuntu:{release}" if release[:1].isdigit() else ""
    found = _LTSS.fullmatch(ecosystem)
    standard = f"SUSE:Linux Enterprise Server {found[1]}" if found else ""
    return "" if standard == ecosystem else standard


def _merge_subscriptions(entries: list[Affected]) -> list[Affected]:
    """What Ubuntu Pro and SUSE's LTSS say, folded into the release they belong to.

    What the release itself says decides. Where it has no fix, or no entry because its standard support has
    ended, the other entry tells whether a subscription has one. Different builds are left alone, each an
    ecosystem of its own.
    """
    merged: dict[tuple[str, str], Affected] = {}
    for entry in sorted(entries, key=lambda entry: _standard(entry.ecosystem) != ""):
        name, standard = entry.ecosystem, _standard(entry.ecosystem)
        if not standard:
            known = merged.get((name, entry.name))
            merged[name, entry.name] = entry if known is None else _union(known, entry)
            continue
        known = merged.get((standard, entry.name))
        if known is None or not _has_fix(known):
            merged[standard, entry.name] = msgspec.structs.replace(
                entry, ecosystem=standard, status="fixed_in_pro" if _has_fix(entry) else "affected"
            )
    return list(merged.values())


def _union(first: Affected, second: Affected) -> Affected:
    return msgspec.structs.replace(
        first, ranges=first.ranges + second.ranges, versions=first.versions + second.versions
    )


def _has_fix(entry: Affected) -> bool:
    return any(kind == "fixed" for events in entry.ranges for kind, _ in events)


def _ratings(record: _Record, entries: list[_Affected], authority: str) -> tuple[Severity, tuple[Cvss, ...]]:
    labels: list[Severity] = []
    ratings: list[Cvss] = []
    for rating in [*(record.severity or ()), *(r for entry in entries for r in entry.severity or ())]:
        if rating.type.startswith("CVSS"):
            rated = severity.rate(rating.score, "nvd" if authority == "ubuntu" else authority)
            if rated is not None:
                ratings.append(rated)
        else:
            labels.append(severity.of_label(rating.score))
    for specific in [record.database_specific, *(entry.database_specific for entry in entries)]:
        if specific is not None and isinstance(specific.severity, str):
            labels.append(severity.of_label(specific.severity))
        if specific is not None and specific.informational in _INFORMATIONAL:
            labels.append("negligible")
    title = _TITLE_SEVERITY.match(record.summary or "")
    if title:
        labels.append(severity.of_label(title[1]))
    return severity.worst(labels), severity.ordered(ratings)


def _references(record: _Record) -> list[str]:
    usable = [r for r in record.references or () if r.url.startswith(("https://", "http://"))]
    usable.sort(key=lambda reference: _REFERENCE_ORDER.get(reference.type, 4))
    return list(dict.fromkeys(reference.url[:500] for reference in usable))
