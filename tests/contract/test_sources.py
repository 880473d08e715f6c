"""Event source mappings: batches, partial failures, order, filters and what happens to what keeps failing."""

from __future__ import annotations

import json
from typing import Any

from contract.template import ROLE, arn, queue, ref, template
from local_aws.cloud import LocalCloud

# Fails where the test says so, and writes down every batch.
CODE = """
import json
def key(record):
    return record["body"] if "body" in record else record["dynamodb"]["Keys"]["pk"]["S"]
def handler(event, context):
    keys = [key(record) for record in event["Records"]]
    print("BATCH " + json.dumps(keys))
    if "explode" in keys:
        raise ValueError("explode")
    return {"batchItemFailures": [
        {"itemIdentifier": record.get("messageId") or record["dynamodb"]["SequenceNumber"]}
        for record in event["Records"] if key(record).startswith("fail")
    ]}
"""


def consumer(source: Any, **mapping: Any) -> dict[str, Any]:
    return {
        "Role": ROLE,
        "Consumer": {
            "Type": "AWS::Lambda::Function",
            "Properties": {
                "FunctionName": "consumer",
                "Code": {"ZipFile": CODE},
                "Handler": "index.handler",
                "Runtime": "python3.14",
                "Role": arn("Role"),
                "ReservedConcurrentExecutions": 1,
            },
        },
        "Mapping": {
            "Type": "AWS::Lambda::EventSourceMapping",
            "Properties": {
                "EventSourceArn": source,
                "FunctionName": ref("Consumer"),
                "FunctionResponseTypes": ["ReportBatchItemFailures"],
                **mapping,
            },
        },
    }


def batches(cloud: LocalCloud) -> list[list[str]]:
    lines = cloud.worker_logs("consumer").splitlines()
    return [json.loads(line.removeprefix("BATCH ")) for line in lines if line.startswith("BATCH ")]


def queue_stack(cloud: LocalCloud, **mapping: Any) -> dict[str, str]:
    resources = {"Dead": queue(), "Queue": queue("Dead"), **consumer(arn("Queue"), **mapping)}
    return cloud.create_stack("queue", template(resources, {"Queue": ref("Queue"), "Dead": ref("Dead")}))


def send(cloud: LocalCloud, url: str, *bodies: str) -> None:
    entries = [{"Id": str(number), "MessageBody": body} for number, body in enumerate(bodies)]
    assert not cloud.client("sqs").send_message_batch(QueueUrl=url, Entries=entries).get("Failed")


def bodies(cloud: LocalCloud, url: str) -> list[str]:
    received = cloud.client("sqs").receive_message(QueueUrl=url, MaxNumberOfMessages=10)
    return sorted(message["Body"] for message in received.get("Messages", []))


def test_only_the_reported_messages_come_again(cloud: LocalCloud) -> None:
    urls = queue_stack(cloud)

    send(cloud, urls["Queue"], "a", "fail", "b")
    cloud.wait_idle()

    delivered = [body for batch in batches(cloud) for body in batch]
    assert sorted(delivered) == ["a", "b", "fail", "fail", "fail"]
    assert bodies(cloud, urls["Dead"]) == ["fail"]
    assert bodies(cloud, urls["Queue"]) == []


def test_an_exception_fails_the_whole_batch(cloud: LocalCloud) -> None:
    urls = queue_stack(cloud, ScalingConfig={"MaximumConcurrency": 2})

    send(cloud, urls["Queue"], "a", "explode")
    cloud.wait_idle()

    # Which messages share a batch is up to the poller: alone, "a" gets through.
    assert "explode" in bodies(cloud, urls["Dead"])
    assert sum("explode" in batch for batch in batches(cloud)) == 3


def test_messages_that_a_filter_rejects_are_dropped(cloud: LocalCloud) -> None:
    pattern = json.dumps({"body": {"kind": ["wanted"]}})
    urls = queue_stack(cloud, FilterCriteria={"Filters": [{"Pattern": pattern}]})

    send(cloud, urls["Queue"], '{"kind": "wanted"}', '{"kind": "other"}', "no JSON")
    cloud.wait_idle()

    assert [body for batch in batches(cloud) for body in batch] == ['{"kind": "wanted"}']
    assert bodies(cloud, urls["Queue"]) == []


