"""Images in the table: what we know of a digest, and which indexes it belongs to.

``IMG#<repository>@<digest>`` / ``META`` is the image, ``/ IN#<index digest>`` a link to an index that lists
it, ``/ TRACK#<lineage>`` a track that it was seen in (kept by :mod:`track_records`).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Literal

import msgspec

from hullwatch.aws.table import Item, Table
from hullwatch.images.image import Kind
from hullwatch.posture.failures import FailedControl

#: ``PENDING`` is being scanned. ``ASSESSED`` was read whole, ``PARTIAL`` in part. ``UNSCANNABLE`` cannot be
#: read, and trying again does not help; ``FAILED`` could not be read this time. ``LINKED`` is an index,
#: ``SKIPPED`` an artifact or an image that the configuration leaves out.
Status = Literal[
    "PENDING", "ASSESSED", "PARTIAL", "UNSCANNABLE", "FAILED", "LINKED", "SKIPPED", "GONE", "ARCHIVED"
]

#: How long the table remembers what is over: images that are gone, findings that are resolved (400 days, in
#: seconds).
RETENTION = 400 * 86_400

#: The work list index: ``g1pk`` is ``SCAN#<status>``, ``g1sk`` the time of the last change.
WORK_LIST = "scans"


class ImageRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One digest in one repository. Counts are of packages, and of vulnerabilities by severity."""

    repository: str
    digest: str
    status: Status
    kind: Kind = "image"
    platform: str = ""
    media_type: str = ""
    #: ISO 8601, UTC.
    pushed_at: str = ""
    updated_at: str = ""
    #: For everything that is not ``ASSESSED`` or ``LINKED``: why, as a word and as a line.
    reason: str = ""
    detail: str = ""
    #: Versions of the reader and of the advisories that the assessment rests on.
    analyzer: str = ""
    generation: str = ""
    report: str = ""
    packages: int = 0
    vulnerabilities: dict[str, int] = {}
    #: Ecosystems of its packages for which there were no advisories: not clean, but not known.
    unmatched: tuple[str, ...] = ()
    #: A digest of what the report says, for telling whether other advisories say something else.
    says: str = ""
    #: What is wrong with its configuration; ``None`` when nobody has looked.
    controls: tuple[FailedControl, ...] | None = None
    #: How often a scan ended without an answer that lasts (failed, gone, archived): each such end makes room
    #: for one more execution.
    attempts: int = 0

    @property
    def settled(self) -> bool:
        """Whether the pipeline has said its last word on this image."""
        return self.status != "PENDING"

    def assessed_with(self, analyzer: str, generation: str) -> bool:
        """Whether scanning again with these versions would say the same."""
        if self.status in {"LINKED", "SKIPPED"}:
            return True
        return self.status in {"ASSESSED", "PARTIAL", "UNSCANNABLE"} and (self.analyzer, self.generation) == (
            analyzer,
            generation,
        )


class ImageRecords:
    """Images, read and written."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def get(self, repository: str, digest: str) -> ImageRecord | None:
        """What is known of a digest; ``None`` when nothing is."""
        item = self._table.get(_partition(repository, digest), "META")
        return image_record(item) if item else None

    def get_many(self, repository: str, digests: tuple[str, ...]) -> dict[str, ImageRecord]:
        """What is known of these digests, by digest."""
        items = self._table.get_many([(_partition(repository, digest), "META") for digest in digests])
        return {record.digest: record for record in map(image_record, items)}

    def put(self, record: ImageRecord) -> None:
        """Replace what is known of a digest. The stream makes an event of every settled record."""
        self._table.put(_item(record))

    def replace(self, known: ImageRecord, record: ImageRecord) -> bool:
        """Write ``record`` if ``known`` is still what the table has. Says whether it was."""
        return self._table.put_if(_item(record), "updated_at = :at", {":at": known.updated_at})

    def confirm(self, known: ImageRecord, generation: str) -> bool:
        """Note that another generation says the same, as :meth:`replace` does, but without an event."""
        return self._table.update_if(
            (_partition(known.repository, known.digest), "META"),
            "SET generation = :generation REMOVE outbox",
            "updated_at = :at",
            {":generation": generation, ":at": known.updated_at},
        )

    def link(self, repository: str, index: str, children: tuple[str, ...]) -> None:
        """Remember that these images belong to an index."""
        self._table.write(
            {"pk": _partition(repository, child), "sk": f"IN#{index}", "index": index} for child in children
        )

    def indexes_of(self, repository: str, digest: str) -> tuple[str, ...]:
        """Digests of the indexes that list this image, as far as they were seen."""
        return tuple(item["index"] for item in self._table.query(_partition(repository, digest), "IN#"))

    def with_status(self, status: Status) -> Iterator[ImageRecord]:
        """Every image in a state, oldest change first, page by page."""
        return map(image_record, self._table.query_index(WORK_LIST, "g1pk", f"SCAN#{status}"))


def image_record(item: Item) -> ImageRecord:
    """The record in an item of the table or of its stream."""
    return msgspec.convert(item, type=ImageRecord)


def _item(record: ImageRecord) -> Item:
    return {
        **msgspec.to_builtins(record),
        "pk": _partition(record.repository, record.digest),
        "sk": "META",
        "g1pk": f"SCAN#{record.status}",
        "g1sk": record.updated_at,
        "outbox": "EVENT" if record.settled else None,
        "expires": _expiry(record.updated_at) if record.status == "GONE" else None,
    }


def _expiry(updated_at: str) -> int:
    return int(datetime.fromisoformat(updated_at).timestamp()) + RETENTION


def _partition(repository: str, digest: str) -> str:
    return f"IMG#{repository}@{digest}"
