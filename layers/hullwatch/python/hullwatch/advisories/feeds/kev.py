"""CISA's catalogue of known exploited vulnerabilities (https://www.cisa.gov/known-exploited-vulnerabilities)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import msgspec

from hullwatch.advisories import aliases
from hullwatch.advisories.feeds.feed import Document, content, each, parse
from hullwatch.advisories.model import Exploited
from hullwatch.advisories.record import Enrichment, Reading

NAME = "kev"
VERSION = 1
MAX_AGE = 10
LICENCE = "CC0-1.0"

URL = "https://www.cisa.gov/sites/default/files/feeds/known_exploited_vulnerabilities.json"
_PATH = "kev/known_exploited_vulnerabilities.json"

_Date = Annotated[str, msgspec.Meta(pattern=r"^\d{4}-\d{2}-\d{2}$")]


class _Entry(msgspec.Struct, rename="camel"):
    cve_id: str = msgspec.field(name="cveID")
    date_added: _Date
    due_date: str = ""
    known_ransomware_campaign_use: str = "Unknown"


class _Catalogue(msgspec.Struct, rename="camel"):
    date_released: str
    vulnerabilities: list[_Entry]


def documents() -> tuple[Document, ...]:
    """The JSON catalogue. The server ignores ``If-None-Match``; ``If-Modified-Since`` works."""
    return (Document(path=_PATH, url=URL, limit=64 * 1024 * 1024),)


def find(mirror: Path) -> dict[str, str]:
    """The JSON catalogue."""
    return each(mirror, _PATH)


def read(path: Path, log: Reading) -> Iterator[Enrichment]:
    """One record per CVE of the catalogue."""
    catalogue = parse(content(path), _Catalogue)
    log.dated(catalogue.date_released)
    for entry in catalogue.vulnerabilities:
        log.entries += 1
        if not aliases.is_cve(entry.cve_id):
            log.skipped["no identifier"] += 1
            continue
        yield Enrichment(
            cve=entry.cve_id,
            exploited=Exploited(
                added=entry.date_added,
                due=entry.due_date,
                ransomware=entry.known_ransomware_campaign_use.strip().lower() == "known",
            ),
        )
