"""Questions about a fleet: which images hold a package, or have a vulnerability.

A package is asked for by its purl: without a version for any, with one for exactly that, with comparisons for
a range (``pkg:npm/lodash@<4.17.21``, ``pkg:deb/debian/openssl@>=3.0.0,<3.0.15``). A distribution's package is
also meant when it was built from a source package of that name. A vulnerability is asked for by any of its
names.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec

from hullwatch.advisories import ecosystems, purls, versions
from hullwatch.advisories.ranges import Scheme, ordered
from hullwatch.errors import UserError
from hullwatch.inventory.package import Package

_IDENTIFIER = re.compile(r"[A-Za-z][A-Za-z0-9]*[-:][A-Za-z0-9:._-]{1,190}")
_COMPARISON = re.compile(r"(<=|>=|<|>|=)?\s*([^<>=,\s]+)")


class Comparison(msgspec.Struct, frozen=True):
    """One condition on a version: ``<``, ``<=``, ``>``, ``>=`` or ``=``, and the version."""

    operator: str
    version: str


class PackageQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """Which images hold this package?"""

    text: str
    type: str
    #: In the normal form of its ecosystem.
    name: str
    #: Empty for any; a distribution without a release means all its releases.
    ecosystem: str = ""
    #: All of them must hold; none means any version.
    comparisons: tuple[Comparison, ...] = ()

    def concerns(self, package: Package) -> bool:
        """Whether the question is about this package, whatever its version."""
        if package.type != self.type or not self._in_ecosystem(package.ecosystem):
            return False
        return self.name in (ecosystems.normal_name(package.ecosystem, package.name), package.source_name)

    def holds(self, package: Package) -> bool | None:
        """Whether a package that is concerned has such a version; ``None`` when its order is not known."""
        scheme = Scheme(package.ecosystem or self.ecosystem)
        return _all(_compare(scheme, package.version, comparison) for comparison in self.comparisons)

    def _in_ecosystem(self, ecosystem: str) -> bool:
        asked = self.ecosystem
        if not asked or ecosystem == asked:
            return True
        return not ecosystems.release(asked) and ecosystems.family(ecosystem) == asked


class VulnerabilityQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """Which images have this vulnerability?"""

    text: str
    identifier: str


Question = PackageQuestion | VulnerabilityQuestion


def question_of(text: str) -> Question:
    """The question that a CVE (or another advisory's id) or a purl asks.

    :raises UserError: it is neither, or asks for a range of versions that have no known order.
    """
    if not text.startswith("pkg:"):
        if not _IDENTIFIER.fullmatch(text):
            raise UserError(f"neither a vulnerability's id nor a package URL: {text[:80]!r}")
        upper = text.upper()
        return VulnerabilityQuestion(text=text, identifier=upper if upper.startswith("CVE-") else text)
    package = purls.package_of(text, versioned=False)
    comparisons = _comparisons(package.version)
    ranged = any(comparison.operator != "=" for comparison in comparisons)
    if ranged and package.ecosystem and versions.scheme_of(package.ecosystem) is None:
        raise UserError(f"versions of {package.ecosystem} have no known order; ask for one of them")
    return PackageQuestion(
        text=text,
        type=package.type,
        name=ecosystems.normal_name(package.ecosystem, package.name),
        ecosystem=package.ecosystem,
        comparisons=comparisons,
    )


def _comparisons(text: str) -> tuple[Comparison, ...]:
    if not text:
        return ()
    found = []
    for part in text.split(","):
        comparison = _COMPARISON.fullmatch(part.strip())
        if comparison is None:
            raise UserError(f"not a version or a range of versions: {text[:80]!r}")
        found.append(Comparison(comparison[1] or "=", comparison[2]))
    return tuple(found)


def _all(answers: Iterable[bool | None]) -> bool | None:
    known = set(answers)
    if False in known:
        return False
    return None if None in known else True


def _compare(scheme: Scheme, version: str, comparison: Comparison) -> bool | None:
    if comparison.operator == "=" and version == comparison.version:
        return True
    ours, theirs = scheme.key(version), scheme.key(comparison.version)
    if comparison.operator == "=":
        return ours == theirs
    if not (ordered(ours) and ordered(theirs)):
        return None
    match comparison.operator:
        case "<":
            return ours < theirs
        case "<=":
            return ours <= theirs
        case ">":
            return ours > theirs
        case _:
            return ours >= theirs
