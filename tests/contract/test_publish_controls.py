"""From verdicts to Security Hub and the event bus, as the table's stream would bring them."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

import boto3
import msgspec
import pytest
from botocore.exceptions import ClientError

from fakes.table import aws_in_process, create_table
from fakes.verdicts import API, CLUSTER, PRIVILEGED, covered, result
from hullwatch.aws.services import Services
from hullwatch.aws.table import marshal
from hullwatch.errors import HubDisabled, LeaseHeld
from hullwatch.pipeline.publish import publish_changes, publish_waiting
from hullwatch.pipeline.settle_controls import leased, settle_controls
from hullwatch.posture.engine import Result
from hullwatch.posture.model.snapshot import InputState, Resource
from hullwatch.settings import AcceptedRisk, Environment, FindingSettings, Settings
from local_aws.endpoint import ApiError
from local_aws.securityhub import Hub

WHOLE = covered(PRIVILEGED)
AWAY = covered(pods=InputState("unavailable", "timed out"))


class World:
    """A table in moto, a Security Hub with its contract, and an event bus that remembers."""

    def __init__(self, **findings: Any) -> None:
        environment = Environment(
            account=CLUSTER.account,
            region=CLUSTER.region,
            table="hullwatch",
            bucket="evidence",
            bus="hullwatch",
            settings=Settings(findings=FindingSettings(**findings)),
        )
        self.seconds = 1_800_000_000.0
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.hub = Hub(account=CLUSTER.account, region=CLUSTER.region)
        self.hub.call("EnableSecurityHub", {})
        self.services = Services(environment, client=self._client, clock=lambda: self.seconds)
        self._before: dict[tuple[str, str], dict[str, Any]] = {}

    def _client(self, name: str) -> Any:
        return self if name in ("securityhub", "events") else boto3.client(name)

    def batch_import_findings(self, **parameters: Any) -> dict[str, Any]:
        try:
            return self.hub.call("BatchImportFindings", parameters)
        except ApiError as error:
            details: Any = {"Error": {"Code": error.code, "Message": str(error)}}
            raise ClientError(details, "BatchImportFindings") from error

    def put_events(self, Entries: list[dict[str, Any]]) -> dict[str, Any]:
        self.events += [(entry["DetailType"], json.loads(entry["Detail"])) for entry in Entries]
        return {"FailedEntryCount": 0}

    def settle(self, *results: Result, seen: Any = WHOLE, **options: Any) -> dict[str, int]:
        self.seconds += 3600
        return settle_controls(self.services, results, seen, **options)

    def stream(self) -> list[dict[str, Any]]:
        """The findings that were written since the last look, as the stream's filter lets them through."""
        items = boto3.client("dynamodb").scan(TableName="hullwatch")["Items"]
        after = {(item["pk"]["S"], item["sk"]["S"]): item for item in items}
        before, self._before = self._before, after
        return [
            {
                "dynamodb": {
                    "SequenceNumber": str(number),
                    "NewImage": item,
                    **({"OldImage": before[key]} if key in before else {}),
                }
            }
            for number, (key, item) in enumerate(after.items())
            if item != before.get(key) and item.get("outbox") == {"S": "PENDING"}
        ]

    def publish(self) -> list[str]:
        again = publish_changes(self.services, self.stream())
        self.stream()  # what publishing itself wrote is not PENDING any more
        return again

    def shown(self) -> dict[str, tuple[str, str, str]]:
        return {
            finding["Title"]: (
                finding["RecordState"],
                finding["Compliance"]["Status"],
                finding["Workflow"]["Status"],
            )
            for finding in self.hub.call("GetFindings", {})["Findings"]
        }


@pytest.fixture
def aws() -> Iterator[None]:
    with aws_in_process():
        create_table()
        yield


@pytest.fixture
def world(aws: None) -> World:
    return World()


TITLE = "Privileged container: Deployment/shop/api in cluster shop"


def test_a_failure_is_opened_and_its_remedy_archives_it(world: World) -> None:
    assert world.settle(result(), result("PASSED", resource=Resource(kind="Pod", name="x"))) == {
        "passed": 1,
        "failed": 1,
        "not_applicable": 0,
        "not_available": 0,
        "accepted": 0,
    }
    assert world.publish() == []
    assert world.shown() == {TITLE: ("ACTIVE", "FAILED", "NEW")}

    world.settle(result("PASSED"))
    world.publish()
    assert world.shown() == {TITLE: ("ARCHIVED", "PASSED", "NEW")}
    assert [
        (name, detail["resource"], detail["control"], detail["outcome"]) for name, detail in world.events
    ] == [
        ("Finding Opened", str(API), PRIVILEGED, ""),
        ("Finding Resolved", str(API), PRIVILEGED, "fixed"),
    ]


