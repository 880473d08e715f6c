"""Results that were kept: the JSON of ``hullwatch scan``, and bills of materials in CycloneDX or SPDX.

One document is read at a time, within a limit of bytes, and of each only what questions need.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from hullwatch.advisories import purls
from hullwatch.errors import UserError
from hullwatch.inventory.package import Package

#: A larger file is not read (bytes).
MAX_BYTES = 256 << 20

_LAYER = "hullwatch:package:layer"
_SPDX_LAYER = "found in layer: "
_SPDX_PATH = "found at: "


class Vulnerable(msgspec.Struct, frozen=True):
    """A vulnerability of a package, as a scan reported it."""

    id: str
    package: str
    version: str
    aliases: tuple[str, ...] = ()
    purl: str | None = None
    fixed: str | None = None
    layer: str | None = None


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What one document says of one image."""

    reference: str
    digest: str
    packages: tuple[Package, ...]
    #: ``None``: the document lists packages only.
    vulnerabilities: tuple[Vulnerable, ...] | None = None
    #: Whether the image was read whole, as far as the document says.
    complete: bool = True


class NotAResult(UserError):
    """A file that is no result of a scan, or too large."""


def files(paths: list[Path]) -> Iterator[Path]:
    """The files that are named, and the JSON files below the directories that are, in order.

    :raises UserError: a path does not exist.
    """
    for path in paths:
        if path.is_dir():
            yield from sorted(file for file in path.rglob("*.json") if file.is_file())
        elif path.exists():
            yield path
        else:
            raise UserError(f"{path} does not exist")


def read(path: Path) -> Result:
    """The result in a file.

    :raises NotAResult: it is in none of the forms, damaged, or larger than :data:`MAX_BYTES`.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise NotAResult(f"{path}: larger than {MAX_BYTES >> 20} MiB")
        content = path.read_bytes()
        kind = msgspec.json.decode(content, type=_Kind)
        if kind.bom_format == "CycloneDX":
            return _cyclonedx(msgspec.json.decode(content, type=_Bom))
        if kind.spdx_version.startswith("SPDX-2."):
            return _spdx(msgspec.json.decode(content, type=_Spdx))
        if kind.schema == 1:
            return _report(msgspec.json.decode(content, type=_Report))
    except OSError as error:
        raise NotAResult(f"{path}: {error.strerror}") from error
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise NotAResult(f"{path}: {error}") from error
    raise NotAResult(f"{path}: neither a scan's JSON nor CycloneDX nor SPDX 2")


class _Kind(msgspec.Struct):
    schema: int | None = None
    bom_format: str = msgspec.field(name="bomFormat", default="")
    spdx_version: str = msgspec.field(name="spdxVersion", default="")


class _ReportImage(msgspec.Struct):
    reference: str
    digest: str


class _ReportPackage(msgspec.Struct):
    name: str
    version: str
    purl: str | None = None
    ecosystem: str | None = None
    locations: tuple[str, ...] = ()
    layer: str | None = None


class _Report(msgspec.Struct):
    image: _ReportImage
    packages: list[_ReportPackage]
    vulnerabilities: tuple[Vulnerable, ...]
    complete: bool
    timings: dict[str, float]


def _report(report: _Report) -> Result:
    return Result(
        reference=report.image.reference,
        digest=report.image.digest,
        packages=tuple(
            package
            for entry in report.packages
            if (
                package := _package(
                    entry.purl or "", entry.ecosystem or "", entry.locations, entry.layer or ""
                )
            )
        ),
        # Without a time for it, nothing was matched: no vulnerabilities were looked for.
        vulnerabilities=report.vulnerabilities if "match" in report.timings else None,
        complete=report.complete,
    )


class _Property(msgspec.Struct):
    name: str
    value: str = ""


class _Occurrence(msgspec.Struct):
    location: str


class _Evidence(msgspec.Struct):
    occurrences: list[_Occurrence] = []


class _Component(msgspec.Struct):
    name: str
    version: str = ""
    purl: str = ""
    evidence: _Evidence | None = None
    properties: list[_Property] = []


class _Metadata(msgspec.Struct):
    component: _Component | None = None


class _Composition(msgspec.Struct):
    aggregate: str = ""


class _Bom(msgspec.Struct):
    metadata: _Metadata | None = None
    components: list[_Component] = []
    compositions: list[_Composition] = []


def _cyclonedx(bom: _Bom) -> Result:
    subject = (bom.metadata.component if bom.metadata else None) or _Component(name="")
    packages = []
    for component in bom.components:
        known = {entry.name: entry.value for entry in component.properties}
        occurrences = component.evidence.occurrences if component.evidence else []
        package = _package(
            component.purl,
            known.get("hullwatch:package:ecosystem", ""),
            tuple(occurrence.location for occurrence in occurrences),
            known.get(_LAYER, ""),
        )
        if package:
            packages.append(package)
    return Result(
        reference=subject.name,
        digest=subject.version,
        packages=tuple(packages),
        complete=all(composition.aggregate != "incomplete" for composition in bom.compositions),
    )


class _Reference(msgspec.Struct):
    kind: str = msgspec.field(name="referenceType", default="")
    locator: str = msgspec.field(name="referenceLocator", default="")


class _Element(msgspec.Struct):
    name: str
    version: str = msgspec.field(name="versionInfo", default="")
    purpose: str = msgspec.field(name="primaryPackagePurpose", default="")
    source: str = msgspec.field(name="sourceInfo", default="")
    references: list[_Reference] = msgspec.field(name="externalRefs", default_factory=list)


class _Spdx(msgspec.Struct):
    name: str
    packages: list[_Element] = []
    comment: str = ""


def _spdx(document: _Spdx) -> Result:
    packages = []
    image = next((element for element in document.packages if element.purpose == "CONTAINER"), None)
    for element in document.packages:
        if element is image:
            continue
        lines = element.source.splitlines()
        found = [line.removeprefix(_SPDX_PATH) for line in lines if line.startswith(_SPDX_PATH)]
        layers = [line.removeprefix(_SPDX_LAYER) for line in lines if line.startswith(_SPDX_LAYER)]
        for reference in element.references:
            if reference.kind == "purl":
                package = _package(reference.locator, "", tuple(found), "".join(layers[:1]))
                packages += [package] if package else []
    return Result(
        reference=document.name,
        digest=image.version if image else "",
        packages=tuple(packages),
        complete=not document.comment.startswith("Incomplete:"),
    )


def _package(purl: str, ecosystem: str, locations: tuple[str, ...], layer: str) -> Package | None:
    """The package of a purl; ``None`` for what has none: nobody could ask for it."""
    try:
        package = purls.package_of(purl, versioned=False)
    except UserError:
        return None
    return msgspec.structs.replace(
        package, ecosystem=ecosystem or package.ecosystem, locations=locations, layer=layer
    )
