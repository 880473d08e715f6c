"""AWS in moto for a pipeline's step: the table, the evidence bucket and the intake queue."""

from __future__ import annotations

from collections.abc import Iterator

import boto3
import pytest

from fakes.table import REGION, aws_in_process, create_table


@pytest.fixture
def aws() -> Iterator[None]:
    with aws_in_process():
        create_table()
        boto3.client("s3").create_bucket(
            Bucket="evidence", CreateBucketConfiguration={"LocationConstraint": REGION}
        )
        boto3.client("sqs").create_queue(QueueName="intake")
        yield
