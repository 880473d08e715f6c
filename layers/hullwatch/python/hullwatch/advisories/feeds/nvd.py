"""NVD, schema 2.0: the CVSS ratings of every CVE, and which numbers were rejected.

https://nvd.nist.gov/developers/vulnerabilities. Yearly files and pages of the API have the same form. Of the
ratings, NVD's own count as NVD's; a secondary one is the CNA's, or CISA's when it names CISA-ADP's source.
The products (CPE) are not used: they do not say which package of which distribution is meant.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import msgspec

from hullwatch.advisories import aliases, severity
from hullwatch.advisories.feeds.feed import Document, chunks, each, parse
from hullwatch.advisories.model import Cvss
from hullwatch.advisories.record import Enrichment, Reading
from hullwatch.errors import FeedInvalid

NAME = "nvd"
VERSION = 1
MAX_AGE = 4
LICENCE = "public domain; this product uses data from the NVD but is not endorsed or certified by the NVD"

URL = "https://nvd.nist.gov/feeds/json/cve/2.0"
#: The first file holds every CVE before 2003.
_FIRST_YEAR = 2002
#: CISA's authorised data publisher, as NVD names the source of a rating.
_CISA_ADP = "134c704f-9b21-4f2e-91b3-4a467353bcc0"
_NVD = "nvd@nist.gov"
_LIMIT = 1024 * 1024 * 1024

_Text = Annotated[str, msgspec.Meta(max_length=500)]


class _Vector(msgspec.Struct, rename="camel"):
    vector_string: _Text


class _Metric(msgspec.Struct, rename="camel"):
    source: _Text
    cvss_data: _Vector


class _Metrics(msgspec.Struct, frozen=True):
    v40: list[_Metric] = msgspec.field(default=[], name="cvssMetricV40")
    v31: list[_Metric] = msgspec.field(default=[], name="cvssMetricV31")
    v30: list[_Metric] = msgspec.field(default=[], name="cvssMetricV30")
    v2: list[_Metric] = msgspec.field(default=[], name="cvssMetricV2")


class _Cve(msgspec.Struct, rename="camel"):
    id: _Text
    last_modified: _Text
    vuln_status: str = ""
    metrics: _Metrics = _Metrics()


class _Item(msgspec.Struct):
    cve: _Cve


class _Page(msgspec.Struct):
    """A document without its entries."""

    format: str
    version: str
    timestamp: _Text
    vulnerabilities: list[msgspec.Raw]


_ITEM = msgspec.json.Decoder(_Item)
_BEGIN = re.compile(rb'"vulnerabilities"\s*:\s*\[\s*')
#: Between two entries, and nowhere else: inside a string the quotes would be escaped.
_BETWEEN = re.compile(rb',\s*(?=\{\s*"cve"\s*:)')
_PLAIN = json.JSONDecoder()
_MAX_ENTRY = 32 * 1024 * 1024


def documents() -> tuple[Document, ...]:
    """One file per year; that of a new year may not be there yet."""
    this_year = datetime.now(UTC).year
    return tuple(
        Document(
            path=f"nvd/nvdcve-2.0-{year}.json.gz",
            url=f"{URL}/nvdcve-2.0-{year}.json.gz",
            optional=year == this_year,
        )
        for year in range(_FIRST_YEAR, this_year + 1)
    )


def find(mirror: Path) -> dict[str, str]:
    """Yearly files, and pages of the API as ``nvd/pages/*.json``."""
    return each(mirror, "nvd/nvdcve-2.0-[12]*.json.gz", "nvd/pages/*.json", "nvd/pages/*.json.gz")


def read(path: Path, log: Reading) -> Iterator[Enrichment]:
    """One record per CVE that is rated or rejected."""
    for raw in _entries(path, log):
        log.entries += 1
        try:
            cve = _ITEM.decode(raw).cve
        except (msgspec.MsgspecError, UnicodeDecodeError):
            log.skipped["invalid"] += 1
            continue
        if not aliases.is_cve(cve.id):
            log.skipped["no identifier"] += 1
            continue
        rejected = cve.vuln_status == "Rejected"
        ratings = () if rejected else severity.ordered(_ratings(cve.metrics))
        if ratings or rejected:
            yield Enrichment(cve=cve.id, cvss=ratings, rejected=rejected)
        else:
            log.skipped["not rated"] += 1


def _entries(path: Path, log: Reading) -> Iterator[bytes]:
    """The entries of a document one by one: a year is a quarter of a gigabyte, an entry a few kilobytes.

    :raises FeedInvalid: without its entries, the document is not of the feed's schema.
    """
    pieces = chunks(path, _LIMIT)
    waiting = b""
    begin = None
    for piece in pieces:
        waiting += piece
        begin = _BEGIN.search(waiting)
        if begin or len(waiting) > _MAX_ENTRY:
            break
    if begin is None:
        raise FeedInvalid("not of the feed's schema: no list of vulnerabilities")
    head, waiting = waiting[: begin.end()], waiting[begin.end() :]
    for piece in itertools.chain((b"",), pieces):
        *whole, waiting = _BETWEEN.split(waiting + piece)
        yield from whole
        if len(waiting) > _MAX_ENTRY:
            raise FeedInvalid("an entry is larger than any real one")
    waiting = waiting.lstrip()
    if not waiting.startswith(b"]"):
        try:
            text = waiting.decode()
            _, end = _PLAIN.raw_decode(text)
        except (ValueError, RecursionError) as error:
            raise FeedInvalid(f"not of the feed's schema: the last entry is cut off: {error}") from error
        last = text[:end].encode()
        waiting = waiting[len(last) :].lstrip()
        yield last
    log.dated(parse(head + waiting, _Page).timestamp)


def _ratings(metrics: _Metrics) -> Iterator[Cvss]:
    for metric in (*metrics.v40, *metrics.v31, *metrics.v30, *metrics.v2):
        source = {_NVD: "nvd", _CISA_ADP: "cisa-adp"}.get(metric.source, "cna")
        rating = severity.rate(metric.cvss_data.vector_string, source)
        if rating is not None:
            yield rating
