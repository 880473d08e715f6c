"""Hackage: the Haskell Package Versioning Policy, Cabal's ``Version``.

Numbers separated by dots are compared one by one and a shorter version is older: ``1.0 < 1.0.0``. The tags
of old (``1.0-beta``) do not count, as in Cabal. Anything else is outside.
"""

from __future__ import annotations

import re

from hullwatch.advisories.versions.ordered_bytes import number, outside

_END = b"\x01"

_parse = re.compile(r"([0-9]+(?:\.[0-9]+)*)(?:-[0-9A-Za-z]+)*").fullmatch


def key(version: str) -> bytes:
    """The place of a Haskell package version."""
    found = _parse(version.strip())
    if found is None:
        return outside(version)
    return b"".join(map(number, found[1].split("."))) + _END
