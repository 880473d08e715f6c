"""AWS in moto, in this process, and the table of a deployment there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import boto3
from moto import mock_aws

from hullwatch.aws.table import Table

REGION = "eu-west-1"


@contextmanager
def aws_in_process() -> Iterator[None]:
    """An empty account; its credentials are moto's."""
    with mock.patch.dict(os.environ, AWS_DEFAULT_REGION=REGION), mock_aws():
        yield


def create_table() -> Table:
    """The table with the indexes that the stacks give it."""
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


def _keys(partition: str, sort: str) -> list[Any]:
    return [{"AttributeName": partition, "KeyType": "HASH"}, {"AttributeName": sort, "KeyType": "RANGE"}]
