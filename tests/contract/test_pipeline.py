"""From a push to a finding through every service, with handlers that really run."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from contract.ecr import push
from contract.template import PIPELINE
from local_aws.cloud import LocalCloud


@pytest.fixture(scope="module")
def deployed() -> Iterator[tuple[LocalCloud, dict[str, str]]]:
    with LocalCloud() as cloud:
        outputs = cloud.create_stack("pipeline", PIPELINE)
        cloud.client("ecr").create_repository(repositoryName="team/app")
        yield cloud, outputs


def test_a_push_becomes_a_finding(deployed: tuple[LocalCloud, dict[str, str]]) -> None:
    cloud, outputs = deployed

    digest = push(cloud.client("ecr"), "team/app", b"first", "v1")
    cloud.wait_idle()

    executions = cloud.client("stepfunctions").list_executions(stateMachineArn=outputs["Scan"])["executions"]
    assert [(run["name"], run["status"]) for run in executions] == [
        (digest.removeprefix("sha256:"), "SUCCEEDED")
    ]
    assert [finding["Id"] for finding in cloud.client("securityhub").get_findings()["Findings"]] == [digest]


def test_a_duplicate_event_starts_nothing(deployed: tuple[LocalCloud, dict[str, str]]) -> None:
    cloud, _ = deployed
    digest = push(cloud.client("ecr"), "team/app", b"second", "v2")
    cloud.wait_idle()
    imports = cloud.faults.calls["securityhub:BatchImportFindings"]

    cloud.push_event(
        {
            "result": "SUCCESS",
            "repository-name": "team/app",
            "image-digest": digest,
            "action-type": "PUSH",
            "image-tag": "v2",
        }
    )
    cloud.wait_idle()

    assert cloud.faults.calls["securityhub:BatchImportFindings"] == imports


def test_a_retry_by_exception_name(deployed: tuple[LocalCloud, dict[str, str]]) -> None:
    cloud, outputs = deployed

    digest = push(cloud.client("ecr"), "team/app", b"fails once", "flaky")
    cloud.wait_idle()

    run = cloud.client("stepfunctions").describe_execution(
        executionArn=outputs["Scan"].replace("stateMachine", "execution")
        + ":"
        + digest.removeprefix("sha256:")
    )
    assert run["status"] == "SUCCEEDED"
    assert "TransientError: once" in cloud.worker_logs("assess")


def test_a_poison_message_ends_in_the_dead_letter_queue(deployed: tuple[LocalCloud, dict[str, str]]) -> None:
    cloud, outputs = deployed

    push(cloud.client("ecr"), "team/app", b"bad", "poison")
    good = push(cloud.client("ecr"), "team/app", b"good", "v3")
    cloud.wait_idle()

    messages = cloud.client("sqs").receive_message(QueueUrl=outputs["Dead"])["Messages"]
    assert ["poison" in message["Body"] for message in messages] == [True]
    assert good in {finding["Id"] for finding in cloud.client("securityhub").get_findings()["Findings"]}
