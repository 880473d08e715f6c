"""One message of the intake queue at a time: an event of ECR, or an image that somebody chose."""

from __future__ import annotations

import os
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.typing import LambdaContext

from hullwatch.aws.services import Services
from hullwatch.pipeline.intake import take

logger = Logger()
services = Services.from_environment(os.environ)
processor = BatchProcessor(EventType.SQS)


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> Any:
    return process_partial_response(
        event=event,
        record_handler=lambda record: take(services, record["body"]),
        processor=processor,
        context=context,
    )
