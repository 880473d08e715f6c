from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local_aws.cloud import LocalCloud
from stacks.local import assembly
from tests.stacks.assembly import Assembly

STUBS = Path(__file__).with_name("stubs.py").read_text()
FUNCTIONS = (
    "Resolve",
    "IndexLayer",
    "AssessImage",
    "SettleTrack",
    "RecordFailure",
    "FetchAdvisories",
    "CompileAdvisories",
    "PlanRematch",
    "RematchBatch",
    "FinishRematch",
    "PlanSurvey",
    "SurveyScope",
)


class Workflow:
    """The synthesised state machines with stand-ins for their functions."""

    def __init__(self, cloud: LocalCloud, arns: dict[str, str], directory: Path) -> None:
        self._cloud = cloud
        self._arns = arns
        self._calls = directory / "calls"
        self._outcomes = directory / "outcomes"
        self._runs = 0

    def put_evidence(self, key: str, content: str) -> None:
        """Put an object into the evidence bucket."""
        self._cloud.client("s3").put_object(Bucket=self._arns["Evidence"], Key=key, Body=content.encode())

    def run(
        self, machine: str, outcomes: dict[str, list[dict[str, Any]]], payload: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Run one execution to its end and describe it; ``outcomes`` is what functions do, see the stubs."""
        self._calls.write_text("")
        self._outcomes.write_text(json.dumps(outcomes))
        self._runs += 1
        states = self._cloud.client("stepfunctions")
        arn = states.start_execution(
            stateMachineArn=self._arns[machine], name=f"run-{self._runs}", input=json.dumps(payload or {})
        )["executionArn"]
        self._cloud.wait_idle()
        execution: dict[str, Any] = states.describe_execution(executionArn=arn)
        return execution

    @property
    def calls(self) -> list[tuple[str, Any]]:
        """What was called in the last run, with which payload."""
        return [tuple(json.loads(line)) for line in self._calls.read_text().splitlines()]

    @property
    def counts(self) -> Counter[str]:
        """How often each function was called in the last run."""
        return Counter(name for name, _ in self.calls)


@pytest.fixture(scope="module")
def workflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workflow]:
    directory = tmp_path_factory.mktemp("workflows")
    with LocalCloud() as cloud:
        arns = cloud.create_stack("workflows", json.dumps(_template(directory)))
        yield Workflow(cloud, arns, directory)


def _template(directory: Path) -> dict[str, Any]:
    role = {"Fn::GetAtt": ["Role", "Arn"]}
    resources: dict[str, Any] = {
        "Role": {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": {"Statement": []}}},
        "Evidence": {"Type": "AWS::S3::Bucket"},
    }
    for name in FUNCTIONS:
        resources[name] = {
            "Type": "AWS::Lambda::Function",
            "Properties": {
                "FunctionName": name,
                "Code": {"ZipFile": STUBS},
                "Handler": "index.handler",
                "Runtime": "python3.14",
                "Role": role,
                "Environment": {
                    "Variables": {
                        "NAME": name,
                        "CALLS": str(directory / "calls"),
                        "OUTCOMES": str(directory / "outcomes"),
                    }
                },
            },
        }
    synthesised = Assembly(assembly())
    machines = {"ScanImage": "scan-image", "RefreshAdvisories": "refresh-advisories"}
    machines |= {"SurveyWorkloads": "survey-workloads"}
    for name, physical in machines.items():
        resources[name] = {
            "Type": "AWS::StepFunctions::StateMachine",
            "Properties": {
                "RoleArn": role,
                "DefinitionString": {"Fn::Sub": _with_stubs(json.dumps(synthesised.definition(physical)))},
            },
        }
    outputs = {name: {"Value": {"Ref": name}} for name in (*machines, "Evidence")}
    return {"Resources": resources, "Outputs": outputs}


def _with_stubs(definition: str) -> str:
    """The definition with references to our functions and bucket, in place of the synthesised ones."""
    for name in FUNCTIONS:
        definition = re.sub(rf"<{name}Function[0-9A-F]{{8}}>", f"${{{name}.Arn}}", definition)
    definition = re.sub(r"<[^<>]*ExportsOutputRefEvidence\w+>", "${Evidence}", definition)
    return definition.replace("<AWS::Partition>", "${AWS::Partition}")
