"""Match the whole fleet again when the advisories have changed, without pulling anything.

A plan says what differs between two generations and lists the images in batches. A batch reads the stored
inventories, matches those that hold a package of which something else is said, and settles the tracks of the
images that have another answer. Every image of a finished batch names the new generation, so that the next
hint at it needs no scan; an image that a scan overtook keeps the scan's, and is matched in the next round.

A round that did not finish leaves the fleet's generation where it was. The next one starts from there, and
trusts no image in between: it matches them and settles their tracks, whatever they say.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain, islice
from pathlib import Path
from typing import NamedTuple

import msgspec
import zstandard

from hullwatch.advisories import ecosystems
from hullwatch.advisories.changes import changes
from hullwatch.advisories.match import Advisories
from hullwatch.advisories.model import Match
from hullwatch.aws.image_records import ImageRecord, Status
from hullwatch.aws.services import Services
from hullwatch.aws.shards import EvidenceSource
from hullwatch.errors import FeedInvalid
from hullwatch.inventory.package import OsRelease, Package, Problem
from hullwatch.pipeline import keys
from hullwatch.pipeline.assess_image import Assessment, assessed, noticed, said, write_matches
from hullwatch.pipeline.settle import lineages_of, settle_track

logger = logging.getLogger(__name__)

#: Images of one batch. A batch whose images all have another answer still ends within a function's time.
BATCH = 50
#: Objects and items that one worker reads or writes at a time: most of their time is waiting.
_AT_A_TIME = 8
#: An inventory may inflate to this much and no more, in bytes.
_MAX_INVENTORY = 256 << 20
#: Packages are forgotten beyond this number, so that a long-lived worker stays small.
_REMEMBERED = 100_000

#: The states of images that have an inventory.
_STORED: tuple[Status, ...] = ("ASSESSED", "PARTIAL")

#: A repository and the digest of one of its images.
ImageName = tuple[str, str]


class Fleet(msgspec.Struct, frozen=True):
    """The generation that every image was matched with; empty before the first round."""

    generation: str = ""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """One round, as it travels through the state machine. ``items`` is the key of the batches."""

    before: str
    after: str
    batches: int
    items: str


class Outcome(NamedTuple):
    """What became of a round: images that have another answer, and batches that failed."""

    changed: int
    failed: int


class Difference(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Which images another generation may have another answer for."""

    #: Something else is known of CVEs, in whatever package they are, or the old generation is not known.
    everything: bool = False
    #: Shard -> normal names of the packages of which something else is said.
    packages: dict[str, frozenset[str]] = {}
    #: Shards that came or went: what was not covered may be now.
    shards: frozenset[str] = frozenset()
    #: Repositories that serve other streams.
    repositories: frozenset[str] = frozenset()


_EVERYTHING = Difference(everything=True)


class _Stored(msgspec.Struct, frozen=True):
    """A stored inventory whose packages are not decoded: most of them were seen in another image."""

    digest: str
    os: OsRelease = OsRelease()
    packages: tuple[msgspec.Raw, ...] = ()
    problems: tuple[Problem, ...] = ()


class _Answer(msgspec.Struct, frozen=True, gc=False):
    """What the new generation says about a package, in whichever image it is."""

    matches: tuple[Match, ...]
    noticed: bytes
    #: Its ecosystem, if there are no advisories for it.
    unmatched: str


class _Seen:
    """A package as images of the same streams store it, decoded once, and matched when first asked about."""

    __slots__ = ("answer", "package", "streams", "touched")

    def __init__(self, package: Package, streams: tuple[str, ...], touched: bool) -> None:
        self.package = package
        self.streams = streams
        self.touched = touched
        self.answer: _Answer | None = None


class Listed(NamedTuple):
    """An inventory, made of packages that other images may share."""

    digest: str
    packages: list[_Seen]
    problems: tuple[Problem, ...]
    #: Its packages may be of other streams than before.
    moved: bool


