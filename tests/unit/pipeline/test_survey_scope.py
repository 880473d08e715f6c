"""One scope read, judged and settled, against prepared answers of AWS and a table in moto."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import boto3
import msgspec
import pytest

from fakes.recorded_account import RecordedAccount
from hullwatch.aws.services import Services, timestamp
from hullwatch.errors import LeaseHeld, SourceUnavailable
from hullwatch.pipeline import survey
from hullwatch.pipeline.settle_controls import LEASE_SECONDS, leased
from hullwatch.posture.model.running import Running
from hullwatch.posture.parts import Part
from hullwatch.settings import AcceptedRisk, Environment

ACCOUNT, REGION = "111122223333", "eu-west-1"
REGISTRY = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com"
ECS = f"arn:aws:ecs:{REGION}:{ACCOUNT}"
CLUSTER = f"{ECS}:cluster/prod"
DIGEST = "sha256:" + "a" * 64
NOW = datetime(2026, 11, 24, 10, tzinfo=UTC)
PRIVILEGED, PUBLIC, STALE = "ecs.task.privileged", "ecs.service.public-ip", "ecr.image.stale"
EVERYTHING = Part(kind="ecs")


def of(family: str) -> Part:
    return Part(kind="ecs", subject="family", name=family)


class World:
    """ECS with services of one name each that run the definition of that name, and one old image in ECR."""

    def __init__(self) -> None:
        #: Families, and whether the containers of their newest revision are privileged.
        self.families: dict[str, bool] = {}
        self.services: set[str] = set()
        #: Services of which a task runs.
        self.running: set[str] = set()
        self.revision = 1
        self.time = NOW.timestamp()
        self.account = RecordedAccount(
            {
                "ecs:ListClusters": {"clusterArns": [CLUSTER]},
                "ecs:DescribeClusters": {
                    "clusters": [{"clusterArn": CLUSTER, "clusterName": "prod", "status": "ACTIVE"}]
                },
                "ecs:ListServices": lambda **_: {"serviceArns": [self._service_arn(n) for n in self._all()]},
                "ecs:DescribeServices": self._describe_services,
                "ecs:ListTasks": self._list_tasks,
                "ecs:DescribeTasks": self._describe_tasks,
                "ecs:ListTaskDefinitions": self._list_definitions,
                "ecs:DescribeTaskDefinition": self._describe_definition,
                "ecr:DescribeRepositories": {
                    "repositories": [
                        {
                            "repositoryName": "shop",
                            "repositoryArn": f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/shop",
                        }
                    ]
                },
                "ecr:DescribeImages": {
                    "imageDetails": [
                        {
                            "repositoryName": "shop",
                            "imageDigest": DIGEST,
                            "imagePushedAt": datetime(2024, 1, 1, tzinfo=UTC),
                        }
                    ]
                },
            }
        )
        environment = Environment(
            account=ACCOUNT,
            region=REGION,
            table="hullwatch",
            bucket="evidence",
            bus="hullwatch",
            intake_queue_url=boto3.client("sqs").get_queue_url(QueueName="intake")["QueueUrl"],
        )
        self.pipeline = Services(environment, client=self._client, clock=lambda: self.time)

    def add(self, family: str, *, privileged: bool = True) -> None:
        self.families[family] = privileged
        self.services.add(family)
        self.running.add(family)

    def mend(self, family: str) -> None:
        """The next revision is in order, and the service runs it."""
        self.families[family] = False
        self.revision += 1

    def survey(self, *parts: Part) -> None:
        self.time += 60
        survey.survey_scope(self.pipeline, parts or (EVERYTHING,))

    def findings(self, scope: str = "ecs") -> dict[tuple[str, str], str]:
        """(control, resource) -> ``OPEN``, or how it ended."""
        return {
            (finding.control, str(finding.resource)): finding.outcome or finding.state
            for finding in self.pipeline.controls.findings(scope).values()
        }

    def open(self, scope: str = "ecs") -> set[tuple[str, str]]:
        return {name for name, state in self.findings(scope).items() if state == "OPEN"}

    def asked(self) -> list[str]:
        """Repositories of the images that were put on the intake queue since the last look."""
        sqs, url = boto3.client("sqs"), self.pipeline.environment.intake_queue_url
        found = []
        while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                found.append(msgspec.json.decode(message["Body"])["repository"])
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return sorted(found)

    def _client(self, service: str) -> Any:
        own = service in ("dynamodb", "s3", "sqs")
        return boto3.client(service) if own else self.account.client(service)

    def _all(self) -> list[str]:
        return sorted(self.services)

    @staticmethod
    def _service_arn(name: str) -> str:
        return f"{ECS}:service/prod/{name}"

    def _definition_arn(self, family: str) -> str:
        return f"{ECS}:task-definition/{family}:{self.revision}"

    def _describe_services(self, services: list[str], **_: Any) -> dict[str, Any]:
        asked = [arn.rpartition("/")[2] for arn in services]
        return {
            "services": [
                {
                    "serviceName": name,
                    "serviceArn": self._service_arn(name),
                    "clusterArn": CLUSTER,
                    "status": "ACTIVE",
                    "taskDefinition": self._definition_arn(name),
                    "networkConfiguration": {
                        "awsvpcConfiguration": {"subnets": ["subnet-1"], "assignPublicIp": "ENABLED"}
                    },
                }
                for name in asked
                if name in self.services
            ],
            "failures": [
                {"arn": self._service_arn(name), "reason": "MISSING"}
                for name in asked
                if name not in self.services
            ],
        }

    def _list_tasks(self, serviceName: str = "", family: str = "", **_: Any) -> dict[str, Any]:
        chosen = serviceName or family
        return {"taskArns": [f"{ECS}:task/prod/{n}" for n in sorted(self.running) if chosen in ("", n)]}

    def _describe_tasks(self, tasks: list[str], **_: Any) -> dict[str, Any]:
        names = [arn.rpartition("/")[2] for arn in tasks]
        return {
            "tasks": [
                {
                    "taskArn": f"{ECS}:task/prod/{name}",
                    "clusterArn": CLUSTER,
                    "group": f"service:{name}",
                    "taskDefinitionArn": self._definition_arn(name),
                    "containers": [{"name": "web", "image": f"{REGISTRY}/{name}:v1", "imageDigest": DIGEST}],
                }
                for name in names
            ]
        }

    def _list_definitions(self, familyPrefix: str = "", **_: Any) -> dict[str, Any]:
        chosen = [name for name in self.families if familyPrefix in ("", name)]
        return {"taskDefinitionArns": [self._definition_arn(name) for name in chosen]}

    def _describe_definition(self, taskDefinition: str, **_: Any) -> dict[str, Any]:
        family = taskDefinition.rpartition("/")[2].partition(":")[0]
        return {
            "taskDefinition": {
                "taskDefinitionArn": taskDefinition,
                "family": family,
                "revision": self.revision,
                "taskRoleArn": f"arn:aws:iam::{ACCOUNT}:role/{family}",
                "containerDefinitions": [
                    {
                        "name": "web",
                        "image": f"{REGISTRY}/{family}:v1",
                        "privileged": self.families[family],
                    }
                ],
            }
        }


@pytest.fixture
def world(aws: None) -> World:
    world = World()
    world.add("shop")
    world.add("blog")
    return world


def about(world: World, name: str) -> dict[tuple[str, str], str]:
    return {key: state for key, state in world.findings().items() if key[1].endswith(f"/{name}")}


def test_a_survey_finds_and_tells_what_runs_and_says_it_once(world: World) -> None:
    world.survey()
    found = world.findings()
    assert found[PRIVILEGED, "TaskDefinition/shop"] == found[PUBLIC, "EcsService/prod/shop"] == "OPEN"
    assert world.asked() == ["blog", "shop"]
    assert world.pipeline.controls.verdicts("ecs")["failed"] == len(world.open())

    before = list(world.pipeline.table.query("POSTURE#ecs", "FND#"))
    world.survey()
    assert list(world.pipeline.table.query("POSTURE#ecs", "FND#")) == before
    assert world.asked() == []


def test_a_part_with_a_name_says_nothing_of_others(world: World) -> None:
    world.survey()
    counted, blog = world.pipeline.controls.verdicts("ecs"), about(world, "blog")
    world.mend("shop")
    world.mend("blog")
    del world.families["blog"]
    world.services.remove("blog")
    world.running.clear()
    world.asked()

    world.survey(of("shop"))

    assert world.findings()[PRIVILEGED, "TaskDefinition/shop"] == "fixed"
    assert about(world, "blog") == blog
    assert world.pipeline.controls.verdicts("ecs") == counted
    # The family's tasks run in a service: what runs is that part's business.
    assert world.asked() == []

    world.survey(Part(kind="ecs", cluster="prod", subject="service", name="shop"))
    assert world.asked() == ["shop"]
    assert about(world, "blog") == blog


def test_a_change_of_a_service_says_anew_what_runs_of_its_family(world: World) -> None:
    world.survey()
    world.mend("shop")

    world.survey(Part(kind="ecs", cluster="prod", subject="service", name="shop"))

    assert world.findings()[PRIVILEGED, "TaskDefinition/shop"] == "fixed"
    assert world.findings()[PRIVILEGED, "TaskDefinition/blog"] == "OPEN"


def test_a_service_that_is_deleted_takes_its_findings_along(world: World) -> None:
    world.survey()
    services = {key for key in about(world, "shop") if key[1] == "EcsService/prod/shop"}
    others = world.open() - services
    world.services.remove("shop")
    world.running.remove("shop")
    world.asked()

    world.survey(Part(kind="ecs", cluster="prod", subject="service", name="shop"))

    assert {key: world.findings()[key] for key in services} == dict.fromkeys(services, "gone")
    assert world.open() == others
    assert world.asked() == ["shop"]


def test_a_family_that_is_deregistered_takes_its_findings_along(world: World) -> None:
    world.survey()
    families = {key for key in about(world, "shop") if key[1] == "TaskDefinition/shop"}
    others = world.open() - families
    del world.families["shop"]
    world.services.remove("shop")
    world.running.remove("shop")

    world.survey(of("shop"))

    assert {key: world.findings()[key] for key in families} == dict.fromkeys(families, "gone")
    assert world.open() == others


@pytest.mark.parametrize("parts", [(EVERYTHING,), (of("shop"),)])
def test_an_accepted_risk_is_archived_until_its_day_is_over(
    world: World, parts: tuple[Part, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    world.survey()
    others = world.open() - {(PRIVILEGED, "TaskDefinition/shop")}
    risk = AcceptedRisk(
        control=PRIVILEGED,
        resource="TaskDefinition/sh*",
        reason="it builds images",
        owner="platform",
        until=date(2026, 11, 24),
    )
    monkeypatch.setattr(survey, "accepted_risks", lambda: (risk,))

    world.survey(*parts)
    assert world.findings()[PRIVILEGED, "TaskDefinition/shop"] == "accepted"
    assert world.open() == others

    world.time += 86_400
    world.survey(*parts)
    assert world.findings()[PRIVILEGED, "TaskDefinition/shop"] == "OPEN"


READS = (
    "ecs:ListClusters",
    "ecs:ListServices",
    "ecs:DescribeServices",
    "ecs:ListTasks",
    "ecs:DescribeTasks",
    "ecs:ListTaskDefinitions",
    "ecs:DescribeTaskDefinition",
)


def running(world: World) -> list[Running]:
    return sorted(world.pipeline.running.everything(), key=lambda entry: entry.workload)


@pytest.mark.parametrize("action", READS)
def test_what_does_not_answer_closes_nothing(world: World, action: str) -> None:
    world.survey()
    found, runs = world.findings(), running(world)
    world.asked()
    # A new revision is not in the evidence bucket yet, so that everything is asked for.
    world.revision += 1
    answer = world.account.answers[action]

    world.account.refuse(action, "ThrottlingException")
    for part in (Part(kind="ecs", cluster="prod", subject="service", name="shop"), EVERYTHING):
        world.survey(part)
        assert world.open() >= set(found)
        assert running(world) == runs
    assert world.asked() == []

    world.account.answers[action] = answer
    world.survey()
    news = {key for key in world.findings() if key not in found}
    assert {key: world.findings()[key] for key in news} == dict.fromkeys(news, "fixed")
    assert {key: state for key, state in world.findings().items() if key not in news} == found


def test_a_survey_that_breaks_off_is_done_again_whole(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: object) -> None:
        raise SourceUnavailable("the queue does not answer")

    with monkeypatch.context() as breaking:
        breaking.setattr(world.pipeline.queue, "send", broken)
        with pytest.raises(SourceUnavailable):
            world.survey()
    assert world.pipeline.controls.verdicts("ecs") == {}

    world.survey()
    assert world.asked() == ["blog", "shop"]


def test_nothing_is_read_while_another_worker_surveys_the_scope(world: World) -> None:
    with leased(world.pipeline, "ecs"):
        with pytest.raises(LeaseHeld):
            world.survey()
        assert world.account.calls == []
        world.survey(Part(kind="ecr"))
    world.survey()


def test_a_worker_that_died_blocks_its_scope_for_a_while(world: World) -> None:
    now = int(world.time)
    assert world.pipeline.controls.lease("ecs", now, now + LEASE_SECONDS)
    with pytest.raises(LeaseHeld):
        world.survey()

    world.time += LEASE_SECONDS
    world.survey()
    assert world.open()


def runs_elsewhere(world: World, digest: str) -> None:
    entry = Running(digest=digest, image=f"{REGISTRY}/shop:v1", kind="EcsTask", cluster="prod", workload="w")
    world.pipeline.running.replace(
        "ecs", [entry], complete=True, at=timestamp(world.time), tell=lambda _: None
    )


def test_an_old_image_is_only_stale_when_all_that_runs_is_known(world: World) -> None:
    key, registry = (STALE, "Repository/shop"), Part(kind="ecr")
    world.survey(registry)
    # Nothing was surveyed that could run it.
    assert key not in world.findings("ecr")

    runs_elsewhere(world, DIGEST)
    world.survey(registry)
    assert key not in world.findings("ecr")

    runs_elsewhere(world, "sha256:" + "b" * 64)
    world.survey(registry)
    assert world.findings("ecr")[key] == "OPEN"

    # What runs was last looked at three days ago.
    world.time += 3 * 86_400
    world.survey(registry)
    assert world.findings("ecr")[key] == "OPEN"

    runs_elsewhere(world, DIGEST)
    world.survey(registry)
    assert world.findings("ecr")[key] == "fixed"
