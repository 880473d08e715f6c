"""Go: module versions as golang.org/x/mod/semver orders them, and the toolchain's own spelling.

``v1``, ``v1.2`` mean ``v1.0.0``, ``v1.2.0``; pseudo-versions are pre-releases; ``+incompatible`` is build
metadata and does not count. OSV writes versions without ``v``.

A toolchain or standard library version is read as ``go1.22rc1`` = ``1.22.0-rc.1`` (the spelling of the Go
vulnerability database); what follows the first blank (experiments, vendor notes) and BoringCrypto's ``b7``
suffix do not count. Strings such as ``(devel)`` are outside, below all versions as in x/mod/semver.
"""

from __future__ import annotations

import re

from hullwatch.advisories.versions import semver
from hullwatch.advisories.versions.ordered_bytes import outside

_toolchain = re.compile(
    r"(?:go)?([0-9]+(?:\.[0-9]+)*)(?:(alpha|beta|rc)([0-9]+))?(?:b[0-9]+)?([-+].*)?"
).fullmatch


def key(version: str) -> bytes:
    """The place of a Go module or toolchain version."""
    words = version.split(maxsplit=1)
    if not words:
        return outside(version)
    if words[0][0] == "v":
        return semver.key(words[0])
    found = _toolchain(words[0])
    if found is None:
        return outside(version)
    numbers, stage, counter, rest = found.groups()
    if stage is not None:
        return semver.key(f"{numbers}-{stage}.{counter}")
    return semver.key(numbers + (rest or ""))
