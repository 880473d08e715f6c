"""SPDX 2.3 in JSON.

The records are written here, a page of them: the reference library's own models bring an RDF engine and a run
time type checker with them, which every document would pay for. The tests read the documents with it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import datetime

import msgspec

from hullwatch.images.image import Image
from hullwatch.inventory.package import Inventory, OsRelease, Package
from hullwatch.inventory.sbom import subjects
from hullwatch.inventory.sbom.licenses import bracketed, combined, expression

_NO_ASSERTION = "NOASSERTION"
_DOCUMENT = "SPDXRef-DOCUMENT"
_IMAGE = "SPDXRef-Image"


class _Record(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A record of the format: fields in camel case, unset ones left out."""


class _Creation(_Record, frozen=True, kw_only=True):
    created: str
    creators: tuple[str, ...]


class _Checksum(_Record, frozen=True, kw_only=True):
    algorithm: str
    checksum_value: str


class _ExternalReference(_Record, frozen=True, kw_only=True):
    reference_category: str
    reference_type: str
    reference_locator: str


class _Relationship(_Record, frozen=True, kw_only=True):
    spdx_element_id: str
    relationship_type: str
    related_spdx_element: str


class _ExtractedLicense(_Record, frozen=True, kw_only=True):
    license_id: str
    name: str
    extracted_text: str


class _Element(_Record, frozen=True, kw_only=True):
    """A package in SPDX's sense: here also the image and its distribution."""

    spdx_id: str = msgspec.field(name="SPDXID")
    name: str
    primary_package_purpose: str
    version_info: str | msgspec.UnsetType = msgspec.UNSET
    supplier: str = _NO_ASSERTION
    download_location: str = _NO_ASSERTION
    files_analyzed: bool = False
    source_info: str | msgspec.UnsetType = msgspec.UNSET
    license_concluded: str = _NO_ASSERTION
    license_declared: str = _NO_ASSERTION
    copyright_text: str = _NO_ASSERTION
    comment: str | msgspec.UnsetType = msgspec.UNSET
    checksums: tuple[_Checksum, ...] | msgspec.UnsetType = msgspec.UNSET
    external_refs: tuple[_ExternalReference, ...] | msgspec.UnsetType = msgspec.UNSET


class _Document(_Record, frozen=True, kw_only=True):
    spdx_id: str = msgspec.field(name="SPDXID", default=_DOCUMENT)
    spdx_version: str = "SPDX-2.3"
    data_license: str = "CC0-1.0"
    name: str
    document_namespace: str
    creation_info: _Creation
    comment: str | msgspec.UnsetType = msgspec.UNSET
    packages: tuple[_Element, ...]
    relationships: tuple[_Relationship, ...]
    has_extracted_licensing_infos: tuple[_ExtractedLicense, ...] | msgspec.UnsetType = msgspec.UNSET


def write(image: Image, inventory: Inventory, name: str, repository: str, created: datetime | None) -> bytes:
    """The document; see :func:`hullwatch.inventory.sbom.spdx`."""
    omissions = subjects.omissions(image, inventory)
    packages = [_package(reference, package) for reference, package in subjects.with_references(inventory)]
    parts = [*_operating_system(inventory.os), *packages]
    texts = (text for package in inventory.packages for text in package.licenses)
    title = name or inventory.digest
    document = _Document(
        name=title,
        document_namespace=f"urn:uuid:{subjects.serial_number(inventory)}",
        creation_info=_Creation(
            created=subjects.moment(created),
            creators=(f"Tool: {subjects.TOOL}-{subjects.TOOL_VERSION}",),
        ),
        comment="\n".join(["Incomplete:", *omissions]) if omissions else msgspec.UNSET,
        packages=(_image(image, inventory, title, repository), *parts),
        relationships=tuple(_relationships(parts, incomplete=bool(omissions))),
        has_extracted_licensing_infos=tuple(_extracted(texts)) or msgspec.UNSET,
    )
    return msgspec.json.format(msgspec.json.encode(document), indent=2)


