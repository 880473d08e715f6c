"""A table and a bucket in moto, in this process."""

from __future__ import annotations

from collections.abc import Iterator

import boto3
import pytest
from moto import mock_aws

from hullwatch.aws.evidence import Evidence
from hullwatch.aws.table import Table


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "local")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "local")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    with mock_aws():
        yield


@pytest.fixture
def table(aws: None) -> Table:
    client = boto3.client("dynamodb")
    names = ("pk", "sk", "g1pk", "g1sk", "g3pk", "g3sk")
    client.create_table(
        TableName="hullwatch",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in names],
        KeySchema=_keys("pk", "sk"),
        GlobalSecondaryIndexes=[
            {"IndexName": index, "KeySchema": _keys(*keys), "Projection": {"ProjectionType": "ALL"}}
            for index, keys in {"scans": ("g1pk", "g1sk"), "board": ("g3pk", "g3sk")}.items()
        ],
    )
    return Table(client, "hullwatch")


@pytest.fixture
def evidence(aws: None) -> Evidence:
    client = boto3.client("s3")
    client.create_bucket(Bucket="evidence", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    return Evidence(client, "evidence")


def _keys(partition: str, sort: str) -> list[dict[str, str]]:
    return [
        {"AttributeName": partition, "KeyType": "HASH"},
        {"AttributeName": sort, "KeyType": "RANGE"},
    ]
