"""Bring the findings of a track in line with its head.

What a track says is a function of two things only: what ECR says now, and the stored assessments. No event
is needed to compute it, so events may come twice, late or in any order: settling again changes nothing.
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

logger = logging.getLogger(__name__)

#: The longest a worker can hold a track, in seconds: the function's timeout must be shorter.
LEASE_SECONDS = 180
#: Members looked up in ECR at a time while the head is searched.
_GROUP = 20


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
        state = _head(services, track)
        head = state.digest if state else ""
        subjects = _subjects(services, track, state) if state else []
        if subjects is None:
            logger.info("%s %s waits for images that are still being read", track.repository, track.lineage)
        else:
            _bring_in_line(services, track, subjects, head)
    finally:
        services.tracks.release(track, lease, head, services.timestamp())


def _head(services: Services, track: Track) -> ImageState | None:
    """The image pushed last among those that hold a tag of the track now; others leave the track."""
    repository = services.repository(track.repository)
    tagged = services.tracks.members(track)
    # Newest first, a few at a time: the first that still holds a tag is the head, however long the history.
    while group := list(islice(tagged, _GROUP)):
        states = repository.states([member.digest for member in group])
        for member in group:
            state = states.get(member.digest)
            if state and track.lineage in _lineages(services, track.repository, state):
                return state
            services.tracks.leave(track, member)
    return None


def _subjects(services: Services, track: Track, head: ImageState) -> list[Subject] | None:
    """The head's images and what is known of each; ``None`` while one of them is still being read."""
    digests = tuple(dict.fromkeys(_without_indexes(services, head.digest)))
    records = services.images.get_many(track.repository, digests)
    if any(digest not in records or not records[digest].settled for digest in digests):
        return None
    rules = services.environment.settings.tracks
    tags = tuple(tag for tag in head.tags if lineage(track.repository, tag, rules) == track.lineage)
    return [_subject(services, records[digest], head, tags) for digest in digests]


def _subject(services: Services, record: ImageRecord, head: ImageState, tags: tuple[str, ...]) -> Subject:
    image = ImageRef(
        digest=record.digest,
        platform=record.platform,
        tags=tags,
        pushed_at=record.pushed_at or head.pushed_at,
    )
    if record.report and record.status in {"ASSESSED", "PARTIAL", "ARCHIVED"}:
        report = services.evidence.get_document(record.report, Assessment)
        if report is not None:
            return Subject(image=image, matches=report.matches, problems=report.problems)
    if record.status == "SKIPPED":
        return Subject(image=image)
    return Subject(image=image, problems=(Problem(reason=record.reason, detail=record.detail),))


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
    )
    for finding in (*changes.opened, *changes.updated, *changes.reopened):
        services.tracks.save(finding, "PENDING", now)
    for finding in changes.resolved:
        services.tracks.resolve(finding, "PENDING", now)
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
