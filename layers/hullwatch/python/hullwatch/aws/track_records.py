"""Tracks in the table: who belongs to one, and what we say about it.

``TRACK#<repository>#<lineage>`` holds ``META`` (the lease, the head), ``MEMBER#<pushed>#<digest>`` (images
and indexes that held a tag of the lineage when last seen), ``FND#<name>`` (a finding without its matches) and
``VULN#<name>#<id>`` (one vulnerability of a finding, with every package that it matched). ``<name>`` is the
finding's own part of its id. A finding is written after its vulnerabilities: it is what makes them count.

How findings are sent, and where the open ones stand together, is told in :mod:`hullwatch.aws.outbox`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence

import msgspec
import zstandard

from hullwatch.advisories.model import SEVERITIES, Match
from hullwatch.aws.image_records import RETENTION
from hullwatch.aws.lease import claim, give_back
from hullwatch.aws.outbox import Outbox, mark_item, outbox_fields, unsent_item
from hullwatch.aws.table import Item, Key, Table
from hullwatch.findings.finding import Finding, Track

#: The most witnesses of one package that an item carries; more are in the inventory.
_MAX_LOCATIONS = 8

_matches_decoder = msgspec.json.Decoder(list[Match])


class Tagged(msgspec.Struct, frozen=True, kw_only=True):
    """An image or index that held a tag of the track."""

    digest: str
    pushed_at: str


class TrackRecords:
    """The tracks of one account and Region."""

    def __init__(self, table: Table, account: str, region: str) -> None:
        self._table = table
        self._account = account
        self._region = region

    def track(self, repository: str, lineage: str) -> Track:
        """The track of this name, whether or not it is known yet."""
        return Track(account=self._account, region=self._region, repository=repository, lineage=lineage)

    # Membership

    def join(self, track: Track, member: Tagged) -> None:
        """Remember that an image holds a tag of the track."""
        self._table.write(
            [
                {"pk": _partition(track), "sk": f"MEMBER#{member.pushed_at}#{member.digest}"},
                {"pk": f"IMG#{track.repository}@{member.digest}", "sk": f"TRACK#{track.lineage}"},
            ]
        )

    def leave(self, track: Track, member: Tagged) -> None:
        """Forget a member that no longer holds a tag of the track."""
        self._table.write(
            deletes=[
                (_partition(track), f"MEMBER#{member.pushed_at}#{member.digest}"),
                (f"IMG#{track.repository}@{member.digest}", f"TRACK#{track.lineage}"),
            ]
        )

    def members(self, track: Track) -> Iterator[Tagged]:
        """Every image remembered as a member, last pushed first."""
        for item in self._table.query(_partition(track), "MEMBER#", newest_first=True):
            _, pushed_at, digest = item["sk"].split("#", 2)
            yield Tagged(digest=digest, pushed_at=pushed_at)

    def lineages_of(self, repository: str, digest: str) -> tuple[str, ...]:
        """The tracks in which an image is remembered."""
        items = self._table.query(f"IMG#{repository}@{digest}", "TRACK#")
        return tuple(item["sk"].removeprefix("TRACK#") for item in items)

    # The lease: one worker at a time settles a track

    def lease(self, track: Track, now: int, until: int) -> str:
        """Claim the track until a time (epoch seconds): the lease's name, empty when another holds it."""
        return claim(self._table, _partition(track), now, until)

    def release(self, track: Track, lease: str, head: str, at: str) -> None:
        """Give our lease back and note the head that was settled."""
        give_back(self._table, _partition(track), lease, {"head": head, "settled_at": at})

    # Findings

    def findings(self, track: Track) -> dict[str, Finding]:
        """What we say about a track, open and resolved, by id and without matches."""
        items = self._table.query(_partition(track), "FND#")
        return {finding.id: finding for finding in map(track_finding_of, items)}

    def with_matches(self, finding: Finding) -> Finding:
        """The finding with its vulnerabilities, as it is sent."""
        items = self._table.query(_partition(finding.track), f"VULN#{_name(finding)}#")
        matches = [match for item in items for match in _unpack(item["matches"])]
        return msgspec.structs.replace(finding, matches=tuple(matches))

    def save(self, findings: Sequence[Finding], outbox: Outbox, now: int) -> None:
        """Write findings, and before them their vulnerabilities, without what they no longer list."""
        wanted: dict[Key, Item] = {}
        stored: set[Key] = set()
        for finding in findings:
            partition = _partition(finding.track)
            wanted |= {(partition, item["sk"]): item for item in _vulnerability_items(finding, now)}
            items = self._table.query(partition, f"VULN#{_name(finding)}#")
            stored |= {(partition, item["sk"]) for item in items}
        self._table.write(wanted.values(), sorted(stored - wanted.keys()))
        self._table.write(_finding_item(finding, outbox, now) for finding in findings)

    def resolve(self, findings: Iterable[Finding], outbox: Outbox, now: int) -> None:
        """Write findings as resolved. Their vulnerabilities stay until they leave the table."""
        self._table.write(_finding_item(finding, outbox, now) for finding in findings)

    def name_images(self, finding: Finding) -> None:
        """Note which images a finding speaks of now, when that is all that has changed: nothing is sent."""
        self._table.update_if(
            _key(finding),
            "SET images = :images",
            "updated_at = :at",
            {":images": msgspec.to_builtins(finding.images), ":at": finding.updated_at},
        )

    def unsent(self, finding: Finding) -> Finding | None:
        """The finding with its matches, if this version of it is still the newest and still to be sent."""
        item = unsent_item(self._table, _key(finding), finding)
        return None if item is None else self.with_matches(track_finding_of(item))

    def mark(self, finding: Finding, outbox: Outbox, note: str = "") -> bool:
        """Note what became of sending this version of a finding; ``False`` if it has changed since."""
        return mark_item(self._table, _key(finding), finding, outbox, note)


