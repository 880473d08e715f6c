"""Surveys under faults: whatever AWS answers once, whoever dies, in whatever order events come."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
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
OWN_READS = ["dynamodb:GetItem", "dynamodb:Query", "s3:GetObject"]
WRITES = [
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

    def register(self, family: str, *, privileged: bool) -> str:
        container = {"name": "web", "image": self._image, "memory": 128, "privileged": privileged}
        answer = self._ecs.register_task_definition(family=family, containerDefinitions=[container])
        return str(answer["taskDefinition"]["taskDefinitionArn"])

    def start(self, family: str) -> None:
        """A privileged definition, its service and a task of it: all there is before anybody is told."""
        definition = self.register(family, privileged=True)
        self._ecs.create_service(
            cluster="prod", serviceName=family, taskDefinition=definition, desiredCount=0
        )
        answer = self._ecs.run_task(cluster="prod", taskDefinition=definition, launchType="FARGATE")
        arn = str(answer["tasks"][0]["taskArn"])
        task = self._backend().tasks["prod"][arn]
        task.group = f"service:{family}"
        task.containers[0].image_digest = self.digest
        self._tasks.append(arn)

    def mend(self, family: str) -> None:
        """A revision that is in order, and the service deployed with it."""
        definition = self.register(family, privileged=False)
        self._ecs.update_service(cluster="prod", service=family, taskDefinition=definition)
        # moto leaves the deployment as it was at first.
        self._backend().services[f"prod:{family}"].deployments[0]["taskDefinition"] = definition

    def stop(self) -> None:
        """Nothing runs any more."""
        for arn in self._tasks:
            self._backend().tasks["prod"].pop(arn)
        self._tasks.clear()

    def registered(self, family: str) -> None:
        """What CloudTrail tells of a new revision."""
        self._call("RegisterTaskDefinition", family=family)

    def served(self, family: str) -> None:
        """What CloudTrail tells of a service that was changed."""
        self._call("UpdateService", cluster="prod", service=family)

    def task(self, family: str, status: str) -> None:
        """What ECS tells of a task."""
        detail = {
            "clusterArn": f"arn:aws:ecs:{self.it.cloud.region}:{self.it.cloud.account}:cluster/prod",
            "group": f"service:{family}",
            "lastStatus": status,
        }
        self.it.cloud.push_event(detail, "ECS Task State Change", source="aws.ecs")

    def _call(self, name: str, **request: str) -> None:
        detail = {"eventSource": "ecs.amazonaws.com", "eventName": name, "requestParameters": request}
        self.it.cloud.push_event(detail, "AWS API Call via CloudTrail", source="aws.ecs")

    def _backend(self) -> Any:
        return ecs_backends[self.it.cloud.account][self.it.cloud.region]

    def tell(self, family: str) -> set[str]:
        """Everything that happened, in order, while faults are armed; gives those that did not happen."""
        try:
            self.registered(family)
            self.served(family)
            self.task(family, "RUNNING")
            self.it.cloud.wait_idle(120)
            return self.it.cloud.faults.unspent()
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


Expected = dict[str, tuple[str, str]]


def ends_well(shop: Shop, family: str, expected: Expected) -> None:
    assert stored(shop, family) == expected
    assert states(shop.it, f"TaskDefinition/{family}")[PRIVILEGED] == "ACTIVE"
    assert runs(shop) == "running"
    assert dead_letters(shop.it) == 0
    (meta,) = (i for i in shop.it._items() if (i["pk"], i["sk"]) == ("POSTURE#ecs", "META"))
    assert "lease" not in meta


def armed(shop: Shop, operations: Iterable[str], how: How, times: int = 2) -> None:
    for operation in operations:
        shop.it.cloud.faults.fail(operation, how=how, times=times)


@pytest.mark.parametrize("fault", ["throttle", "server_error", "lost_request"])
def test_every_call_may_fail_once_or_twice(idle: Shop, without_faults: Expected, fault: How) -> None:
    family = fault.replace("_", "-")
    idle.start(family)
    armed(idle, (*READS, *OWN_READS, *WRITES), fault)
    assert idle.tell(family) == set()
    ends_well(idle, family, without_faults)


def test_writes_that_were_done_and_not_answered_do_no_harm(idle: Shop, without_faults: Expected) -> None:
    idle.start("lost")
    armed(idle, WRITES, "lost_response")
    assert idle.tell("lost") == set()
    ends_well(idle, "lost", without_faults)


def test_workers_that_are_killed_once_change_nothing(idle: Shop, without_faults: Expected) -> None:
    idle.start("killed")
    for worker in WORKERS:
        idle.it.cloud.faults.kill_worker(f"hullwatch-{worker}")
    assert idle.tell("killed") == set()
    ends_well(idle, "killed", without_faults)


def test_a_planned_survey_whose_workers_are_killed_once(idle: Shop, without_faults: Expected) -> None:
    idle.start("planned")
    for worker in ("plan-survey", "survey-scope"):
        idle.it.cloud.faults.kill_worker(f"hullwatch-{worker}")
    assert survey(idle.it) == "SUCCEEDED"
    assert idle.it.cloud.faults.unspent() == set()
    ends_well(idle, "planned", without_faults)


@pytest.mark.parametrize("call", ["dynamodb:BatchWriteItem", "sqs:SendMessageBatch"])
def test_a_worker_that_dies_at_work_leaves_nothing_half_said(
    idle: Shop, without_faults: Expected, call: str
) -> None:
    family = f"dies-{call.partition(':')[0]}"
    idle.start(family)
    held = idle.it.cloud.faults.hold(call)
    idle.served(family)
    assert held.reached.wait(60)
    idle.it.cloud.functions.kill("hullwatch-survey-scope")
    # Its lease is over a quarter of an hour later.
    idle.it.cloud.client("dynamodb").update_item(
        TableName=idle.it._table,
        Key={"pk": {"S": "POSTURE#ecs"}, "sk": {"S": "META"}},
        UpdateExpression="SET lease_until = :past",
        ExpressionAttributeValues={":past": {"N": "0"}},
    )
    idle.it.cloud.wait_idle(120)
    # The call that it died in is still on its way.
    ends_well(idle, family, without_faults)
    idle.it.cloud.faults.clear()
    idle.it.cloud.wait_idle(120)
    ends_well(idle, family, without_faults)


def test_what_never_answers_closes_nothing_and_is_mended_by_the_next_survey(
    idle: Shop, without_faults: Expected
) -> None:
    idle.start("refused")
    idle.tell("refused")

    armed(idle, ("ecs:DescribeServices", "ecs:ListTasks"), "throttle", times=1000)
    assert survey(idle.it) == "SUCCEEDED"
    idle.it.cloud.faults.clear()

    ends_well(idle, "refused", without_faults)
    assert "ecs:DescribeServices" in unread(idle)

    assert survey(idle.it) == "SUCCEEDED"
    ends_well(idle, "refused", without_faults)
    assert "ecs:DescribeServices" not in unread(idle)


def unread(shop: Shop) -> str:
    """What open findings say of inputs that could not be read."""
    found = (i for i in shop.it._items() if i.get("kind") == "unread" and i["state"] == "OPEN")
    return "; ".join(sorted(breach["path"] for item in found for breach in item["breaches"]))


def test_events_again_and_in_another_order_change_nothing(idle: Shop, without_faults: Expected) -> None:
    idle.start("reordered")
    idle.task("reordered", "STOPPED")
    idle.task("reordered", "RUNNING")
    idle.served("reordered")
    idle.it.cloud.wait_idle(120)
    idle.tell("reordered")
    ends_well(idle, "reordered", without_faults)

    sent, items = idle.it.cloud.faults.calls["securityhub:BatchImportFindings"], written(idle)
    idle.tell("reordered")
    assert idle.it.cloud.faults.calls["securityhub:BatchImportFindings"] == sent
    assert written(idle) == items


def written(shop: Shop) -> list[dict[str, Any]]:
    """Findings about ECS and what runs, as the table has them."""
    found = (i for i in shop.it._items() if i["pk"].startswith(("POSTURE#ecs", "SURVEY#", "RUN#")))
    return sorted((i for i in found if i["sk"] != "META"), key=lambda item: (item["pk"], item["sk"]))


def test_what_changes_while_a_survey_reads_is_what_counts(idle: Shop, without_faults: Expected) -> None:
    idle.start("later")
    idle.tell("later")
    ends_well(idle, "later", without_faults)
    calls = idle.it.cloud.faults.calls

    # It has read everything, and is about to compare it with what was there.
    held = idle.it.cloud.faults.hold("dynamodb:Query")
    idle.served("later")
    assert held.reached.wait(60)
    idle.mend("later")
    idle.stop()
    surveys = calls["worker:hullwatch-survey-scope"]
    idle.served("later")
    idle.task("later", "STOPPED")
    # The survey of the change was turned away, and comes again.
    end = time.monotonic() + 60
    while calls["worker:hullwatch-survey-scope"] < surveys + 2 and time.monotonic() < end:
        time.sleep(0.01)
    held.release()
    idle.it.cloud.wait_idle(120)

    assert "another worker surveys ecs" in idle.it.cloud.worker_logs("hullwatch-survey-scope")
    assert states(idle.it, "TaskDefinition/later")[PRIVILEGED] == "ARCHIVED"
    assert runs(idle) == "not running"
    assert dead_letters(idle.it) == 0
