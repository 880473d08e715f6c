"""From the indexes of an image's layers to what is known to be wrong with it."""

from __future__ import annotations

from collections import Counter

import msgspec

from hullwatch.advisories.model import Match
from hullwatch.aws.image_records import ImageRecord
from hullwatch.aws.services import Services
from hullwatch.errors import ImageGone, SourceUnavailable
from hullwatch.images.image import Image
from hullwatch.inventory.dispatch import analyzer
from hullwatch.inventory.layer_index import LayerIndex, decode
from hullwatch.inventory.overlay import assemble
from hullwatch.inventory.package import Inventory, Problem
from hullwatch.pipeline import keys


class Assessment(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one generation of advisories says about an image: the stored report."""

    digest: str
    generation: str
    matches: tuple[Match, ...] = ()
    problems: tuple[Problem, ...] = ()
    #: Ecosystems of its packages for which this generation has no advisories.
    unmatched: tuple[str, ...] = ()


def assess(services: Services, repository: str, digest: str, generation: str) -> ImageRecord:
    """Assemble the inventory, match it against the pinned generation, and record both."""
    image = services.evidence.get_document(keys.image(digest), Image)
    if image is None:
        raise ImageGone(f"nothing is stored about image {digest}")
    inventory = assemble(digest, [_layer(services, layer.descriptor.digest) for layer in image.layers])
    services.evidence.put_document(keys.inventory(digest), inventory)
    assessment = match(services, inventory, generation)
    report = keys.report(digest, generation)
    services.evidence.put_document(report, assessment)
    known = services.images.get(repository, digest)
    if known is None:
        raise ImageGone(f"nothing is recorded about image {repository}@{digest}")
    record = msgspec.structs.replace(
        known,
        status="PARTIAL" if assessment.problems else "ASSESSED",
        reason=assessment.problems[0].reason if assessment.problems else "",
        detail=assessment.problems[0].detail if assessment.problems else "",
        analyzer=analyzer(),
        generation=generation,
        report=report,
        packages=len(inventory.packages),
        vulnerabilities=counts(assessment.matches),
        unmatched=assessment.unmatched,
        updated_at=services.timestamp(),
    )
    services.images.put(record)
    return record


def match(services: Services, inventory: Inventory, generation: str) -> Assessment:
    """What a generation says about an inventory. Without any advisories, that itself is the problem."""
    problems = inventory.problems
    matches: tuple[Match, ...] = ()
    unmatched: tuple[str, ...] = ()
    if generation:
        advisories = services.advisories(generation)
        matches = tuple(advisories.match(inventory.packages))
        ecosystems = sorted({package.ecosystem for package in inventory.packages})
        unmatched = tuple(name for name in ecosystems if name and not advisories.covers(name))
    else:
        problems += (
            Problem(reason="NO_ADVISORIES", detail="no advisories were loaded when this image was assessed"),
        )
    return Assessment(
        digest=inventory.digest,
        generation=generation,
        matches=matches,
        problems=problems,
        unmatched=unmatched,
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
