"""Functions run as Lambda runs them: isolation, error names, time-outs, retries and dead letters."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from contract.template import arn, function, queue, ref, template
from local_aws.cloud import LocalCloud

STACK = template(
    {
        "Dead": queue(),
        "Probe": function("probe", timeout=1, MemorySize=256, Environment={"Variables": {"COLOUR": "red"}}),
        "Missing": function("missing", Handler="absent.handler"),
        "WithDeadLetters": function(
            "letters", Handler="index.probe", DeadLetterConfig={"TargetArn": arn("Dead")}
        ),
        "Single": function("single", Handler="index.probe", ReservedConcurrentExecutions=1),
    },
    {"Dead": ref("Dead")},
)


@pytest.fixture(scope="module")
def stack() -> Iterator[tuple[LocalCloud, dict[str, str]]]:
    with LocalCloud() as cloud:
        yield cloud, cloud.create_stack("functions", STACK)


@pytest.fixture
def cloud(stack: tuple[LocalCloud, dict[str, str]]) -> LocalCloud:
    return stack[0]


def invoke(cloud: LocalCloud, name: str, **event: Any) -> tuple[Any, str | None]:
    answer = cloud.client("lambda").invoke(FunctionName=name, Payload=json.dumps(event))
    return json.load(answer["Payload"]), answer.get("FunctionError")


def messages(cloud: LocalCloud, url: str) -> list[dict[str, Any]]:
    received = cloud.client("sqs").receive_message(QueueUrl=url, MaxNumberOfMessages=10)
    found: list[dict[str, Any]] = received.get("Messages", [])
    return found


def test_a_function_sees_its_event_its_settings_and_the_cloud(cloud: LocalCloud) -> None:
    seen, error = invoke(cloud, "probe", colour="blue")

    assert error is None
    assert seen["event"] == {"colour": "blue"}
    assert seen["memory"] == "256"
    assert 0 < seen["remaining"] <= 1000
    environment = seen["environment"]
    assert environment["COLOUR"] == "red"
    assert environment["AWS_ENDPOINT_URL"] == cloud.endpoint
    assert environment["AWS_REGION"] == cloud.region
    assert environment["AWS_LAMBDA_FUNCTION_NAME"] == "probe"
    assert environment["AWS_EXECUTION_ENV"] == "AWS_Lambda_python3.14"
    assert "HOME" not in environment


@pytest.mark.parametrize("module", ["boto3", "moto", "pytest", "hullwatch", "local_aws"])
def test_what_the_layers_lack_cannot_be_imported(cloud: LocalCloud, module: str) -> None:
    payload, error = invoke(cloud, "probe", do="import", module=module)

    assert error == "Unhandled"
    assert payload["errorType"] == "ModuleNotFoundError"


@pytest.mark.parametrize(
    ("event", "error_type"),
    [
        ({"do": "raise"}, "TransientError"),
        ({"do": "exit"}, "Runtime.ExitError"),
        ({"do": "sleep", "seconds": 3}, "Sandbox.Timedout"),
    ],
)
def test_how_an_invocation_fails(cloud: LocalCloud, event: dict[str, Any], error_type: str) -> None:
    payload, error = invoke(cloud, "probe", **event)

    assert error == "Unhandled"
    assert payload["errorType"] == error_type
    assert invoke(cloud, "probe")[1] is None, "the next invocation gets a new worker"


def test_a_handler_that_cannot_be_imported(cloud: LocalCloud) -> None:
    payload, _ = invoke(cloud, "missing")

    assert payload["errorType"] == "Runtime.ImportModuleError"


def test_workers_are_kept(cloud: LocalCloud) -> None:
    first, _ = invoke(cloud, "probe")
    second, _ = invoke(cloud, "probe")

    assert first["pid"] == second["pid"]
    assert first["request"] != second["request"]


def test_invocations_run_side_by_side_up_to_the_reserved_concurrency(cloud: LocalCloud) -> None:
    def pids(name: str) -> set[int]:
        found: list[int] = []
        threads = [
            threading.Thread(
                target=lambda: found.append(invoke(cloud, name, do="sleep", seconds=0.3)[0]["pid"])
            )
            for _ in range(3)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(found) == 3
        return set(found)

    assert len(pids("probe")) == 3
    assert len(pids("single")) == 1


def test_logs_are_kept_by_function(cloud: LocalCloud) -> None:
    invoke(cloud, "single", mark="find me")

    assert "find me" in cloud.worker_logs("single")
    assert "find me" not in cloud.worker_logs("missing")


def test_an_asynchronous_event_is_tried_three_times_and_then_dead(
    stack: tuple[LocalCloud, dict[str, str]],
) -> None:
    cloud, outputs = stack
    event = json.dumps({"do": "raise"})

    answer = cloud.client("lambda").invoke(FunctionName="letters", InvocationType="Event", Payload=event)
    cloud.wait_idle()

    assert answer["StatusCode"] == 202
    assert cloud.faults.calls["worker:letters"] == 3
    assert [message["Body"] for message in messages(cloud, outputs["Dead"])] == [event]


def test_a_killed_worker(cloud: LocalCloud) -> None:
    cloud.faults.kill_worker("probe", nth=2)

    outcomes = [invoke(cloud, "probe", do="sleep", seconds=0.2)[0].get("errorType") for _ in range(3)]

    assert outcomes == [None, "Runtime.ExitError", None]
