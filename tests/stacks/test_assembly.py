"""What holds for everything that is synthesised, whatever it is for."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.stacks.assembly import Assembly

#: Accepted cdk-nag findings of the default configuration, by rule. More is a decision, not an accident.
ACCEPTED = {
    "AwsSolutions-IAM5": 57,
    "AwsSolutions-S1": 1,
    "AwsSolutions-SQS3": 4,
    "Serverless-LambdaDLQ": 15,
    "Serverless-LambdaEventSourceMappingDestination": 2,
    "Serverless-SQSRedrivePolicy": 6,
}


@pytest.fixture(params=["assembly", "strict"])
def checked(request: pytest.FixtureRequest) -> Assembly:
    found: Assembly = request.getfixturevalue(request.param)
    return found


def test_no_rule_is_violated(checked: Assembly) -> None:
    plugins = {report["pluginName"]: report for report in checked.validation}
    assert {"AwsSolutions", "Serverless"} <= set(plugins)
    assert [report["violations"] for report in plugins.values()] == [[]] * len(plugins)


def test_acknowledgements_are_counted(assembly: Assembly) -> None:
    accepted: dict[str, int] = {}
    for report in assembly.validation:
        for violation in report.get("suppressedViolations", []):
            rule = violation["ruleName"].partition("[")[0]
            accepted[rule] = accepted.get(rule, 0) + len(violation["violatingConstructs"])
    assert accepted == ACCEPTED


def test_every_acknowledgement_accepts_something(checked: Assembly) -> None:
    used = {
        (violation["acknowledgedAt"], violation["acknowledgedId"])
        for report in checked.validation
        for violation in report.get("suppressedViolations", [])
    }
    given = {
        (construct.removeprefix("/"), rule): reason
        for path in checked.directory.glob("*.metadata.json")
        for construct, entries in json.loads(path.read_text()).items()
        for entry in entries
        if entry["type"] == "aws:cdk:acknowledged-rules"
        for rule, reason in entry["data"].items()
    }
    assert set(given) == used
    assert all(len(reason) > 20 for reason in given.values())


def test_cfn_lint_is_clean(checked: Assembly) -> None:
    templates = [str(path) for path in checked.directory.glob("*.template.json")]
    linted = subprocess.run(
        [Path(sys.executable).with_name("cfn-lint"), *templates], capture_output=True, text=True, check=False
    )
    assert (linted.stdout, linted.returncode) == ("", 0)


def test_nothing_is_built_in_a_container(checked: Assembly) -> None:
    for path in checked.directory.glob("*.assets.json"):
        manifest = json.loads(path.read_text())
        assert manifest["files"]
        assert not manifest["dockerImages"]


def test_no_resource_needs_code_of_ours_to_deploy_it(checked: Assembly) -> None:
    kinds = {
        body["Type"] for template in checked.templates.values() for body in template["Resources"].values()
    }
    assert not {kind for kind in kinds if kind.startswith("Custom::") or "CustomResource" in kind}
    # The table must stay of the one kind that can be loaded on this machine.
    assert "AWS::DynamoDB::Table" in kinds
    assert "AWS::DynamoDB::GlobalTable" not in kinds


def test_no_layer_is_exported(checked: Assembly) -> None:
    """CloudFormation refuses to change an export that is in use, and a layer changes with every release."""
    for template in checked.templates.values():
        layers = {
            name
            for name, body in template["Resources"].items()
            if body["Type"] == "AWS::Lambda::LayerVersion"
        }
        exported = json.dumps([output["Value"] for output in template.get("Outputs", {}).values()])
        assert not [layer for layer in layers if layer in exported]


def test_the_local_flavour_differs_in_the_platform_only(assembly: Assembly, local: Assembly) -> None:
    def comparable(found: Assembly) -> dict[str, dict[str, object]]:
        shapes: dict[str, dict[str, object]] = {}
        for stack, template in found.templates.items():
            for name, body in template["Resources"].items():
                properties = dict(body.get("Properties", {}))
                if body["Type"] in {"AWS::Lambda::Function", "AWS::Lambda::LayerVersion"}:
                    for key in (
                        "Runtime",
                        "Architectures",
                        "CompatibleRuntimes",
                        "CompatibleArchitectures",
                        "Layers",
                        "Content",
                        "Description",
                    ):
                        properties.pop(key, None)
                shape = f"{body['Type']} {json.dumps(properties, sort_keys=True)}"
                shapes.setdefault(stack, {})[name.rstrip("0123456789abcdefABCDEF")] = shape
        return shapes

    assert comparable(local) == comparable(assembly)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    functions = local.resources("AWS::Lambda::Function")
    assert {function.properties["Runtime"] for function in functions} == {version}
