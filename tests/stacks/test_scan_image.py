"""ScanImage: what is tried again, what is caught, and that it fits what the handlers say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args, get_type_hints

import pytest

from hullwatch.errors import PermanentError, TransientError, names_below
from hullwatch.pipeline.resolve import LayerTask, Plan
from tests.stacks.assembly import Assembly

LAMBDA = {
    "Lambda.ServiceException",
    "Lambda.AWSLambdaException",
    "Lambda.SdkClientException",
    "Lambda.TooManyRequestsException",
}
#: A process that was ended is tried again twice: its host may have failed.
ENDED = {"Lambda.Unknown", "Runtime.ExitError"}
EXHAUSTED = {"States.Timeout", "Lambda.Unknown", "Runtime.ExitError", "Sandbox.Timedout"}


def _states(definition: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, state in definition["States"].items():
        yield name, state
        if "ItemProcessor" in state:
            yield from _states(state["ItemProcessor"])


@pytest.fixture(scope="module")
def states(assembly: Assembly) -> dict[str, dict[str, Any]]:
    return dict(_states(assembly.definition("scan-image")))


@pytest.mark.parametrize("workflow", ["scan-image", "refresh-advisories"])
def test_what_is_tried_again_is_the_transient_part_of_the_error_tree(
    assembly: Assembly, workflow: str
) -> None:
    for name, state in _states(assembly.definition(workflow)):
        if state["Type"] != "Task":
            continue
        named = [error for retrier in state["Retry"] for error in retrier["ErrorEquals"]]
        assert set(named) == set(names_below(TransientError)) | LAMBDA | ENDED, name
        assert len(named) == len(set(named))
        for retrier in state["Retry"]:
            assert (retrier["JitterStrategy"], retrier["MaxDelaySeconds"]) == ("FULL", 60)


def test_ordinary_errors_are_tried_six_times_and_leases_for_a_workers_lifetime(
    states: dict[str, dict[str, Any]],
) -> None:
    leases, others, ended = states["IndexLayer"]["Retry"]
    assert (others["MaxAttempts"], others["IntervalSeconds"], others["BackoffRate"]) == (6, 2, 2)
    assert leases["ErrorEquals"] == ["LeaseHeld"]
    assert (set(ended["ErrorEquals"]), ended["MaxAttempts"]) == (ENDED, 2)
    # Full jitter waits for half of the delay on average.
    delays = [min(5 * 2**attempt, 60) / 2 for attempt in range(leases["MaxAttempts"])]
    assert sum(delays) > 900


def test_what_is_permanent_is_recorded_and_settled(states: dict[str, dict[str, Any]]) -> None:
    for name in ("Resolve", "IndexLayers", "AssessImage"):
        permanent, unexpected = states[name]["Catch"]
        expected = set(names_below(PermanentError)) | (EXHAUSTED if name != "Resolve" else set())
        assert set(permanent["ErrorEquals"]) == expected
        assert (permanent["Next"], unexpected["Next"]) == ("RecordReason", "RecordFailure")
        assert unexpected["ErrorEquals"] == ["States.ALL"]
        assert permanent["ResultPath"] == unexpected["ResultPath"] == "$.error"
    assert states["RecordReason"]["Next"] == "SettleTracks"
    assert states["SettleTracks"]["Next"] == "Done"
    assert states["Done"]["Type"] == "Succeed"


def test_what_is_unexpected_fails_the_execution(states: dict[str, dict[str, Any]]) -> None:
    assert states["RecordFailure"]["Next"] == "Failed"
    assert states["Failed"] == {
        "Type": "Fail",
        "ErrorPath": "$.error.Error",
        "CausePath": "$.error.Cause",
    }
    # Recording itself is not caught: it would go in circles.
    assert "Catch" not in states["RecordFailure"]
    assert "Catch" not in states["RecordReason"]


def test_every_kind_that_resolve_finds_has_a_way(states: dict[str, dict[str, Any]]) -> None:
    ways: dict[str, str] = {}
    for choice in states["WhatIsIt"]["Choices"]:
        for test in choice.get("Or", [choice]):
            assert test["Variable"] == "$.kind"
            ways[test["StringEquals"]] = choice["Next"]
    kinds = set(get_args(get_type_hints(Plan)["kind"]))
    assert set(ways) == kinds
    assert {kind for kind, way in ways.items() if way == "IndexLayers"} == {"image"}
    assert {way for kind, way in ways.items() if kind != "image"} == {"SettleTracks"}
    assert "Default" not in states["WhatIsIt"]


def test_the_state_is_what_the_steps_are_given(states: dict[str, dict[str, Any]]) -> None:
    plan = set(Plan.__struct_fields__)
    for name, state in states.items():
        payload = state.get("Parameters", {}).get("Payload", {})
        for path in payload.values():
            assert path.removeprefix("$.") in plan, name
    selected = states["IndexLayers"]["ItemSelector"]
    assert states["IndexLayers"]["ItemsPath"] == "$.layers"
    assert set(selected) == {"repository.$", "image.$", "layer.$"}
    assert "digest" in LayerTask.__struct_fields__


def test_layers_are_read_four_at_a_time(states: dict[str, dict[str, Any]]) -> None:
    assert states["IndexLayers"]["MaxConcurrency"] == 4
    # What they return is dropped: the state stays small however many layers there are.
    assert states["IndexLayers"]["ResultPath"] is None
    assert states["IndexLayer"]["ResultPath"] is None


def test_workflows_are_traced_and_logged_without_what_passes_through(assembly: Assembly) -> None:
    machines = assembly.resources("AWS::StepFunctions::StateMachine")
    assert len(machines) == 3
    for machine in machines:
        logging = machine.properties["LoggingConfiguration"]
        assert (logging["Level"], logging["IncludeExecutionData"]) == ("ALL", False)
        assert machine.properties["TracingConfiguration"] == {"Enabled": True}
        # Standard is the default: executions of one name run once.
        assert machine.properties.get("StateMachineType", "STANDARD") == "STANDARD"
        alarms = [
            alarm.properties["MetricName"]
            for alarm in assembly.resources("AWS::CloudWatch::Alarm")
            if {"Ref": machine.name} in [d["Value"] for d in alarm.properties.get("Dimensions", [])]
        ]
        assert sorted(alarms) == ["ExecutionsFailed", "ExecutionsTimedOut"]
        name = machine.properties["StateMachineName"].removeprefix("hullwatch-")
        definition = assembly.definition(name)
        assert definition["TimeoutSeconds"] == 7200
        assert definition.get("QueryLanguage", "JSONPath") == "JSONPath"