class Matcher:
    """Inventories against one generation, with what differs from the one before.

    Images of a fleet share most of their packages down to the last byte, so that most of the work is to look
    them up.
    """

    def __init__(self, difference: Difference, advisories: Advisories) -> None:
        self._difference = difference
        self._advisories = advisories
        #: By the streams of the image.
        self._seen: dict[tuple[str, ...], dict[bytes, _Seen]] = {}
        self._stored = msgspec.json.Decoder(_Stored)
        self._package = msgspec.json.Decoder(Package)
        self._inflate = zstandard.ZstdDecompressor()

    def read(self, content: bytes) -> Listed:
        """A stored inventory.

        Raises ``msgspec.DecodeError`` or ``zstandard.ZstdError`` when it is damaged.
        """
        document = self._inflate.decompress(content, max_output_size=_MAX_INVENTORY)
        stored = self._stored.decode(document)
        if sum(map(len, self._seen.values())) > _REMEMBERED:
            self._seen.clear()
        streams = self._advisories.streams(stored.os)
        known = self._seen.setdefault(streams, {})
        packages = []
        for raw in stored.packages:
            text = bytes(raw)
            seen = known.get(text)
            if seen is None:
                package = self._package.decode(text)
                seen = known[text] = _Seen(package, streams, self._is_touched(package, streams))
            packages.append(seen)
        moved = not self._difference.repositories.isdisjoint(stored.os.content_sets)
        return Listed(stored.digest, packages, stored.problems, moved)

    def assess(self, inventory: Listed, before: str) -> Assessment | None:
        """What the new generation says about an inventory; ``None`` where that is nothing new.

        ``before`` is the digest of what the old one said (:func:`~hullwatch.pipeline.assess_image.says`);
        empty when that does not count.
        """
        packages = inventory.packages
        if before and not inventory.moved and not any(seen.touched for seen in packages):
            return None
        answers = [seen.answer or self._ask(seen) for seen in packages]
        unmatched = tuple(sorted({answer.unmatched for answer in answers} - {""}))
        if before == said([answer.noticed for answer in answers], inventory.problems, unmatched):
            return None
        return Assessment(
            digest=inventory.digest,
            generation=self._advisories.generation,
            matches=tuple(chain.from_iterable(answer.matches for answer in answers)),
            problems=inventory.problems,
            unmatched=unmatched,
            feeds=self._advisories.manifest.dates(),
        )

    def _ask(self, seen: _Seen) -> _Answer:
        matches = tuple(self._advisories.match([seen.package], seen.streams))
        ecosystem = seen.package.ecosystem
        seen.answer = _Answer(
            matches=matches,
            noticed=b"".join(map(noticed, matches)),
            unmatched="" if not ecosystem or self._advisories.covers(ecosystem) else ecosystem,
        )
        return seen.answer

    def _is_touched(self, package: Package, streams: tuple[str, ...]) -> bool:
        if self._difference.everything:
            return True
        if not package.ecosystem:
            return False
        # By both names, whichever of them the advisories are keyed by: one match too many costs little.
        names = {
            ecosystems.normal_name(package.ecosystem, name) for name in (package.name, package.source_name)
        }
        return any(
            shard in self._difference.shards
            or not names.isdisjoint(self._difference.packages.get(shard, frozenset()))
            for shard in map(ecosystems.shard, (package.ecosystem, *streams))
        )


def plan(services: Services, after: str) -> Plan:
    """Compare a generation with the fleet's, and list every image that has an inventory, in batches."""
    fleet = services.evidence.get_document(keys.FLEET, Fleet) or Fleet()
    before = fleet.generation
    items = keys.batches(before, after)
    if before == after:
        return Plan(before=before, after=after, batches=0, items=items)
    services.evidence.put_document(keys.difference(before, after), _difference(services, before, after))
    images = chain.from_iterable(map(services.images.with_status, _STORED))
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "batches.json"
        count = _write_batches(path, ((record.repository, record.digest) for record in images))
        services.evidence.upload(path, items)
    logger.info("from generation %s to %s: %d batches", before or "none", after, count)
    if not count:
        services.evidence.put_document(keys.FLEET, Fleet(after))
    return Plan(before=before, after=after, batches=count, items=items)


def finish(services: Services, after: str, answers: Sequence[int]) -> Outcome:
    """Note that the fleet was matched with a generation, unless a batch failed.

    ``answers`` has one entry per batch: how many images have another answer, or -1 if it failed for good.
    """
    failed = sum(answer < 0 for answer in answers)
    if not failed:
        services.evidence.put_document(keys.FLEET, Fleet(after))
    outcome = Outcome(changed=sum(answer for answer in answers if answer > 0), failed=failed)
    logger.info("generation %s: %d images have another answer, %d batches failed", after, *outcome)
    return outcome


