"""From the indexes of an image's layers to what is known to be wrong with it."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime

import msgspec

from hullwatch.advisories.match import Advisories
from hullwatch.advisories.model import Match
from hullwatch.aws.image_records import ImageRecord
from hullwatch.aws.services import Services
from hullwatch.errors import ImageGone, SourceUnavailable
from hullwatch.findings.rows import match_rows, package_rows
from hullwatch.images.image import Image
from hullwatch.inventory.dispatch import analyzer
from hullwatch.inventory.layer_index import LayerIndex, decode
from hullwatch.inventory.overlay import assemble
from hullwatch.inventory.package import Inventory, Problem
from hullwatch.pipeline import keys
from hullwatch.posture.failures import failed
from hullwatch.posture.images import built_image, check_image

#: What time alone breaks, without a push that would be told of.
_AGING = frozenset({"image.age.old"})


class Assessment(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one generation of advisories says about an image: the stored report."""

    digest: str
    generation: str
    matches: tuple[Match, ...] = ()
    problems: tuple[Problem, ...] = ()
    #: Ecosystems of its packages for which this generation has no advisories.
    unmatched: tuple[str, ...] = ()
    #: Feed -> of when its data in this generation is.
    feeds: dict[str, str] = {}


def assess(services: Services, repository: str, digest: str, generation: str) -> ImageRecord:
    """Assemble the inventory, match it against the pinned generation, and record both."""
    image = services.evidence.get_document(keys.image(digest), Image)
    if image is None:
        raise ImageGone(f"nothing is stored about image {digest}")
    layers = [_layer(services, layer.descriptor.digest) for layer in image.layers]
    inventory = assemble(digest, layers)
    services.evidence.put_document(keys.inventory(digest), inventory)
    assessment = match(services, inventory, generation)
    services.evidence.put_document(keys.report(digest, generation), assessment)
    known = services.images.get(repository, digest)
    if known is None:
        raise ImageGone(f"nothing is recorded about image {repository}@{digest}")
    built = built_image(image, inventory, layers, repository=repository, pushed_at=known.pushed_at)
    record = msgspec.structs.replace(
        assessed(known, assessment, len(inventory.packages), services.timestamp()),
        analyzer=analyzer(),
        controls=failed(check_image(built, now=datetime.fromisoformat(services.timestamp()), but=_AGING)),
    )
    for kind, lines in package_rows(repository, digest, record.analyzer, inventory.packages).items():
        services.evidence.put_compressed(keys.packages(kind, repository, digest), lines)
    write_matches(services, record, assessment)
    services.images.put(record)
    return record


def write_matches(services: Services, record: ImageRecord, assessment: Assessment) -> None:
    """Store what questions read of an assessment; it replaces what an earlier one said."""
    lines = match_rows(record.repository, record.digest, record.analyzer, assessment.matches)
    services.evidence.put_compressed(keys.matches(record.repository, record.digest), lines)


def assessed(known: ImageRecord, assessment: Assessment, packages: int, at: str) -> ImageRecord:
    """The record of an image that was assessed: ``packages`` is their number, ``at`` the time (ISO 8601)."""
    problem = next(iter(assessment.problems), None)
    return msgspec.structs.replace(
        known,
        status="PARTIAL" if problem else "ASSESSED",
        reason=problem.reason if problem else "",
        detail=problem.detail if problem else "",
        generation=assessment.generation,
        report=keys.report(assessment.digest, assessment.generation),
        packages=packages,
        vulnerabilities=counts(assessment.matches),
        unmatched=assessment.unmatched,
        says=says(assessment),
        updated_at=at,
    )


def match(services: Services, inventory: Inventory, generation: str) -> Assessment:
    """What a generation says about an inventory. Without any advisories, that itself is the problem."""
    if generation:
        return assessment_of(inventory, services.advisories(generation))
    missing = Problem(reason="NO_ADVISORIES", detail="no advisories were loaded when this image was assessed")
    return Assessment(digest=inventory.digest, generation="", problems=(*inventory.problems, missing))


def assessment_of(inventory: Inventory, advisories: Advisories) -> Assessment:
    """What these advisories say about an inventory."""
    ecosystems = sorted({package.ecosystem for package in inventory.packages})
    return Assessment(
        digest=inventory.digest,
        generation=advisories.generation,
        matches=tuple(advisories.match(inventory.packages, advisories.streams(inventory.os))),
        problems=inventory.problems,
        unmatched=tuple(name for name in ecosystems if name and not advisories.covers(name)),
        feeds=advisories.manifest.dates(),
    )


def says(assessment: Assessment) -> str:
    """A digest of what an assessment says, whatever the generation that says it."""
    return said(map(noticed, assessment.matches), assessment.problems, assessment.unmatched)


def said(matches: Iterable[bytes], problems: Sequence[Problem], unmatched: Sequence[str]) -> str:
    """As :func:`says`, of the matches' own words (:func:`noticed`)."""
    digest = hashlib.sha256()
    for words in matches:
        digest.update(words)
    digest.update(msgspec.json.encode((problems, unmatched)))
    return digest.hexdigest()[:32]


def noticed(match: Match) -> bytes:
    """What a reader would notice of a match.

    As in a finding's fingerprint, dates and texts are left out, and scores that move every day: EPSS counts
    in whole percents, as far as findings show it and priorities go by it.
    """
    package, vulnerability = match.package, match.vulnerability
    return msgspec.json.encode(
        (
            package.purl,
            package.locations,
            match.status,
            match.fixed,
            vulnerability.id,
            vulnerability.severity,
            vulnerability.exploited is not None,
            vulnerability.malware,
            int((vulnerability.epss or 0.0) * 100),
        )
    )


def counts(matches: tuple[Match, ...]) -> dict[str, int]:
    """Distinct vulnerabilities by severity."""
    severities = {match.vulnerability.id: match.vulnerability.severity for match in matches}
    return dict(Counter(severities.values()))


def _layer(services: Services, digest: str) -> LayerIndex:
    content = services.evidence.get(keys.layer(analyzer(), digest))
    if content is None:
        raise SourceUnavailable(f"the index of layer {digest} is not there (yet)")
    return decode(content)
