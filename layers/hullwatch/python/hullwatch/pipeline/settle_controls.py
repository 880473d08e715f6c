"""Bring the findings about the configuration of a part in line with an evaluation of it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime

from hullwatch.aws.services import Services
from hullwatch.errors import LeaseHeld
from hullwatch.findings.compose_controls import counted
from hullwatch.findings.diff_controls import accepted_by, diff_controls
from hullwatch.posture.coverage import Covered
from hullwatch.posture.engine import Result
from hullwatch.settings import AcceptedRisk

logger = logging.getLogger(__name__)

#: The longest a worker can hold a part, in seconds: the function's timeout must be shorter.
LEASE_SECONDS = 600


def settle_controls(
    services: Services, results: Sequence[Result], covered: Covered, exceptions: Sequence[AcceptedRisk] = ()
) -> dict[str, int]:
    """Settle the part that ``covered`` names, and count the verdicts.

    ``results`` are all of one evaluation. That of a whole part leaves its counts in the table, and an API
    that did not give all of it is one finding. Settling the same again changes and sends nothing.

    Raises :class:`~hullwatch.errors.LeaseHeld` while another worker settles the part.
    """
    part, now, at = covered.part.scope, services.now(), services.timestamp()
    lease = services.controls.lease(part, now, now + LEASE_SECONDS)
    if not lease:
        raise LeaseHeld(f"another worker settles {part}")
    today = datetime.fromisoformat(at).date()
    counts: dict[str, int] | None = None
    try:
        _bring_in_line(services, results, covered, exceptions)
        accepted = sum(
            accepted_by(exceptions, result, covered.scope, today) is not None for result in results
        )
        counts = counted(results, accepted)
    finally:
        services.controls.release(part, lease, at, counts if covered.part.whole else None)
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
    for finding in changes.to_send:
        services.controls.save(finding, "PENDING", now)
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
