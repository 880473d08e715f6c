"""Red Hat's content manifests: the repositories that the packages of an image were taken from.

Where a fix is depends on the product that a package came with (RHEL 8, its extended support, OpenShift, ...),
which the names of its repositories tell.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from hullwatch.inventory.package import OsRelease
from hullwatch.inventory.records import Unreadable

NAME = "content-manifest"
VERSION = 1
#: One per layer of Red Hat's own builds; newer builds have one file at both places.
PATHS = ("root/buildinfo/content_manifests/*.json", "usr/share/buildinfo/content-sets.json")
MAX_BYTES = 8 << 20

#: More than any image has, and longer than any name is.
_MAX_SETS = 1000
_MAX_NAME = 256


def parse(path: str, content: bytes) -> Iterable[OsRelease]:
    """The names of the repositories, as part of what is known of the distribution."""
    try:
        document: Any = msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Unreadable(f"the content manifest is not JSON: {error}") from None
    names = document.get("content_sets") if isinstance(document, dict) else None
    if not isinstance(names, list):
        raise Unreadable("the content manifest has no list of content sets")
    kept = sorted({name for name in names if isinstance(name, str) and 0 < len(name) <= _MAX_NAME})
    if kept:
        yield OsRelease(content_sets=tuple(kept[:_MAX_SETS]))
