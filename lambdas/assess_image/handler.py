"""The inventory of an image, matched with the advisories that the scan began with."""

from __future__ import annotations

import os
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from hullwatch.aws.services import Services
from hullwatch.pipeline.assess_image import assess

logger = Logger()
services = Services.from_environment(os.environ)


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> Any:
    record = assess(services, event["repository"], event["digest"], event["generation"])
    return {"status": record.status, "packages": record.packages, "vulnerabilities": record.vulnerabilities}