def test_a_batch_is_no_larger_than_asked(cloud: LocalCloud) -> None:
    urls = queue_stack(cloud, BatchSize=2)

    send(cloud, urls["Queue"], *"abcdefg")
    cloud.wait_idle()

    assert max(len(batch) for batch in batches(cloud)) <= 2
    assert sorted(body for batch in batches(cloud) for body in batch) == list("abcdefg")


def stream_stack(cloud: LocalCloud, **mapping: Any) -> dict[str, str]:
    resources = {
        "Dead": queue(),
        "Table": {
            "Type": "AWS::DynamoDB::Table",
            "Properties": {
                "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
                "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
                "BillingMode": "PAY_PER_REQUEST",
                "StreamSpecification": {"StreamViewType": "NEW_AND_OLD_IMAGES"},
            },
        },
        **consumer({"Fn::GetAtt": ["Table", "StreamArn"]}, StartingPosition="LATEST", **mapping),
    }
    return cloud.create_stack("stream", template(resources, {"Table": ref("Table"), "Dead": ref("Dead")}))


def put(cloud: LocalCloud, table: str, *keys: str, **attributes: str) -> None:
    for key in keys:
        item = {"pk": {"S": key}, **{name: {"S": value} for name, value in attributes.items()}}
        cloud.client("dynamodb").put_item(TableName=table, Item=item)


def test_a_stream_is_delivered_in_order(cloud: LocalCloud) -> None:
    table = stream_stack(cloud, BatchSize=3)["Table"]
    keys = [f"k{number:02d}" for number in range(20)]

    put(cloud, table, *keys)
    cloud.wait_idle()

    assert [key for batch in batches(cloud) for key in batch] == keys
    assert max(len(batch) for batch in batches(cloud)) <= 3


def test_a_filter_sees_the_record(cloud: LocalCloud) -> None:
    pattern = json.dumps({"eventName": ["INSERT"], "dynamodb": {"NewImage": {"state": {"S": ["OPEN"]}}}})
    table = stream_stack(cloud, FilterCriteria={"Filters": [{"Pattern": pattern}]})["Table"]

    put(cloud, table, "a", state="OPEN")
    put(cloud, table, "b", state="CLOSED")
    put(cloud, table, "a", state="OPEN", more="x")
    cloud.wait_idle()

    assert batches(cloud) == [["a"]]


def test_a_poison_record_goes_to_the_destination_and_the_rest_goes_on(cloud: LocalCloud) -> None:
    outputs = stream_stack(
        cloud,
        BisectBatchOnFunctionError=True,
        MaximumRetryAttempts=2,
        DestinationConfig={"OnFailure": {"Destination": arn("Dead")}},
    )

    put(cloud, outputs["Table"], "a", "explode", "b", "c")
    cloud.wait_idle()

    delivered = {key for batch in batches(cloud) if "explode" not in batch for key in batch}
    assert delivered == {"a", "b", "c"}
    (message,) = bodies(cloud, outputs["Dead"])
    record = json.loads(message)
    assert record["requestContext"]["condition"] == "RetryAttemptsExhausted"
    assert record["DDBStreamBatchInfo"]["batchSize"] == 1


def test_a_partial_failure_starts_again_at_the_failed_record(cloud: LocalCloud) -> None:
    outputs = stream_stack(
        cloud,
        BisectBatchOnFunctionError=True,
        MaximumRetryAttempts=1,
        DestinationConfig={"OnFailure": {"Destination": arn("Dead")}},
    )
    with cloud.lock:
        # Held back, so that all five are one batch.
        put_all = [{"Put": {"TableName": outputs["Table"], "Item": {"pk": {"S": key}}}} for key in "abcde"]
        put_all[2]["Put"]["Item"] = {"pk": {"S": "fail"}}
    cloud.client("dynamodb").transact_write_items(TransactItems=put_all)
    cloud.wait_idle()

    delivered = [key for batch in batches(cloud) for key in batch]
    assert delivered.count("a") == 1
    assert delivered.count("fail") >= 2
    assert {"d", "e"} <= set(delivered)
    assert len(bodies(cloud, outputs["Dead"])) == 1
