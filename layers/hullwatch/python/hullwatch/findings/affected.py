"""What a question about a fleet finds: images, the packages in them, and where they are used."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Literal

import msgspec
from pydantic import BaseModel, ConfigDict, Field

from hullwatch.advisories.match import Advisories
from hullwatch.findings.question import PackageQuestion, Question
from hullwatch.findings.report import Issue
from hullwatch.findings.results import Result
from hullwatch.inventory.package import Package


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """A package that answers the question."""

    package: Package
    vulnerability: str = ""
    fixed: str = ""


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """What one image has to say to a question."""

    held: tuple[Held, ...] = ()
    #: Packages of which nobody can tell whether their version is in the range.
    undecided: tuple[Package, ...] = ()
    #: Why the image has no answer at all; empty when it has.
    unanswered: str = ""


class Placement(msgspec.Struct, frozen=True, kw_only=True):
    """Where an image is: the tracks it is seen in, those it is the head of, and the workloads that run it."""

    tracks: tuple[str, ...] = ()
    heads: tuple[str, ...] = ()
    running: tuple[str, ...] = ()


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", serialize_by_alias=True, validate_by_name=True)


class AffectedPackage(_Model):
    """One package that was asked for."""

    purl: str | None = None
    name: str
    version: str
    ecosystem: str | None = None
    locations: list[str] = Field(description="Files that bear witness; empty from an account.")
    layer: str | None = Field(default=None, description="Digest of the layer that brought it.")
    vulnerability: str | None = Field(
        default=None, description="What it has, when the question was about that."
    )
    fixed: str | None = Field(default=None, description="The version to upgrade to; null when there is none.")


class AffectedTrack(_Model):
    """A lineage of tags that holds the image."""

    name: str = Field(description="As in findings, for example v*.")
    head: bool = Field(description="The image is what the track's newest tag stands for.")


class AffectedImage(_Model):
    """One image that holds a package or has a vulnerability."""

    reference: str | None = Field(default=None, description="As it was scanned; null from an account.")
    repository: str | None = Field(default=None, description="In ECR; null from results.")
    digest: str
    tracks: list[AffectedTrack]
    running: list[str] = Field(description="Workloads that run it.")
    packages: list[AffectedPackage] = Field(description="Sorted by name, version and vulnerability.")


class AffectedReport(_Model):
    """What ``hullwatch affected --format json`` prints."""

    schema_version: Literal[1] = Field(default=1, alias="schema")
    query: str = Field(description="The question as it was asked.")
    source: Literal["results", "account"]
    images: list[AffectedImage] = Field(description="Running first, then heads of tracks, then by name.")
    issues: list[Issue] = Field(description="What could not be searched, or not decided.")
    complete: bool = Field(description="False when an image may be missing: see issues.")


def names_in(identifier: str, results: Iterable[Result]) -> frozenset[str]:
    """The identifier, and what vulnerabilities are shown as that have it among their aliases."""
    return frozenset(
        (
            identifier,
            *(
                entry.id
                for result in results
                for entry in result.vulnerabilities or ()
                if identifier in entry.aliases
            ),
        )
    )


def search(
    question: Question, names: frozenset[str], result: Result, advisories: Advisories | None = None
) -> Found:
    """What one kept result says to a question.

    :param names: of the vulnerability that is asked for (:func:`names_in`).
    :param advisories: what bills of materials are matched with; without, they cannot answer for
        vulnerabilities.
    """
    if isinstance(question, PackageQuestion):
        return sift(question, result.packages)
    if result.vulnerabilities is not None:
        by_purl = {package.purl: package for package in result.packages}
        held = (
            Held(
                package=by_purl.get(entry.purl or "")
                or Package(type="", name=entry.package, version=entry.version, layer=entry.layer or ""),
                vulnerability=entry.id,
                fixed=entry.fixed or "",
            )
            for entry in result.vulnerabilities
            if entry.id in names
        )
        return Found(held=tuple(held))
    if advisories is None:
        return Found(unanswered="lists packages only; say --advisories to match them")
    return Found(held=tuple(_matched(names, result.packages, advisories)))


def sift(question: PackageQuestion, packages: Iterable[Package]) -> Found:
    """The packages that a question is about, and those whose version cannot be told."""
    held, undecided = [], []
    for package in packages:
        if question.concerns(package):
            answer = question.holds(package)
            if answer:
                held.append(Held(package=package))
            elif answer is None:
                undecided.append(package)
    return Found(held=tuple(held), undecided=tuple(undecided))


def _matched(names: frozenset[str], packages: tuple[Package, ...], advisories: Advisories) -> Iterator[Held]:
    for match in advisories.match(packages):
        vulnerability = match.vulnerability
        if not names.isdisjoint((vulnerability.id, *vulnerability.aliases)):
            yield Held(package=match.package, vulnerability=vulnerability.id, fixed=match.fixed)


class Answer:
    """Collects what images say, and makes the report of it."""

    def __init__(self, question: Question, source: Literal["results", "account"]) -> None:
        self._question = question
        self._source: Literal["results", "account"] = source
        self._images: dict[tuple[str, str], list[Held]] = {}
        self._issues: list[Issue] = []

    def add(self, name: str, digest: str, found: Found) -> None:
        """Take in what an image says; ``name`` is its reference or its repository."""
        if found.held:
            self._images.setdefault((name, digest), []).extend(found.held)
        for package in found.undecided:
            detail = f"{name}: is {package.name} {package.version} in the range? Its order is not known"
            self.missing("UNDECIDED", detail)
        if found.unanswered:
            self.missing("NOT_MATCHED", f"{name}: {found.unanswered}")

    def missing(self, reason: str, detail: str) -> None:
        """Note that the answer may lack something, and why."""
        self._issues.append(Issue(reason=reason, detail=detail))

    @property
    def images(self) -> list[tuple[str, str]]:
        """Name and digest of the images so far."""
        return list(self._images)

    def report(
        self, where: Callable[[str, str], Placement] = lambda _name, _digest: Placement()
    ) -> AffectedReport:
        """The report; ``where`` says where an image is, by name and digest."""
        placed = [(where(*image), image, held) for image, held in self._images.items()]
        placed.sort(key=lambda entry: (not entry[0].running, not entry[0].heads, entry[1]))
        return AffectedReport(
            query=self._question.text,
            source=self._source,
            images=[self._image(place, *image, held) for place, image, held in placed],
            issues=self._issues,
            complete=not self._issues,
        )

    def _image(self, place: Placement, name: str, digest: str, held: list[Held]) -> AffectedImage:
        entries = sorted({_entry_key(entry): entry for entry in held}.items())
        return AffectedImage(
            reference=name if self._source == "results" else None,
            repository=name if self._source == "account" else None,
            digest=digest,
            tracks=[AffectedTrack(name=name, head=name in place.heads) for name in place.tracks],
            running=list(place.running),
            packages=[_package(entry) for _, entry in entries],
        )


def _entry_key(held: Held) -> tuple[str, ...]:
    package = held.package
    return package.name, package.version, held.vulnerability, package.purl, package.layer, *package.locations


def _package(held: Held) -> AffectedPackage:
    package = held.package
    return AffectedPackage(
        purl=package.purl or None,
        name=package.name,
        version=package.version,
        ecosystem=package.ecosystem or None,
        locations=list(package.locations),
        layer=package.layer or None,
        vulnerability=held.vulnerability or None,
        fixed=held.fixed or None,
    )
