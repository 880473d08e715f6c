"""The adapters of one deployment, each made when it is first needed: a handler pays for what it uses."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import boto3
import urllib3
from botocore.config import Config

from hullwatch.advisories.match import Advisories
from hullwatch.aws.control_records import ControlRecords
from hullwatch.aws.ecr import Repository
from hullwatch.aws.errors import translated
from hullwatch.aws.events import EventBus
from hullwatch.aws.evidence import Evidence
from hullwatch.aws.executions import Executions
from hullwatch.aws.finding_records import FindingRecords
from hullwatch.aws.generation import Generations
from hullwatch.aws.image_records import ImageRecords
from hullwatch.aws.layer_records import LayerRecords
from hullwatch.aws.queue import IntakeQueue
from hullwatch.aws.running_records import RunningRecords
from hullwatch.aws.securityhub import SecurityHub
from hullwatch.aws.shards import EvidenceSource
from hullwatch.aws.table import Table
from hullwatch.aws.track_records import TrackRecords
from hullwatch.inventory.dispatch import analyzer
from hullwatch.settings import Environment

_CONFIG = Config(
    retries={"mode": "standard", "max_attempts": 4},
    connect_timeout=5,
    read_timeout=30,
    user_agent_extra="hullwatch",
)


def _client(service: str) -> Any:
    return boto3.client(service, config=_CONFIG)


@dataclass
class Services:
    """What the pipeline's steps work with. ``client`` makes an AWS client, ``clock`` gives epoch seconds."""

    environment: Environment
    client: Callable[[str], Any] = field(default=_client)
    clock: Callable[[], float] = field(default=time.time)
    _opened: tuple[str, Advisories | None] = ("", None)

    @classmethod
    def from_environment(cls, variables: Mapping[str, str]) -> Services:
        """The services that a function's environment names."""
        return cls(Environment.read(variables))

    def now(self) -> int:
        """Epoch seconds."""
        return int(self.clock())

    def timestamp(self) -> str:
        """The time, as findings and records carry it."""
        return timestamp(self.clock())

    @cached_property
    def table(self) -> Table:
        return Table(self.client("dynamodb"), self.environment.table)

    @cached_property
    def images(self) -> ImageRecords:
        return ImageRecords(self.table)

    @cached_property
    def layers(self) -> LayerRecords:
        return LayerRecords(self.table, analyzer())

    @cached_property
    def tracks(self) -> TrackRecords:
        return TrackRecords(self.table, self.environment.account, self.environment.region)

    @cached_property
    def running(self) -> RunningRecords:
        return RunningRecords(self.table, self.environment.account, self.environment.region)

    @cached_property
    def controls(self) -> ControlRecords:
        return ControlRecords(self.table)

    @cached_property
    def findings(self) -> FindingRecords:
        return FindingRecords(self.table, self.tracks, self.controls)

    @cached_property
    def evidence(self) -> Evidence:
        return Evidence(self.client("s3"), self.environment.bucket)

    @cached_property
    def generations(self) -> Generations:
        return Generations(self.evidence)

    def advisories(self, generation: str) -> Advisories:
        """A generation of advisories, open for matching; the last one asked for stays open."""
        name, opened = self._opened
        if opened is None or name != generation:
            if opened:
                opened.close()
            opened = Advisories.open(EvidenceSource(self.evidence, generation))
            self._opened = (generation, opened)
        return opened

    @cached_property
    def executions(self) -> Executions:
        return Executions(self.client("stepfunctions"), self.environment.scan_state_machine_arn)

    @cached_property
    def surveys(self) -> Executions:
        return Executions(self.client("stepfunctions"), self.environment.survey_state_machine_arn)

    @cached_property
    def queue(self) -> IntakeQueue:
        return IntakeQueue(self.client("sqs"), self.environment.intake_queue_url)

    @cached_property
    def bus(self) -> EventBus:
        return EventBus(self.client("events"), self.environment.bus)

    @cached_property
    def hub(self) -> SecurityHub:
        return SecurityHub(self.client("securityhub"))

    @cached_property
    def http(self) -> urllib3.PoolManager:
        return urllib3.PoolManager(timeout=urllib3.Timeout(connect=5, read=60), retries=False)

    @cached_property
    def _ecr(self) -> Any:
        return self.client("ecr")

    def clusters(self) -> list[str]:
        """The names of the EKS clusters of this account and Region."""
        with translated("listing clusters"):
            pages = self.client("eks").get_paginator("list_clusters").paginate()
            return [name for page in pages for name in page["clusters"]]

    def repository(self, name: str) -> Repository:
        """A repository of this account's registry."""
        return Repository(self._ecr, self.http, name)


def timestamp(seconds: float) -> str:
    """Epoch seconds as ISO 8601 in UTC, with milliseconds."""
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"
