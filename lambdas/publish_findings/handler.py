"""A batch of the table's stream, published; or, on a schedule, what has been waiting for too long."""

from __future__ import annotations

import os
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from hullwatch.aws.services import Services
from hullwatch.pipeline.publish import publish_changes, publish_waiting

logger = Logger()
services = Services.from_environment(os.environ)


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> Any:
    if "Records" not in event:
        return {"waiting": publish_waiting(services)}
    again = publish_changes(services, event["Records"])
    return {"batchItemFailures": [{"itemIdentifier": number} for number in again]}
