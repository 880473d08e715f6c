"""Security Hub away, or taking only a part: nothing is lost, and the event bus is told all the same."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from fakes.images import FakeImage
from tests.e2e.rematch_cloud import RematchCloud, deployed
from tests.e2e.test_pipeline import MENDED, VULNERABLE, base, django, lodash, push, states


@pytest.fixture(scope="module")
def it(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RematchCloud]:
    with deployed(tmp_path_factory.mktemp("mirror")) as cloud:
        assert cloud.refresh() == "SUCCEEDED"
        yield cloud


def outbox(it: RematchCloud, repository: str) -> dict[str, str]:
    return {
        item["package"]: item["outbox"]
        for item in it._items()
        if item["sk"].startswith("FND#") and item["repository"] == repository
    }


def test_the_event_bus_hears_of_scans_and_findings(it: RematchCloud) -> None:
    url = it.cloud.client("sqs").create_queue(QueueName="listener")["QueueUrl"]
    attributes = it.cloud.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    events = it.cloud.client("events")
    events.put_rule(Name="all", EventBusName="hullwatch", EventPattern=json.dumps({"source": ["hullwatch"]}))
    target = {"Id": "listener", "Arn": attributes["Attributes"]["QueueArn"]}
    events.put_targets(Rule="all", EventBusName="hullwatch", Targets=[target])

    push(it, "heard", VULNERABLE, "v1")
    opened = told(it, url)
    push(it, "heard", MENDED, "v2")
    resolved = told(it, url)

    assert Counter(name for name, _ in opened) == {
        "Image Scan Completed": 1,
        "Coverage Changed": 1,
        "Finding Opened": 2,
    }
    assert {detail["package"] for name, detail in opened if name == "Finding Opened"} == {"Django", "openssl"}
    (finding,) = (detail for name, detail in resolved if name == "Finding Resolved")
    assert (finding["package"], finding["digest"]) == ("openssl", MENDED.digest)
    assert "Finding Opened" not in {name for name, _ in resolved}


def told(it: RematchCloud, url: str) -> list[tuple[str, dict[str, Any]]]:
    """Type and detail of the events that reached the queue since the last look."""
    sqs = it.cloud.client("sqs")
    found = []
    while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        for message in messages:
            event = json.loads(message["Body"])
            found.append((event["detail-type"], event["detail"]))
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return found


def test_a_finding_that_was_not_taken_is_sent_again(it: RematchCloud) -> None:
    accept = it.cloud.hub._import
    refused: list[str] = []

    def without_the_first(parameters: dict[str, Any]) -> dict[str, Any]:
        if refused:
            return accept(parameters)
        first, *others = parameters["Findings"]
        refused.append(first["Id"])
        if others:
            accept({"Findings": others})
        failure = {"Id": first["Id"], "ErrorCode": "InternalFailure", "ErrorMessage": "try again"}
        return {"FailedCount": 1, "SuccessCount": len(others), "FailedFindings": [failure]}

    it.cloud._endpoint.serve("securityhub", {"BatchImportFindings": without_the_first})
    try:
        push(it, "partly", VULNERABLE, "v1")
    finally:
        it.cloud._endpoint.serve("securityhub", {"BatchImportFindings": accept})

    assert refused
    assert outbox(it, "partly") == {"Django": "SENT", "openssl": "SENT"}
    assert states(it, "partly") == {"Django": "ACTIVE", "openssl": "ACTIVE"}


def test_findings_wait_while_security_hub_is_disabled(it: RematchCloud) -> None:
    hub = it.cloud.client("securityhub")
    hub.disable_security_hub()
    push(it, "disabled", FakeImage(layers=[base(), django(), lodash()]), "v1")
    assert set(outbox(it, "disabled").values()) == {"PENDING"}
    grow_old(it, "disabled")

    hub.enable_security_hub()
    assert states(it, "disabled") == {}
    it.cloud.fire_schedule("Waiting")
    it.cloud.wait_idle(60)

    assert states(it, "disabled") == {"Django": "ACTIVE", "lodash": "ACTIVE", "openssl": "ACTIVE"}
    assert set(outbox(it, "disabled").values()) == {"SENT"}


def grow_old(it: RematchCloud, repository: str) -> None:
    """Let the findings of a repository have been waiting since long ago, still without Security Hub."""
    table = it.cloud.client("dynamodb")
    for item in list(it._items()):
        if item["sk"].startswith("FND#") and item["repository"] == repository:
            table.update_item(
                TableName=it._table,
                Key={"pk": {"S": item["pk"]}, "sk": {"S": item["sk"]}},
                UpdateExpression="SET updated_at = :then",
                ExpressionAttributeValues={":then": {"S": "2024-01-01T00:00:00.000Z"}},
            )
    it.cloud.wait_idle(60)
