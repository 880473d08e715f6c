"""The cloud as a whole: one after the other, coming to rest, faults, and answers in botocore's shapes."""

from __future__ import annotations

import threading
import time
import urllib.request
from collections.abc import Callable
from http.client import HTTPException
from typing import Any

import boto3
import botocore.session
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError
from botocore.validate import ParamValidator

from contract.ecr import push, upload
from contract.template import PIPELINE, function, queue, ref, template
from local_aws.cloud import LocalCloud, LocalCloudError


def client(cloud: LocalCloud, service: str) -> Any:
    """A client that does not try again."""
    return boto3.client(
        service,
        endpoint_url=cloud.endpoint,
        region_name=cloud.region,
        aws_access_key_id="x",
        aws_secret_access_key="x",
        config=Config(retries={"total_max_attempts": 1}),
    )


def test_clouds_follow_each_other_empty() -> None:
    for _ in range(2):
        with LocalCloud(account="222233334444", region="eu-central-1") as cloud:
            cloud.create_stack("pipeline", PIPELINE)
            ecr = cloud.client("ecr")
            assert ecr.describe_repositories()["repositories"] == []
            repository = ecr.create_repository(repositoryName="team/app")["repository"]
            assert repository["repositoryArn"] == (
                "arn:aws:ecr:eu-central-1:222233334444:repository/team/app"
            )
            push(ecr, "team/app", b"layer", "v1")
            cloud.wait_idle()
            assert len(cloud.hub.findings) == 1
            assert cloud.faults.calls["securityhub:BatchImportFindings"] == 1


def test_nothing_is_left_of_a_cloud() -> None:
    threads = threading.active_count()
    with LocalCloud() as cloud:
        cloud.create_stack("pipeline", PIPELINE)
        cloud.client("ecr").create_repository(repositoryName="team/app")
        push(cloud.client("ecr"), "team/app", b"layer", "v1")
        cloud.wait_idle()
        directory = cloud.directory

    assert not directory.exists()
    end = time.monotonic() + 5
    while threading.active_count() > threads and time.monotonic() < end:
        time.sleep(0.05)
    assert threading.active_count() <= threads


def test_a_cloud_that_does_not_come_to_rest_says_why(cloud: LocalCloud) -> None:
    stack = template(
        {
            "Queue": queue(),
            "Probe": function("probe", ReservedConcurrentExecutions=1),
            "Mapping": {
                "Type": "AWS::Lambda::EventSourceMapping",
                "Properties": {
                    "EventSourceArn": {"Fn::GetAtt": ["Queue", "Arn"]},
                    "FunctionName": ref("Probe"),
                },
            },
        },
        {"Queue": ref("Queue")},
    )
    url = cloud.create_stack("slow", stack)["Queue"]
    cloud.client("lambda").invoke(
        FunctionName="probe", InvocationType="Event", Payload='{"do": "sleep", "seconds": 2}'
    )
    cloud.client("sqs").send_message(QueueUrl=url, MessageBody="x")

    with pytest.raises(LocalCloudError, match=r"1 messages in .*; 2 invocations"):
        cloud.wait_idle(timeout=0.5)


