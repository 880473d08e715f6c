"""The public JSON of ``hullwatch scan`` and ``hullwatch lookup``: versioned, documented, stable.

A field may be added within a schema version; none is removed, renamed or given another meaning. What is not
known is ``null``, never an empty string.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from hullwatch.advisories.ecosystems import only_fixed
from hullwatch.advisories.model import SEVERITIES, Match, Severity, Status
from hullwatch.inventory.image_facts import BaseImage, ImageFacts
from hullwatch.inventory.package import Inventory, OsRelease, Package, Problem
from hullwatch.posture import engine as posture
from hullwatch.posture.catalogue import catalogue


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", serialize_by_alias=True, validate_by_name=True)


class OperatingSystem(_Model):
    """The distribution, as ``os-release`` names it."""

    id: str = Field(description="Lower-case id, for example debian.")
    version: str | None = Field(default=None, description="Version id, for example 12.")
    name: str | None = Field(default=None, description="Name for people.")


class Base(_Model):
    """What the image was probably built on."""

    source: Literal["label", "layers", "history"] = Field(
        description="What says so: a label, a known image's layers, or only where the history shows its end."
    )
    name: str | None = None
    digest: str | None = None
    layers: int | None = Field(default=None, description="How many of the lowest layers are the base's.")


class FileCounts(_Model):
    """How many files of the image, as it is run, have a property that others may use."""

    setuid: int = Field(description="Run as their owner, whoever starts them.")
    setgid: int = Field(description="Run as their group.")
    world_writable: int = Field(description="Anybody may write to; directories without sticky bit included.")
    capabilities: int = Field(description="Have Linux capabilities of their own.")


class ImageSummary(_Model):
    """The image that was scanned."""

    reference: str = Field(description="The target as it was given.")
    digest: str = Field(description="Digest of the platform's manifest.")
    platform: str = Field(description="os/architecture[/variant] in Go's spelling.")
    os: OperatingSystem | None = Field(default=None, description="Null when no distribution was recognised.")
    created: str | None = Field(default=None, description="As the image says, RFC 3339.")
    layers: int = Field(description="Layers that were read.")
    compressed_bytes: int = Field(description="Bytes of all layers as a registry stores them.")
    uncompressed_bytes: int = Field(description="Bytes of all layers, unpacked as archives.")
    user: str | None = Field(default=None, description="Whom it runs as; null is root.")
    base: Base | None = Field(default=None, description="Null when nothing says what it was built on.")
    files: FileCounts = Field(
        description="After whiteouts and replaced files; past a thousand of a kind in one layer, at most."
    )


class PackageEntry(_Model):
    """One package that is installed, or that a lock file declares."""

    purl: str | None = Field(default=None, description="Package URL; null when the package type has none.")
    name: str
    version: str
    ecosystem: str | None = Field(default=None, description="OSV's name; null when no advisories can apply.")
    locations: list[str] = Field(description="Files that bear witness, relative to the image's root.")
    layer: str | None = Field(default=None, description="Digest of the layer that brought it.")
    declared_only: bool = Field(
        default=False, description="Named by a lock file, and not seen installed anywhere."
    )


class Rating(_Model):
    """One CVSS rating."""

    version: str
    vector: str
    score: float
    source: str


class KnownExploited(_Model):
    """The entry in CISA's catalogue of known exploited vulnerabilities; dates as YYYY-MM-DD."""

    added: str
    due: str | None = None
    ransomware: bool = Field(description="Known to be used in ransomware campaigns.")


class Source(_Model):
    """One advisory's word on the package."""

    advisory: str
    source: str
    fixed: str | None = None
    severity: Severity
    modified: str | None = Field(
        default=None,
        description="When the record was last changed or, where the feed dates none, of when its data is.",
    )
    url: str | None = None


class VulnerabilityEntry(_Model):
    """One vulnerability of one package."""

    id: str = Field(description="The CVE where there is one.")
    aliases: list[str]
    package: str
    version: str
    purl: str | None = Field(default=None, description="Joins the entry with packages.")
    fixed: str | None = Field(default=None, description="First fixed version on the installed branch.")
    severity: Severity
    cvss: list[Rating]
    epss: float | None = Field(default=None, description="Probability 0..1; null is unknown.")
    kev: KnownExploited | None = None
    status: Status = Field(description="What is under investigation is shown here and is no finding.")
    layer: str | None = None
    sources: list[Source]


class Issue(_Model):
    """Something that could not be read."""

    reason: str = Field(description="A stable word, for example LAYER_CORRUPT.")
    detail: str
    path: str | None = None
    layer: str | None = None


class Breach(_Model):
    """One thing that makes an image fail a control."""

    path: str = Field(description="Where in the image's configuration, or what kind of fact.")
    value: str | int | float | bool | list[str] | None = Field(
        description="What stands there; null: nothing."
    )


class ControlEntry(_Model):
    """The verdict of one control on the image as it is built."""

    control: str = Field(description="Id in the catalogue: see docs/controls.md.")
    title: str
    severity: posture.Severity
    verdict: posture.Verdict
    reason: str | None = Field(default=None, description="Why there is no verdict.")
    violations: list[Breach]


class ScanReport(_Model):
    """What ``hullwatch scan --format json`` prints."""

    schema_version: Literal[1] = Field(default=1, alias="schema")
    image: ImageSummary
    packages: list[PackageEntry] = Field(description="Sorted by name, version and purl.")
    vulnerabilities: list[VulnerabilityEntry] = Field(description="Highest severity first, then by id.")
    controls: list[ControlEntry] = Field(description="The image's configuration, by id.")
    issues: list[Issue]
    complete: bool = Field(description="False when something could not be read: see issues.")
    feeds: dict[str, str] | None = Field(
        default=None,
        description="Feed -> of when its data is that the image was matched with; null: with nothing.",
    )
    only_fixed: list[str] = Field(
        default=[],
        description="Ecosystems here whose advisories name a vulnerability only once it is fixed.",
    )
    timings: dict[str, float] = Field(description="Seconds by step.")


