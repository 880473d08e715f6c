"""RematchFleet: every stored image, matched again after the advisories have changed.

The second half of RefreshAdvisories. The plan writes the images in batches into the evidence bucket; a
Distributed Map reads them there, so that the state stays small whatever the size of the fleet.
"""

from __future__ import annotations

from dataclasses import dataclass

from aws_cdk import aws_s3
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from stacks.constructs.function import Function
from stacks.constructs.workflow import step

#: Workers at a time: below what ECR allows of ``DescribeImages``, and what a new account has of concurrency.
_WORKERS = 8

_ROUND = {"before.$": "$.before", "after.$": "$.after"}


@dataclass(frozen=True, kw_only=True)
class RematchFleet:
    """The functions of the workflow's second half, and what they make together."""

    plan_rematch: Function
    rematch_batch: Function
    finish_rematch: Function
    evidence: aws_s3.IBucket

    @property
    def functions(self) -> tuple[Function, ...]:
        """Every function that it calls."""
        return (self.plan_rematch, self.rematch_batch, self.finish_rematch)

    def define(self, scope: Construct) -> sfn.Chain:
        """The states, below ``scope``, for a state with the new ``generation``."""
        plan = step(scope, "PlanRematch", self.plan_rematch, {"generation.$": "$.generation"})
        finish = step(
            scope, "FinishRematch", self.finish_rematch, {"after.$": "$.after", "answers.$": "$.answers"}
        )
        up_to_date = sfn.Succeed(scope, "FleetUpToDate")
        # The batches that failed have said why; the next refresh begins where this one did.
        failed = sfn.Fail(
            scope, "BatchesFailed", error="BatchesFailed", cause="a part of the fleet was not matched again"
        )
        finish.next(
            sfn.Choice(scope, "AnyFailed")
            .when(sfn.Condition.number_greater_than("$.failed", 0), failed)
            .otherwise(up_to_date)
        )
        any_image = (
            sfn.Choice(scope, "AnyImage")
            .when(sfn.Condition.number_greater_than("$.batches", 0), self._batches(scope).next(finish))
            .otherwise(up_to_date)
        )
        return plan.next(any_image)

    def _batches(self, scope: Construct) -> sfn.DistributedMap:
        batches = sfn.DistributedMap.json_path(
            scope,
            "RematchBatches",
            label="Batches",
            item_reader=sfn.S3JsonItemReader(bucket=self.evidence, key=sfn.JsonPath.string_at("$.items")),
            item_selector={**_ROUND, "images.$": "$$.Map.Item.Value.images"},
            max_concurrency=_WORKERS,
            map_execution_type=sfn.StateMachineType.STANDARD,
            result_path="$.answers",
        )
        batch = step(scope, "RematchBatch", self.rematch_batch)
        # A batch that fails is an answer as well, and costs only itself: that is better than to tolerate a
        # number of failures, which would hide them. Answers are numbers, so those of 80,000 batches fit into
        # a state.
        batch.add_catch(
            sfn.Pass(scope, "BatchFailed", result=sfn.Result.from_number(-1)), errors=["States.ALL"]
        )
        batches.item_processor(batch)
        return batches