class Rematch:
    """The worker of the batches: what it loaded for one batch serves the next ones of its round."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._loaded: tuple[tuple[str, str], Matcher] | None = None

    def batch(self, before: str, after: str, images: Iterable[ImageName]) -> int:
        """Match images again, settle the tracks of those that have another answer, and say how many have.

        Doing it twice does it once: an image that was written already only has its tracks settled again.

        Raises :class:`~hullwatch.errors.LeaseHeld` while another worker settles one of the tracks.
        """
        services, matcher = self._services, self._matcher(before, after)
        records = self._records(images)
        done = [record for record in records if record.generation == after]
        changed = [record for record in done if record.report == keys.report(record.digest, after)]
        rest = [record for record in records if record.generation != after]
        with ThreadPoolExecutor(_AT_A_TIME) as pool:
            inventories = pool.map(lambda record: services.evidence.get(keys.inventory(record.digest)), rest)
            writing: list[tuple[ImageRecord, Future[bool]]] = []
            for record, content in zip(rest, inventories, strict=True):
                # Where the last round did not come to its end, tracks may not say what their images do.
                says = record.says if before and record.generation == before else ""
                try:
                    inventory = matcher.read(content or b"")
                except (msgspec.DecodeError, zstandard.ZstdError) as error:
                    # It keeps its generation, so that the next hint at it scans it anew.
                    logger.warning("no inventory of %s@%s: %s", record.repository, record.digest, error)
                    continue
                assessment = matcher.assess(inventory, says)
                writing.append((record, pool.submit(self._write, record, assessment, after)))
            changed += [record for record, written in writing if written.result()]
        tracks = {
            (record.repository, name)
            for record in changed
            for name in lineages_of(services, record.repository, record.digest)
        }
        for repository, name in sorted(tracks):
            settle_track(services, repository, name)
        return len(changed)

    def _write(self, record: ImageRecord, assessment: Assessment | None, after: str) -> bool:
        """Record the answer, and say whether it is another one. A scan that overtook us has the last word."""
        services = self._services
        if assessment is None:
            services.images.confirm(record, after)
            return False
        services.evidence.put_document(keys.report(record.digest, after), assessment)
        write_matches(services, record, assessment)
        again = assessed(record, assessment, record.packages, services.timestamp())
        return services.images.replace(record, again)

    def _records(self, images: Iterable[ImageName]) -> list[ImageRecord]:
        digests: dict[str, list[str]] = {}
        for repository, digest in images:
            digests.setdefault(repository, []).append(digest)
        return [
            record
            for repository, wanted in digests.items()
            for record in self._services.images.get_many(repository, tuple(wanted)).values()
            if record.status in _STORED
        ]

    def _matcher(self, before: str, after: str) -> Matcher:
        services, round_ = self._services, (before, after)
        if self._loaded is None or self._loaded[0] != round_:
            difference = services.evidence.get_document(keys.difference(before, after), Difference)
            matcher = Matcher(difference or _EVERYTHING, services.advisories(after))
            self._loaded = (round_, matcher)
        return self._loaded[1]


def _difference(services: Services, before: str, after: str) -> Difference:
    if not before:
        return _EVERYTHING
    try:
        old, new = (EvidenceSource(services.evidence, generation) for generation in (before, after))
        found = changes(old, new)
    except FeedInvalid as error:
        logger.warning("every image is matched: %s", error)
        return _EVERYTHING
    return Difference(
        everything=bool(found.cves),
        packages=found.packages,
        repositories=found.repositories,
        shards=frozenset(old.manifest().shards.keys() ^ new.manifest().shards.keys()),
    )


def _write_batches(path: Path, images: Iterator[ImageName]) -> int:
    """Write ``[{"images": [[repository, digest], ...]}, ...]``, never held whole, and count the batches."""
    count = 0
    with path.open("wb") as file:
        file.write(b"[")
        while batch := list(islice(images, BATCH)):
            file.write(b",\n" if count else b"")
            file.write(msgspec.json.encode({"images": batch}))
            count += 1
        file.write(b"]")
    return count
