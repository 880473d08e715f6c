"""Why an image could not be scanned, recorded."""

from __future__ import annotations

import os
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from hullwatch.aws.services import Services
from hullwatch.pipeline.failure import record_failure

logger = Logger()
services = Services.from_environment(os.environ)


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> Any:
    error = event["error"]
    record = record_failure(
        services, event["repository"], event["digest"], error["Error"], error.get("Cause", "")
    )
    return {"status": record.status, "reason": record.reason}
