"""Installed Python distributions: the core metadata that installers leave behind.

Core metadata specification; "Recording installed projects" (``*.dist-info``); the older ``*.egg-info``, a
directory of setuptools or a file of distutils.
"""

from __future__ import annotations

from collections.abc import Iterable

from hullwatch.inventory.package import Package
from hullwatch.inventory.records import Unreadable

NAME = "python"
VERSION = 1
PATHS = (
    "**/*.dist-info/METADATA",
    "**/*.egg-info/PKG-INFO",
    "**/EGG-INFO/PKG-INFO",
    "**/*.egg-info",
)
MAX_BYTES = 8 << 20

#: Long enough for every real one; a licence field may hold the whole text of the licence.
_MAX_LICENSE = 120
_UNKNOWN = {"", "UNKNOWN"}


def parse(path: str, content: bytes) -> Iterable[Package]:
    """The distribution that a metadata file describes."""
    fields: dict[str, list[str]] = {}
    for line in content.decode("utf-8", "replace").splitlines():
        if not line.strip():
            break  # the description follows
        key, colon, value = line.partition(":")
        if colon and not line[0].isspace():
            fields.setdefault(key.strip().lower(), []).append(value.strip())
    name, version = fields.get("name", [""])[0], fields.get("version", [""])[0]
    if not name or not version:
        raise Unreadable("the metadata has no name or no version")
    yield Package(
        type="pypi",
        name=name,
        version=version,
        licenses=_licenses(fields),
        locations=(path,),
    )


def _licenses(fields: dict[str, list[str]]) -> tuple[str, ...]:
    """The SPDX expression, or the licence field, or what the classifiers say, in this order."""
    for key in ("license-expression", "license"):
        value = fields.get(key, [""])[0]
        if value not in _UNKNOWN and len(value) <= _MAX_LICENSE:
            return (value,)
    classifiers = (value.split("::") for value in fields.get("classifier", []))
    return tuple(
        parts[-1].strip() for parts in classifiers if parts[0].strip() == "License" and len(parts) > 2
    )
