"""The running inventory: replaced scope by scope, asked for image by image."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
import pytest

from hullwatch.aws.running_records import RunningRecords, Where
from hullwatch.aws.table import Table
from hullwatch.errors import SourceUnavailable
from hullwatch.posture.model.running import Running

HOST = "111122223333.dkr.ecr.eu-west-1.amazonaws.com"
AT = "2026-11-24T10:00:00.000Z"
LATER = "2026-11-24T11:00:00.000Z"

SHOP = Running(
    digest="sha256:a",
    image=f"{HOST}/team/shop:v1",
    kind="EcsTask",
    cluster="prod",
    workload="shop",
    containers=("web",),
    count=3,
)
JOBS = Running(digest="sha256:b", image=f"{HOST}/team/jobs@sha256:b", kind="LambdaFunction", workload="jobs")


@pytest.fixture
def running(table: Table) -> RunningRecords:
    return RunningRecords(table, "111122223333", "eu-west-1")


def replaced(running: RunningRecords, scope: str, seen: Iterable[Running], **more: Any) -> set[Where]:
    """Replace what runs, and say for which images something has changed."""
    told: list[set[Where]] = []
    running.replace(scope, seen, **{"complete": True, "at": AT, **more}, tell=told.append)
    (changed,) = told
    return changed


def test_what_runs_is_found_by_repository(running: RunningRecords) -> None:
    assert replaced(running, "ecs", [SHOP]) == {Where("team/shop", "sha256:a")}

    assert running.of_repository("team/shop") == {"sha256:a": (SHOP,)}
    assert running.of_repository("team/jobs") == {}


def test_a_survey_that_sees_the_same_changes_nothing(running: RunningRecords) -> None:
    replaced(running, "ecs", [SHOP])

    more = msgspec.structs.replace(SHOP, count=5)
    assert replaced(running, "ecs", [more], at=LATER) == set()
    assert running.of_repository("team/shop") == {"sha256:a": (more,)}


def test_the_same_again_is_not_written(running: RunningRecords, table: Table) -> None:
    replaced(running, "ecs", [SHOP])
    before = list(table.query("SURVEY#ecs"))

    replaced(running, "ecs", [SHOP], at=LATER)
    assert list(table.query("SURVEY#ecs")) == before

    replaced(running, "ecs", [SHOP], at="2026-11-27T10:00:00.000Z")
    (after,) = table.query("SURVEY#ecs")
    assert after["expires"] > before[0]["expires"]


def test_what_a_complete_survey_no_longer_sees_is_gone(running: RunningRecords, table: Table) -> None:
    replaced(running, "ecs", [SHOP])
    replaced(running, "functions", [JOBS])

    assert replaced(running, "ecs", [], at=LATER) == {Where("team/shop", "sha256:a")}
    assert running.of_repository("team/shop") == {}
    assert list(table.query("SURVEY#ecs")) == []
    assert running.of_repository("team/jobs") == {"sha256:b": (JOBS,)}


def test_an_incomplete_survey_takes_nothing_away(running: RunningRecords) -> None:
    replaced(running, "ecs", [SHOP])

    assert replaced(running, "ecs", [], complete=False, at=LATER) == set()
    assert running.of_repository("team/shop") == {"sha256:a": (SHOP,)}
    assert not running.all_known(LATER)


def test_a_survey_that_breaks_off_is_told_again(running: RunningRecords, table: Table) -> None:
    replaced(running, "ecs", [JOBS])

    def broken(_: set[Where]) -> None:
        raise SourceUnavailable("the queue does not answer")

    for at in (AT, LATER):
        with pytest.raises(SourceUnavailable):
            running.replace("ecs", [SHOP], complete=True, at=at, tell=broken)
    # Who is told finds it in the table already.
    assert running.of_repository("team/shop") == {"sha256:a": (SHOP,)}
    assert running.of_repository("team/jobs") == {}

    both = {Where("team/shop", "sha256:a"), Where("team/jobs", "sha256:b")}
    assert replaced(running, "ecs", [SHOP], at=LATER) == both
    assert replaced(running, "ecs", [SHOP], at=LATER) == set()
    assert len(list(table.query("SURVEY#ecs"))) == 1


def test_a_worker_that_dies_between_two_writes_hides_nothing(
    running: RunningRecords, table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, writes = table.write, iter([True, False])

    def once(*args: Any, **more: Any) -> None:
        if not next(writes):
            raise SystemExit
        write(*args, **more)

    with monkeypatch.context() as dying:
        dying.setattr(table, "write", once)
        with pytest.raises(SystemExit):
            replaced(running, "ecs", [SHOP])
    assert running.of_repository("team/shop") == {}

    assert replaced(running, "ecs", [SHOP], at=LATER) == {Where("team/shop", "sha256:a")}
    assert running.of_repository("team/shop") == {"sha256:a": (SHOP,)}


def test_what_was_known_of_a_workload_stays_when_it_could_not_be_read_again(running: RunningRecords) -> None:
    known = msgspec.structs.replace(SHOP, role="arn:aws:iam::1:role/a", exposure=("has a public IP address",))
    replaced(running, "ecs", [known])

    assert replaced(running, "ecs", [SHOP], vague=True) == set()
    assert running.of_repository("team/shop") == {"sha256:a": (known,)}
    # Read again, and there no more.
    assert replaced(running, "ecs", [SHOP]) == {Where("team/shop", "sha256:a")}
    assert running.of_repository("team/shop") == {"sha256:a": (SHOP,)}


def test_one_workload_is_replaced_alone(running: RunningRecords) -> None:
    other = msgspec.structs.replace(SHOP, workload="blog", digest="sha256:c")
    replaced(running, "ecs", [SHOP, other])

    newer = msgspec.structs.replace(SHOP, digest="sha256:d")
    changed = replaced(running, "ecs", [newer], at=LATER, only=("prod", "shop"))

    assert changed == {Where("team/shop", "sha256:a"), Where("team/shop", "sha256:d")}
    assert running.of_repository("team/shop") == {"sha256:c": (other,), "sha256:d": (newer,)}
    assert replaced(running, "ecs", [], at=LATER, only=("", "blog")) == {Where("team/shop", "sha256:c")}


def test_new_exposure_is_a_change(running: RunningRecords) -> None:
    replaced(running, "ecs", [SHOP])

    exposed = msgspec.structs.replace(SHOP, exposure=("reachable from the internet",))
    assert replaced(running, "ecs", [exposed], at=LATER) == {Where("team/shop", "sha256:a")}


def test_the_roles_in_use_are_known_by_scope(running: RunningRecords) -> None:
    role = "arn:aws:iam::111122223333:role/shop"
    replaced(running, "ecs", [msgspec.structs.replace(SHOP, role=role)])
    replaced(running, "functions", [JOBS])

    assert running.roles() == {"ecs": {role}, "functions": set()}


def test_absence_is_only_known_when_everything_was_read_lately(running: RunningRecords) -> None:
    assert not running.all_known(AT)

    replaced(running, "ecs", [SHOP])
    assert running.all_known(LATER)
    assert not running.all_known("2026-11-27T10:00:00.000Z")

    replaced(running, "eks/prod", [], complete=False)
    assert running.scopes() == {"ecs": True, "eks/prod": False}
    assert not running.all_known(LATER)

    running.forget("eks/prod", LATER, lambda _: None)
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
