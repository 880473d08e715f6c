"""Bitnami: semantic versions of upstream, so that Java 8 is ``8.0.392``.

Java up to 8 calls itself ``1.8.0_392`` (JEP 223, "Version numbers" has both spellings).
"""

from __future__ import annotations

import re

from hullwatch.advisories.versions import semver

_java = re.compile(r"1\.([0-9])\.0_0*([0-9]+)").fullmatch


def key(version: str) -> bytes:
    """The place of a version of anything that Bitnami packages."""
    found = _java(version)
    return semver.key(version if found is None else f"{found[1]}.0.{found[2]}")
