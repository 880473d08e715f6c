"""The images of the fleet, in batches, that another generation of advisories is matched with."""

from __future__ import annotations

import os
from typing import Any

import msgspec
from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from hullwatch.aws.services import Services
from hullwatch.pipeline.rematch import plan

logger = Logger()
services = Services.from_environment(os.environ)


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> Any:
    return msgspec.to_builtins(plan(services, event["generation"]))
