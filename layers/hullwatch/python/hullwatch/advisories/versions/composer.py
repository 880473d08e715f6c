"""Packagist: Composer's normalisation, then PHP's ``version_compare``.

Composer\\Semver\\VersionParser gives every version four numbers and one spelling of its stability, and drops
build metadata: ``1.0`` and ``v1.0.0+x`` are ``1.0.0.0``, ``1.0b2`` is ``1.0.0.0-beta2``. PHP then compares
part by part: unknown word < ``dev`` < ``alpha`` < ``beta`` < ``RC`` < the end < any number < ``patch``.
Numeric branches (``2.1.x-dev``) come after all releases of their line.

Branches (``dev-main``) have no order in Composer: they are outside. Versions that Composer rejects are
compared by PHP's rules without their ``v``, so every other string has a place.
"""

from __future__ import annotations

import re

from hullwatch.advisories.versions.ordered_bytes import Table, number, outside

_UNKNOWN = b"\x10"
_END = b"\x20"
#: By PHP's rule the first name that the word begins with counts: ``a`` also covers ``alpha``.
_WORDS = (
    ("dev", b"\x11"),
    ("a", b"\x12"),
    ("b", b"\x13"),
    ("RC", b"\x14"),
    ("rc", b"\x14"),
    ("p", b"\xf0"),
)
_STABILITIES = {"a": "alpha", "b": "beta", "p": "patch", "pl": "patch", "rc": "RC"}
#: What ``x`` stands for in the name of a numeric branch.
_BRANCH = "9999999"

_MODIFIER = r"[._-]?(?:(stable|beta|b|rc|alpha|a|patch|pl|p)((?:[.-]?[0-9]+)*+)?)?([.-]?dev)?"
_alias = re.compile(r"([^,\s]+) +as +[^,\s]+").fullmatch
_stability_flag = re.compile(r"@(?:stable|rc|beta|alpha|dev)$", re.IGNORECASE)
_build = re.compile(r"([^,\s+]+)\+\S+").fullmatch
_classical = re.compile(
    r"v?([0-9]{1,5})(\.[0-9]+)?(\.[0-9]+)?(\.[0-9]+)?" + _MODIFIER, re.IGNORECASE | re.ASCII
).fullmatch
_dated = re.compile(
    r"v?([0-9]{4}(?:[.:-]?[0-9]{2}){1,6}(?:[.:-]?[0-9]{1,3})?)" + _MODIFIER, re.IGNORECASE | re.ASCII
).fullmatch
_branch = re.compile(
    r"v?([0-9]+)(\.(?:[0-9]+|[x*]))?(\.(?:[0-9]+|[x*]))?(\.(?:[0-9]+|[x*]))?[.-]?dev",
    re.IGNORECASE | re.ASCII,
).fullmatch
#: PHP keeps a character that is neither letter nor digit only where it follows a digit.
_parts = re.compile(r"[0-9]+|(?<=[0-9])[^0-9._+-][A-Za-z]*|[A-Za-z]+").findall


def _normalised(version: str) -> str:
    found = _alias(version)
    if found:
        version = found[1]
    version = _stability_flag.sub("", version)
    if version in {"master", "trunk", "default"}:
        return "dev-" + version
    if version[:4].lower() == "dev-":
        return "dev-" + version[4:]
    found = _build(version)
    if found:
        version = found[1]
    found = _classical(version)
    if found:
        numbers = "".join((found[1], *(found[place] or ".0" for place in (2, 3, 4))))
        return numbers + _modifiers(found[5], found[6], found[7])
    found = _dated(version)
    if found:
        return re.sub("[^0-9]", ".", found[1]) + _modifiers(found[2], found[3], found[4])
    found = _branch(version)
    if found:
        numbers = found[1] + "".join(found[place] or ".x" for place in (2, 3, 4))
        return re.sub("[xX*]", _BRANCH, numbers) + "-dev"
    return version[1:] if version[:1] in {"v", "V"} else version


def _modifiers(stability: str | None, counter: str | None, dev: str | None) -> str:
    stability = (stability or "").lower()
    if stability == "stable":
        return ""
    suffix = ""
    if stability:
        suffix = "-" + _STABILITIES.get(stability, stability) + (counter or "").lstrip(".-")
    return suffix + "-dev" if dev else suffix


def _part(part: str) -> bytes:
    if part[0].isdigit() and part[0].isascii():
        return number(part)
    return next((place for name, place in _WORDS if part.startswith(name)), _UNKNOWN)


_PARTS = Table(_part)


def key(version: str) -> bytes:
    """The place of a Composer package version."""
    normalised = _normalised(version.strip())
    if normalised.startswith("dev-"):
        return outside(normalised)
    return b"".join(map(_PARTS.__getitem__, _parts(normalised))) + _END
