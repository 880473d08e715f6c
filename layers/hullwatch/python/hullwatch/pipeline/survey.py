"""What is configured and what runs: which parts to read, and one part read, judged and settled."""

from __future__ import annotations

import hashlib
import logging
from collections import ChainMap
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import boto3
import msgspec

from hullwatch.aws import change_events
from hullwatch.aws.change_events import RoleChanged
from hullwatch.aws.queue import ImageMessage
from hullwatch.aws.running_records import Where
from hullwatch.aws.services import Services
from hullwatch.aws.survey.survey import AccountSurvey
from hullwatch.aws.survey.task_definitions import StoredTaskDefinitions
from hullwatch.errors import AccessRefused, ConfigurationError, MessageInvalid
from hullwatch.kubernetes.connect import connect
from hullwatch.kubernetes.resources import is_resource
from hullwatch.kubernetes.running import running as kubernetes_running
from hullwatch.kubernetes.survey import ClusterSurvey
from hullwatch.pipeline.settle_controls import leased, settle_controls
from hullwatch.posture.catalogue import severity_of
from hullwatch.posture.coverage import Covered, covered_by
from hullwatch.posture.engine import Control, evaluate, inputs
from hullwatch.posture.model.ecs import TaskDefinition
from hullwatch.posture.model.image import RunningImage
from hullwatch.posture.model.snapshot import READ, InputState, Resource, Scope, Snapshot, Status
from hullwatch.posture.parts import Kind, Part, by_scope, controls_in, kind_of
from hullwatch.posture.readers.documents import Document, at, mappings, text
from hullwatch.posture.readers.snapshot import build
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
            yield _whole(scope)


def plan_survey(services: Services) -> dict[str, Any]:
    """Every part there is, and those of clusters that are gone since the last survey, for the workflow."""
    clusters = {part.cluster for part in map(_whole, services.running.scopes()) if part.kind == "cluster"}
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


def _whole(scope: str) -> Part:
    kind, slash, cluster = scope.partition("/")
    return Part(kind="cluster", cluster=cluster) if slash else msgspec.convert({"kind": kind}, Part)


def survey_scope(services: Services, parts: Sequence[Part]) -> None:
    """Read parts of one scope, judge them, and bring their findings and their running images in line.

    What AWS or a cluster refuses is in the verdicts. Images of which something else runs now go to the intake
    queue. Raises :class:`~hullwatch.errors.LeaseHeld` while another worker surveys the scope.
    """
    with leased(services, parts[0].scope) as verdicts:
        waiting = dict.fromkeys(parts)
        done: set[Part] = set()
        while part := next((part for part in waiting if part not in done), None):
            counts, families = _survey(services, part)
            done.add(part)
            waiting |= dict.fromkeys(families)
            if part.whole:
                verdicts |= counts


def _survey(services: Services, part: Part) -> tuple[dict[str, int], list[Part]]:
    """How many verdicts of each kind there are, and what else has to be read for a service's sake."""
    controls = controls_in(part.kind, controls_of())
    reading = _Reading(services, part, controls)
    if reading.is_gone:
        everything = frozenset(control.id for control in controls)
        counts = settle_controls(services, [], Covered(part=part, scope=reading.scope, controls=everything))
        _look_again(services, services.running.forget(part.scope, services.timestamp()))
        return counts, []
    snapshot = reading.snapshot()
    results = [
        result
        for result in evaluate(snapshot, controls, severity_of)
        # What else was read only serves the judgement, and was not read to the end.
        if part.whole or part.is_about(result.resource)
    ]
    counts = settle_controls(services, results, covered_by(snapshot, controls, part), accepted_risks())
    _look_again(services, reading.settle_running(snapshot))
    if part.subject != "service":
        return counts, []
    # Which revisions a service runs is part of what is said about their families.
    families = {definition.family for definition in snapshot.of(TaskDefinition)}
    return counts, [Part(kind="ecs", subject="family", name=name) for name in sorted(families)]


#: Inputs that tell what runs, by the kind of part: what is not in them, read to the end, does not run.
_RUNNING: dict[Kind, str] = {
    "ecs": "ecs:DescribeTasks",
    "functions": "lambda:GetFunction",
    "cluster": "pods",
}
#: Seconds for all requests to a cluster, of the 900 that a function has.
_CLUSTER_SECONDS = 600
#: Of controls about images and workloads alike, each part judges its own.
_ELSEWHERE: dict[Kind, Kind] = {"ecs": "cluster", "cluster": "ecs"}


