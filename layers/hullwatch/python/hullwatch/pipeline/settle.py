"""Bring the findings of a track in line with its head.

What a track says is a function of three things only: what ECR says now, what runs, and the stored
assessments. No event is needed to compute it, so events may come twice, late or in any order: settling again
changes nothing.
"""

from __future__ import annotations

import logging
from itertools import islice

import msgspec

from hullwatch.aws.ecr import ImageState
from hullwatch.aws.image_records import ImageRecord
from hullwatch.aws.services import Services
from hullwatch.aws.track_records import Tagged
from hullwatch.errors import LeaseHeld
from hullwatch.findings.compose import Subject, findings_of
from hullwatch.findings.diff import diff
from hullwatch.findings.finding import ImageRef, Track
from hullwatch.findings.tracks import lineage
from hullwatch.inventory.package import Problem
from hullwatch.pipeline import keys
from hullwatch.pipeline.assess_image import Assessment
from hullwatch.pipeline.resolve import Index
from hullwatch.posture.model.running import Running

logger = logging.getLogger(__name__)

#: The longest a worker can hold a track, in seconds: the function's timeout must be shorter.
LEASE_SECONDS = 180
#: Members looked up in ECR at a time while the head is searched.
_GROUP = 20
#: States in which an image's report holds.
_ASSESSED = frozenset({"ASSESSED", "PARTIAL", "ARCHIVED"})


def settle(services: Services, repository: str, digest: str) -> list[str]:
    """Settle every track that an image has to do with, and name them.

    Raises :class:`~hullwatch.errors.LeaseHeld` while another worker settles one of them.
    """
    known = services.images.get(repository, digest)
    if known and known.kind == "artifact":
        return []
    state = services.repository(repository).states([digest]).get(digest)
    if state is None:
        _note_gone(services, known)
    else:
        _join_tracks(services, repository, state)
    lineages = lineages_of(services, repository, digest)
    for name in lineages:
        settle_track(services, repository, name)
    return lineages


def lineages_of(services: Services, repository: str, digest: str) -> list[str]:
    """The tracks in which an image, or an index that lists it, is remembered."""
    subjects = _with_indexes(services, repository, digest)
    return sorted({name for subject in subjects for name in services.tracks.lineages_of(repository, subject)})


def _with_indexes(services: Services, repository: str, digest: str) -> set[str]:
    """The image and every index that lists it, directly or through another index."""
    found: set[str] = set()
    rest = [digest]
    while rest:
        subject = rest.pop()
        if subject not in found:
            found.add(subject)
            rest += services.images.indexes_of(repository, subject)
    return found


def _without_indexes(services: Services, digest: str, depth: int = 4) -> list[str]:
    """The images of an index, or the image itself. Indexes in indexes are followed a few levels down."""
    index = services.evidence.get_document(keys.index(digest), Index) if depth else None
    if index is None:
        return [digest]
    return [
        leaf
        for child in index.children
        for leaf in _without_indexes(services, child.descriptor.digest, depth - 1)
    ]


def _note_gone(services: Services, known: ImageRecord | None) -> None:
    if known and known.status != "GONE":
        gone = msgspec.structs.replace(
            known,
            status="GONE",
            reason="GONE",
            detail="deleted from the repository",
            attempts=known.attempts + 1,
            updated_at=services.timestamp(),
        )
        services.images.put(gone)


def _join_tracks(services: Services, repository: str, state: ImageState) -> None:
    tagged = Tagged(digest=state.digest, pushed_at=state.pushed_at)
    for name in sorted(_lineages(services, repository, state)):
        services.tracks.join(services.tracks.track(repository, name), tagged)


def _lineages(services: Services, repository: str, state: ImageState) -> set[str]:
    """The tracks of an image's tags, as far as the configuration covers them."""
    settings = services.environment.settings
    return {
        lineage(repository, tag, settings.tracks) for tag in state.tags if settings.covers(repository, tag)
    }


def settle_track(services: Services, repository: str, name: str) -> None:
    """Settle one track, named by its lineage, whoever belongs to it.

    Raises :class:`~hullwatch.errors.LeaseHeld` while another worker does.
    """
    track = services.tracks.track(repository, name)
    now = services.now()
    lease = services.tracks.lease(track, now, now + LEASE_SECONDS)
    if not lease:
        raise LeaseHeld(f"another worker settles {track.repository} {track.lineage}")
    head = ""
    try:
        runs = _runs(services, track.repository)
        state = _head(services, track, runs)
        head = state.digest if state else ""
        subjects = _subjects(services, track, state, runs)
        if subjects is None:
            logger.info("%s %s waits for images that are still being read", track.repository, track.lineage)
        else:
            _bring_in_line(services, track, subjects, head)
    finally:
        services.tracks.release(track, lease, head, services.timestamp())


