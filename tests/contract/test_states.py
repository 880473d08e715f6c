"""Step Functions: names burn, errors keep their names, integrations reach the other services."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from contract.template import arn, function, queue, ref, template
from local_aws.cloud import LocalCloud


def machine(definition: dict[str, Any]) -> dict[str, Any]:
    return {
        "Type": "AWS::StepFunctions::StateMachine",
        "Properties": {
            "RoleArn": arn("Role"),
            "DefinitionString": {"Fn::Sub": json.dumps(definition)},
            "LoggingConfiguration": {"Level": "ALL"},
            "TracingConfiguration": {"Enabled": True},
        },
    }


def task(**state: Any) -> dict[str, Any]:
    return {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "Parameters": {"FunctionName": "${Probe.Arn}", "Payload.$": "$"},
        "OutputPath": "$.Payload",
        **state,
    }


STACK = template(
    {
        "Queue": queue(),
        "Bus": {"Type": "AWS::Events::EventBus", "Properties": {"Name": "own"}},
        "Rule": {
            "Type": "AWS::Events::Rule",
            "Properties": {
                "EventBusName": ref("Bus"),
                "EventPattern": {"source": ["test"]},
                "Targets": [{"Id": "queue", "Arn": arn("Queue"), "InputPath": "$.detail"}],
            },
        },
        "Table": {
            "Type": "AWS::DynamoDB::Table",
            "Properties": {
                "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
                "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
                "BillingMode": "PAY_PER_REQUEST",
            },
        },
        "Probe": function("probe", timeout=1),
        "Catching": machine(
            {
                "StartAt": "Try",
                "States": {
                    "Try": task(
                        Catch=[
                            {
                                "ErrorEquals": ["TransientError"],
                                "Next": "Transient",
                                "ResultPath": "$.e",
                            },
                            {"ErrorEquals": ["Sandbox.Timedout"], "Next": "TimedOut"},
                            {"ErrorEquals": ["Runtime.ExitError"], "Next": "Exited"},
                        ],
                        End=True,
                    ),
                    "Transient": {"Type": "Pass", "Parameters": {"was.$": "$.e.Error"}, "End": True},
                    "TimedOut": {"Type": "Pass", "Result": {"was": "Sandbox.Timedout"}, "End": True},
                    "Exited": {"Type": "Pass", "Result": {"was": "Runtime.ExitError"}, "End": True},
                },
            }
        ),
        "Retrying": machine(
            {
                "StartAt": "Try",
                "States": {
                    "Try": task(
                        Retry=[
                            {"ErrorEquals": ["TransientError"], "MaxAttempts": 3, "IntervalSeconds": 20},
                        ],
                        End=True,
                    )
                },
            }
        ),
        "Integrated": machine(
            {
                "StartAt": "Wait",
                "States": {
                    "Wait": {"Type": "Wait", "Seconds": 60, "Next": "Store"},
                    "Store": {
                        "Type": "Task",
                        "Resource": "arn:aws:states:::dynamodb:putItem",
                        "Parameters": {"TableName": "${Table}", "Item": {"pk": {"S.$": "$.key"}}},
                        "ResultPath": None,
                        "Next": "Announce",
                    },
                    "Announce": {
                        "Type": "Task",
                        "Resource": "arn:aws:states:::events:putEvents",
                        "Parameters": {
                            "Entries": [
                                {
                                    "EventBusName": "own",
                                    "Source": "test",
                                    "DetailType": "Stored",
                                    "Detail": {"key.$": "$.key"},
                                }
                            ]
                        },
                        "ResultPath": None,
                        "Next": "Tell",
                    },
                    "Tell": {
                        "Type": "Task",
                        "Resource": "arn:aws:states:::sqs:sendMessage",
                        "Parameters": {"QueueUrl": "${Queue}", "MessageBody.$": "$.key"},
                        "ResultPath": None,
                        "End": True,
                    },
                },
            }
        ),
    },
    {name: ref(name) for name in ("Catching", "Retrying", "Integrated", "Queue", "Table")},
)


@pytest.fixture(scope="module")
def stack() -> Iterator[tuple[LocalCloud, dict[str, str]]]:
    with LocalCloud() as cloud:
        yield cloud, cloud.create_stack("states", STACK)


def run(cloud: LocalCloud, arn: str, event: dict[str, Any], **name: str) -> dict[str, Any]:
    states = cloud.client("stepfunctions")
    execution = states.start_execution(stateMachineArn=arn, input=json.dumps(event), **name)["executionArn"]
    cloud.wait_idle()
    description: dict[str, Any] = states.describe_execution(executionArn=execution)
    return description


@pytest.mark.parametrize(
    ("event", "caught"),
    [
        ({"do": "raise"}, "TransientError"),
        ({"do": "sleep", "seconds": 3}, "Sandbox.Timedout"),
        ({"do": "exit"}, "Runtime.ExitError"),
    ],
)
def test_errors_are_caught_by_name(
    stack: tuple[LocalCloud, dict[str, str]], event: dict[str, Any], caught: str
) -> None:
    cloud, outputs = stack

    done = run(cloud, outputs["Catching"], event)

    assert done["status"] == "SUCCEEDED"
    assert json.loads(done["output"]) == {"was": caught}


def test_an_error_that_nobody_catches_fails_the_execution(stack: tuple[LocalCloud, dict[str, str]]) -> None:
    cloud, outputs = stack

    done = run(cloud, outputs["Catching"], {"do": "import", "module": "absent"})

    assert (done["status"], done["error"]) == ("FAILED", "ModuleNotFoundError")
    assert json.loads(done["cause"])["errorMessage"] == "No module named 'absent'"


def test_retries_without_the_waiting(stack: tuple[LocalCloud, dict[str, str]]) -> None:
    cloud, outputs = stack
    before, start = cloud.faults.calls["worker:probe"], time.monotonic()

    done = run(cloud, outputs["Retrying"], {"do": "raise"})

    assert (done["status"], done["error"]) == ("FAILED", "TransientError")
    assert cloud.faults.calls["worker:probe"] - before == 4
    assert time.monotonic() - start < 5


def test_a_throttled_function_has_its_error_name(stack: tuple[LocalCloud, dict[str, str]]) -> None:
    cloud, outputs = stack
    cloud.faults.fail("lambda:Invoke")

    done = run(cloud, outputs["Catching"], {})

    assert (done["status"], done["error"]) == ("FAILED", "Lambda.TooManyRequestsException")


def test_a_name_is_used_once(stack: tuple[LocalCloud, dict[str, str]]) -> None:
    cloud, outputs = stack
    run(cloud, outputs["Catching"], {}, name="once")

    with pytest.raises(cloud.client("stepfunctions").exceptions.ExecutionAlreadyExists):
        run(cloud, outputs["Catching"], {}, name="once")


@pytest.mark.parametrize("name", ["x" * 81, "a:b", "with space"])
def test_names_that_are_refused(stack: tuple[LocalCloud, dict[str, str]], name: str) -> None:
    cloud, outputs = stack

    with pytest.raises(ClientError, match="InvalidName"):
        run(cloud, outputs["Catching"], {}, name=name)


def test_service_integrations(stack: tuple[LocalCloud, dict[str, str]]) -> None:
    cloud, outputs = stack

    done = run(cloud, outputs["Integrated"], {"key": "k"})

    assert done["status"] == "SUCCEEDED", done
    item = cloud.client("dynamodb").get_item(TableName=outputs["Table"], Key={"pk": {"S": "k"}})
    assert item["Item"] == {"pk": {"S": "k"}}
    received = cloud.client("sqs").receive_message(QueueUrl=outputs["Queue"], MaxNumberOfMessages=10)
    assert sorted(message["Body"] for message in received["Messages"]) == ["k", '{"key": "k"}']