def test_conditional_writes_are_atomic(cloud: LocalCloud) -> None:
    dynamodb = cloud.client("dynamodb")
    dynamodb.create_table(
        TableName="t",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    won: list[int] = []

    def take(lease: int) -> None:
        try:
            dynamodb.put_item(
                TableName="t",
                Item={"pk": {"S": str(lease)}},
                ConditionExpression="attribute_not_exists(pk)",
            )
            won.append(lease)
        except dynamodb.exceptions.ConditionalCheckFailedException:
            pass

    threads = [threading.Thread(target=take, args=(number % 10,)) for number in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(won) == list(range(10))


def test_long_polling_holds_nobody_up(cloud: LocalCloud) -> None:
    url = cloud.client("sqs").create_queue(QueueName="q")["QueueUrl"]
    received: list[Any] = []
    waiting = threading.Thread(
        target=lambda: received.extend(
            client(cloud, "sqs").receive_message(QueueUrl=url, WaitTimeSeconds=10).get("Messages", [])
        )
    )
    waiting.start()
    time.sleep(0.2)

    start = time.monotonic()
    cloud.client("sqs").send_message(QueueUrl=url, MessageBody="x")
    waiting.join()

    assert time.monotonic() - start < 2
    assert [message["Body"] for message in received] == ["x"]


@pytest.mark.parametrize(
    ("operation", "call", "code"),
    [
        ("dynamodb:ListTables", lambda c: c("dynamodb").list_tables(), "ProvisionedThroughputExceeded"),
        ("s3:ListBuckets", lambda c: c("s3").list_buckets(), "SlowDown"),
        ("ecr:DescribeRepositories", lambda c: c("ecr").describe_repositories(), "ThrottlingException"),
        ("sns:ListTopics", lambda c: c("sns").list_topics(), "ThrottlingException"),
        ("securityhub:DescribeHub", lambda c: c("securityhub").describe_hub(), "TooManyRequests"),
        ("lambda:ListFunctions", lambda c: c("lambda").list_functions(), "TooManyRequests"),
    ],
)
def test_a_throttled_call(cloud: LocalCloud, operation: str, call: Callable[..., Any], code: str) -> None:
    cloud.client("securityhub").enable_security_hub()
    cloud.faults.fail(operation, nth=2)

    def attempt() -> Any:
        return call(lambda service: client(cloud, service))

    attempt()
    with pytest.raises(ClientError, match=code):
        attempt()
    attempt()
    assert cloud.faults.calls[operation] == 3


def test_boto_gets_over_a_single_fault(cloud: LocalCloud) -> None:
    for how in ("throttle", "server_error", "lost_request", "lost_response"):
        cloud.faults.fail("dynamodb:ListTables", how=how)
        assert cloud.client("dynamodb").list_tables()["TableNames"] == []


@pytest.mark.parametrize(("how", "done"), [("lost_request", False), ("lost_response", True)])
def test_a_lost_call(cloud: LocalCloud, how: Any, done: bool) -> None:
    cloud.faults.fail("ecr:CreateRepository", how=how)

    with pytest.raises(ConnectionClosedError):
        client(cloud, "ecr").create_repository(repositoryName="team/app")

    assert bool(cloud.client("ecr").describe_repositories()["repositories"]) is done


def test_a_server_error(cloud: LocalCloud) -> None:
    cloud.faults.fail("securityhub:EnableSecurityHub", how="server_error", times=2)

    for _ in range(2):
        with pytest.raises(ClientError, match="InternalServerError"):
            client(cloud, "securityhub").enable_security_hub()
    client(cloud, "securityhub").enable_security_hub()


@pytest.mark.parametrize("how", ["throttle", "lost_request", "lost_response"])
def test_a_download_that_breaks(cloud: LocalCloud, how: Any) -> None:
    ecr = cloud.client("ecr")
    ecr.create_repository(repositoryName="team/app")
    digest = upload(ecr, "team/app", b"x" * 3_000_000)
    url = ecr.get_download_url_for_layer(repositoryName="team/app", layerDigest=digest)["downloadUrl"]
    cloud.faults.fail("ecr:DownloadLayer", how=how)

    def download() -> int:
        with urllib.request.urlopen(url) as answer:
            return len(answer.read())

    with pytest.raises((OSError, HTTPException)):
        download()
    assert download() == 3_000_000


def test_our_operations_answer_in_the_shapes_of_the_models(cloud: LocalCloud) -> None:
    """Every answer that is ours and not moto's, given by a run through the pipeline and a reader's calls."""
    answers: list[tuple[str, str, dict[str, Any]]] = []

    def recorded(service: str, name: str, handler: Callable[..., Any]) -> Callable[..., Any]:
        def record(parameters: dict[str, Any]) -> Any:
            answer = handler(parameters)
            answers.append((service, name, answer))
            return answer

        return record

    operations = {
        "ecr": cloud.registry.operations(),
        "events": {"PutEvents": cloud.events.put_events},
        "securityhub": cloud.hub.operations(),
    }
    for service, handlers in operations.items():
        model = botocore.session.get_session().get_service_model(service)
        assert set(handlers) <= set(model.operation_names)
        cloud._endpoint.serve(
            service, {name: recorded(service, name, handler) for name, handler in handlers.items()}
        )
    cloud.create_stack("pipeline", PIPELINE)
    ecr, hub = cloud.client("ecr"), cloud.client("securityhub")
    ecr.create_repository(repositoryName="team/app")
    digest = push(ecr, "team/app", b"layer", "v1")
    image = {"imageDigest": digest}
    ecr.describe_images(repositoryName="team/app", maxResults=1)
    ecr.list_images(repositoryName="team/app")
    ecr.batch_get_image(repositoryName="team/app", imageIds=[image, {"imageTag": "absent"}])
    ecr.get_download_url_for_layer(
        repositoryName="team/app",
        layerDigest=ecr.batch_check_layer_availability(
            repositoryName="team/app", layerDigests=[upload(ecr, "team/app", b"more"), "bad:digest"]
        )["layers"][0]["layerDigest"],
    )
    ecr.update_image_storage_class(repositoryName="team/app", imageId=image, targetStorageClass="STANDARD")
    cloud.client("events").put_events(
        Entries=[
            {"Source": "aws.no", "DetailType": "x", "Detail": "{}"},
            {"Source": "yes", "DetailType": "x", "Detail": "{}"},
        ]
    )
    cloud.wait_idle()
    (finding,) = hub.get_findings()["Findings"]
    identifier = {"Id": digest, "ProductArn": finding["ProductArn"]}
    absent = {"Id": "absent", "ProductArn": finding["ProductArn"]}
    hub.batch_update_findings(FindingIdentifiers=[identifier, absent], Workflow={"Status": "NOTIFIED"})
    hub.create_insight(
        Name="n",
        GroupByAttribute="Id",
        Filters={"Id": [{"Comparison": "EQUALS", "Value": "x"}]},
    )
    hub.get_insights()
    hub.describe_hub()
    ecr.batch_delete_image(repositoryName="team/app", imageIds=[image, {"imageTag": "absent"}])
    hub.disable_security_hub()
    hub.enable_security_hub()

    given = {(service, name) for service, name, _ in answers}
    assert given == {(service, name) for service, handlers in operations.items() for name in handlers}
    for service, name, answer in answers:
        model = botocore.session.get_session().get_service_model(service)
        shape: Any = model.operation_model(name).output_shape
        report = ParamValidator().validate(answer, shape)
        assert not report.has_errors(), (service, name, report.generate_report())
        assert answer.keys() <= shape.members.keys(), (service, name)
