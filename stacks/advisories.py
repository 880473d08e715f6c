"""Advisories: read the feeds on a schedule, compile them into shards, switch to the new generation, and match
the fleet with it."""

from __future__ import annotations

from aws_cdk import CfnOutput, Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_scheduler_targets as targets
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from hullwatch.aws.image_records import WORK_LIST
from stacks.constructs.access import allow_evidence, allow_images, allow_index, allow_items
from stacks.constructs.alarms import alarm
from stacks.constructs.function import Function, Functions
from stacks.constructs.timer import Timer
from stacks.constructs.workflow import Workflow, step
from stacks.foundation import FoundationStack, HullwatchStack
from stacks.platform import LambdaPlatform
from stacks.rematch_fleet import RematchFleet


class AdvisoriesStack(HullwatchStack):
    """Keeps the advisory shards in the evidence bucket fresh."""

    def __init__(self, scope: Construct, *, foundation: FoundationStack, platform: LambdaPlatform) -> None:
        super().__init__(
            scope, "advisories", settings=foundation.settings, description="refresh the advisories"
        )
        self._foundation = foundation
        functions = Functions(self, foundation=foundation, platform=platform)
        self._fetch_advisories = self._fetch(functions)
        self._compile_advisories = self._compile(functions)
        self._rematch_fleet = RematchFleet(
            plan_rematch=self._plan_rematch(functions),
            rematch_batch=self._rematch_batch(functions),
            finish_rematch=self._finish_rematch(functions),
            evidence=foundation.evidence,
        )
        self.refresh = Workflow(
            self,
            "RefreshAdvisories",
            foundation=foundation,
            name="refresh-advisories",
            define=self._define,
            functions=[self._fetch_advisories, self._compile_advisories, *self._rematch_fleet.functions],
            timeout=Duration.hours(2),
        )
        self.refresh.allow_distributed_map("rematch")
        CfnOutput(self, "RefreshAdvisoriesArn", value=self.refresh.state_machine.state_machine_arn)
        Timer(
            self,
            "Refresh",
            foundation=foundation,
            description="Refresh hullwatch's advisories",
            expression=self.settings.advisories.refresh,
            action="states:StartExecution",
            resource=self.refresh.state_machine.state_machine_arn,
            target=lambda role, missed: targets.StepFunctionsStartExecution(
                self.refresh.state_machine, role=role, dead_letter_queue=missed, retry_attempts=5
            ),
        )

    def _fetch(self, functions: Functions) -> Function:
        function = functions.make(
            "fetch_advisories",
            "Fetch one advisory feed if it has changed",
            timeout=900,
            memory=1769,
            scratch=4096,
        )
        allow_evidence(function, self._foundation, read=["feeds"], write=["feeds"])
        return function

    def _compile(self, functions: Functions) -> Function:
        function = functions.make(
            "compile_advisories",
            "Compile the fetched feeds into a new generation of shards",
            timeout=900,
            # The most that a new account may have without asking for more.
            memory=3008,
            scratch=10240,
        )
        allow_evidence(function, self._foundation, read=["feeds", "advisories"], write=["advisories"])
        alarm(
            function,
            "StaleFeeds",
            # What the handler writes into its log, CloudWatch makes a metric of.
            metric=cloudwatch.Metric(
                namespace="hullwatch",
                metric_name="StaleFeeds",
                dimensions_map={
                    "service": "hullwatch",
                    "function_name": function.function.function_name,
                },
                statistic=cloudwatch.Stats.MAXIMUM,
                period=Duration.hours(1),
            ),
            description="A feed of advisories is older than it may be; the output of CompileShards names it",
            topic=self._foundation.alarms,
        )
        return function

    def _plan_rematch(self, functions: Functions) -> Function:
        function = functions.make(
            "plan_rematch",
            "List the images that another generation of advisories is matched with",
            timeout=900,
            memory=1769,
            # Both generations, unpacked, and the list of the fleet.
            scratch=4096,
        )
        allow_index(function, self._foundation, WORK_LIST, ["SCAN#"])
        allow_evidence(function, self._foundation, read=["advisories", "rematch"], write=["rematch"])
        return function

    def _rematch_batch(self, functions: Functions) -> Function:
        # As long as it can hold the lease of a track, and no longer.
        function = functions.make(
            "rematch_batch",
            "Match stored inventories with another generation of advisories",
            timeout=170,
            memory=1769,
            scratch=4096,
        )
        allow_images(function, self._foundation, ["DescribeImages"])
        allow_items(function, self._foundation, read=["RUN#", "SURVEYS"], write=["IMG#", "TRACK#"])
        allow_evidence(
            function,
            self._foundation,
            read=["advisories", "rematch", "inventories", "indexes", "reports"],
            write=["questions", "reports"],
        )
        return function

    def _finish_rematch(self, functions: Functions) -> Function:
        function = functions.make(
            "finish_rematch", "Note the generation that the whole fleet was matched with", timeout=60
        )
        allow_evidence(function, self._foundation, write=["rematch"])
        return function

    def _define(self, scope: Construct) -> sfn.IChainable:
        fetch = step(scope, "FetchFeed", self._fetch_advisories, {"feed.$": "$.feed"})
        # A feed that fails leaves its last good copy in use, and the others go on.
        fetch.add_catch(
            sfn.Pass(scope, "KeepLastCopy", parameters={"feed.$": "$.feed", "error.$": "$.error"}),
            errors=["States.ALL"],
            result_path="$.error",
        )
        feeds = list(self.settings.advisories.feeds)
        configured = sfn.Pass(scope, "ConfiguredFeeds", result=sfn.Result.from_object({"feeds": feeds}))
        fetch_feeds = sfn.Map.json_path(
            scope,
            "FetchFeeds",
            items_path="$.feeds",
            item_selector={"feed.$": "$$.Map.Item.Value"},
            max_concurrency=3,
            result_path="$.feeds",
        )
        fetch_feeds.item_processor(fetch)
        compile_shards = step(scope, "CompileShards", self._compile_advisories, {"feeds.$": "$.feeds"})
        return configured.next(fetch_feeds).next(compile_shards).next(self._rematch_fleet.define(scope))
