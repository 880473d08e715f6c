"""Whatever AWS answers once, and whichever worker dies: the end is the same as without it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from local_aws.faults import How
from tests.e2e.rematch_cloud import RematchCloud, deployed
from tests.e2e.test_pipeline import MENDED, VULNERABLE, dead_letters, push, states

#: Every operation on the way from a push to Security Hub; the second half writes.
OPERATIONS = [
    "dynamodb:GetItem",
    "dynamodb:Query",
    "dynamodb:BatchGetItem",
    "s3:GetObject",
    "ecr:DescribeImages",
    "ecr:BatchGetImage",
    "ecr:GetDownloadUrlForLayer",
]
WRITES = [
    "dynamodb:PutItem",
    "dynamodb:UpdateItem",
    "dynamodb:BatchWriteItem",
    "s3:PutObject",
    "stepfunctions:StartExecution",
    "events:PutEvents",
    "securityhub:BatchImportFindings",
]
WORKERS = ["intake", "resolve", "index-layer", "assess-image", "settle-track", "publish-findings"]


@pytest.fixture(scope="module")
def it(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RematchCloud]:
    with deployed(tmp_path_factory.mktemp("mirror")) as cloud:
        assert cloud.refresh() == "SUCCEEDED"
        yield cloud


def push_both(it: RematchCloud, repository: str) -> None:
    """Push the vulnerable image and the mended one under the armed faults, then disarm what is left."""
    try:
        push(it, repository, VULNERABLE, "v1")
        push(it, repository, MENDED, "v2")
    finally:
        it.cloud.faults.clear()


def ends_well(it: RematchCloud, repository: str) -> None:
    """After both pushes, the table and Security Hub say what they always say."""
    it.cloud.fire_schedule("Waiting")
    it.cloud.wait_idle(60)
    assert states(it, repository) == {"Django": "ACTIVE", "openssl": "ARCHIVED"}
    stored = {
        item["package"]: (item["state"], item["outbox"])
        for item in it._items()
        if item["sk"].startswith("FND#") and item["repository"] == repository
    }
    assert stored == {"Django": ("OPEN", "SENT"), "openssl": ("RESOLVED", "SENT")}
    assert dead_letters(it) == 0


@pytest.mark.parametrize("fault", ["throttle", "server_error", "lost_request"])
def test_every_call_may_fail_once_or_twice(it: RematchCloud, fault: How) -> None:
    repository = f"all-{fault.replace('_', '-')}"
    for operation in (*OPERATIONS, *WRITES):
        it.cloud.faults.fail(operation, how=fault, times=2)
    push_both(it, repository)
    ends_well(it, repository)


@pytest.mark.parametrize("operation", WRITES)
def test_a_write_that_was_done_and_not_answered_does_no_harm(it: RematchCloud, operation: str) -> None:
    repository = f"lost-{operation.replace(':', '-').lower()}"
    it.cloud.faults.fail(operation, how="lost_response", times=2)
    push_both(it, repository)
    ends_well(it, repository)


@pytest.mark.parametrize("worker", WORKERS)
def test_a_worker_that_is_killed_once_changes_nothing(it: RematchCloud, worker: str) -> None:
    repository = f"killed-{worker}"
    it.cloud.faults.kill_worker(f"hullwatch-{worker}")
    push_both(it, repository)
    ends_well(it, repository)
