"""Surveys under faults: whatever AWS answers once, whoever dies, in whatever order events come."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from moto.ecs.models import ecs_backends

from local_aws.faults import How
from tests.e2e.rematch_cloud import RematchCloud, deployed
from tests.e2e.test_pipeline import VULNERABLE, dead_letters, push
from tests.e2e.test_posture import PRIVILEGED, about_packages, states, survey

#: What a survey of ECS reads, and what it reads of its own.
READS = [
    "ecs:ListAccountSettings",
    "ecs:ListClusters",
    "ecs:DescribeClusters",
    "ecs:ListServices",
    "ecs:DescribeServices",
    "ecs:ListTasks",
    "ecs:DescribeTasks",
    "ecs:ListTaskDefinitions",
    "ecs:DescribeTaskDefinition",
    "ecr:DescribeRepositories",
    "ecr:DescribeImages",
]
OWN_READS = ["dynamodb:GetItem", "dynamodb:Query", "s3:GetObject", "securityhub:DescribeHub"]
WRITES = [
    "dynamodb:PutItem",
    "dynamodb:UpdateItem",
    "dynamodb:BatchWriteItem",
    "s3:PutObject",
    "sqs:SendMessageBatch",
    "stepfunctions:StartExecution",
    "events:PutEvents",
    "securityhub:BatchImportFindings",
]
WORKERS = ["take-changes", "survey-scope", "publish-findings", "intake"]
REPOSITORY = "team/shop"


class Shop:
    """A service whose newest task definition is privileged, in the local AWS, and the events about it."""

    def __init__(self, it: RematchCloud, digest: str) -> None:
        self.it = it
        self.digest = digest
        self._ecs = it.cloud.client("ecs")
        self._image = f"{it.cloud.account}.dkr.ecr.{it.cloud.region}.amazonaws.com/{REPOSITORY}:v1"
        self._tasks: list[str] = []

    def register(self, family: str, *, privileged: bool = True) -> str:
        container = {"name": "web", "image": self._image, "memory": 128, "privileged": privileged}
        answer = self._ecs.register_task_definition(family=family, containerDefinitions=[container])
        return str(answer["taskDefinition"]["taskDefinitionArn"])

    def start(self, family: str) -> None:
        """A privileged definition, its service and a task of it: all there is before anybody is told."""
        definition = self.register(family)
        self._ecs.create_service(
            cluster="prod", serviceName=family, taskDefinition=definition, desiredCount=0
        )
        answer = self._ecs.run_task(cluster="prod", taskDefinition=definition, launchType="FARGATE")
        arn = str(answer["tasks"][0]["taskArn"])
        task = self._running()[arn]
        task.group = f"service:{family}"
        task.containers[0].image_digest = self.digest
        self._tasks.append(arn)

    def stop(self) -> None:
        """Nothing runs any more, and that is known."""
        for arn in self._tasks:
            self._running().pop(arn)
        self._tasks.clear()

    def registered(self, family: str) -> None:
        """What CloudTrail tells of a new revision."""
        detail = {
            "eventSource": "ecs.amazonaws.com",
            "eventName": "RegisterTaskDefinition",
            "requestParameters": {"family": family},
        }
        self.it.cloud.push_event(detail, "AWS API Call via CloudTrail", source="aws.ecs")

    def served(self, family: str) -> None:
        """What CloudTrail tells of a new service."""
        detail = {
            "eventSource": "ecs.amazonaws.com",
            "eventName": "CreateService",
            "requestParameters": {"cluster": "prod", "serviceName": family},
        }
        self.it.cloud.push_event(detail, "AWS API Call via CloudTrail", source="aws.ecs")

    def task(self, family: str, status: str = "RUNNING") -> None:
        """What ECS tells of a task."""
        detail = {
            "clusterArn": f"arn:aws:ecs:{self.it.cloud.region}:{self.it.cloud.account}:cluster/prod",
            "group": f"service:{family}",
            "lastStatus": status,
        }
        self.it.cloud.push_event(detail, "ECS Task State Change", source="aws.ecs")

    def _running(self) -> dict[str, Any]:
        tasks: dict[str, Any] = ecs_backends[self.it.cloud.account][self.it.cloud.region].tasks["prod"]
        return tasks

    def tell(self, family: str) -> None:
        """Everything that happened, in order, while faults are armed; what is left of them is disarmed."""
        try:
            self.registered(family)
            self.served(family)
            self.task(family)
            self.it.cloud.wait_idle(120)
        finally:
            self.it.cloud.faults.clear()


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """An account that was surveyed, and an image in it that does not run."""
    with deployed(tmp_path_factory.mktemp("mirror")) as it:
        assert it.refresh() == "SUCCEEDED"
        it.cloud.client("ecs").create_cluster(clusterName="prod")
        assert survey(it) == "SUCCEEDED"
        shop = Shop(it, push(it, REPOSITORY, VULNERABLE, "v1"))
        assert runs(shop) == "not running"
        yield shop


@pytest.fixture
def idle(shop: Shop) -> Iterator[Shop]:
    """The account, in which nothing runs before a test."""
    yield shop
    shop.stop()
    assert survey(shop.it) == "SUCCEEDED"
    assert runs(shop) == "not running"


def runs(shop: Shop) -> str:
    """What the finding about the image's package says of what runs."""
    reasons = about_packages(shop.it, REPOSITORY)["Django"]["reasons"]
    return next(reason for reason in reasons if "run" in reason)


