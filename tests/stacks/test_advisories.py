from __future__ import annotations

from typing import Any

from hullwatch.advisories.feeds import FEEDS
from tests.stacks.assembly import Assembly


def _schedule(found: Assembly) -> dict[str, Any]:
    (schedule,) = (
        schedule.properties
        for schedule in found.resources("AWS::Scheduler::Schedule")
        if schedule.stack.endswith("-advisories")
    )
    return schedule


def test_every_feed_is_fetched_and_one_that_fails_does_not_stop_the_others(assembly: Assembly) -> None:
    states = assembly.definition("refresh-advisories")["States"]
    assert states["ConfiguredFeeds"]["Result"] == {"feeds": list(FEEDS)}
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
