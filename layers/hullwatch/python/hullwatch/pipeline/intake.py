"""From a hint to work: start a scan, or settle what is known already."""

from __future__ import annotations

import hashlib
import logging
from datetime import datetime

from hullwatch.aws import ecr_events
from hullwatch.aws.image_records import ImageRecord
from hullwatch.aws.services import Services
from hullwatch.errors import MessageInvalid
from hullwatch.inventory.dispatch import analyzer
from hullwatch.pipeline.settle import settle

#: Seconds after which no execution can still be at an image: longer than ScanImage may take.
_ABANDONED = 3 * 3600

logger = logging.getLogger(__name__)


def take(services: Services, body: str) -> None:
    """Handle one message of the intake queue.

    An image whose assessment is up to date, and one that went, only need their tracks settled; that costs no
    execution. Everything else starts ScanImage under a name made of the image, the reader's version and the
    advisory generation, so that a second hint finds the first one's execution.
    """
    try:
        hint = ecr_events.read(body)
    except MessageInvalid as error:
        # Nothing here can ever succeed, so it must not go round until it reaches the dead-letter queue.
        logger.warning("dropped a message: %s", error)
        return
    if hint is None:
        return
    if not hint.chosen and not services.environment.settings.covers(hint.repository, hint.tag):
        logger.info("left out by configuration: %s:%s", hint.repository, hint.tag)
        return
    record = services.images.get(hint.repository, hint.digest)
    generation = services.generations.current()
    if hint.change == "went" or (record and record.assessed_with(analyzer(), generation)):
        settle(services, hint.repository, hint.digest)
        return
    name = execution_name(
        services.environment.account,
        services.environment.region,
        hint.repository,
        hint.digest,
        generation,
        _tries(services, record),
    )
    started = services.executions.start(name, {"repository": hint.repository, "digest": hint.digest})
    logger.info("%s %s@%s", "scanning" if started else "already scanning", hint.repository, hint.digest)


def _tries(services: Services, record: ImageRecord | None) -> int:
    """How many executions may have ended without an answer; one pending for too long counts as well."""
    if record is None or record.settled:
        return record.attempts if record else 0
    pending = services.clock() - datetime.fromisoformat(record.updated_at).timestamp()
    return record.attempts + int(pending // _ABANDONED)


def execution_name(
    account: str, region: str, repository: str, digest: str, generation: str, attempts: int
) -> str:
    """A name that is the same for every hint that would lead to the same scan (at most 80 characters).

    ``attempts`` makes room for another try after a failure that may pass: names cannot be used again for 90
    days.
    """
    image = hashlib.sha256("|".join((account, region, repository, digest)).encode()).hexdigest()[:32]
    versions = hashlib.sha256(f"{analyzer()}|{generation}".encode()).hexdigest()[:12]
    return f"{image}-{versions}-{attempts}"