def _relationships(parts: list[_Element], *, incomplete: bool) -> Iterator[_Relationship]:
    yield _Relationship(spdx_element_id=_DOCUMENT, relationship_type="DESCRIBES", related_spdx_element=_IMAGE)
    contained = [part.spdx_id for part in parts]
    if incomplete:
        # Known unknowns, in the words of the specification (11.1).
        contained.append(_NO_ASSERTION)
    for element in contained:
        yield _Relationship(
            spdx_element_id=_IMAGE, relationship_type="CONTAINS", related_spdx_element=element
        )


def _image(image: Image, inventory: Inventory, name: str, repository: str) -> _Element:
    encoded = subjects.sha256(inventory.digest)
    lines = [
        f"platform: {image.platform}",
        f"configuration: {image.config_digest}",
        *(f"layer {number}: {digest}" for number, digest in enumerate(inventory.layers)),
        *(f"layer not read: {digest}" for digest in image.foreign_layers),
        *(f"owned by a package of the distribution: {line}" for line in subjects.owned(inventory)),
    ]
    purl = subjects.image_purl(image, repository)
    return _Element(
        spdx_id=_IMAGE,
        name=name,
        version_info=inventory.digest,
        primary_package_purpose="CONTAINER",
        comment="\n".join(lines),
        checksums=(_Checksum(algorithm="SHA256", checksum_value=encoded),) if encoded else msgspec.UNSET,
        external_refs=_purl(purl),
    )


def _operating_system(os: OsRelease) -> Iterator[_Element]:
    if os.id:
        yield _Element(
            spdx_id="SPDXRef-OperatingSystem",
            name=os.id,
            version_info=os.version_id or msgspec.UNSET,
            primary_package_purpose="OPERATING_SYSTEM",
            comment=os.name or msgspec.UNSET,
        )


def _package(reference: str, package: Package) -> _Element:
    vendor = " ".join(package.vendor.split())
    return _Element(
        spdx_id=f"SPDXRef-Package-{_identifier(reference)}",
        name=package.name,
        version_info=package.version or msgspec.UNSET,
        primary_package_purpose="LIBRARY",
        supplier=f"Organization: {vendor}" if vendor else _NO_ASSERTION,
        source_info="\n".join(_source_info(package)) or msgspec.UNSET,
        license_declared=_declared(package.licenses),
        external_refs=_purl(package.purl),
    )


def _purl(purl: str) -> tuple[_ExternalReference, ...] | msgspec.UnsetType:
    if not purl:
        return msgspec.UNSET
    return (
        _ExternalReference(
            reference_category="PACKAGE-MANAGER", reference_type="purl", reference_locator=purl
        ),
    )


def _source_info(package: Package) -> Iterator[str]:
    if package.source_name:
        yield f"built from source package: {package.source_name} {package.source_version}".rstrip()
    if package.module:
        yield f"part of module: {package.module}"
    if package.declared_only:
        yield "declared in a lock file, not seen installed"
    for path in package.locations:
        yield f"found at: {path}"
    if package.layer:
        yield f"found in layer: {package.layer}"


def _declared(texts: tuple[str, ...]) -> str:
    """An expression in which free text stands as a reference to what :func:`_extracted` lists."""
    if together := combined(texts):
        return together
    known = [expression(text) or _license_reference(text) for text in texts if text]
    distinct = list(dict.fromkeys(known))
    if len(distinct) < 2:
        return "".join(distinct) or _NO_ASSERTION
    return " AND ".join(bracketed(part) for part in distinct)


def _extracted(texts: Iterator[str]) -> Iterator[_ExtractedLicense]:
    for text in sorted(set(texts)):
        if text and not expression(text):
            yield _ExtractedLicense(
                license_id=_license_reference(text), name=_title(text), extracted_text=text
            )


def _title(text: str) -> str:
    """The first line of a text, as far as it fits a name."""
    return (text.strip().splitlines() or [_NO_ASSERTION])[0][:80]


def _license_reference(text: str) -> str:
    return f"LicenseRef-{_identifier(text)}"


def _identifier(text: str) -> str:
    """Names within SPDX are letters, digits, dots and dashes."""
    return hashlib.sha256(text.encode()).hexdigest()[:20]
