"""Events of changed configuration, a batch of the survey queue at a time: one survey for all of them."""

from __future__ import annotations

import os
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from hullwatch.aws.services import Services
from hullwatch.pipeline.survey import take_changes

logger = Logger()
services = Services.from_environment(os.environ)


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> None:
    take_changes(services, {record["messageId"]: record["body"] for record in event["Records"]})
