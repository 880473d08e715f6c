"""Bottlerocket's updateinfo (https://advisories.bottlerocket.aws): packages of the host, without release."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from hullwatch.advisories.feeds import updateinfo
from hullwatch.advisories.feeds.feed import Document, each
from hullwatch.advisories.record import Advisory, Affected, Reading

NAME = "bottlerocket"
VERSION = 1
MAX_AGE = 45
LICENCE = "Apache-2.0 OR MIT"

URL = "https://advisories.bottlerocket.aws/updateinfo.xml.gz"
_PATH = "bottlerocket/updateinfo.xml.gz"


def documents() -> tuple[Document, ...]:
    """The one updateinfo."""
    return (Document(path=_PATH, url=URL),)


def find(mirror: Path) -> dict[str, str]:
    """The one updateinfo."""
    return each(mirror, _PATH)


def read(path: Path, log: Reading) -> Iterator[Advisory]:
    """One record per advisory."""
    for erratum in updateinfo.errata(path, log):
        yield Advisory(
            id=erratum.id,
            source=NAME,
            authority="bottlerocket",
            covers=erratum.cves,
            affected=tuple(
                Affected(ecosystem="Bottlerocket", name=name, ranges=((("introduced", "0"), ("fixed", evr)),))
                for name, evr in erratum.packages
            ),
            severity=erratum.severity,
            summary=erratum.summary,
            published=erratum.published,
            modified=erratum.modified,
            url=next((href for href in erratum.references if "/bottlerocket-os/" in href), URL),
        )
