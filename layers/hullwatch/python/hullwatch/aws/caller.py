"""Who asks AWS from a command line: the user's own credentials, profile and Region."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from hullwatch.errors import UserError

_CONFIG = Config(
    retries={"mode": "standard", "max_attempts": 6},
    connect_timeout=5,
    read_timeout=30,
    user_agent_extra="hullwatch",
)


@dataclass(frozen=True)
class Caller:
    """An identity that AWS knows, in one account and Region."""

    session: boto3.Session
    account: str
    region: str

    def client(self, service: str) -> Any:
        """A client of the Region by boto3's service name."""
        return self.session.client(service, config=_CONFIG)


def caller(profile: str = "", region: str = "") -> Caller:
    """Who the AWS configuration says we are, as the AWS CLI takes it, with ``--profile`` and ``--region``.

    Raises :class:`~hullwatch.errors.UserError` without credentials or Region, or when AWS does not take them.
    """
    try:
        # The AWS CLI takes AWS_REGION, boto3 only AWS_DEFAULT_REGION.
        region = region or os.environ.get("AWS_REGION", "")
        session = boto3.Session(profile_name=profile or None, region_name=region or None)
        if session.get_credentials() is None:
            raise UserError("there are no AWS credentials: log in, or name a profile with --profile")
        if not session.region_name:
            raise UserError("no Region: name one with --region, or set AWS_REGION")
        account = session.client("sts", config=_CONFIG).get_caller_identity()["Account"]
    except ClientError as error:
        said = error.response.get("Error", {}).get("Message") or str(error)
        raise UserError(f"AWS does not take these credentials: {said}") from error
    except BotoCoreError as error:
        raise UserError(f"cannot ask AWS: {error}") from error
    return Caller(session, account, session.region_name)
