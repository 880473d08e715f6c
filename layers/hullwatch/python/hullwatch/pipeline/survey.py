"""What is configured and what runs: which parts to read, and one part read, judged and settled."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

import boto3
import msgspec

from hullwatch.aws import change_events
from hullwatch.aws.change_events import RoleChanged
from hullwatch.aws.queue import ImageMessage
from hullwatch.aws.running_records import Where
from hullwatch.aws.services import Services
from hullwatch.aws.survey.task_definitions import StoredTaskDefinitions
from hullwatch.errors import AccessRefused, MessageInvalid
from hullwatch.pipeline.reading import RUNNING, PartReading
from hullwatch.pipeline.settle_controls import leased, settle_controls
from hullwatch.posture.catalogue import severity_of
from hullwatch.posture.coverage import Covered, covered_by
from hullwatch.posture.engine import Control, evaluate
from hullwatch.posture.model.ecs import TaskDefinition
from hullwatch.posture.model.image import RunningImage
from hullwatch.posture.model.running import alone
from hullwatch.posture.model.snapshot import READ, InputState, Resource, Snapshot
from hullwatch.posture.parts import Part, by_scope, controls_in, whole_of
from hullwatch.posture.standards import controls_of
from hullwatch.settings import accepted_risks

logger = logging.getLogger(__name__)


def take_changes(services: Services, bodies: Mapping[str, str]) -> None:
    """Start one survey of everything that a batch of events says has changed.

    ``bodies``: the messages of the queue by id. What is no event of ours is dropped.
    """
    changed: list[Part | RoleChanged] = []
    for body in bodies.values():
        try:
            changed += change_events.read(body)
        except MessageInvalid as error:
            # Nothing here can ever succeed, so it must not go round until it reaches the dead-letter queue.
            logger.warning("dropped a message: %s", error)
    scopes = by_scope(_parts(services, changed))
    if not scopes:
        return
    # A batch that comes again, whole, finds its own execution.
    name = hashlib.sha256("|".join(sorted(bodies)).encode()).hexdigest()[:32]
    services.surveys.start(f"changes-{name}", {"scopes": msgspec.to_builtins(scopes)})
    logger.info(
        "surveying %s", ", ".join(f"{part.scope} {part.name}".strip() for parts in scopes for part in parts)
    )


def _parts(services: Services, changed: list[Part | RoleChanged]) -> Iterator[Part]:
    roles = {change.role for change in changed if isinstance(change, RoleChanged)}
    yield from (change for change in changed if isinstance(change, Part))
    if not roles:
        return
    yield Part(kind="account")
    for scope, used in services.running.roles().items():
        # A policy does not name the roles that it is attached to: any of those in use may be one of them.
        if used and ("" in roles or roles & {arn.rsplit("/", 1)[-1] for arn in used}):
            yield whole_of(scope)


def plan_survey(services: Services) -> dict[str, Any]:
    """Every part there is, and those of clusters that are gone since the last survey, for the workflow."""
    clusters = {part.cluster for part in map(whole_of, services.running.scopes()) if part.kind == "cluster"}
    try:
        clusters |= set(services.clusters())
    except AccessRefused as error:
        # The other parts, and the clusters that are known, can be surveyed all the same.
        logger.warning("clusters could not be listed: %s", error)
    parts = [
        Part(kind="account"),
        Part(kind="ecr"),
        Part(kind="ecs"),
        Part(kind="functions"),
        *(Part(kind="cluster", cluster=name) for name in sorted(clusters)),
    ]
    return {"scopes": msgspec.to_builtins(by_scope(parts))}


def survey_scope(services: Services, parts: Sequence[Part]) -> None:
    """Read parts of one scope, judge them, and bring their findings and their running images in line.

    What AWS or a cluster refuses is in the verdicts. Images of which something else runs now go to the intake
    queue. Raises :class:`~hullwatch.errors.LeaseHeld` while another worker surveys the scope.
    """
    with leased(services, parts[0].scope) as verdicts:
        waiting = list(parts)
        for part in waiting:  # to which a service adds its families
            counts, families = _survey(services, part)
            waiting += [family for family in families if family not in waiting]
            if part.whole:
                verdicts |= counts


def _survey(services: Services, part: Part) -> tuple[dict[str, int], list[Part]]:
    """How many verdicts of each kind there are, and what else has to be read for a service's sake."""
    controls = controls_in(part.kind, controls_of())
    at = services.timestamp()
    reading = _reading(services, part, controls, at)
    if reading.is_gone:
        everything = frozenset(control.id for control in controls)
        counts = settle_controls(services, [], Covered(part=part, scope=reading.scope, controls=everything))
        services.running.forget(part.scope, at, partial(_look_again, services))
        return counts, []
    # For the registry, what runs is what the other parts have seen.
    images, known = _in_use(services, at) if part.kind == "ecr" else ([], {})
    snapshot = reading.snapshot(images, known)
    results = [
        result
        for result in evaluate(snapshot, controls, severity_of)
        # What else was read only serves the judgement, and was not read to the end.
        if part.whole or part.is_about(result.resource)
    ]
    counts = settle_controls(services, results, covered_by(snapshot, controls, part), accepted_risks())
    _settle_running(services, part, reading, snapshot, at)
    if part.subject != "service":
        return counts, []
    # Which revisions a service runs is part of what is said about their families.
    families = {definition.family for definition in snapshot.of(TaskDefinition)}
    return counts, [Part(kind="ecs", subject="family", name=name) for name in sorted(families)]


#: Seconds for all requests to a cluster, of the 900 that a function has.
_CLUSTER_SECONDS = 600


def _reading(services: Services, part: Part, controls: list[Control], at: str) -> PartReading:
    return PartReading(
        services.client,
        boto3.Session(),
        part,
        controls,
        account=services.environment.account,
        region=services.environment.region,
        now=datetime.fromisoformat(at),
        kept=StoredTaskDefinitions(services.evidence, services.now()),
        seconds=_CLUSTER_SECONDS,
    )


def _in_use(services: Services, at: str) -> tuple[list[RunningImage], dict[str, InputState]]:
    """Images that the other parts have seen running, and whether those are all."""
    known = services.running.all_known(at)
    state = READ if known else InputState("not-read", "not all that runs was surveyed lately")
    images = [
        RunningImage(
            digest=entry.digest,
            image=entry.image,
            resource=Resource(kind=entry.kind, namespace=entry.cluster, name=entry.workload),
            path="image",
        )
        for entry in services.running.everything()
    ]
    return images, dict.fromkeys(("pods", "ecs:DescribeTasks"), state)


def _settle_running(
    services: Services, part: Part, reading: PartReading, snapshot: Snapshot, at: str
) -> None:
    """Bring the running inventory in line, and have images looked at for which something has changed."""
    if part.kind not in RUNNING:
        return
    only = None
    if part.name:
        only = (part.cluster, part.name if part.subject == "service" else alone(part.name))
    running = reading.running(snapshot)
    complete = reading.inputs[RUNNING[part.kind]].complete
    services.running.replace(
        part.scope,
        running,
        complete=complete,
        at=at,
        tell=partial(_look_again, services),
        vague=reading.vague,
        only=only,
    )


def _look_again(services: Services, changed: set[Where]) -> None:
    """Have images scanned, or their tracks settled, of which something else runs now."""
    own = [where for where in changed if where.own]
    services.queue.send(
        [
            ImageMessage(where.repository, where.digest)
            for where in sorted(own, key=lambda where: (where.repository, where.digest))
        ]
    )
