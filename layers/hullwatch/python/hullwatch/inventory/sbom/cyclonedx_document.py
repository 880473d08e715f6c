"""CycloneDX 1.6 (ECMA-424) in JSON.

The records are written here: the models of the format's Python library have no compositions, and it searches
all dependencies again for every component, a cost that grows with the square of the packages. The tests hold
the documents to the official schema with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Literal

import msgspec

from hullwatch.images.image import Image
from hullwatch.inventory.package import Inventory, OsRelease, Package
from hullwatch.inventory.sbom import subjects
from hullwatch.inventory.sbom.licenses import combined, expression


class _Record(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """A record of the format: fields in camel case, empty ones left out."""


class _Hash(_Record, frozen=True, kw_only=True):
    alg: str
    content: str


class _Property(_Record, frozen=True, kw_only=True):
    name: str
    value: str


class _License(_Record, frozen=True, kw_only=True):
    """A listed licence by its ``id``, any other by its ``name``."""

    id: str = ""
    name: str = ""


class _LicenseChoice(_Record, frozen=True, kw_only=True):
    license: _License | None = None
    expression: str = ""


class _Occurrence(_Record, frozen=True, kw_only=True):
    location: str


class _Evidence(_Record, frozen=True, kw_only=True):
    occurrences: tuple[_Occurrence, ...]


class _Component(_Record, frozen=True, kw_only=True):
    type: Literal["application", "container", "library", "operating-system"]
    bom_ref: str = msgspec.field(name="bom-ref", default="")
    publisher: str = ""
    group: str = ""
    name: str
    version: str = ""
    description: str = ""
    hashes: tuple[_Hash, ...] = ()
    licenses: tuple[_LicenseChoice, ...] = ()
    purl: str = ""
    evidence: _Evidence | None = None
    properties: tuple[_Property, ...] = ()


class _Tools(_Record, frozen=True, kw_only=True):
    components: tuple[_Component, ...]


class _Metadata(_Record, frozen=True, kw_only=True):
    timestamp: str
    tools: _Tools
    component: _Component


class _Dependency(_Record, frozen=True, kw_only=True):
    ref: str
    depends_on: tuple[str, ...] = ()


class _Composition(_Record, frozen=True, kw_only=True):
    aggregate: Literal["incomplete", "unknown"]
    assemblies: tuple[str, ...]


class _Bom(_Record, frozen=True, kw_only=True):
    schema: str = msgspec.field(name="$schema")
    bom_format: str
    spec_version: str
    serial_number: str
    version: int
    metadata: _Metadata
    components: tuple[_Component, ...] = ()
    dependencies: tuple[_Dependency, ...]
    compositions: tuple[_Composition, ...]


def write(image: Image, inventory: Inventory, name: str, repository: str, created: datetime | None) -> bytes:
    """The document; see :func:`hullwatch.inventory.sbom.cyclonedx`."""
    omissions = subjects.omissions(image, inventory)
    root = _image(image, inventory, name, repository, omissions)
    packages = (_package(reference, package) for reference, package in subjects.with_references(inventory))
    parts = (*_operating_system(inventory.os), *packages)
    tool = _Component(type="application", name=subjects.TOOL, version=subjects.TOOL_VERSION)
    bom = _Bom(
        schema="http://cyclonedx.org/schema/bom-1.6.schema.json",
        bom_format="CycloneDX",
        spec_version="1.6",
        serial_number=f"urn:uuid:{subjects.serial_number(inventory)}",
        version=1,
        metadata=_Metadata(
            timestamp=subjects.moment(created), tools=_Tools(components=(tool,)), component=root
        ),
        components=parts,
        dependencies=(
            _Dependency(ref=root.bom_ref, depends_on=tuple(part.bom_ref for part in parts)),
            *(_Dependency(ref=part.bom_ref) for part in parts),
        ),
        compositions=(
            # Even when all was read, "complete" would promise more than a scanner knows: "unknown" is the
            # specification's word for best effort.
            _Composition(aggregate="incomplete" if omissions else "unknown", assemblies=(root.bom_ref,)),
        ),
    )
    return msgspec.json.format(msgspec.json.encode(bom), indent=2)


def _image(
    image: Image, inventory: Inventory, name: str, repository: str, omissions: Iterable[str]
) -> _Component:
    digest = inventory.digest
    encoded = subjects.sha256(digest)
    return _Component(
        type="container",
        bom_ref=f"image:{digest}",
        name=name or digest,
        version=digest,
        hashes=(_Hash(alg="SHA-256", content=encoded),) if encoded else (),
        purl=subjects.image_purl(image, repository),
        properties=(
            _property("image:platform", str(image.platform)),
            _property("image:config-digest", image.config_digest),
            *(_property(f"image:layer:{number}", layer) for number, layer in enumerate(inventory.layers)),
            *(_property("image:foreign-layer", layer) for layer in image.foreign_layers),
            *(_property("image:owned-by-distribution", line) for line in subjects.owned(inventory)),
            *(_property("omission", line) for line in omissions),
        ),
    )


def _operating_system(os: OsRelease) -> Iterator[_Component]:
    if os.id:
        yield _Component(
            type="operating-system",
            bom_ref=f"os:{os.id}@{os.version_id}",
            name=os.id,
            version=os.version_id,
            description=os.name,
        )


def _package(reference: str, package: Package) -> _Component:
    group, name = subjects.short_name(package)
    occurrences = tuple(_Occurrence(location=path) for path in package.locations)
    return _Component(
        type="library",
        bom_ref=reference,
        publisher=package.vendor,
        group=group,
        name=name,
        version=package.version,
        licenses=tuple(_licenses(package.licenses)),
        purl=package.purl,
        evidence=_Evidence(occurrences=occurrences) if occurrences else None,
        properties=tuple(_properties(package)),
    )


def _licenses(texts: tuple[str, ...]) -> Iterator[_LicenseChoice]:
    """One expression, or licences one by one: the format does not mix the two."""
    together = combined(texts)
    if " " in together:
        yield _LicenseChoice(expression=together)
        return
    for text in dict.fromkeys(expression(text) or text for text in texts if text):
        listed = expression(text) and " " not in text
        yield _LicenseChoice(license=_License(id=text) if listed else _License(name=text))


def _properties(package: Package) -> Iterator[_Property]:
    values = {
        "type": package.type,
        "ecosystem": package.ecosystem,
        "arch": package.arch,
        "source-name": package.source_name,
        "source-version": package.source_version,
        "module": package.module,
        "declared-only": "true" if package.declared_only else "",
        "layer": package.layer,
    }
    return (_property(f"package:{key}", value) for key, value in values.items() if value)


def _property(name: str, value: str) -> _Property:
    return _Property(name=f"hullwatch:{name}", value=value)
