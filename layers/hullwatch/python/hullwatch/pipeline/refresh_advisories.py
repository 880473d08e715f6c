"""Keep the advisories fresh: fetch feeds into the bucket, compile them, and make the result live.

The bucket holds the last good copy of every feed below ``feeds/``, and compiled generations below
``advisories/``. Both are brought to this machine, worked on there, and what is new goes back; the pointer is
swapped last, so that whatever happens on the way, the generation in use still serves.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hullwatch.advisories.build import build
from hullwatch.advisories.fetch import fetch
from hullwatch.advisories.status import status_of
from hullwatch.aws.generation import POINTER
from hullwatch.aws.services import Services
from hullwatch.aws.shards import PREFIX
from hullwatch.errors import SourceUnavailable

logger = logging.getLogger(__name__)

_FEEDS = "feeds"


def fetch_feed(services: Services, feed: str) -> dict[str, Any]:
    """Bring one feed up to date: ``{"feed", "outcomes": {document: outcome}, "failures": [line, ...]}``.

    Its documents are fetched into a folder of the bucket of its own, so that feeds can be fetched side by
    side. A document that cannot be had, or is not what the feed promises, leaves its last good copy in use.
    """
    with tempfile.TemporaryDirectory() as scratch:
        mirror = Path(scratch)
        before = services.evidence.download_all(f"{_FEEDS}/{feed}", mirror)
        fetched = fetch(mirror, base=services.environment.settings.mirror, only=(feed,))
        services.evidence.upload_all(mirror, f"{_FEEDS}/{feed}", unless=before)
    failures = [item.detail for item in fetched if item.outcome == "failed"]
    for failure in failures:
        logger.warning("%s: %s", feed, failure)
    return {
        "feed": feed,
        "outcomes": {item.document: item.outcome for item in fetched if item.outcome != "absent"},
        "failures": failures,
    }


def compile_shards(services: Services, feeds: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Compile what was fetched and make it live.

    ``feeds`` are the answers of :func:`fetch_feed`, or ``{"feed", "error"}`` where it failed altogether.
    Returns ``{"generation", "changed", "compiled": [shard, ...], "failures": {feed: [line, ...]}, "stale":
    [feed, ...]}``, where stale are the feeds whose data is older than they may be, and those that failed
    and were never had.
    """
    failures = {entry["feed"]: entry.get("failures") or _caught(entry) for entry in feeds}
    with tempfile.TemporaryDirectory() as scratch:
        mirror, output = Path(scratch) / "feeds", Path(scratch) / "advisories"
        for entry in feeds:
            services.evidence.download_all(f"{_FEEDS}/{entry['feed']}", mirror)
        stored = services.evidence.download_all(PREFIX, output)
        report = build(mirror, output, workers=1, failures=failures)
        services.evidence.upload_all(output, PREFIX, unless=stored, leave_out=(POINTER,))
        if not services.generations.swap(report.generation, services.timestamp()):
            raise SourceUnavailable("another refresh has changed the generation in use meanwhile")
    stale = [
        feed.name
        for feed in status_of(report.manifest, datetime.fromtimestamp(services.now(), UTC)).feeds
        if feed.condition == "stale" or (feed.condition == "failed" and not feed.documents)
    ]
    for feed in stale:
        logger.warning("%s: older than it may be", feed)
    logger.info("generation %s: %d shards compiled", report.generation, len(report.compiled))
    return {
        "generation": report.generation,
        "changed": report.changed,
        "compiled": list(report.compiled),
        "failures": {feed: list(lines) for feed, lines in report.failures.items()},
        "stale": stale,
    }


def _caught(entry: dict[str, Any]) -> list[str]:
    error = entry.get("error")
    return [f"{error.get('Error', 'error')}: {error.get('Cause', '')}"[:300]] if error else []