class _Reading:
    """One reading of one part."""

    def __init__(self, services: Services, part: Part, controls: list[Control]) -> None:
        environment = services.environment
        self._services = services
        self._part = part
        self._at = services.timestamp()
        self.scope = Scope(
            account=environment.account,
            region=environment.region,
            cluster=part.cluster if part.kind == "cluster" else "",
        )
        wanted = inputs(controls) | ({_RUNNING[part.kind]} if part.kind in _RUNNING else set())
        elsewhere = {name for name in wanted if kind_of(name) == _ELSEWHERE.get(part.kind, "")}
        wanted -= elsewhere
        #: The state of what is not read here.
        self._others = dict.fromkeys(elsewhere, InputState("absent", "of another part"))
        self._account = AccountSurvey(
            services.client,
            wanted,
            account=environment.account,
            region=environment.region,
            now=datetime.fromisoformat(self._at),
            part=part,
            kept=StoredTaskDefinitions(services.evidence, services.now()),
        )
        self._cluster: ClusterSurvey | None = None
        #: Whether there is no such cluster any more.
        self.is_gone = False
        if part.kind == "cluster":
            self._connect(wanted)

    def _connect(self, wanted: frozenset[str]) -> None:
        try:
            api = connect(
                self._services.client("eks"), boto3.Session(), self._part.cluster, seconds=_CLUSTER_SECONDS
            )
        except (AccessRefused, ConfigurationError) as error:
            status: Status = "forbidden" if isinstance(error, AccessRefused) else "unavailable"
            unread = filter(is_resource, wanted)
            self._others |= dict.fromkeys(unread, InputState(status, str(error)))
            return
        self.is_gone = api is None
        if api:
            self._cluster = ClusterSurvey(api, wanted)

    def snapshot(self) -> Snapshot:
        """What was read."""
        running: list[RunningImage] = []
        if self._part.kind == "ecr":
            running = self._in_use()
        return build(
            self._documents(),
            scope=self.scope,
            inputs=self._inputs,
            now=datetime.fromisoformat(self._at),
            extra=running,
        )

    def settle_running(self, snapshot: Snapshot) -> set[Where]:
        """Bring the running inventory in line, and say for which images something has changed."""
        part = self._part
        if part.kind not in _RUNNING:
            return set()
        running = kubernetes_running(snapshot) if part.kind == "cluster" else list(self._account.running())
        only = None
        if part.name:
            only = (part.cluster, part.name if part.subject == "service" else f"family/{part.name}")
        complete = self._inputs[_RUNNING[part.kind]].complete
        return self._services.running.replace(part.scope, running, complete=complete, at=self._at, only=only)

    def _documents(self) -> Iterator[Document]:
        if self._cluster:
            for document in self._cluster.documents():
                if document.get("kind") == "Pod":
                    self._note_images(document)
                yield document
        yield from self._account.documents()

    def _note_images(self, pod: Document) -> None:
        """The registry is asked about what the pods of a cluster run."""
        for key in ("containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses"):
            for status in mappings(at(pod, "status", key)):
                digest = text(status.get("imageID", "")).rpartition("@")[2]
                self._account.uses(text(status.get("image", "")), digest)
        for key in ("containers", "initContainers", "ephemeralContainers"):
            for container in mappings(at(pod, "spec", key)):
                self._account.uses(text(container.get("image", "")))

    @property
    def _inputs(self) -> Mapping[str, InputState]:
        """How each input was read, filled while the documents are."""
        cluster = self._cluster.inputs if self._cluster else {}
        return ChainMap(self._others, cluster, self._account.inputs)

    def _in_use(self) -> list[RunningImage]:
        """For the registry, what runs is what the other parts have seen."""
        running = self._services.running
        known = running.all_known(self._at)
        state = READ if known else InputState("not-read", "not all that runs was surveyed lately")
        self._others |= dict.fromkeys(("pods", "ecs:DescribeTasks"), state)
        return [
            RunningImage(
                digest=entry.digest,
                image=entry.image,
                resource=Resource(kind=entry.kind, namespace=entry.cluster, name=entry.workload),
                path="image",
            )
            for entry in running.everything()
        ]


def _look_again(services: Services, changed: set[Where]) -> None:
    """Have images scanned, or their tracks settled, of which something else runs now."""
    own = [where for where in changed if "." not in where.repository.partition("/")[0]]
    services.queue.send(
        [
            ImageMessage(where.repository, where.digest)
            for where in sorted(own, key=lambda where: (where.repository, where.digest))
        ]
    )
