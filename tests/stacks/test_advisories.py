from __future__ import annotations

import json
from typing import Any

from hullwatch.advisories.feeds import FEEDS, OPT_IN
from hullwatch.pipeline.rematch import Outcome, Plan
from tests.stacks.assembly import Assembly, listed

CONFIGURED = [name for name in FEEDS if name not in OPT_IN]


def _schedule(found: Assembly) -> dict[str, Any]:
    (schedule,) = (
        schedule.properties
        for schedule in found.resources("AWS::Scheduler::Schedule")
        if schedule.stack.endswith("-advisories")
    )
    return schedule


def test_every_feed_is_fetched_and_one_that_fails_does_not_stop_the_others(assembly: Assembly) -> None:
    states = assembly.definition("refresh-advisories")["States"]
    assert states["ConfiguredFeeds"]["Result"] == {"feeds": CONFIGURED}
    each = states["FetchFeeds"]
    assert (each["ItemsPath"], each["ItemSelector"]) == ("$.feeds", {"feed.$": "$$.Map.Item.Value"})
    fetch = each["ItemProcessor"]["States"]["FetchFeed"]
    assert fetch["Catch"] == [
        {"ErrorEquals": ["States.ALL"], "Next": "KeepLastCopy", "ResultPath": "$.error"}
    ]
    assert each["ItemProcessor"]["States"]["KeepLastCopy"]["End"] is True
    assert each["Next"] == "CompileShards"


def test_the_configuration_names_the_feeds_and_when_they_are_read(strict: Assembly) -> None:
    states = strict.definition("refresh-advisories")["States"]
    assert states["ConfiguredFeeds"]["Result"] == {"feeds": ["osv", "kev"]}
    assert _schedule(strict)["ScheduleExpression"] == "cron(0 3 * * ? *)"


def test_a_refresh_that_cannot_start_is_noticed(assembly: Assembly) -> None:
    target = _schedule(assembly)["Target"]
    assert "DeadLetterConfig" in target
    (machine,) = (
        machine
        for machine in assembly.resources("AWS::StepFunctions::StateMachine")
        if machine.stack.endswith("-advisories")
    )
    assert target["Arn"] == {"Ref": machine.name}


def test_compiling_has_the_room_it_needs(assembly: Assembly) -> None:
    properties = assembly.function("compile_advisories").properties
    assert properties["EphemeralStorage"] == {"Size": 10240}
    # More than this needs a raised quota in a new account.
    assert properties["MemorySize"] <= 3008


def test_the_fleet_is_matched_again_in_a_distributed_map(assembly: Assembly) -> None:
    states = assembly.definition("refresh-advisories")["States"]
    assert states["CompileShards"]["Next"] == "PlanRematch"
    batches = states["RematchBatches"]
    assert batches["ItemProcessor"]["ProcessorConfig"] == {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}
    assert batches["ItemReader"]["ReaderConfig"] == {"InputType": "JSON"}
    assert batches["ItemReader"]["Parameters"]["Key.$"] == "$.items"
    assert batches["MaxConcurrency"] == 8
    # Nothing is tolerated in silence: a batch that fails is an answer, which the last step counts.
    assert not {name for name in batches if name.startswith("Tolerated")}
    batch = batches["ItemProcessor"]["States"]["RematchBatch"]
    assert batch["Catch"] == [{"ErrorEquals": ["States.ALL"], "Next": "BatchFailed"}]
    assert batches["ItemProcessor"]["States"]["BatchFailed"]["Result"] == -1


def test_the_steps_of_a_round_are_given_what_the_plan_says(assembly: Assembly) -> None:
    states = assembly.definition("refresh-advisories")["States"]
    round_ = {path for path in states["RematchBatches"]["ItemSelector"].values() if not path.startswith("$$")}
    used = {*round_, states["RematchBatches"]["ItemReader"]["Parameters"]["Key.$"]}
    used |= {choice["Variable"] for choice in states["AnyImage"]["Choices"]}
    assert {path.removeprefix("$.") for path in used} == set(Plan.__struct_fields__)
    assert states["AnyFailed"]["Choices"][0]["Variable"].removeprefix("$.") in Outcome._fields


def test_matching_again_pulls_nothing_and_starts_no_scan(assembly: Assembly) -> None:
    actions = {
        action
        for name in ("plan_rematch", "rematch_batch", "finish_rematch")
        for statement in assembly.allowed(name)
        for action in listed(statement["Action"])
    }
    assert {action for action in actions if action.startswith("ecr:")} == {"ecr:DescribeImages"}
    assert not {action for action in actions if action.startswith(("states:", "sqs:"))}


def test_the_machine_may_run_its_children_and_nothing_else(assembly: Assembly) -> None:
    (machine,) = (
        machine
        for machine in assembly.resources("AWS::StepFunctions::StateMachine")
        if machine.stack.endswith("-advisories")
    )
    allowed = {
        action: json.dumps(statement["Resource"])
        for statement in assembly.statements(machine.properties["RoleArn"]["Fn::GetAtt"][0])
        for action in listed(statement["Action"])
        if action.startswith(("states:", "s3:"))
    }
    assert set(allowed) == {
        "states:StartExecution",
        "states:DescribeExecution",
        "states:StopExecution",
        "s3:GetObject",
    }
    assert ":stateMachine:hullwatch-refresh-advisories" in allowed["states:StartExecution"]
    assert ":execution:hullwatch-refresh-advisories:*" in allowed["states:StopExecution"]
    assert "/rematch/*" in allowed["s3:GetObject"]


def test_a_feed_that_grows_stale_raises_an_alarm(assembly: Assembly) -> None:
    (found,) = (
        alarm.properties
        for alarm in assembly.resources("AWS::CloudWatch::Alarm")
        if alarm.properties["MetricName"] == "StaleFeeds"
    )
    function = assembly.function("compile_advisories")
    assert found["Dimensions"] == [
        {"Name": "function_name", "Value": {"Ref": function.name}},
        {"Name": "service", "Value": "hullwatch"},
    ]
    environment = function.properties["Environment"]["Variables"]
    assert found["Namespace"] == environment["POWERTOOLS_METRICS_NAMESPACE"]
    assert environment["POWERTOOLS_SERVICE_NAME"] == "hullwatch"
    assert (found["Threshold"], found["Statistic"], len(found["AlarmActions"])) == (1, "Maximum", 1)