def stored(shop: Shop, family: str) -> dict[str, tuple[str, str]]:
    """What the table says about a service and its definition, by control: state and outbox."""
    return {
        f"{item['resource']['kind']} {item['control']}": (item["state"], item["outbox"])
        for item in shop.it._items()
        if item["pk"] == "POSTURE#ecs" and item["sk"] != "META" and item["resource"]["name"] == family
    }


@pytest.fixture(scope="module")
def without_faults(shop: Shop) -> dict[str, tuple[str, str]]:
    """What the table says in the end when nothing went wrong."""
    shop.start("fault-free")
    shop.tell("fault-free")
    assert runs(shop) == "running"
    found = stored(shop, "fault-free")
    assert found[f"TaskDefinition {PRIVILEGED}"] == ("OPEN", "SENT")
    shop.stop()
    assert survey(shop.it) == "SUCCEEDED"
    return found


def ends_well(shop: Shop, family: str, expected: dict[str, tuple[str, str]]) -> None:
    assert stored(shop, family) == expected
    assert states(shop.it, f"TaskDefinition/{family}")[PRIVILEGED] == "ACTIVE"
    assert runs(shop) == "running"
    assert dead_letters(shop.it) == 0
    (meta,) = (i for i in shop.it._items() if (i["pk"], i["sk"]) == ("POSTURE#ecs", "META"))
    assert "lease" not in meta


Expected = dict[str, tuple[str, str]]


@pytest.mark.parametrize("fault", ["throttle", "server_error", "lost_request"])
def test_every_call_may_fail_once_or_twice(idle: Shop, without_faults: Expected, fault: How) -> None:
    family = fault.replace("_", "-")
    idle.start(family)
    for operation in (*READS, *OWN_READS, *WRITES):
        idle.it.cloud.faults.fail(operation, how=fault, times=2)
    idle.tell(family)
    ends_well(idle, family, without_faults)


def test_writes_that_were_done_and_not_answered_do_no_harm(idle: Shop, without_faults: Expected) -> None:
    idle.start("lost")
    for operation in WRITES:
        idle.it.cloud.faults.fail(operation, how="lost_response", times=2)
    idle.tell("lost")
    ends_well(idle, "lost", without_faults)


def test_workers_that_are_killed_once_change_nothing(idle: Shop, without_faults: Expected) -> None:
    idle.start("killed")
    for worker in WORKERS:
        idle.it.cloud.faults.kill_worker(f"hullwatch-{worker}")
    idle.tell("killed")
    ends_well(idle, "killed", without_faults)
