"""Handing a body to a resource by its ARN, for EventBridge, Lambda destinations and schedules."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from local_aws.cloud import LocalCloud


def deliver(
    cloud: LocalCloud, arn: str, body: str, *, name: str | None = None, group: str | None = None
) -> None:
    """Send ``body`` to the queue, topic, function or state machine ``arn``.

    ``name`` is the execution's for a state machine, ``group`` the message group of a FIFO queue. A function
    is invoked asynchronously. Raises what the service raises, and :class:`NotImplementedError` for a service
    that is not there.
    """
    _, _, service, region, account, resource = arn.split(":", 5)
    # Imported here: each of these modules costs a tenth of a second, and most clouds need one or two.
    with cloud.lock:
        match service:
            case "sqs":
                from moto.sqs.models import sqs_backends

                sqs_backends[account][region].send_message(resource, body, group_id=group)
            case "states":
                from moto.stepfunctions.parser.models import stepfunctions_parser_backends

                backend = stepfunctions_parser_backends[account][region]
                backend.start_execution(arn, name or str(uuid.uuid4()), body)
            case "lambda":
                cloud.functions.invoke_async(arn, body.encode())
            case "sns":
                from moto.sns.models import sns_backends

                sns_backends[account][region].publish(body, arn=arn)
            case _:
                raise NotImplementedError(f"local_aws cannot deliver to {arn}")
