"""Checking documents by a standard, as the command line does."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hullwatch.errors import UserError
from hullwatch.posture.engine import inputs
from hullwatch.posture.readers.answers import FURTHER_READS
from hullwatch.posture.readers.aws import INPUTS
from hullwatch.posture.standards import as_json, check_documents, controls_of, entries_of

POD: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "web"},
    "spec": {"hostPID": True, "containers": [{"name": "app", "image": "app:1"}]},
}


def test_the_shape_of_a_result() -> None:
    [result] = [item for item in check_documents([POD], "pss-baseline") if item.verdict == "FAILED"]
    row = as_json(result)
    assert row == {
        "control": "k8s.pod.host-pid",
        "resource": "Pod/default/web",
        "verdict": "FAILED",
        "reason": "",
        "violations": [{"path": "spec.hostPID", "value": True}],
    }
    assert json.loads(json.dumps(row)) == row


def test_a_standard_limits_what_is_judged() -> None:
    everything = {item.control for item in check_documents([POD])}
    baseline = {item.control for item in check_documents([POD], "pss-baseline")}
    assert baseline < everything
    assert baseline == {entry.id for entry in entries_of("pss-baseline")}


def test_the_version_decides_what_belongs_to_a_level() -> None:
    at = {
        version: {item.id for item in controls_of("pss-restricted", version)}
        for version in ((1, 33), (1, 34))
    }
    assert at[1, 34] - at[1, 33] == {"k8s.pod.probe-host"}


@pytest.mark.parametrize(("standard", "version"), [("iso-27001", ""), ("", "thirty"), ("pss-baseline", "1")])
def test_wrong_usage(standard: str, version: str) -> None:
    with pytest.raises(UserError):
        check_documents([POD], standard, version)


def test_paths_lead_through_the_template() -> None:
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": {"template": {"spec": POD["spec"]}},
    }
    [result] = [item for item in check_documents([deployment], "pss-baseline") if item.verdict == "FAILED"]
    assert result.violations[0].path == "spec.template.spec.hostPID"


def test_fields_of_the_object_itself_are_not_sought_in_the_template() -> None:
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": {"template": {"spec": POD["spec"]}},
    }
    results = {item.control: item for item in check_documents([deployment])}
    assert results["k8s.pod.default-namespace"].violations[0].path == "metadata.namespace"


def test_a_control_has_one_result_for_a_resource() -> None:
    """A service and its tasks, a family and its standalone tasks: one finding each."""
    arn = "arn:aws:ecs:eu-central-1:111122223333"
    service = {"serviceName": "web", "clusterArn": f"{arn}:cluster/prod", "launchType": "FARGATE"}
    task = {
        "taskArn": f"{arn}:task/prod/1",
        "clusterArn": f"{arn}:cluster/prod",
        "group": "service:web",
        "launchType": "FARGATE",
        "platformVersion": "1.3.0",
    }
    results = check_documents(
        [{"services": [service]}, {"tasks": [task, {**task, "taskArn": f"{arn}:task/prod/2"}]}]
    )
    [result] = [item for item in results if item.control == "ecs.service.platform-version"]
    assert (result.verdict, result.witnesses) == ("FAILED", 2)
    assert len({item.id for item in results}) == len(results)


def test_answers_about_one_repository_are_enough_to_judge_it() -> None:
    policy = {"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "ecr:PutImage"}]}
    documents = [
        {"repositories": [{"repositoryName": "open"}, {"repositoryName": "asked-for-nothing"}]},
        {"repositoryName": "open", "policyText": json.dumps(policy)},
    ]
    results = {
        item.resource.name: item
        for item in check_documents(documents)
        if item.control == "ecr.repo.policy-public"
    }
    assert (results["open"].verdict, results["open"].severity) == ("FAILED", "critical")
    assert results["asked-for-nothing"].verdict == "NOT_AVAILABLE"


def test_every_aws_input_can_come_from_a_file() -> None:
    needed = {name for name in inputs(controls_of()) if ":" in name}
    further = {name for reads in FURTHER_READS.values() for name in reads.values()}
    assert needed <= {*INPUTS.values(), *further, "sts:GetCallerIdentity"}


def test_files_are_a_part_of_the_cluster() -> None:
    """What would need the rest is not available, and never passes."""
    results = {item.control: item for item in check_documents([POD])}
    assert results["net.pod-not-isolated"].verdict == "NOT_AVAILABLE"
    assert "only partly read" in results["net.pod-not-isolated"].reason


def test_an_account_without_ecr_has_no_results_about_it() -> None:
    assert not [item for item in check_documents([POD]) if item.control.startswith(("ecr.", "ecs.", "eks."))]
