"""What became of the batches: the fleet is up to date, or the next round begins again."""

from __future__ import annotations

import os
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from hullwatch.aws.services import Services
from hullwatch.pipeline.rematch import finish

logger = Logger()
services = Services.from_environment(os.environ)


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> Any:
    return finish(services, event["after"], event["answers"])._asdict()