class LookupEntry(_Model):
    """One vulnerability that affects the package version."""

    id: str
    aliases: list[str]
    advisories: list[str] = Field(description="The records that say so, sorted.")
    fixed: str | None = None
    severity: Severity


class LookupReport(_Model):
    """What ``hullwatch lookup --format json`` prints for each purl."""

    purl: str
    vulnerabilities: list[LookupEntry]


def scan_report(
    reference: str,
    facts: ImageFacts,
    inventory: Inventory,
    matches: Iterable[Match],
    controls: Iterable[posture.Result],
    timings: Mapping[str, float],
    feeds: Mapping[str, str] | None = None,
) -> ScanReport:
    """The report of one image; ``feeds`` as :meth:`~hullwatch.advisories.store.Manifest.dates` has them."""
    return ScanReport(
        image=ImageSummary(
            reference=reference,
            digest=inventory.digest,
            platform=facts.platform,
            os=_operating_system(inventory.os),
            created=facts.created or None,
            layers=facts.layers,
            compressed_bytes=facts.compressed_bytes,
            uncompressed_bytes=facts.uncompressed_bytes,
            user=facts.config.user or None,
            base=_base(facts.base),
            files=FileCounts(
                setuid=facts.files.setuid.total,
                setgid=facts.files.setgid.total,
                world_writable=facts.files.world_writable.total,
                capabilities=facts.files.capabilities.total,
            ),
        ),
        packages=[_package(package) for package in sorted(inventory.packages, key=_package_order)],
        vulnerabilities=[_vulnerability(match) for match in sorted(matches, key=_match_order)],
        controls=[_control(result) for result in sorted(controls, key=lambda item: item.control)],
        issues=[_issue(problem) for problem in inventory.problems],
        complete=inventory.complete,
        feeds=None if feeds is None else dict(feeds),
        only_fixed=sorted({p.ecosystem for p in inventory.packages if only_fixed(p.ecosystem)}),
        timings=dict(timings),
    )


def lookup_report(purl: str, matches: Iterable[Match]) -> LookupReport:
    """The report of one package version: one entry per vulnerability."""
    entries: dict[str, LookupEntry] = {}
    for match in sorted(matches, key=_match_order):
        vulnerability = match.vulnerability
        said = {statement.advisory for statement in match.statements}
        before = entries.get(vulnerability.id)
        entries[vulnerability.id] = LookupEntry(
            id=vulnerability.id,
            aliases=list(vulnerability.aliases),
            advisories=sorted(said.union(before.advisories if before else ())),
            fixed=(before.fixed if before else None) or match.fixed or None,
            severity=vulnerability.severity,
        )
    return LookupReport(purl=purl, vulnerabilities=list(entries.values()))


def _base(base: BaseImage | None) -> Base | None:
    if base is None:
        return None
    return Base(
        source=base.source,
        name=base.name or None,
        digest=base.digest or None,
        layers=base.layers or None,
    )


def _operating_system(release: OsRelease) -> OperatingSystem | None:
    if not release.id:
        return None
    return OperatingSystem(id=release.id, version=release.version_id or None, name=release.name or None)


def _package_order(package: Package) -> tuple[str, ...]:
    return package.name, package.version, package.purl, *package.locations


def _package(package: Package) -> PackageEntry:
    return PackageEntry(
        purl=package.purl or None,
        name=package.name,
        version=package.version,
        ecosystem=package.ecosystem or None,
        locations=list(package.locations),
        layer=package.layer or None,
        declared_only=package.declared_only,
    )


def _match_order(match: Match) -> tuple[int | str, ...]:
    severity = SEVERITIES.index(match.vulnerability.severity)
    return severity, match.vulnerability.id, *_package_order(match.package)


def _vulnerability(match: Match) -> VulnerabilityEntry:
    vulnerability, package = match.vulnerability, match.package
    exploited = vulnerability.exploited
    return VulnerabilityEntry(
        id=vulnerability.id,
        aliases=list(vulnerability.aliases),
        package=package.name,
        version=package.version,
        purl=package.purl or None,
        fixed=match.fixed or None,
        severity=vulnerability.severity,
        cvss=[
            Rating(version=rating.version, vector=rating.vector, score=rating.score, source=rating.source)
            for rating in vulnerability.cvss
        ],
        epss=vulnerability.epss,
        kev=KnownExploited(added=exploited.added, due=exploited.due or None, ransomware=exploited.ransomware)
        if exploited
        else None,
        status=match.status,
        layer=package.layer or None,
        sources=[
            Source(
                advisory=statement.advisory,
                source=statement.source,
                fixed=statement.fixed or None,
                severity=statement.severity,
                modified=statement.modified or None,
                url=statement.url or None,
            )
            for statement in match.statements
        ],
    )


def _control(result: posture.Result) -> ControlEntry:
    return ControlEntry(
        control=result.control,
        title=catalogue()[result.control].title,
        severity=result.severity,
        verdict=result.verdict,
        reason=result.reason or None,
        violations=[Breach(path=item.path, value=item.value) for item in result.violations],
    )


def _issue(problem: Problem) -> Issue:
    return Issue(
        reason=problem.reason,
        detail=problem.detail,
        path=problem.path or None,
        layer=problem.layer or None,
    )
