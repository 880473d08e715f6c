"""One scope of the account: read, judged by the controls, and its findings and running images settled."""

from __future__ import annotations

import os
from typing import Any

import msgspec
from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from hullwatch.aws.services import Services
from hullwatch.pipeline.survey import survey_scope
from hullwatch.posture.parts import Part

logger = Logger()
services = Services.from_environment(os.environ)


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> Any:
    survey_scope(services, msgspec.convert(event["parts"], list[Part]))
    return "surveyed"
