"""Work at set times, with EventBridge Scheduler."""

from __future__ import annotations

from collections.abc import Callable

from aws_cdk import Duration, Stack, aws_iam, aws_scheduler, aws_sqs
from constructs import Construct

from stacks.constructs.queue import DeadLetterQueue
from stacks.foundation import FoundationStack


class Timer(Construct):
    """Calls a target at the times of a Scheduler expression, as a role that may do nothing else.

    ``action`` on ``resource`` is what the call needs. ``target`` makes the target for that role, and for the
    queue of calls that could not be made.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        foundation: FoundationStack,
        description: str,
        expression: str,
        action: str,
        resource: str,
        target: Callable[[aws_iam.IRole, aws_sqs.IQueue], aws_scheduler.IScheduleTarget],
    ) -> None:
        super().__init__(scope, construct_id)
        missed = DeadLetterQueue(
            self, "Missed", foundation=foundation, purpose=f"calls that were not made: {description}"
        ).queue
        role = aws_iam.Role(
            self,
            "Role",
            assumed_by=aws_iam.ServicePrincipal(
                "scheduler.amazonaws.com",
                conditions={"StringEquals": {"aws:SourceAccount": Stack.of(self).account}},
            ),
            description=description,
        )
        permissions = [([action], resource), (["sqs:SendMessage"], missed.queue_arn)]
        if foundation.key:
            permissions.append((["kms:Decrypt", "kms:GenerateDataKey"], foundation.key.key_arn))
        for actions, allowed in permissions:
            role.add_to_policy(aws_iam.PolicyStatement(actions=actions, resources=[allowed]))
        schedule = aws_scheduler.Schedule(
            self,
            "Schedule",
            description=description,
            schedule=aws_scheduler.ScheduleExpression.expression(expression),
            # Not together with everybody else at the full hour.
            time_window=aws_scheduler.TimeWindow.flexible(Duration.minutes(5)),
            target=target(role.without_policy_updates(), missed),
        )
        schedule.node.add_dependency(role)
