"""CRAN and Bioconductor: whole numbers separated by ``.`` or ``-``, R's ``package_version``.

Numbers are compared one by one and a shorter version is older: ``1.9 < 1.9.0``, ``1.0-1`` is ``1.0.1``.
Anything else is outside, as R rejects it.
"""

from __future__ import annotations

import re

from hullwatch.advisories.versions.ordered_bytes import number, outside

_END = b"\x01"

_valid = re.compile(r"[0-9]+(?:[.-][0-9]+)*").fullmatch


def key(version: str) -> bytes:
    """The place of an R package version."""
    version = version.strip()
    if _valid(version) is None:
        return outside(version)
    return b"".join(map(number, version.replace("-", ".").split("."))) + _END
