"""Questions about everything that an account has: asked of Athena, and placed with the table."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from hullwatch.aws.image_records import ImageRecords, Status
from hullwatch.aws.placements import Image, Placements
from hullwatch.aws.question_sql import Select, select
from hullwatch.findings.affected import AffectedReport, Answer, Found, Held, sift
from hullwatch.findings.question import PackageQuestion, Question
from hullwatch.inventory.package import Package

#: Images in these states may hold what nobody has read, or not all of it.
_UNREAD: dict[Status, str] = {
    "PENDING": "still being scanned",
    "FAILED": "could not be scanned this time",
    "UNSCANNABLE": "cannot be read",
    "PARTIAL": "could be read in part",
}


class Rows(Protocol):
    """Where rows come from."""

    def rows(self, select: Select) -> Iterable[dict[str, str]]:
        """Column -> value of each row."""


def ask(question: Question, rows: Rows, placements: Placements, images: ImageRecords) -> AffectedReport:
    """Which images of the account hold a package or have a vulnerability, and where they are.

    An image that has left the registry is named only while something still runs it.
    """
    found: dict[tuple[Image, str], list[Held]] = {}
    for row in rows.rows(select(question)):
        image = (row["repository"], row["digest"])
        found.setdefault((image, row["analyzer"]), []).append(_held(row))
    records = placements.records({image for image, _ in found})
    answer = Answer(question, "account")
    for (image, analyzer), held in found.items():
        record = records.get(image)
        if record is None or record.analyzer != analyzer:
            # Rows of a record that is long gone, or of a reader that has been replaced since.
            continue
        if record.status in {"GONE", "ARCHIVED"} and not placements.where(*image).running:
            continue
        answer.add(*image, _answer_of(question, held))
    for status, words in _UNREAD.items():
        count = sum(1 for _ in images.with_status(status))
        if count:
            answer.missing(status, f"{count} image{'s' if count > 1 else ''}: {words}")
    return answer.report(placements.where)


def _answer_of(question: Question, held: list[Held]) -> Found:
    if isinstance(question, PackageQuestion):
        return sift(question, (entry.package for entry in held))
    return Found(held=tuple(held))


def _held(row: dict[str, str]) -> Held:
    package = Package(
        type=row["type"],
        name=row["name"],
        version=row["version"],
        source_name=row.get("source", ""),
        ecosystem=row["ecosystem"],
        purl=row["purl"],
        layer=row["layer"],
    )
    return Held(package=package, vulnerability=row.get("id", ""), fixed=row.get("fixed", ""))
