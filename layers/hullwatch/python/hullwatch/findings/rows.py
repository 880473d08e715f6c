"""What questions about an account read: a row for each package of an image, and each vulnerability.

Rows are JSON lines, which Athena reads where they lie. Packages are divided by kind, so that a question about
an npm package reads no RPMs, and everything by the first digit of the image's digest, so that one question
spreads over sixteen prefixes of the bucket.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from hullwatch.advisories import ecosystems
from hullwatch.advisories.model import Match
from hullwatch.inventory.distributions import LANGUAGES
from hullwatch.inventory.ecosystems import DISTRIBUTION_TYPES
from hullwatch.inventory.package import Package

#: Kinds of packages that have a partition of their own; all others share :data:`OTHER`.
KINDS = tuple(sorted({*LANGUAGES, *DISTRIBUTION_TYPES, "conda"}))
OTHER = "other"
#: First digits of digests.
DIGITS = tuple("0123456789abcdef")

_encode_lines = msgspec.json.Encoder().encode_lines


class PackageRow(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A package of an image. Field names are column names."""

    repository: str
    digest: str
    #: Of the reader; rows of another one than the image's record names are out of date.
    analyzer: str
    type: str
    name: str
    #: The name in its ecosystem's normal form: what questions compare.
    normal: str
    source: str = ""
    version: str = ""
    ecosystem: str = ""
    purl: str = ""
    layer: str = ""


class MatchRow(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A vulnerability of a package of an image. Field names are column names."""

    repository: str
    digest: str
    analyzer: str
    id: str
    aliases: tuple[str, ...] = ()
    type: str
    name: str
    version: str = ""
    ecosystem: str = ""
    purl: str = ""
    layer: str = ""
    fixed: str = ""


def kind_of(package_type: str) -> str:
    """The partition of a package type."""
    return package_type if package_type in KINDS else OTHER


def package_rows(
    repository: str, digest: str, analyzer: str, packages: Iterable[Package]
) -> dict[str, bytes]:
    """JSON lines by kind."""
    by_kind: dict[str, list[PackageRow]] = {}
    for package in packages:
        row = PackageRow(
            repository=repository,
            digest=digest,
            analyzer=analyzer,
            type=package.type,
            name=package.name,
            normal=ecosystems.normal_name(package.ecosystem, package.name),
            source=package.source_name,
            version=package.version,
            ecosystem=package.ecosystem,
            purl=package.purl,
            layer=package.layer,
        )
        by_kind.setdefault(kind_of(package.type), []).append(row)
    return {kind: _encode_lines(rows) for kind, rows in sorted(by_kind.items())}


def match_rows(repository: str, digest: str, analyzer: str, matches: Iterable[Match]) -> bytes:
    """JSON lines; none when there are no matches."""
    return _encode_lines(
        [
            MatchRow(
                repository=repository,
                digest=digest,
                analyzer=analyzer,
                id=match.vulnerability.id,
                aliases=match.vulnerability.aliases,
                type=match.package.type,
                name=match.package.name,
                version=match.package.version,
                ecosystem=match.package.ecosystem,
                purl=match.package.purl,
                layer=match.package.layer,
                fixed=match.fixed,
            )
            for match in matches
        ]
    )
