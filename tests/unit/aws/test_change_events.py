"""Every event that a survey follows, as its service sends it, and what is read again because of it."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

import boto3
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hullwatch.aws.change_events import CALLS, ECS_EVENTS, RoleChanged, read
from hullwatch.errors import MessageInvalid
from hullwatch.posture.parts import Part

EVENTS = Path(__file__).parents[2] / "events/changes"
SHOP = Part(kind="ecs", cluster="prod", subject="service", name="shop")
FAMILY = Part(kind="ecs", subject="family", name="shop")


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("ecs-task-running", [SHOP, FAMILY]),
        ("ecs-task-provisioning", []),
        ("ecs-task-stopped-alone", [FAMILY]),
        ("ecs-deployment-completed", [SHOP]),
        ("ecs-register-task-definition", [FAMILY]),
        ("ecs-deregister-task-definition", [FAMILY]),
        ("ecs-update-service", [SHOP, FAMILY]),
        ("ecs-update-service-refused", []),
        ("ecr-put-image-tag-mutability", [Part(kind="ecr", subject="repository", name="team/shop")]),
        ("ecr-put-registry-scanning", [Part(kind="ecr")]),
        ("eks-update-cluster-config", [Part(kind="cluster", cluster="prod")]),
        ("eks-create-access-entry", [Part(kind="cluster", cluster="prod")]),
        ("lambda-update-function-code", [Part(kind="functions")]),
        ("iam-attach-role-policy", [RoleChanged("shop-task")]),
        ("iam-create-policy-version", [RoleChanged("")]),
    ],
)
def test_events_name_what_to_read_again(name: str, changed: list[Part | RoleChanged]) -> None:
    assert read((EVENTS / f"{name}.json").read_text()) == changed


def test_every_recorded_event_is_tested() -> None:
    cases = test_events_name_what_to_read_again.pytestmark[0].args[1]  # type: ignore[attr-defined]
    assert {name for name, _ in cases} == {path.stem for path in EVENTS.glob("*.json")}


@pytest.mark.parametrize("source", CALLS)
def test_the_calls_are_operations_of_the_service(source: str) -> None:
    operations = set(
        boto3.client(source.partition(".")[0], region_name="eu-west-1").meta.method_to_api_mapping.values()
    )
    # CloudTrail names Lambda's calls with the version of its API.
    names = {name.partition("2015")[0] if source.startswith("lambda") else name for name in CALLS[source]}
    assert names <= operations


@pytest.mark.parametrize("source", CALLS)
@pytest.mark.parametrize("request_parameters", [None, {}, [], {"name": 1, "cluster": [], "service": {}}])
def test_a_call_without_parameters_costs_a_whole_part_at_most(
    source: str, request_parameters: object
) -> None:
    for name in CALLS[source]:
        detail = {"eventSource": source, "eventName": name, "requestParameters": request_parameters}
        body = json.dumps({"detail-type": "AWS API Call via CloudTrail", "detail": detail})
        assert all(isinstance(item, RoleChanged) or item.whole for item in read(body))


@pytest.mark.parametrize(
    "body",
    [
        "",
        "nonsense",
        "[]",
        "{}",
        '{"detail-type": "x", "detail": {}}',
        '{"detail-type": 1}',
        '{"detail-type": "x", "detail": {"a": ' + "[" * 10_000,
        "\ud800",
    ],
    ids=lambda body: body[:40],
)
def test_anything_else_is_refused(body: str) -> None:
    with pytest.raises(MessageInvalid):
        read(body)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=8,
)
NAMES = [
    "clusterArn", "group", "lastStatus", "errorCode", "eventSource", "eventName", "requestParameters",
    "repositoryName", "cluster", "service", "taskDefinition", "family", "clusterName", "roleName",
]  # fmt: skip
details = st.dictionaries(st.sampled_from(NAMES), values)


@given(
    kind=st.sampled_from([*ECS_EVENTS, "AWS API Call via CloudTrail"]),
    source=st.sampled_from([(source, name) for source, names in CALLS.items() for name in names]),
    detail=details,
    request_parameters=details,
    resources=st.lists(st.text(max_size=20), max_size=2),
)
def test_whatever_an_event_holds_it_says_what_to_read(
    kind: str,
    source: tuple[str, str],
    detail: dict[str, object],
    request_parameters: dict[str, object],
    resources: list[str],
) -> None:
    named = {"eventSource": source[0], "eventName": source[1], "requestParameters": request_parameters}
    body = json.dumps({"detail-type": kind, "detail": named | detail, "resources": resources})
    assert all(isinstance(item, Part | RoleChanged) for item in read(body))


@given(body=st.text(max_size=200))
def test_any_text_is_an_event_or_refused(body: str) -> None:
    with suppress(MessageInvalid):
        read(body)