def track_finding_of(item: Item) -> Finding:
    """The finding in an item of the table or of its stream, without matches."""
    return msgspec.convert({**item, "track": _track_of(item)}, type=Finding)


def _track_of(item: Item) -> Item:
    names = ("account", "region", "repository", "lineage")
    return {name: item[name] for name in names}


def _partition(track: Track) -> str:
    return f"TRACK#{track.repository}#{track.lineage}"


def _key(finding: Finding) -> Key:
    return _partition(finding.track), f"FND#{_name(finding)}"


def _name(finding: Finding) -> str:
    # The id repeats account, Region, repository and lineage, which the partition has already; a digest of it
    # keeps sort keys short and free of the separator.
    return hashlib.sha256(finding.id.encode()).hexdigest()[:20]


def _finding_item(finding: Finding, outbox: Outbox, now: int) -> Item:
    fields = msgspec.to_builtins(msgspec.structs.replace(finding, matches=()))
    fields |= fields.pop("track")
    counts = {
        severity: count
        for severity in SEVERITIES
        if (
            count := len(
                {m.vulnerability.id for m in finding.matches if m.vulnerability.severity == severity}
            )
        )
    }
    return {
        **fields,
        "pk": _partition(finding.track),
        "sk": f"FND#{_name(finding)}",
        "vulnerabilities": counts,
        **outbox_fields(finding, outbox, now),
    }


def _vulnerability_items(finding: Finding, now: int) -> Iterator[Item]:
    by_id: dict[str, list[Match]] = {}
    for match in finding.matches:
        by_id.setdefault(match.vulnerability.id, []).append(match)
    for identifier, matches in by_id.items():
        first = matches[0]
        yield {
            "pk": _partition(finding.track),
            "sk": f"VULN#{_name(finding)}#{identifier}",
            "vulnerability": identifier,
            "finding": finding.id,
            "package": finding.package,
            "severity": first.vulnerability.severity,
            "status": first.status,
            "fixed": first.fixed or None,
            "installed": sorted({match.package.version for match in matches}),
            "matches": _pack(matches),
            "expires": None if finding.state == "OPEN" else now + RETENTION,
        }


def _pack(matches: Iterable[Match]) -> bytes:
    # Repeated text (the same vulnerability for every binary package) compresses to almost nothing.
    short = [
        msgspec.structs.replace(
            match,
            package=msgspec.structs.replace(
                match.package, locations=match.package.locations[:_MAX_LOCATIONS]
            ),
        )
        for match in matches
    ]
    return zstandard.ZstdCompressor(level=9).compress(msgspec.json.encode(short))


def _unpack(content: bytes) -> list[Match]:
    return _matches_decoder.decode(zstandard.ZstdDecompressor().decompress(content, max_output_size=1 << 20))
