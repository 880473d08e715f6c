"""One part of an account read once, whoever asks: AWS's side, and for a cluster its own API as well."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

import boto3

from hullwatch.aws.survey.survey import AccountSurvey
from hullwatch.aws.survey.task_definitions import TaskDefinitions
from hullwatch.errors import AccessRefused, ConfigurationError
from hullwatch.kubernetes.connect import connect
from hullwatch.kubernetes.reachability import Obstacle
from hullwatch.kubernetes.resources import is_resource
from hullwatch.kubernetes.running import running as kubernetes_running
from hullwatch.kubernetes.survey import ClusterSurvey
from hullwatch.posture.engine import Control, inputs
from hullwatch.posture.model.running import Running
from hullwatch.posture.model.snapshot import InputState, Scope, Snapshot, Status, Version
from hullwatch.posture.parts import Kind, Part, kind_of
from hullwatch.posture.readers.documents import Document, at, mappings, text
from hullwatch.posture.readers.snapshot import build

#: Inputs that tell what runs, by the kind of part: what is not in them, read to the end, does not run.
RUNNING: dict[Kind, str] = {
    "ecs": "ecs:DescribeTasks",
    "functions": "lambda:GetFunction",
    "cluster": "pods",
}
#: Inputs that tell as whom it runs and how it can be reached, where they are read.
_DETAILS: dict[Kind, tuple[str, ...]] = {
    "ecs": (
        "ecs:DescribeServices",
        "ecs:DescribeTaskDefinition",
        "elasticloadbalancing:DescribeTargetGroups",
    ),
    "cluster": (
        "services",
        "ingresses.networking.k8s.io",
        "serviceaccounts",
        "eks:DescribePodIdentityAssociation",
        "elasticloadbalancing:DescribeLoadBalancers",
    ),
}
#: Of controls about images and workloads alike, each part judges its own.
_ELSEWHERE: dict[Kind, Kind] = {"ecs": "cluster", "cluster": "ecs"}


class PartReading:
    """Reads what ``controls`` need of one part.

    Args:
        client: makes a client of the Region by boto3's service name.
        session: signs the tokens of a cluster.
        part: what is read; ``account`` is everything in AWS, as far as the controls need it.
        now: the time of the reading.
        kept: task definitions read before.
        seconds: for all requests to a cluster.
        told: is called with the kind of each object of a cluster that was read.
    """

    def __init__(
        self,
        client: Callable[[str], Any],
        session: boto3.Session,
        part: Part,
        controls: Iterable[Control],
        *,
        account: str,
        region: str,
        now: datetime,
        kept: TaskDefinitions | None = None,
        seconds: float = 300,
        told: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._part = part
        self._told = told
        self._now = now
        self.scope = Scope(
            account=account, region=region, cluster=part.cluster if part.kind == "cluster" else ""
        )
        wanted = inputs(controls) | ({RUNNING[part.kind]} if part.kind in RUNNING else set())
        elsewhere = {name for name in wanted if kind_of(name) == _ELSEWHERE.get(part.kind, "")}
        wanted -= elsewhere
        #: The state of what is not read here.
        self._others = dict.fromkeys(elsewhere, InputState("absent", "of another part"))
        self._account = AccountSurvey(
            client, wanted, account=account, region=region, now=now, part=part, kept=kept
        )
        self._cluster: ClusterSurvey | None = None
        #: Objects and answers read so far, without refusals.
        self.read = 0
        #: Whether there is no such cluster any more.
        self.is_gone = False
        if part.kind == "cluster":
            self._connect(client, session, wanted, seconds)

    def _connect(
        self, client: Callable[[str], Any], session: boto3.Session, wanted: Iterable[str], seconds: float
    ) -> None:
        try:
            api = connect(client("eks"), session, self._part.cluster, seconds=seconds)
        except (AccessRefused, ConfigurationError) as error:
            status: Status = "forbidden" if isinstance(error, AccessRefused) else "unavailable"
            unread = filter(is_resource, wanted)
            self._others |= dict.fromkeys(unread, InputState(status, str(error)))
            return
        self.is_gone = api is None
        if api:
            self._cluster = ClusterSurvey(api, wanted)

    def snapshot(
        self,
        extra: Iterable[object] = (),
        known: Mapping[str, InputState] | None = None,
        *,
        kubernetes_version: Version | None = None,
        level: str = "",
    ) -> Snapshot:
        """What was read, with ``extra`` objects that others know and how well they do.

        ``kubernetes_version`` and ``level`` are as for :func:`~hullwatch.posture.readers.snapshot.build`.
        """
        self._others |= known or {}
        return build(
            self._documents(),
            scope=self.scope,
            inputs=self.inputs,
            now=self._now,
            extra=extra,
            kubernetes_version=kubernetes_version,
            level=level,
        )

    @property
    def inputs(self) -> Mapping[str, InputState]:
        """How each input was read so far."""
        cluster = self._cluster.inputs if self._cluster else {}
        return ChainMap(self._others, cluster, self._account.inputs)

    @property
    def obstacle(self) -> Obstacle | None:
        """Why nothing of a cluster's own API could be read."""
        return self._cluster.obstacle if self._cluster else None

    def running(self, snapshot: Snapshot) -> list[Running]:
        """What runs of this part, once ``snapshot`` was read."""
        if self._part.kind == "cluster":
            return kubernetes_running(snapshot)
        return list(self._account.running())

    @property
    def vague(self) -> bool:
        """Whether something that tells more of what runs did not answer this time."""
        details = _DETAILS.get(self._part.kind, ())
        return any(self.inputs[name].status == "unavailable" for name in details if name in self.inputs)

    def _documents(self) -> Iterator[Document]:
        if self._cluster:
            for document in self._cluster.documents():
                self.read += 1
                self._told(document["kind"])
                if document["kind"] == "Pod":
                    self._note_images(document)
                yield document
        for answer in self._account.documents():
            self.read += "refused" not in answer
            yield answer

    def _note_images(self, pod: Document) -> None:
        """The registry is asked about what the pods of a cluster run."""
        for key in ("containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses"):
            for status in mappings(at(pod, "status", key)):
                digest = text(status.get("imageID", "")).rpartition("@")[2]
                self._account.uses(text(status.get("image", "")), digest)
        for key in ("containers", "initContainers", "ephemeralContainers"):
            for container in mappings(at(pod, "spec", key)):
                self._account.uses(text(container.get("image", "")))
