"""Where an image is: its tracks, those it is the head of, and what runs it."""

from __future__ import annotations

from collections.abc import Iterable

from hullwatch.aws.image_records import ImageRecord, image_record
from hullwatch.aws.running_records import RunningRecords
from hullwatch.aws.table import Table
from hullwatch.findings.affected import Placement

#: Repository and digest.
Image = tuple[str, str]


class Placements:
    """Answers from the table, each partition read once."""

    def __init__(self, table: Table, running: RunningRecords) -> None:
        self._table = table
        self._running = running
        self._runs: dict[str, dict[str, tuple[str, ...]]] = {}
        self._heads: dict[tuple[str, str], str] = {}

    def records(self, images: Iterable[Image]) -> dict[Image, ImageRecord]:
        """What is known of these images."""
        keys = [(f"IMG#{repository}@{digest}", "META") for repository, digest in images]
        found = map(image_record, self._table.get_many(keys))
        return {(record.repository, record.digest): record for record in found}

    def where(self, repository: str, digest: str) -> Placement:
        """Where an image is, itself or as a platform of an index: tags and runtimes name either."""
        runs = self._runs_of(repository)
        tracks: dict[str, bool] = {}
        running = [*runs.get(digest, ())]
        own, indexes = self._links(repository, digest)
        names = {digest: own} | {index: self._links(repository, index)[0] for index in indexes}
        for name, lineages in names.items():
            if name != digest:
                running += runs.get(name, ())
            for lineage in lineages:
                tracks[lineage] = tracks.get(lineage, False) or self._head(repository, lineage) == name
        return Placement(
            tracks=tuple(sorted(tracks)),
            heads=tuple(sorted(lineage for lineage, is_head in tracks.items() if is_head)),
            running=tuple(dict.fromkeys(running)),
        )

    def _links(self, repository: str, digest: str) -> tuple[list[str], list[str]]:
        """The tracks that an image is seen in, and the indexes that list it."""
        tracks, indexes = [], []
        for item in self._table.query(f"IMG#{repository}@{digest}"):
            kind, _, name = item["sk"].partition("#")
            if kind == "TRACK":
                tracks.append(name)
            elif kind == "IN":
                indexes.append(name)
        return tracks, indexes

    def _head(self, repository: str, lineage: str) -> str:
        key = (repository, lineage)
        if key not in self._heads:
            item = self._table.get(f"TRACK#{repository}#{lineage}", "META") or {}
            self._heads[key] = item.get("head", "")
        return self._heads[key]

    def _runs_of(self, repository: str) -> dict[str, tuple[str, ...]]:
        if repository not in self._runs:
            self._runs[repository] = {
                digest: tuple("/".join(filter(None, (r.kind, r.cluster, r.workload))) for r in entries)
                for digest, entries in self._running.of_repository(repository).items()
            }
        return self._runs[repository]
