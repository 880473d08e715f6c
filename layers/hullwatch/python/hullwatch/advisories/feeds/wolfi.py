"""Wolfi and Chainguard, in Alpine's form (https://edu.chainguard.dev/chainguard/chainguard-images/staying-secure/).

Their licence forbids derived works and redistribution: the feed is only fetched when it is named, for those
who have an agreement with Chainguard. Without it, images of Wolfi have no advisories and say so.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from hullwatch.advisories.feeds.alpine import secdb
from hullwatch.advisories.feeds.feed import Document, each
from hullwatch.advisories.record import Advisory, Reading
from hullwatch.errors import FeedInvalid

NAME = "wolfi"
VERSION = 1
MAX_AGE = 7
LICENCE = (
    "CC-BY-NC-ND-4.0 and Chainguard's terms for commercial scanners: opt-in, by agreement with Chainguard"
)

_URLS = {
    "chainguard": "https://packages.cgr.dev/chainguard/security.json",
    "wolfi": "https://packages.wolfi.dev/os/security.json",
}
_ECOSYSTEMS = {"chainguard": "Chainguard", "wolfi": "Wolfi"}
_FILE = "security.json"


def documents() -> tuple[Document, ...]:
    """One database per distribution."""
    return tuple(
        Document(path=f"wolfi/{name}/{_FILE}", url=url, limit=128 * 1024 * 1024)
        for name, url in _URLS.items()
    )


def find(mirror: Path) -> dict[str, str]:
    """What the mirror has of both."""
    return each(mirror, *(f"wolfi/{name}/{_FILE}" for name in _URLS))


def read(path: Path, log: Reading) -> Iterator[Advisory]:
    """One record per package and identifier; the distribution is the name of the folder."""
    name = path.parent.name
    if name not in _ECOSYSTEMS:
        raise FeedInvalid(f"{name[:50]!r} is neither Wolfi nor Chainguard")
    yield from secdb(path, log, _ECOSYSTEMS[name], name, "https://images.chainguard.dev/security/{cve}")
