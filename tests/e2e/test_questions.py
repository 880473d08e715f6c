"""A question about the account, over the rows that a push left in the bucket."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
import pytest
import zstandard

from hullwatch.aws.deployment import Deployment, find
from hullwatch.aws.question_sql import Select
from hullwatch.findings.affected import AffectedReport
from hullwatch.findings.question import question_of
from hullwatch.pipeline.affected import ask
from tests.e2e.rematch_cloud import RematchCloud, deployed
from tests.e2e.test_pipeline import MENDED, VULNERABLE, push


class Bucket:
    """Every row of the table that a SELECT names; the pipeline has to sort out what does not matter."""

    def __init__(self, it: RematchCloud) -> None:
        self._s3 = it.cloud.client("s3")
        self._bucket = it._bucket

    def rows(self, select: Select) -> Iterable[dict[str, str]]:
        prefix = "questions/packages/" if '"packages"' in select.text else "questions/matches/"
        wanted = [parameter.strip("'") for parameter in select.parameters]
        for row in self._read(prefix):
            if wanted[-1] in (row.get("normal"), row.get("source"), row.get("id")):
                yield {column: row.get(column, "") for column in select.columns}

    def _read(self, prefix: str) -> Iterator[dict[str, Any]]:
        for entry in self._s3.list_objects_v2(Bucket=self._bucket, Prefix=prefix)["Contents"]:
            packed = self._s3.get_object(Bucket=self._bucket, Key=entry["Key"])["Body"].read()
            yield from msgspec.json.Decoder(dict[str, Any]).decode_lines(zstandard.decompress(packed))


@pytest.fixture(scope="module")
def it(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RematchCloud]:
    with deployed(tmp_path_factory.mktemp("mirror")) as cloud:
        assert cloud.refresh() == "SUCCEEDED"
        yield cloud


def answer(it: RematchCloud, query: str) -> AffectedReport:
    deployment: Deployment = find("hullwatch", it.cloud.client)
    return ask(question_of(query), Bucket(it), deployment.placements, deployment.services.images)


def test_an_account_says_which_images_hold_a_package_and_where_they_are(it: RematchCloud) -> None:
    old = push(it, "team/shop", VULNERABLE, "v1.0")
    new = push(it, "team/shop", MENDED, "v1.1")
    report = answer(it, "pkg:deb/debian/openssl@<3.0.11-1~deb12u2")
    assert [(image.repository, image.digest) for image in report.images] == [("team/shop", old)]
    assert [package.name for package in report.images[0].packages] == ["libssl3"]
    report = answer(it, "pkg:deb/debian/openssl")
    assert [image.digest for image in report.images] == [new, old]
    assert [(track.name, track.head) for track in report.images[0].tracks] == [("v*", True)]
    assert report.complete

    cve = "CVE-2019-14234"
    assert {image.digest for image in answer(it, cve).images} == {old, new}
    assert {p.fixed for image in answer(it, cve).images for p in image.packages} == {"2.2.4"}
