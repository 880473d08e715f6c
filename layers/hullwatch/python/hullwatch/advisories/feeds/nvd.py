"""NVD, schema 2.0: the CVSS ratings of every CVE, and which numbers were rejected.

https://nvd.nist.gov/developers/vulnerabilities. Yearly files and pages of the API have the same form. Of the
ratings, NVD's own count as NVD's; a secondary one is the CNA's, or CISA's when it names CISA-ADP's source.
The products (CPE) are not used: they do not say which package of which distribution is meant.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import msgspec

from hullwatch.advisories import aliases, severity
from hullwatch.advisories.feeds.feed import Document, content, each, parse
from hullwatch.advisories.model import Cvss
from hullwatch.advisories.record import Enrichment, Reading

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
    format: str
    version: str
    timestamp: _Text
    vulnerabilities: list[msgspec.Raw]


_ITEM = msgspec.json.Decoder(_Item)


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
    page = parse(content(path, _LIMIT), _Page)
    log.dated(page.timestamp)
    for raw in page.vulnerabilities:
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


def _ratings(metrics: _Metrics) -> Iterator[Cvss]:
    for metric in (*metrics.v40, *metrics.v31, *metrics.v30, *metrics.v2):
        source = {_NVD: "nvd", _CISA_ADP: "cisa-adp"}.get(metric.source, "cna")
        rating = severity.rate(metric.cvss_data.vector_string, source)
        if rating is not None:
            yield rating
