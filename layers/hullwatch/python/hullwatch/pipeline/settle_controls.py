"""Bring the findings about the configuration of a scope in line with an evaluation of it."""

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

#: The longest a worker can hold a scope, in seconds: the function's timeout must be shorter.
LEASE_SECONDS = 600


def settle_controls(
    services: Services, results: Sequence[Result], covered: Covered, exceptions: Sequence[AcceptedRisk] = ()
) -> dict[str, int]:
    """Settle the scope that ``covered`` names, and count its verdicts.

    ``results`` are all of one evaluation of the whole scope: its counts replace those of the last one, and an
    API of which a part could not be read is one finding. Settling the same again changes and sends nothing.

    Raises :class:`~hullwatch.errors.LeaseHeld` while another worker settles the scope.
    """
    scope, now, at = covered.scope, services.now(), services.timestamp()
    lease = services.controls.lease(scope, now, now + LEASE_SECONDS)
    if not lease:
        raise LeaseHeld(f"another worker settles {scope.cluster or 'the account'}")
    today = datetime.fromisoformat(at).date()
    counts: dict[str, int] | None = None
    try:
        _bring_in_line(services, results, covered, exceptions)
        accepted = sum(accepted_by(exceptions, result, scope, today) is not None for result in results)
        counts = counted(results, accepted)
    finally:
        services.controls.release(scope, lease, at, counts)
    for risk in exceptions:
        if risk.until < today:
            logger.warning("the exception of %s for %s is over: %s", risk.control, risk.resource, risk)
    return counts


def _bring_in_line(
    services: Services, results: Sequence[Result], covered: Covered, exceptions: Sequence[AcceptedRisk]
) -> None:
    stored = services.controls.findings(covered.scope)
    changes = diff_controls(stored, results, covered=covered, now=services.timestamp(), exceptions=exceptions)
    now = services.now()
    for finding in changes.to_send:
        services.controls.save(finding, "PENDING", now)
    for finding in changes.kept:
        if finding != stored[finding.id]:
            services.controls.name_witnesses(finding)
    logger.info(
        "%s: %d opened, %d changed, %d resolved, %d kept",
        covered.scope.cluster or "the account",
        len(changes.opened) + len(changes.reopened),
        len(changes.updated),
        len(changes.resolved),
        len(changes.kept),
    )
