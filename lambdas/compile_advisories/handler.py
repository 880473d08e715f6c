"""The fetched feeds, compiled into a generation and made live."""

from __future__ import annotations

import os
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from hullwatch.aws.services import Services
from hullwatch.pipeline.refresh_advisories import compile_shards

logger = Logger()
metrics = Metrics()
services = Services.from_environment(os.environ)


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> Any:
    done = compile_shards(services, event["feeds"])
    # An installation is told from others in the same account by the name of its function.
    metrics.add_dimension("function_name", context.function_name)
    metrics.add_metric("StaleFeeds", MetricUnit.Count, len(done["stale"]))
    return done