class _Runs(msgspec.Struct, frozen=True):
    """What runs of a repository, by image. ``all_known``: what is not there does not run."""

    images: dict[str, tuple[Running, ...]]
    all_known: bool

    def running(self, digest: str) -> bool | None:
        return True if digest in self.images else False if self.all_known else None

    def exposure(self, digest: str) -> tuple[str, ...]:
        return tuple(sorted({word for entry in self.images.get(digest, ()) for word in entry.exposure}))


def _runs(services: Services, repository: str) -> _Runs:
    images: dict[str, tuple[Running, ...]] = {}
    for digest, entries in services.running.of_repository(repository).items():
        # A runtime may name the index that it pulled through, and not say which of its images runs.
        for image in _without_indexes(services, digest):
            images[image] = images.get(image, ()) + entries
    return _Runs(images, services.running.all_known(services.timestamp()))


def _head(services: Services, track: Track, runs: _Runs) -> ImageState | None:
    """The image pushed last among those that hold a tag of the track now. Others leave the track, unless they
    still run."""
    repository = services.repository(track.repository)
    tagged = services.tracks.members(track)
    # Newest first, a few at a time: the first that still holds a tag is the head, however long the history.
    while group := list(islice(tagged, _GROUP)):
        states = repository.states([member.digest for member in group])
        for member in group:
            state = states.get(member.digest)
            if state and track.lineage in _lineages(services, track.repository, state):
                return state
            # Looked up only where something runs: most repositories would ask for nothing.
            if not (
                runs.images
                and any(image in runs.images for image in _without_indexes(services, member.digest))
            ):
                services.tracks.leave(track, member)
    return None


def _subjects(services: Services, track: Track, head: ImageState | None, runs: _Runs) -> list[Subject] | None:
    """What is known of the head's images, and of older ones of the track that still run.

    ``None`` while one of the head's is still being read.
    """
    digests = tuple(dict.fromkeys(_without_indexes(services, head.digest))) if head else ()
    older = tuple(
        digest
        for digest in sorted(runs.images.keys() - set(digests))
        if track.lineage in lineages_of(services, track.repository, digest)
    )
    records = services.images.get_many(track.repository, digests + older)
    if any(digest not in records or not records[digest].settled for digest in digests):
        return None
    rules = services.environment.settings.tracks
    tags = tuple(
        tag for tag in (head.tags if head else ()) if lineage(track.repository, tag, rules) == track.lineage
    )
    pushed_at = head.pushed_at if head else ""
    subjects = [_subject(services, records[digest], tags, pushed_at, runs) for digest in digests]
    return subjects + [
        _subject(services, records[digest], (), "", runs)
        for digest in older
        # One that was never read is on its way: the survey that saw it has sent it to be scanned.
        if digest in records and records[digest].settled
    ]


def _subject(
    services: Services, record: ImageRecord, tags: tuple[str, ...], pushed_at: str, runs: _Runs
) -> Subject:
    image = ImageRef(
        digest=record.digest, platform=record.platform, tags=tags, pushed_at=record.pushed_at or pushed_at
    )
    running, exposure = runs.running(record.digest), runs.exposure(record.digest)
    # An image that runs is as vulnerable as before when the registry has it no more.
    if record.report and (record.status in _ASSESSED or (record.status == "GONE" and running)):
        report = services.evidence.get_document(record.report, Assessment)
        if report is not None:
            return Subject(
                image=image,
                matches=report.matches,
                problems=report.problems,
                running=running,
                exposure=exposure,
                controls=record.controls,
            )
    if record.status == "SKIPPED":
        return Subject(image=image)
    problem = Problem(reason=record.reason, detail=record.detail)
    return Subject(image=image, problems=(problem,), running=running, exposure=exposure)


def _bring_in_line(services: Services, track: Track, subjects: list[Subject], head: str) -> None:
    now = services.now()
    stored = services.tracks.findings(track)
    wanted = findings_of(track, subjects, services.environment.settings.findings)
    unread = [problem for subject in subjects for problem in subject.problems]
    if unread:
        # What could not be read may hide what a missing finding rests on: its witnesses tell.
        missing = stored.keys() - {finding.id for finding in wanted}
        open_ones = [stored[name] for name in missing if stored[name].state == "OPEN"]
        stored |= {finding.id: services.tracks.with_matches(finding) for finding in open_ones}
    changes = diff(
        stored,
        wanted,
        head=head,
        now=services.timestamp(),
        unread=unread,
        unjudged=any(subject.controls is None for subject in subjects),
    )
    services.tracks.save((*changes.opened, *changes.updated, *changes.reopened), "PENDING", now)
    services.tracks.resolve(changes.resolved, "PENDING", now)
    for finding in changes.kept:
        if finding.images != stored[finding.id].images:
            services.tracks.name_images(finding)
    logger.info(
        "%s %s: %d opened, %d changed, %d resolved, %d kept",
        track.repository,
        track.lineage,
        len(changes.opened) + len(changes.reopened),
        len(changes.updated),
        len(changes.resolved),
        len(changes.kept),
    )
