"""How compiled advisories stand: dates, ages, counts and failures of every feed."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import msgspec

from hullwatch.advisories.feeds import FEEDS
from hullwatch.advisories.store import DirectorySource, Manifest, ShardState

Condition = Literal["ok", "stale", "failed", "absent"]


class FeedStatus(msgspec.Struct, frozen=True, kw_only=True):
    """How a feed stands, for ``hullwatch advisories status``."""

    name: str
    condition: Condition
    #: Newest date that a document of the feed carries, and when new bytes last came; ISO 8601.
    date: str
    read: str
    #: Days since the date (or, where documents carry none, since new bytes came); ``None`` when unknown.
    age: int | None
    max_age: int
    documents: int
    entries: int
    skipped: dict[str, int]
    failures: tuple[str, ...]
    #: Documents whose newest copy has not been had for more than ``max_age`` days, whatever the others are.
    stale: tuple[str, ...]
    licence: str


class AdvisoriesStatus(msgspec.Struct, frozen=True, kw_only=True):
    """How compiled advisories stand: what is in use, from when, and what went wrong."""

    generation: str
    built: str
    checked: str
    feeds: tuple[FeedStatus, ...]
    shards: dict[str, ShardState]
    compressed: int


def status(directory: Path, now: datetime | None = None) -> AdvisoriesStatus:
    """How the advisories of a directory stand.

    :raises ConfigurationError: the directory holds none.
    :raises FeedInvalid: they are damaged.
    """
    return status_of(DirectorySource(directory).manifest(), now)


def status_of(manifest: Manifest, now: datetime | None = None) -> AdvisoriesStatus:
    """How a generation stands."""
    moment = now or datetime.now(UTC)
    feeds = []
    for name, feed in FEEDS.items():
        documents = [state for state in manifest.documents.values() if state.feed == name]
        failures = manifest.failures.get(name, ())
        date = max((d.date for d in documents), default="")
        read = max((d.read for d in documents), default="")
        age = _days(date or read, moment)
        skipped: dict[str, int] = {}
        for state in documents:
            for reason, count in state.skipped.items():
                skipped[reason] = skipped.get(reason, 0) + count
        stale = tuple(
            document
            for document, state in manifest.documents.items()
            if state.feed == name
            and state.failure
            and (_days(state.checked or state.read, moment) or 0) > feed.MAX_AGE
        )
        condition: Condition = "ok"
        if stale or (age is not None and age > feed.MAX_AGE):
            # Whether it fails or just never changes: what is in use is too old.
            condition = "stale"
        elif failures:
            condition = "failed"
        elif not documents:
            condition = "absent"
        feeds.append(
            FeedStatus(
                name=name,
                condition=condition,
                date=date,
                read=read,
                age=age,
                max_age=feed.MAX_AGE,
                documents=len(documents),
                entries=sum(state.entries for state in documents),
                skipped=skipped,
                failures=failures,
                stale=stale,
                licence=feed.LICENCE,
            )
        )
    return AdvisoriesStatus(
        generation=manifest.generation,
        built=manifest.built,
        checked=manifest.checked,
        feeds=tuple(feeds),
        shards=manifest.shards,
        compressed=sum(state.compressed for state in manifest.shards.values()),
    )


def _days(date: str, now: datetime) -> int | None:
    try:
        day = datetime.fromisoformat(date[:10]).replace(tzinfo=UTC)
    except ValueError:
        return None
    return max(0, (now - day).days)
