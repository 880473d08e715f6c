"""A deployment as a person finds it: by its name, with the credentials of the command line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from hullwatch.aws.athena import Athena
from hullwatch.aws.errors import error_code, translated
from hullwatch.aws.placements import Placements
from hullwatch.aws.services import Services
from hullwatch.errors import UserError
from hullwatch.settings import Environment


@dataclass(frozen=True)
class Deployment:
    """What questions about an account need."""

    services: Services
    athena: Athena

    @property
    def placements(self) -> Placements:
        """Where its images are."""
        return Placements(self.services.table, self.services.running)


def find(prefix: str, client: Callable[[str], Any] = boto3.client) -> Deployment:
    """The deployment whose stacks have this prefix, in the account and Region of the credentials.

    :raises UserError: there are no credentials, or no such deployment.
    """
    foundation = _stack(client, f"{prefix}-foundation")
    questions = _stack(client, f"{prefix}-questions")
    # arn:PARTITION:cloudformation:REGION:ACCOUNT:stack/...
    _, partition, _, region, account, _ = questions.id.split(":", 5)
    environment = Environment(
        account=account,
        partition=partition,
        region=region,
        table=foundation.outputs["TableName"],
        bucket=foundation.outputs["EvidenceBucket"],
        bus="",
    )
    athena = Athena(client("athena"), questions.outputs["WorkgroupName"], questions.outputs["DatabaseName"])
    return Deployment(Services(environment, client=client), athena)


@dataclass(frozen=True)
class _Stack:
    id: str
    outputs: dict[str, str]


def _stack(client: Callable[[str], Any], name: str) -> _Stack:
    with translated(f"looking for the stack {name}"):
        try:
            found = client("cloudformation").describe_stacks(StackName=name)["Stacks"][0]
        except BotoCoreError as error:
            raise UserError(f"cannot ask AWS ({error}); or say --results PATH") from error
        except ClientError as error:
            if error_code(error) == "ValidationError":
                raise UserError(f"there is no stack {name} in this account and Region") from error
            raise
    outputs = {output["OutputKey"]: output["OutputValue"] for output in found.get("Outputs", [])}
    return _Stack(found["StackId"], outputs)
