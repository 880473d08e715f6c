"""The running inventory: replaced scope by scope, asked for image by image."""

from __future__ import annotations

import msgspec
import pytest

from hullwatch.aws.running_records import RunningRecords, Where
from hullwatch.aws.table import Table
from hullwatch.posture.model.running import Running

HOST = "111122223333.dkr.ecr.eu-west-1.amazonaws.com"
AT = "2026-11-24T10:00:00.000Z"
LATER = "2026-11-24T11:00:00.000Z"

SHOP = Running(
    digest="sha256:a", image=f"{HOST}/team/shop:v1", kind="EcsTask", cluster="prod", workload="shop", count=3
)
JOBS = Running(digest="sha256:b", image=f"{HOST}/team/jobs@sha256:b", kind="LambdaFunction", workload="jobs")


@pytest.fixture
def running(table: Table) -> RunningRecords:
    return RunningRecords(table, "111122223333", "eu-west-1")


def test_what_runs_is_found_by_repository(running: RunningRecords) -> None:
    assert running.replace("ecs", [SHOP], complete=True, at=AT) == {Where("team/shop", "sha256:a")}

    assert running.of_repository("team/shop") == {"sha256:a": (SHOP,)}
    assert running.of_repository("team/jobs") == {}


def test_a_survey_that_sees_the_same_changes_nothing(running: RunningRecords) -> None:
    running.replace("ecs", [SHOP], complete=True, at=AT)

    more = msgspec.structs.replace(SHOP, count=5)
    assert running.replace("ecs", [more], complete=True, at=LATER) == set()
    assert running.of_repository("team/shop") == {"sha256:a": (more,)}


def test_the_same_again_is_not_written(running: RunningRecords, table: Table) -> None:
    running.replace("ecs", [SHOP], complete=True, at=AT)
    before = list(table.query("SURVEY#ecs"))

    running.replace("ecs", [SHOP], complete=True, at=LATER)
    assert list(table.query("SURVEY#ecs")) == before

    running.replace("ecs", [SHOP], complete=True, at="2026-11-27T10:00:00.000Z")
    (after,) = table.query("SURVEY#ecs")
    assert after["expires"] > before[0]["expires"]


def test_what_a_complete_survey_no_longer_sees_is_gone(running: RunningRecords, table: Table) -> None:
    running.replace("ecs", [SHOP], complete=True, at=AT)
    running.replace("functions", [JOBS], complete=True, at=AT)

    assert running.replace("ecs", [], complete=True, at=LATER) == {Where("team/shop", "sha256:a")}
    assert running.of_repository("team/shop") == {}
    assert list(table.query("SURVEY#ecs")) == []
    assert running.of_repository("team/jobs") == {"sha256:b": (JOBS,)}


def test_an_incomplete_survey_takes_nothing_away(running: RunningRecords) -> None:
    running.replace("ecs", [SHOP], complete=True, at=AT)

    assert running.replace("ecs", [], complete=False, at=LATER) == set()
    assert running.of_repository("team/shop") == {"sha256:a": (SHOP,)}
    assert not running.all_known(LATER)


def test_one_workload_is_replaced_alone(running: RunningRecords) -> None:
    other = msgspec.structs.replace(SHOP, workload="blog", digest="sha256:c")
    running.replace("ecs", [SHOP, other], complete=True, at=AT)

    newer = msgspec.structs.replace(SHOP, digest="sha256:d")
    changed = running.replace("ecs", [newer], complete=True, at=LATER, only=("prod", "shop"))

    assert changed == {Where("team/shop", "sha256:a"), Where("team/shop", "sha256:d")}
    assert running.of_repository("team/shop") == {"sha256:c": (other,), "sha256:d": (newer,)}
    assert running.replace("ecs", [], complete=True, at=LATER, only=("", "blog")) == {
        Where("team/shop", "sha256:c")
    }


def test_new_exposure_is_a_change(running: RunningRecords) -> None:
    running.replace("ecs", [SHOP], complete=True, at=AT)

    exposed = msgspec.structs.replace(SHOP, exposure=("reachable from the internet",))
    assert running.replace("ecs", [exposed], complete=True, at=LATER) == {Where("team/shop", "sha256:a")}


def test_the_roles_in_use_are_known_by_scope(running: RunningRecords) -> None:
    role = "arn:aws:iam::111122223333:role/shop"
    running.replace("ecs", [msgspec.structs.replace(SHOP, role=role)], complete=True, at=AT)
    running.replace("functions", [JOBS], complete=True, at=AT)

    assert running.roles() == {"ecs": {role}, "functions": set()}


def test_absence_is_only_known_when_everything_was_read_lately(running: RunningRecords) -> None:
    assert not running.all_known(AT)

    running.replace("ecs", [SHOP], complete=True, at=AT)
    assert running.all_known(LATER)
    assert not running.all_known("2026-11-27T10:00:00.000Z")

    running.replace("eks/prod", [], complete=False, at=AT)
    assert running.scopes() == {"ecs": True, "eks/prod": False}
    assert not running.all_known(LATER)

    running.forget("eks/prod", LATER)
    assert running.all_known(LATER)


@pytest.mark.parametrize(
    ("image", "repository"),
    [
        (f"{HOST}/team/shop:v1", "team/shop"),
        (f"{HOST}/shop@sha256:aa", "shop"),
        (f"{HOST}/shop:v1@sha256:aa", "shop"),
        ("registry.example:5000/shop", "registry.example:5000/shop"),
        ("registry.example:5000/shop:v1", "registry.example:5000/shop"),
        ("nginx:1.27", "docker.io/library/nginx"),
        (
            "999999999999.dkr.ecr.eu-west-1.amazonaws.com/shop:v1",
            "999999999999.dkr.ecr.eu-west-1.amazonaws.com/shop",
        ),
    ],
)
def test_repositories_of_references(running: RunningRecords, image: str, repository: str) -> None:
    assert running.repository_of(image) == repository
