"""Posture: what is configured and what runs, surveyed by schedule and whenever it changes."""

from __future__ import annotations

from aws_cdk import CfnOutput, Duration, aws_events
from aws_cdk import aws_scheduler_targets as scheduler_targets
from constructs import Construct

from hullwatch.aws.change_events import CALLS, ECS_EVENTS
from hullwatch.aws.survey.survey import PERMISSIONS
from stacks.constructs.access import allow_evidence, allow_items
from stacks.constructs.acknowledgements import acknowledge
from stacks.constructs.cluster_access import ClusterAccess
from stacks.constructs.function import Function, Functions
from stacks.constructs.queue import WorkQueue
from stacks.constructs.timer import Timer
from stacks.constructs.workflow import Workflow
from stacks.foundation import FoundationStack, HullwatchStack
from stacks.platform import LambdaPlatform
from stacks.scan import ScanStack
from stacks.settings import Network
from stacks.survey_workloads import SurveyWorkloads

#: How long changes are gathered: a deployment makes an event for every task that starts and stops.
_GATHER = Duration.seconds(20)

_PARAMETERS = "ssm:GetParameters"
_TO_CHANGES = "To hullwatch's queue of changed configuration"


class PostureStack(HullwatchStack):
    """Surveys ECR, ECS, EKS and the functions that run images."""

    def __init__(
        self,
        scope: Construct,
        *,
        foundation: FoundationStack,
        platform: LambdaPlatform,
        scan: ScanStack,
    ) -> None:
        super().__init__(
            scope, "posture", settings=foundation.settings, description="check configuration and what runs"
        )
        self._foundation = foundation
        self._scan = scan
        self._functions = Functions(self, foundation=foundation, platform=platform)
        posture = self.settings.posture
        survey_scope = self._survey_scope()
        in_networks = {
            cluster.name: self._survey_scope(variant=cluster.name, network=cluster.network)
            for cluster in posture.clusters
            if cluster.network.subnets
        }
        survey = SurveyWorkloads(
            plan_survey=self._plan_survey(), survey_scope=survey_scope, in_networks=in_networks
        )
        for cluster in posture.clusters:
            if cluster.access:
                function = in_networks.get(cluster.name, survey_scope)
                ClusterAccess(function, f"Access-{cluster.name}", role=function.role, clusters=[cluster.name])
        self.survey = Workflow(
            self,
            "SurveyWorkloads",
            foundation=foundation,
            name="survey-workloads",
            define=survey.define,
            functions=survey.functions,
            timeout=Duration.hours(2),
        )
        self._changes = WorkQueue(
            self,
            "Changes",
            purpose="changes of configuration that could not be taken in",
            foundation=foundation,
            visibility=Duration.minutes(6),
        )
        self._take_changes()
        self._follow_changes()
        machine = self.survey.state_machine
        CfnOutput(self, "SurveyWorkloadsArn", value=machine.state_machine_arn)
        Timer(
            self,
            "Survey",
            foundation=foundation,
            description="Survey what is configured and what runs",
            expression=posture.schedule,
            action="states:StartExecution",
            resource=machine.state_machine_arn,
            target=lambda role, missed: scheduler_targets.StepFunctionsStartExecution(
                machine, role=role, dead_letter_queue=missed, retry_attempts=5
            ),
        )

    def _plan_survey(self) -> Function:
        function = self._functions.make("plan_survey", "List the scopes that a survey reads", timeout=60)
        function.allow(["eks:ListClusters"], ["*"])
        allow_items(function, self._foundation, read=["SURVEYS"])
        return function

    def _survey_scope(self, variant: str = "", network: Network | None = None) -> Function:
        queue = self._scan.intake_queue.queue
        function = self._functions.make(
            "survey_scope",
            "Read a scope of the account, judge it, and settle its findings and what runs",
            # Shorter than it may hold the lease of a scope.
            timeout=900,
            memory=1769,
            exceptions=True,
            intake_queue_url=queue.queue_url,
            variant=variant,
            network=network,
        )
        # What there is has no name before it is described. Of parameters only AWS's own are read.
        actions = {action for actions in PERMISSIONS.values() for action in actions} - {_PARAMETERS}
        function.allow(sorted(actions), ["*"])
        own = self.format_arn(service="ssm", account="", resource="parameter", resource_name="aws/service/*")
        function.allow([_PARAMETERS], [own])
        acknowledge(
            function.role,
            "AwsSolutions-IAM5[Resource::arn:<AWS::Partition>:ssm:<AWS::Region>::parameter/aws/service/*]",
            "The public parameters of AWS: which machine image is the newest.",
        )
        function.allow(["sqs:SendMessage"], [queue.queue_arn])
        allow_items(function, self._foundation, write=["POSTURE#", "RUN#", "SURVEY#", "SURVEYS"])
        allow_evidence(function, self._foundation, read=["snapshots"], write=["snapshots"])
        return function

    def _take_changes(self) -> None:
        queue, machine = self._changes.queue, self.survey.state_machine
        function = self._functions.make(
            "take_changes",
            "Start a survey of what events say has changed",
            failures="The queue gives the batch back, and after five tries to its dead-letter queue.",
            timeout=60,
            survey_state_machine_arn=machine.state_machine_arn,
        )
        function.allow(["states:StartExecution"], [machine.state_machine_arn])
        function.allow(
            ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"], [queue.queue_arn]
        )
        allow_items(function, self._foundation, read=["SURVEY#", "SURVEYS"])
        self._changes.drive(
            function,
            batch_size=1000,
            max_batching_window=_GATHER,
            # Two surveys at a time at most begin for one wave of changes.
            max_concurrency=2,
        )

    def _follow_changes(self) -> None:
        self._changes.follow(
            "Workloads",
            _TO_CHANGES,
            aws_events.EventPattern(
                source=["aws.ecs"],
                detail_type=list(ECS_EVENTS),
                detail={"lastStatus": [{"exists": False}, "RUNNING", "STOPPED"]},
            ),
        )
        for source, calls in CALLS.items():
            service = source.partition(".")[0]
            self._changes.follow(
                f"{service.title()}Calls",
                _TO_CHANGES,
                aws_events.EventPattern(
                    source=[f"aws.{service}"],
                    detail_type=["AWS API Call via CloudTrail"],
                    detail={
                        "eventSource": [source],
                        "eventName": list(calls),
                        "errorCode": [{"exists": False}],
                    },
                ),
            )
