"""EventBridge: buses, patterns, transformers, dead letters and schedules on demand."""

from __future__ import annotations

import json
from typing import Any

import pytest

from contract.template import arn, function, queue, ref, template
from local_aws.cloud import LocalCloud, LocalCloudError


def rule(*targets: dict[str, Any], **properties: Any) -> dict[str, Any]:
    return {
        "Type": "AWS::Events::Rule",
        "Properties": {
            "EventPattern": {"source": ["test"]},
            "Targets": [{"Id": str(number), **target} for number, target in enumerate(targets)],
            **properties,
        },
    }


def deploy(cloud: LocalCloud, **resources: Any) -> str:
    """Deploy a queue and ``resources``; returns the queue's address."""
    text = template({"Queue": queue(), **resources}, {"Queue": ref("Queue")})
    return cloud.create_stack("events", text)["Queue"]


def put(cloud: LocalCloud, detail: dict[str, Any], **entry: Any) -> dict[str, Any]:
    event = {"Source": "test", "DetailType": "Test", "Detail": json.dumps(detail), **entry}
    answer: dict[str, Any] = cloud.client("events").put_events(Entries=[event])
    cloud.wait_idle()
    return answer


def bodies(cloud: LocalCloud, url: str) -> list[Any]:
    received = cloud.client("sqs").receive_message(QueueUrl=url, MaxNumberOfMessages=10)
    return [json.loads(message["Body"]) for message in received.get("Messages", [])]


def test_a_rule_of_an_own_bus(cloud: LocalCloud) -> None:
    bus = {"Type": "AWS::Events::EventBus", "Properties": {"Name": "own"}}
    url = deploy(cloud, Bus=bus, Rule=rule({"Arn": arn("Queue")}, EventBusName=ref("Bus")))

    put(cloud, {"n": 1})
    answer = put(cloud, {"n": 2}, EventBusName="own")

    (event,) = bodies(cloud, url)
    assert event["detail"] == {"n": 2}
    assert event["id"] == answer["Entries"][0]["EventId"]


def test_a_rule_that_forwards_to_another_bus(cloud: LocalCloud) -> None:
    bus = {"Type": "AWS::Events::EventBus", "Properties": {"Name": "own"}}
    url = deploy(
        cloud,
        Bus=bus,
        Forward=rule({"Arn": arn("Bus")}),
        Rule=rule({"Arn": arn("Queue")}, EventBusName=ref("Bus")),
    )

    put(cloud, {"n": 1})

    assert [event["detail"] for event in bodies(cloud, url)] == [{"n": 1}]


def test_disabled_rules_do_nothing(cloud: LocalCloud) -> None:
    url = deploy(cloud, Rule=rule({"Arn": arn("Queue")}, State="DISABLED"))

    put(cloud, {})

    assert bodies(cloud, url) == []


def test_only_a_service_sends_its_events(cloud: LocalCloud) -> None:
    answer = put(cloud, {}, Source="aws.ecr")

    assert answer["FailedEntryCount"] == 1
    assert answer["Entries"][0]["ErrorCode"] == "NotAuthorizedForSourceException"


@pytest.mark.parametrize("change", [{"Detail": "no JSON"}, {"Detail": "[]"}, {"Source": ""}])
def test_entries_that_are_refused(cloud: LocalCloud, change: dict[str, str]) -> None:
    assert put(cloud, {}, **change)["FailedEntryCount"] == 1


def test_a_function_gets_the_event(cloud: LocalCloud) -> None:
    deploy(cloud, Probe=function("probe"), Rule=rule({"Arn": arn("Probe")}))

    put(cloud, {"mark": "find me"})

    assert "find me" in cloud.worker_logs("probe")


def test_a_state_machine_gets_the_event(cloud: LocalCloud) -> None:
    machine = {
        "Type": "AWS::StepFunctions::StateMachine",
        "Properties": {
            "RoleArn": arn("Role"),
            "DefinitionString": json.dumps(
                {"StartAt": "Keep", "States": {"Keep": {"Type": "Pass", "End": True}}}
            ),
        },
    }
    deploy(cloud, Machine=machine, Rule=rule({"Arn": ref("Machine"), "InputPath": "$.detail"}))

    put(cloud, {"n": 1})

    states = cloud.client("stepfunctions")
    (found,) = states.list_state_machines()["stateMachines"]
    (execution,) = states.list_executions(stateMachineArn=found["stateMachineArn"])["executions"]
    output = states.describe_execution(executionArn=execution["executionArn"])["output"]
    assert json.loads(output) == {"n": 1}


def test_what_a_target_refuses_goes_to_its_dead_letter_queue(cloud: LocalCloud) -> None:
    gone = "arn:aws:sqs:eu-west-1:111122223333:gone"
    url = deploy(cloud, Rule=rule({"Arn": gone, "DeadLetterConfig": {"Arn": arn("Queue")}}))

    put(cloud, {"n": 1})

    assert [event["detail"] for event in bodies(cloud, url)] == [{"n": 1}]


def test_a_lost_event_is_a_problem(cloud: LocalCloud) -> None:
    deploy(cloud, Rule=rule({"Arn": "arn:aws:sqs:eu-west-1:111122223333:gone"}))

    with pytest.raises(LocalCloudError, match="event lost"):
        put(cloud, {})


def test_scheduled_rules_and_schedules_fire_on_demand(cloud: LocalCloud) -> None:
    schedule = {
        "Type": "AWS::Scheduler::Schedule",
        "Properties": {
            "Name": "daily",
            "ScheduleExpression": "rate(1 day)",
            "FlexibleTimeWindow": {"Mode": "OFF"},
            "Target": {
                "Arn": arn("Queue"),
                "RoleArn": arn("Role"),
                "Input": '{"at": "<aws.scheduler.scheduled-time>"}',
            },
        },
    }
    scheduled = {
        "Type": "AWS::Events::Rule",
        "Properties": {
            "Name": "hourly",
            "ScheduleExpression": "rate(1 hour)",
            "Targets": [{"Id": "queue", "Arn": arn("Queue"), "Input": '{"constant": true}'}],
        },
    }
    url = deploy(cloud, Schedule=schedule, Rule=scheduled)
    put(cloud, {"an": "event does not fire a schedule"})

    cloud.fire_schedule("daily")
    cloud.fire_schedule("hourly")
    cloud.wait_idle()

    daily, hourly = bodies(cloud, url)
    assert hourly == {"constant": True}
    assert daily["at"].endswith("Z")
    with pytest.raises(LookupError, match="daily, hourly"):
        cloud.fire_schedule("weekly")
