"""Which parts are surveyed because of events, and by schedule."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from hullwatch.aws.services import Services
from hullwatch.pipeline.survey import plan_survey, take_changes
from hullwatch.posture.model.running import Running
from hullwatch.settings import Environment

AT = "2026-11-24T10:00:00.000Z"
ROLE = "arn:aws:iam::111122223333:role/team/shop-task"
ENVIRONMENT = Environment(
    account="111122223333",
    region="eu-west-1",
    table="hullwatch",
    bucket="evidence",
    bus="hullwatch",
    survey_state_machine_arn="arn:aws:states:eu-west-1:111122223333:stateMachine:hullwatch-survey-workloads",
)


class Account:
    """A table in moto, clusters by name, and a workflow that remembers how it was started."""

    def __init__(self) -> None:
        self.started: list[tuple[str, dict[str, Any]]] = []
        self.clusters: list[str] | str = []
        self.services = Services(ENVIRONMENT, client=self._client)

    def _client(self, service: str) -> Any:
        return boto3.client(service) if service == "dynamodb" else self

    def start_execution(self, *, stateMachineArn: str, name: str, input: str) -> None:  # noqa: A002
        assert stateMachineArn == ENVIRONMENT.survey_state_machine_arn
        if name not in dict(self.started):
            self.started.append((name, json.loads(input)))

    def get_paginator(self, operation: str) -> Any:
        assert operation == "list_clusters"
        return self

    def paginate(self) -> Iterator[dict[str, Any]]:
        if isinstance(self.clusters, str):
            raise ClientError({"Error": {"Code": self.clusters, "Message": "no"}}, "ListClusters")
        yield from ({"clusters": [name]} for name in self.clusters)


@pytest.fixture
def account(aws: None) -> Account:
    return Account()


def call(source: str, operation: str, /, **request: str) -> str:
    detail = {"eventSource": source, "eventName": operation, "requestParameters": request}
    return json.dumps({"detail-type": "AWS API Call via CloudTrail", "detail": detail})


def test_a_batch_of_changes_is_one_survey(account: Account) -> None:
    bodies = {
        "m1": call("ecr.amazonaws.com", "PutLifecyclePolicy", repositoryName="shop"),
        "m2": call("ecr.amazonaws.com", "SetRepositoryPolicy", repositoryName="shop"),
        "m3": call("eks.amazonaws.com", "UpdateClusterConfig", name="main"),
    }
    take_changes(account.services, bodies)

    ((_, payload),) = account.started
    assert payload == {
        "scopes": [
            [{"kind": "ecr", "subject": "repository", "name": "shop"}],
            [{"kind": "cluster", "cluster": "main"}],
        ]
    }
    # The queue gives the same batch again: the survey that was started then is found.
    take_changes(account.services, bodies)
    assert len(account.started) == 1


def test_what_is_no_change_starts_nothing(account: Account, caplog: pytest.LogCaptureFixture) -> None:
    take_changes(account.services, {"m1": "nonsense", "m2": call("ecr.amazonaws.com", "DescribeImages")})

    assert account.started == []
    assert "dropped a message" in caplog.text


def runs(account: Account, scope: str, role: str = "") -> None:
    entry = Running(digest="sha256:a", image="nginx", kind="EcsTask", workload="shop", role=role)
    account.services.running.replace(scope, [entry], complete=True, at=AT, tell=lambda _: None)


def test_a_role_is_followed_to_where_it_is_in_use(account: Account) -> None:
    runs(account, "ecs", ROLE)
    runs(account, "eks/main")

    take_changes(account.services, {"m1": call("iam.amazonaws.com", "PutRolePolicy", roleName="shop-task")})
    take_changes(account.services, {"m2": call("iam.amazonaws.com", "PutRolePolicy", roleName="another")})
    take_changes(account.services, {"m3": call("iam.amazonaws.com", "CreatePolicyVersion")})

    account_and_ecs = {"scopes": [[{"kind": "account"}], [{"kind": "ecs"}]]}
    assert [payload for _, payload in account.started] == [
        account_and_ecs,
        {"scopes": [[{"kind": "account"}]]},
        # A policy may be attached to any role that is in use.
        account_and_ecs,
    ]


def scopes(plan: dict[str, Any]) -> list[str]:
    return ["/".join(part.values()) for (part,) in plan["scopes"]]


def test_a_plan_names_every_scope_and_clusters_that_are_gone(account: Account) -> None:
    account.clusters = ["main"]
    runs(account, "eks/gone")
    runs(account, "ecs")

    found = scopes(plan_survey(account.services))
    assert found == ["account", "ecr", "ecs", "functions", "cluster/gone", "cluster/main"]


def test_clusters_that_cannot_be_listed_cost_only_themselves(account: Account) -> None:
    account.clusters = "AccessDeniedException"
    runs(account, "eks/known")

    assert scopes(plan_survey(account.services))[-2:] == ["functions", "cluster/known"]
