"""Dart's pub: semantic versions whose build metadata counts, as pub_semver's ``Version.compareTo``.

A version with build metadata is newer than the same version without; build identifiers are compared like
those of a pre-release. ``1.0.0-pre < 1.0.0 < 1.0.0+1 < 1.0.0+build``.
"""

from __future__ import annotations

from hullwatch.advisories.versions import semver
from hullwatch.advisories.versions.ordered_bytes import outside

_NO_BUILD = b"\x00"
_BUILD = b"\x01"


def key(version: str) -> bytes:
    """The place of a pub version."""
    found = semver.precedence(version)
    if found is None:
        return outside(version)
    encoded, build = found
    return encoded + (_NO_BUILD if build is None else _BUILD + semver.identifiers(build))
