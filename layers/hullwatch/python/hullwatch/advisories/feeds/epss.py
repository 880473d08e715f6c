"""EPSS: the probability that a CVE is exploited within 30 days (https://www.first.org/epss/data_stats).

A CSV: ``#model_version:...,score_date:...``, then the header ``cve,epss,percentile``. A CVE that is not
listed is unknown, not 0; a new model shifts every score, so scores of different models are never mixed.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path

from hullwatch.advisories import aliases
from hullwatch.advisories.feeds.feed import Document, content, newest
from hullwatch.advisories.record import Enrichment, Reading
from hullwatch.errors import FeedInvalid

NAME = "epss"
VERSION = 1
MAX_AGE = 4
LICENCE = "free to use, cite FIRST (https://www.first.org/epss)"

URL = "https://epss.empiricalsecurity.com/epss_scores-current.csv.gz"

_PATH = "epss/epss_scores-current.csv.gz"
_LIMIT = 128 * 1024 * 1024
_COMMENT = re.compile(r"#model_version:[^,]+,score_date:(\d{4}-\d{2}-\d{2})T")


def documents() -> tuple[Document, ...]:
    """The scores of today."""
    return (Document(path=_PATH, url=URL, limit=_LIMIT),)


def find(mirror: Path) -> dict[str, str]:
    """Today's scores, else the file with the newest date in its name."""
    return newest(mirror, _PATH, "epss/epss_scores-*.csv.gz")


def read(path: Path, log: Reading) -> Iterator[Enrichment]:
    """One record per scored CVE."""
    try:
        lines = io.StringIO(content(path, _LIMIT).decode("utf-8"))
    except UnicodeDecodeError as error:
        raise FeedInvalid("not UTF-8") from error
    comment = _COMMENT.match(lines.readline())
    if comment is None:
        raise FeedInvalid("the first line does not name model and date")
    log.dated(comment[1])
    rows = csv.reader(lines)
    if next(rows, [])[:2] != ["cve", "epss"]:
        raise FeedInvalid("the header is not cve,epss,percentile")
    for row in rows:
        log.entries += 1
        score = _probability(row[1]) if len(row) >= 2 else None
        if score is None or not aliases.is_cve(row[0]):
            log.skipped["invalid"] += 1
            continue
        yield Enrichment(cve=row[0], epss=score)


def _probability(text: str) -> float | None:
    try:
        score = float(text)
    except ValueError:
        return None
    return score if 0.0 <= score <= 1.0 else None
