"""What both formats say in their own way: who made the document, what it is about, and what it lacks."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime

from hullwatch import __version__
from hullwatch.images.image import Image
from hullwatch.inventory.package import Inventory, Package

TOOL = "hullwatch"
TOOL_VERSION = __version__


def moment(created: datetime | None) -> str:
    """The time of a document in UTC, as both formats write it (``2024-05-01T12:00:00Z``)."""
    return (created or datetime.now(UTC)).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def serial_number(inventory: Inventory) -> uuid.UUID:
    """The same for every document of one image, read by one version of the code."""
    return uuid.uuid5(uuid.NAMESPACE_URL, f"{inventory.digest}#{inventory.analyzer}")


def sha256(digest: str) -> str:
    """The hexadecimal part of a SHA-256 digest; nothing for another algorithm."""
    algorithm, _, encoded = digest.partition(":")
    return encoded if algorithm == "sha256" and len(encoded) == 64 else ""


def image_purl(image: Image, repository: str) -> str:
    """The image's purl: type ``oci``, named by the last part of its repository; nothing without one."""
    from packageurl import PackageURL

    name = repository.rpartition("/")[2]
    if not name:
        return ""
    qualifiers = {
        "arch": image.platform.architecture,
        "os": image.platform.os,
        "repository_url": repository if repository != name else "",
    }
    return PackageURL(
        type="oci",
        name=name.lower(),
        version=image.digest,
        qualifiers={key: value for key, value in qualifiers.items() if value},
    ).to_string()


def owned(inventory: Inventory) -> Iterator[str]:
    """What was found of packages for which a distribution's package speaks, one line each."""
    for package in inventory.evidence:
        yield f"{package.purl or package.name} at {', '.join(package.locations)}"


def with_references(inventory: Inventory) -> Iterator[tuple[str, Package]]:
    """Every package once, with a name that is unique within a document: its purl, numbered if need be."""
    seen: dict[str, int] = {}
    for package in dict.fromkeys(inventory.packages):
        base = package.purl or f"{package.type}:{package.name}@{package.version}"
        seen[base] = count = seen.get(base, 0) + 1
        # A raw blank is in no purl, so that a number cannot make another package's name.
        yield (base if count == 1 else f"{base} {count}"), package


def short_name(package: Package) -> tuple[str, str]:
    """Namespace and name: npm's scope, Maven's group, the path of a Go module; mostly no namespace."""
    separator = {"composer": "/", "golang": "/", "maven": ":", "npm": "/"}.get(package.type)
    if separator is None:
        return "", package.name
    namespace, _, name = package.name.rpartition(separator)
    return (namespace, name) if name else ("", package.name)


def omissions(image: Image, inventory: Inventory) -> list[str]:
    """What the document cannot speak for, one line each; none when everything was read."""
    lines = [f"layer not read, it is kept out of registries: {digest}" for digest in image.foreign_layers]
    for problem in inventory.problems:
        places = " in ".join(place for place in (problem.path, problem.layer) if place)
        lines.append(": ".join(part for part in (problem.reason, places, problem.detail) if part))
    return lines
