"""Bring the findings about the configuration of a part in line with an evaluation of it."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

from hullwatch.aws.services import Services
from hullwatch.errors import LeaseHeld
from hullwatch.findings.compose_controls import counted
from hullwatch.findings.diff_controls import accepted_by, diff_controls
from hullwatch.posture.coverage import Covered
from hullwatch.posture.engine import Result
from hullwatch.settings import AcceptedRisk

logger = logging.getLogger(__name__)

#: The longest a worker can hold a scope, in seconds: the function's timeout must be shorter.
LEASE_SECONDS = 930


@contextmanager
def leased(services: Services, scope: str) -> Iterator[dict[str, int]]:
    """Hold a scope while it is read and settled: of two readings the later one counts.

    What the caller puts into the dictionary is noted as the scope's counts of verdicts.

    Raises :class:`~hullwatch.errors.LeaseHeld` while another worker surveys the scope.
    """
    now = services.now()
    lease = services.controls.lease(scope, now, now + LEASE_SECONDS)
    if not lease:
        raise LeaseHeld(f"another worker surveys {scope}")
    verdicts: dict[str, int] = {}
    try:
        yield verdicts
    finally:
        services.controls.release(scope, lease, services.timestamp(), verdicts or None)


def settle_controls(
    services: Services, results: Sequence[Result], covered: Covered, exceptions: Sequence[AcceptedRisk] = ()
) -> dict[str, int]:
    """Settle the part that ``covered`` names, whose lease the caller holds, and count the verdicts.

    ``results`` are all of one evaluation. Of a whole part, an API that did not give all of it is one finding.
    Settling the same again changes and sends nothing.
    """
    today = datetime.fromisoformat(services.timestamp()).date()
    _bring_in_line(services, results, covered, exceptions)
    accepted = sum(accepted_by(exceptions, result, covered.scope, today) is not None for result in results)
    counts = counted(results, accepted)
    for risk in exceptions:
        if risk.until < today:
            logger.warning("the exception of %s for %s is over: %s", risk.control, risk.resource, risk)
    return counts


def _bring_in_line(
    services: Services, results: Sequence[Result], covered: Covered, exceptions: Sequence[AcceptedRisk]
) -> None:
    stored = services.controls.findings(covered.part.scope)
    changes = diff_controls(stored, results, covered=covered, now=services.timestamp(), exceptions=exceptions)
    now = services.now()
    services.controls.save(changes.to_send, "PENDING", now)
    for finding in changes.kept:
        if finding != stored[finding.id]:
            services.controls.name_witnesses(finding)
    logger.info(
        "%s: %d opened, %d changed, %d resolved, %d kept",
        covered.part.scope,
        len(changes.opened) + len(changes.reopened),
        len(changes.updated),
        len(changes.resolved),
        len(changes.kept),
    )
