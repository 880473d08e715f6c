"""One layer, read once."""

from __future__ import annotations

import os
from typing import Any

import msgspec
from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from hullwatch.aws.services import Services
from hullwatch.pipeline.index_layer import index
from hullwatch.pipeline.resolve import LayerTask

logger = Logger()
services = Services.from_environment(os.environ)


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> Any:
    task = msgspec.convert(event["layer"], LayerTask)
    seconds = context.get_remaining_time_in_millis() / 1000
    return {"read": index(services, event["repository"], task, seconds)}
