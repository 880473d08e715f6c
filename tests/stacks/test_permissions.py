"""Least privilege, and the page that lists it."""

from __future__ import annotations

import json
from pathlib import Path

from hullwatch.aws.survey.survey import PERMISSIONS
from stacks.iam import document
from tests.stacks.assembly import Assembly, listed

ROOT = Path(__file__).resolve().parents[2]

#: The only actions that no resource can be named for.
EVERYWHERE = {
    "xray:PutTraceSegments",
    "xray:PutTelemetryRecords",
    "xray:GetSamplingRules",
    "xray:GetSamplingTargets",
    "logs:CreateLogDelivery",
    "logs:GetLogDelivery",
    "logs:UpdateLogDelivery",
    "logs:DeleteLogDelivery",
    "logs:ListLogDeliveries",
    "logs:PutResourcePolicy",
    "logs:DescribeResourcePolicies",
    "logs:DescribeLogGroups",
    "ec2:CreateNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DeleteNetworkInterface",
}

#: What describes a whole account, by list or by names that only lists know. Nothing in it writes.
SURVEYED = {action for actions in PERMISSIONS.values() for action in actions} - {"ssm:GetParameters"}


def test_a_survey_only_reads() -> None:
    verbs = {action.partition(":")[2] for actions in PERMISSIONS.values() for action in actions}
    reading = ("Describe", "Get", "List", "BatchGet", "Lookup")
    assert {verb for verb in verbs if not verb.startswith(reading)} == set()
    assert not verbs & {"GetSecretValue", "GetParameter", "GetAuthorizationToken", "GetObject"}


def test_no_action_is_a_pattern_and_everywhere_is_the_exception(strict: Assembly) -> None:
    for policy in strict.resources("AWS::IAM::Policy"):
        for statement in policy.properties["PolicyDocument"]["Statement"]:
            actions = set(listed(statement["Action"]))
            assert not {action for action in actions if "*" in action}
            if "*" in listed(statement["Resource"]):
                assert actions <= EVERYWHERE | SURVEYED


def test_every_role_carries_the_boundary(strict: Assembly) -> None:
    roles = strict.resources("AWS::IAM::Role")
    assert len(roles) >= 12
    for role in roles:
        assert "policy/acme-boundary" in json.dumps(role.properties["PermissionsBoundary"])


def test_no_role_has_a_managed_policy(assembly: Assembly) -> None:
    for role in assembly.resources("AWS::IAM::Role"):
        assert "ManagedPolicyArns" not in role.properties
        assert "Policies" not in role.properties


def test_items_are_granted_by_their_keys(assembly: Assembly) -> None:
    for policy in assembly.resources("AWS::IAM::Policy"):
        for statement in policy.properties["PolicyDocument"]["Statement"]:
            actions = listed(statement["Action"])
            if any(action.startswith("dynamodb:") and "Item" in action for action in actions):
                assert set(statement["Condition"]) == {"ForAllValues:StringLike", "Null"}
                # Nothing reads or writes whatever is there.
                assert "dynamodb:Scan" not in actions


def test_who_reads_image_bytes_can_do_little_else(assembly: Assembly) -> None:
    allowed = {
        action: json.dumps([statement["Resource"], statement.get("Condition")])
        for statement in assembly.allowed("index_layer")
        for action in listed(statement["Action"])
    }
    services = {action.partition(":")[0] for action in allowed}
    assert services == {"logs", "xray", "ecr", "dynamodb", "s3"}
    assert [action for action in allowed if action.startswith("ecr:")] == ["ecr:GetDownloadUrlForLayer"]
    assert {action for action in allowed if action.startswith("s3:")} == {
        "s3:PutObject",
        "s3:AbortMultipartUpload",
    }
    assert "/layers/*" in allowed["s3:PutObject"]
    assert '"dynamodb:LeadingKeys": ["LAYER#*"]' in allowed["dynamodb:PutItem"]


def test_only_included_repositories_are_readable(strict: Assembly) -> None:
    resources = {
        json.dumps(resource).rpartition(":repository/")[2].partition('"')[0]
        for name in ("resolve", "index_layer", "settle_track", "intake")
        for statement in strict.allowed(name)
        if any(action.startswith("ecr:") for action in listed(statement["Action"]))
        for resource in listed(statement["Resource"])
    }
    assert resources == {"prod/*", "base-?"}


def test_only_the_publisher_writes_to_security_hub(assembly: Assembly) -> None:
    holders = {
        policy.name: statement["Resource"]
        for policy in assembly.resources("AWS::IAM::Policy")
        for statement in policy.properties["PolicyDocument"]["Statement"]
        if any(action.startswith("securityhub:") for action in listed(statement["Action"]))
    }
    ((name, resource),) = holders.items()
    assert name.startswith("PublishFindings")
    assert json.dumps(resource).count("AWS::AccountId") == 2


def test_the_page_lists_what_is_deployed(assembly: Assembly) -> None:
    page = (ROOT / "docs/iam.md").read_text()
    assert page == document(assembly.directory), "docs/iam.md is out of date: run `make docs`"
