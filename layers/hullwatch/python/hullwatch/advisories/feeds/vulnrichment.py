"""CVE records as CISA enriches them: the ratings of the CVE's own authority (CNA) and of CISA (ADP).

The CVE JSON 5 format (https://github.com/CVEProject/cve-schema). Only ratings and rejections are taken.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import msgspec

from hullwatch.advisories import aliases, severity
from hullwatch.advisories.feeds.feed import Document, archive_entries, newest
from hullwatch.advisories.model import Cvss
from hullwatch.advisories.record import Enrichment, Reading

NAME = "vulnrichment"
VERSION = 1
MAX_AGE = 7
LICENCE = "CC0-1.0"

URL = "https://codeload.github.com/cisagov/vulnrichment/zip/refs/heads/develop"
_PATH = "nvd/vulnrichment.zip"

_Text = Annotated[str, msgspec.Meta(max_length=500)]


class _Vector(msgspec.Struct, rename="camel"):
    vector_string: _Text = ""


class _Metric(msgspec.Struct):
    v2: _Vector | None = msgspec.field(name="cvssV2_0", default=None)
    v30: _Vector | None = msgspec.field(name="cvssV3_0", default=None)
    v31: _Vector | None = msgspec.field(name="cvssV3_1", default=None)
    v40: _Vector | None = msgspec.field(name="cvssV4_0", default=None)


class _Provider(msgspec.Struct, rename="camel"):
    short_name: str = ""


class _Container(msgspec.Struct, rename="camel"):
    provider_metadata: _Provider | None = None
    metrics: list[_Metric] | None = None


class _Containers(msgspec.Struct):
    cna: _Container
    adp: list[_Container] | None = None


class _Metadata(msgspec.Struct, rename="camel"):
    cve_id: _Text
    state: _Text
    date_updated: str = ""


class _Record(msgspec.Struct, rename="camel"):
    cve_metadata: _Metadata
    containers: _Containers


_DECODER = msgspec.json.Decoder(_Record)
_ENTRY = re.compile(r"(?:.*/)?CVE-\d{4}-\d{4,9}\.json")


def documents() -> tuple[Document, ...]:
    """The repository as one zip."""
    return (Document(path=_PATH, url=URL, limit=1024 * 1024 * 1024),)


def find(mirror: Path) -> dict[str, str]:
    """The repository, or a part of it, as one zip."""
    return newest(mirror, _PATH, "nvd/vulnrichment*.zip")


def read(path: Path, log: Reading) -> Iterator[Enrichment]:
    """One record per CVE that is rated or rejected."""
    for name, data in archive_entries(path, ".json"):
        if _ENTRY.fullmatch(name) is None:
            continue
        log.entries += 1
        try:
            record = _DECODER.decode(data)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            log.skipped["invalid"] += 1
            continue
        cve = record.cve_metadata.cve_id
        if not aliases.is_cve(cve):
            log.skipped["no identifier"] += 1
            continue
        log.dated(record.cve_metadata.date_updated)
        rejected = record.cve_metadata.state == "REJECTED"
        ratings = () if rejected else _ratings(record.containers)
        if ratings or rejected:
            yield Enrichment(cve=cve, cvss=ratings, rejected=rejected)
        else:
            log.skipped["not rated"] += 1


def _ratings(containers: _Containers) -> tuple[Cvss, ...]:
    ratings = list(_rated(containers.cna, "cna"))
    for container in containers.adp or ():
        if container.provider_metadata is not None and container.provider_metadata.short_name == "CISA-ADP":
            ratings += _rated(container, "cisa-adp")
    return severity.ordered(ratings)


def _rated(container: _Container, source: str) -> Iterator[Cvss]:
    for metric in container.metrics or ():
        for vector in (metric.v40, metric.v31, metric.v30, metric.v2):
            rating = severity.rate(vector.vector_string, source) if vector is not None else None
            if rating is not None:
                yield rating
