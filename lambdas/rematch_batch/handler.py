"""Stored inventories, matched with another generation of advisories."""

from __future__ import annotations

import os
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from hullwatch.aws.services import Services
from hullwatch.pipeline.rematch import Rematch

logger = Logger()
rematch = Rematch(Services.from_environment(os.environ))


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> Any:
    return rematch.batch(event["before"], event["after"], event["images"])
