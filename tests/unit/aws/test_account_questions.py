"""Questions about an account: the calls to Athena, and what the table adds to the rows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import boto3
import pytest
import requests
from moto import mock_aws

from hullwatch.aws import athena, deployment
from hullwatch.aws.athena import Athena
from hullwatch.aws.image_records import ImageRecord, ImageRecords, Status
from hullwatch.aws.placements import Placements
from hullwatch.aws.question_sql import Select, select
from hullwatch.aws.running_records import RunningRecords
from hullwatch.aws.table import Table
from hullwatch.aws.track_records import Tagged, TrackRecords
from hullwatch.errors import QueryRefused, SourceUnavailable, UserError
from hullwatch.findings.affected import AffectedReport
from hullwatch.findings.question import question_of
from hullwatch.pipeline.affected import ask
from hullwatch.posture.model.running import Running

AT = "2026-06-01T00:00:00.000Z"
LODASH = {"type": "npm", "name": "lodash", "ecosystem": "npm", "analyzer": "r1", "layer": "sha256:9"}


def digest(first: str) -> str:
    return f"sha256:{first * 64}"


def row(repository: str, first: str, version: str = "4.17.15", **fields: str) -> dict[str, str]:
    purl = f"pkg:npm/lodash@{version}"
    return {
        **LODASH,
        "repository": repository,
        "digest": digest(first),
        "version": version,
        "purl": purl,
    } | fields


class Account:
    """A table, and rows as Athena would give them."""

    def __init__(self, table: Table) -> None:
        self.images = ImageRecords(table)
        self.tracks = TrackRecords(table, "111122223333", "eu-west-1")
        self.running = RunningRecords(table, "111122223333", "eu-west-1")
        self.placements = Placements(table, self.running)
        self.answers: list[dict[str, str]] = []

    def image(self, repository: str, first: str, status: Status = "ASSESSED") -> None:
        self.images.put(
            ImageRecord(
                repository=repository, digest=digest(first), status=status, analyzer="r1", updated_at=AT
            )
        )

    def head(self, repository: str, lineage: str, first: str, *, holds: bool = True) -> None:
        track = self.tracks.track(repository, lineage)
        self.tracks.join(track, Tagged(digest=digest(first), pushed_at=AT))
        if holds:
            lease = self.tracks.lease(track, 0, 10)
            self.tracks.release(track, lease, digest(first), AT)

    def runs(self, repository: str, first: str, workload: str) -> None:
        image = f"111122223333.dkr.ecr.eu-west-1.amazonaws.com/{repository}:v1"
        running = Running(
            digest=digest(first), image=image, kind="EcsTask", cluster="prod", workload=workload
        )
        self.running.replace("ecs", [running], complete=True, at=AT, tell=lambda _: None)

    def rows(self, asked: Select) -> Iterable[dict[str, str]]:
        return self.answers

    def ask(self, query: str) -> AffectedReport:
        return ask(question_of(query), self, self.placements, self.images)


@pytest.fixture
def account(table: Table) -> Account:
    return Account(table)


def test_images_are_named_with_their_tracks_and_what_runs_them(account: Account) -> None:
    for first in "abc":
        account.image("team/app", first)
    account.head("team/app", "v*", "a", holds=False)
    account.head("team/app", "v*", "b")
    account.runs("team/app", "c", "checkout")
    account.answers = [row("team/app", first) for first in "abc"]
    report = account.ask("pkg:npm/lodash")
    assert (report.source, report.complete, report.issues) == ("account", True, [])
    assert [
        (image.digest[7], image.running, [(t.name, t.head) for t in image.tracks]) for image in report.images
    ] == [("c", ["EcsTask/prod/checkout"], []), ("b", [], [("v*", True)]), ("a", [], [("v*", False)])]
    assert [package.purl for package in report.images[0].packages] == ["pkg:npm/lodash@4.17.15"]


def test_tags_and_runtimes_may_name_the_index_of_an_image(account: Account) -> None:
    account.image("team/app", "a")
    account.images.link("team/app", digest("e"), (digest("a"),))
    account.head("team/app", "latest", "e")
    account.runs("team/app", "e", "web")
    account.answers = [row("team/app", "a")]
    (image,) = account.ask("pkg:npm/lodash").images
    assert [(track.name, track.head) for track in image.tracks] == [("latest", True)]
    assert image.running == ["EcsTask/prod/web"]


def test_versions_are_compared_in_their_own_order(account: Account) -> None:
    account.image("team/app", "a")
    account.image("team/app", "b")
    account.answers = [row("team/app", "a", "4.17.9"), row("team/app", "b", "4.17.21")]
    assert [image.digest[7] for image in account.ask("pkg:npm/lodash@<4.17.21").images] == ["a"]


def test_what_is_gone_counts_while_it_runs(account: Account) -> None:
    account.image("team/app", "a", "GONE")
    account.image("team/app", "b", "GONE")
    account.runs("team/app", "b", "legacy")
    # The record of c has left the table; the rows of d are of a reader that was replaced.
    account.image("team/app", "d")
    account.answers = [row("team/app", first) for first in "abc"] + [row("team/app", "d", analyzer="r0")]
    assert [image.digest[7] for image in account.ask("pkg:npm/lodash").images] == ["b"]


def test_images_that_nobody_has_read_are_counted(account: Account) -> None:
    account.image("team/app", "a", "UNSCANNABLE")
    account.image("team/app", "b", "PENDING")
    account.image("team/app", "c", "PENDING")
    report = account.ask("pkg:npm/lodash")
    assert not report.complete
    assert {issue.reason: issue.detail for issue in report.issues} == {
        "PENDING": "2 images: still being scanned",
        "UNSCANNABLE": "1 image: cannot be read",
    }


def test_a_vulnerability_names_the_package_and_its_fix(account: Account) -> None:
    account.image("team/app", "a")
    account.answers = [row("team/app", "a", id="CVE-2020-8203", fixed="4.17.20")]
    (image,) = account.ask("CVE-2020-8203").images
    assert [(p.name, p.vulnerability, p.fixed) for p in image.packages] == [
        ("lodash", "CVE-2020-8203", "4.17.20")
    ]


# The calls.


@pytest.fixture
def region(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "local")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")


def test_rows_are_read_without_their_header(region: None) -> None:
    asked = select(question_of("CVE-2020-8203"))
    values = [f"value {column}" for column in asked.columns]
    rows = [{"Data": [{"VarCharValue": text} for text in line]} for line in (asked.columns, values)]
    rows.append({"Data": [{} for _ in asked.columns]})
    columns = [
        {"CatalogName": "", "SchemaName": "", "TableName": "", "Name": name, "Label": name, "Type": "varchar",
         "Precision": 1, "Scale": 0, "Nullable": "UNKNOWN", "CaseSensitive": True}
        for name in asked.columns
    ]  # fmt: skip
    with mock_aws():
        client = boto3.client("athena")
        client.create_work_group(
            Name="hullwatch",
            Configuration={"ResultConfiguration": {"OutputLocation": "s3://evidence/answers/"}},
        )
        boto3.client("s3").create_bucket(Bucket="evidence")
        requests.post(
            "http://motoapi.amazonaws.com/moto-api/static/athena/query-results",
            json={"account_id": "123456789012", "region": "us-east-1",
                  "results": [{"rows": rows, "column_info": columns}]},
            timeout=5,
        )  # fmt: skip
        found = list(Athena(client, "hullwatch", "hullwatch").rows(asked))
        (query,) = client.list_query_executions(WorkGroup="hullwatch")["QueryExecutionIds"]
        execution = client.get_query_execution(QueryExecutionId=query)["QueryExecution"]
    assert found == [dict(zip(asked.columns, values, strict=True)), dict.fromkeys(asked.columns, "")]
    assert execution["Query"] == asked.text
    assert execution["ExecutionParameters"] == ["'CVE-2020-8203'"]
    assert execution["QueryExecutionContext"] == {"Database": "hullwatch"}


class Scripted:
    """A client whose query is in these states, one after the other."""

    def __init__(self, *states: str, reason: str = "") -> None:
        self.states = list(states)
        self.reason = reason
        self.stopped: list[str] = []

    def start_query_execution(self, **_: Any) -> dict[str, str]:
        return {"QueryExecutionId": "q"}

    def get_query_execution(self, **_: Any) -> dict[str, Any]:
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        return {"QueryExecution": {"Status": {"State": state, "StateChangeReason": self.reason}}}

    def stop_query_execution(self, *, QueryExecutionId: str) -> None:
        self.stopped.append(QueryExecutionId)


def test_a_query_that_fails_or_reaches_the_limit_says_why() -> None:
    for state in ("FAILED", "CANCELLED"):
        client = Scripted("QUEUED", "RUNNING", state, reason="Bytes scanned limit was exceeded")
        waited: list[float] = []
        with pytest.raises(QueryRefused, match="Bytes scanned limit"):
            list(Athena(client, "w", "d", sleep=waited.append).rows(Select("", (), ())))
        assert waited == [0.25, 0.375]


def test_a_query_that_never_ends_is_stopped() -> None:
    client = Scripted("RUNNING")
    waited: list[float] = []
    with pytest.raises(SourceUnavailable):
        list(Athena(client, "w", "d", sleep=waited.append).rows(Select("", (), ())))
    assert client.stopped == ["q"]
    assert athena._PATIENCE <= sum(waited) < athena._PATIENCE + 10


def test_a_deployment_that_is_not_there_is_said(region: None) -> None:
    with mock_aws(), pytest.raises(UserError, match="no stack hullwatch-foundation"):
        deployment.find("hullwatch")
