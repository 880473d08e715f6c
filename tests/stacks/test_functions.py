from __future__ import annotations

import json
from pathlib import Path

import pytest

from hullwatch.pipeline.settle import LEASE_SECONDS
from hullwatch.settings import Environment
from tests.stacks.assembly import Assembly

ROOT = Path(__file__).resolve().parents[2]
FUNCTIONS = sorted(path.parent.name for path in ROOT.glob("lambdas/*/handler.py"))


def test_every_handler_is_deployed_once(assembly: Assembly) -> None:
    names = [function.properties["FunctionName"] for function in assembly.resources("AWS::Lambda::Function")]
    assert sorted(names) == sorted(f"hullwatch-{name.replace('_', '-')}" for name in FUNCTIONS)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_function_is_alike(assembly: Assembly, name: str) -> None:
    function = assembly.function(name)
    properties = function.properties
    assert properties["Handler"] == "handler.handler"
    assert (properties["Runtime"], properties["Architectures"]) == ("python3.14", ["arm64"])
    assert properties["TracingConfig"] == {"Mode": "Active"}
    # Who judges the configuration is told the accepted risks by a layer.
    assert len(properties["Layers"]) == (3 if name == "survey_scope" else 2)

    logs = {group.name: group for group in assembly.resources("AWS::Logs::LogGroup")}
    group = logs[properties["LoggingConfig"]["LogGroup"]["Ref"]]
    assert group.properties["LogGroupName"] == f"/aws/lambda/{properties['FunctionName']}"
    assert group.properties["RetentionInDays"] == 90

    roles = {role.name: role for role in assembly.resources("AWS::IAM::Role") if role.stack == function.stack}
    role = roles[properties["Role"]["Fn::GetAtt"][0]]
    assert "ManagedPolicyArns" not in role.properties
    users = [
        other.name
        for other in assembly.resources("AWS::Lambda::Function")
        if other.properties["Role"] == properties["Role"] and other.stack == function.stack
    ]
    assert users == [function.name]

    watched = {
        alarm.properties["MetricName"]
        for alarm in assembly.resources("AWS::CloudWatch::Alarm")
        if {"Name": "FunctionName", "Value": {"Ref": function.name}} in alarm.properties.get("Dimensions", [])
    }
    assert watched == {"Errors", "Throttles"}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_environment_is_what_the_library_reads(strict: Assembly, name: str) -> None:
    variables = strict.function(name).properties["Environment"]["Variables"]
    assert sum(len(key) + len(json.dumps(value)) for key, value in variables.items()) < 4096
    environment = Environment.read({key: str(value) for key, value in variables.items()})
    settings = environment.settings
    assert settings.include == ("prod/*:*", "base-[0-9]:*")
    assert settings.exclude == ("*:cache-*",)
    assert [(rule.match, rule.name) for rule in settings.tracks] == [("prod/*:release-*", "release")]
    assert (settings.findings.group_by, settings.findings.minimum_priority) == ("vulnerability", "P2")
    assert settings.mirror == "https://mirror.example/feeds"
    assert variables["POWERTOOLS_SERVICE_NAME"] == variables["POWERTOOLS_METRICS_NAMESPACE"] == "hullwatch"


def test_who_starts_scans_knows_the_workflow_and_who_finds_children_knows_the_queue(
    assembly: Assembly,
) -> None:
    knows = {
        name: assembly.function(name).properties["Environment"]["Variables"].keys() for name in FUNCTIONS
    }
    assert [name for name in FUNCTIONS if "HULLWATCH_SCAN_STATE_MACHINE_ARN" in knows[name]] == ["intake"]
    assert [name for name in FUNCTIONS if "HULLWATCH_INTAKE_QUEUE_URL" in knows[name]] == [
        "resolve",
        "survey_scope",
    ]
    assert [name for name in FUNCTIONS if "HULLWATCH_SURVEY_STATE_MACHINE_ARN" in knows[name]] == [
        "take_changes"
    ]


@pytest.mark.parametrize("name", ["intake", "settle_track", "rematch_batch"])
def test_no_worker_outlives_its_lease_of_a_track(assembly: Assembly, name: str) -> None:
    assert assembly.function(name).properties["Timeout"] < LEASE_SECONDS


def test_functions_run_in_the_network_that_is_named(assembly: Assembly, strict: Assembly) -> None:
    for name in FUNCTIONS:
        assert "VpcConfig" not in assembly.function(name).properties
        assert strict.function(name).properties["VpcConfig"] == {
            "SubnetIds": ["subnet-0123456789abcdef0"],
            "SecurityGroupIds": ["sg-0123456789abcdef0"],
        }
        actions = json.dumps(list(strict.allowed(name)))
        assert "ec2:CreateNetworkInterface" in actions
