"""A table and a bucket in moto, in this process."""

from __future__ import annotations

from collections.abc import Iterator

import boto3
import pytest

from fakes.table import REGION, aws_in_process, create_table
from hullwatch.aws.evidence import Evidence
from hullwatch.aws.table import Table


@pytest.fixture
def aws() -> Iterator[None]:
    with aws_in_process():
        yield


@pytest.fixture
def table(aws: None) -> Table:
    return create_table()


@pytest.fixture
def evidence(aws: None) -> Evidence:
    client = boto3.client("s3")
    client.create_bucket(Bucket="evidence", CreateBucketConfiguration={"LocationConstraint": REGION})
    return Evidence(client, "evidence")
