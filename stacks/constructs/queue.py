"""Queues: encrypted, TLS only, and nobody overlooks what ends up dead."""

from __future__ import annotations

from typing import TypedDict, Unpack

from aws_cdk import Duration, Stack, aws_events, aws_lambda, aws_sqs
from aws_cdk import aws_events_targets as targets
from constructs import Construct

from stacks.constructs.acknowledgements import acknowledge
from stacks.constructs.alarms import alarm
from stacks.constructs.function import Function
from stacks.foundation import FoundationStack


class DeadLetterQueue(Construct):
    """Where that waits, for 14 days, which could not be handled. One message raises the alarm.

    ``of_queue`` says whether it serves another queue; otherwise a function's source or a schedule fills it.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        foundation: FoundationStack,
        purpose: str,
        of_queue: bool = False,
    ) -> None:
        super().__init__(scope, construct_id)
        self.queue = _queue(self, foundation, retention_period=Duration.days(14))
        reason = "It is a dead-letter queue itself."
        acknowledge(self.queue, "Serverless-SQSRedrivePolicy", reason)
        if not of_queue:
            acknowledge(self.queue, "AwsSolutions-SQS3", reason)
        alarm(
            self,
            "NotEmpty",
            metric=self.queue.metric_approximate_number_of_messages_visible(
                period=Duration.minutes(1), statistic="Maximum"
            ),
            description=f"Waiting for somebody to look: {purpose}",
            topic=foundation.alarms,
        )


class SourceOptions(TypedDict, total=False):
    """How many messages a function gets at a time, after how long, and how many of it may run."""

    batch_size: int
    max_batching_window: Duration
    max_concurrency: int
    report_batch_item_failures: bool


class WorkQueue(Construct):
    """A queue with its dead-letter queue, which gets a message after ``attempts`` tries."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        foundation: FoundationStack,
        purpose: str,
        visibility: Duration,
        attempts: int = 5,
    ) -> None:
        super().__init__(scope, construct_id)
        self.dead_letters = DeadLetterQueue(
            self, "DeadLetters", foundation=foundation, purpose=purpose, of_queue=True
        ).queue
        self.queue = _queue(
            self,
            foundation,
            visibility_timeout=visibility,
            dead_letter_queue=aws_sqs.DeadLetterQueue(max_receive_count=attempts, queue=self.dead_letters),
        )

    def drive(self, function: Function, **options: Unpack[SourceOptions]) -> None:
        """Let a function work on the messages; what it may do with the queue is its own to say."""
        source = aws_lambda.EventSourceMapping(
            function, "Queue", target=function.function, event_source_arn=self.queue.queue_arn, **options
        )
        acknowledge(
            source,
            "Serverless-LambdaEventSourceMappingDestination",
            "A queue as the source has no failure destination; the queue's own dead-letter queue is it.",
        )

    def follow(self, name: str, description: str, pattern: aws_events.EventPattern) -> None:
        """Have events put on the queue, and on its dead-letter queue what a rule cannot deliver."""
        aws_events.Rule(
            Stack.of(self),
            name,
            description=description,
            event_pattern=pattern,
            targets=[targets.SqsQueue(self.queue, dead_letter_queue=self.dead_letters)],
        )


def _queue(
    scope: Construct,
    foundation: FoundationStack,
    *,
    visibility_timeout: Duration | None = None,
    retention_period: Duration | None = None,
    dead_letter_queue: aws_sqs.DeadLetterQueue | None = None,
) -> aws_sqs.Queue:
    return aws_sqs.Queue(
        scope,
        "Queue",
        encryption=aws_sqs.QueueEncryption.KMS if foundation.key else aws_sqs.QueueEncryption.SQS_MANAGED,
        encryption_master_key=foundation.key,
        enforce_ssl=True,
        visibility_timeout=visibility_timeout,
        retention_period=retention_period,
        dead_letter_queue=dead_letter_queue,
    )