def test_the_same_evaluation_again_sends_nothing(world: World) -> None:
    world.settle(result())
    world.publish()
    imported = len(world.hub.imported)
    world.settle(result(evidence=("Pod/shop/api-2",), witnesses=1))
    assert world.stream() == []
    assert len(world.hub.imported) == imported
    assert world.services.controls.findings("eks/shop").popitem()[1].evidence == ("Pod/shop/api-2",)


def test_a_cluster_that_is_out_of_reach_closes_nothing_and_says_so(world: World) -> None:
    world.settle(result())
    world.publish()
    unreachable = "Kubernetes API of cluster shop could not be reached"
    counts = world.settle(result("NOT_AVAILABLE", reason="pods: unavailable"), seen=AWAY)
    world.publish()
    assert (counts["failed"], counts["not_available"]) == (0, 1)
    assert world.shown() == {
        TITLE: ("ACTIVE", "FAILED", "NEW"),
        unreachable: ("ACTIVE", "NOT_AVAILABLE", "NEW"),
    }
    world.settle(result())
    world.publish()
    assert world.shown()[unreachable] == ("ARCHIVED", "PASSED", "NEW")


def test_an_accepted_risk_archives_and_the_log_names_what_is_over(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    def risk(until: str) -> AcceptedRisk:
        fields = {"control": PRIVILEGED, "resource": "*", "reason": "legacy", "owner": "ops", "until": until}
        return msgspec.convert(fields, AcceptedRisk)

    world.settle(result())
    counts = world.settle(result(), exceptions=[risk("2030-01-01")])
    assert (counts["failed"], counts["accepted"]) == (0, 1)
    world.publish()
    # Never published while open, so Security Hub has nothing to unlearn.
    assert world.shown() == {}
    with caplog.at_level(logging.WARNING):
        world.settle(result(), exceptions=[risk("2020-01-01")])
    assert "the exception of k8s.pod.privileged for * is over: ops until 2020-01-01: legacy" in caplog.text
    world.publish()
    assert world.shown() == {TITLE: ("ACTIVE", "FAILED", "NEW")}


def test_the_lowest_priority_holds_for_both_kinds_but_not_for_what_was_not_read(aws: None) -> None:
    world = World(minimum_priority="P2")
    low = result(severity="low")
    world.settle(low, seen=AWAY)
    world.publish()
    assert list(world.shown()) == ["Kubernetes API of cluster shop could not be reached"]
    stored = world.services.controls.findings("eks/shop")
    assert {finding.control: finding.published for finding in stored.values()} == {
        PRIVILEGED: False,
        "kubernetes": True,
    }


def test_what_security_hub_did_not_take_waits_and_is_sent_later(world: World) -> None:
    world.hub.call("DisableSecurityHub", {})
    world.settle(result())
    with pytest.raises(HubDisabled):
        world.publish()
    world.hub.call("EnableSecurityHub", {})
    world.seconds += 3600
    assert publish_waiting(world.services) == 1
    assert world.shown() == {TITLE: ("ACTIVE", "FAILED", "NEW")}


def test_two_workers_do_not_survey_one_scope(world: World) -> None:
    with leased(world.services, "eks/shop") as verdicts:
        with pytest.raises(LeaseHeld), leased(world.services, "eks/shop"):
            pass
        with leased(world.services, "ecs"):
            pass
        verdicts |= {"failed": 2}

    with leased(world.services, "eks/shop"):
        assert world.services.controls.verdicts("eks/shop") == {"failed": 2}


def test_a_survey_that_breaks_off_gives_its_lease_back_and_counts_nothing(world: World) -> None:
    with pytest.raises(KeyError), leased(world.services, "eks/shop"):
        raise KeyError

    with leased(world.services, "eks/shop"):
        assert world.services.controls.verdicts("eks/shop") == {}


def test_a_stream_that_is_read_twice_says_it_once(world: World) -> None:
    world.settle(result())
    records = world.stream()
    publish_changes(world.services, records)
    publish_changes(world.services, records)
    assert len(world.hub.imported) == 1
    assert marshal({"state": "OPEN"}).items() <= records[0]["dynamodb"]["NewImage"].items()
