"""From a pushed image to its findings: ECR's events, the intake queue, and the ScanImage workflow."""

from __future__ import annotations

from aws_cdk import CfnOutput, Duration, aws_events
from aws_cdk import aws_ecr as ecr
from constructs import Construct

from stacks.constructs.access import allow_evidence, allow_images, allow_items
from stacks.constructs.function import Function, Functions
from stacks.constructs.queue import WorkQueue
from stacks.constructs.workflow import Workflow
from stacks.foundation import FoundationStack, HullwatchStack
from stacks.platform import LambdaPlatform
from stacks.scan_image import ScanImage

#: ECR events that say that an image may have come or gone (EventBridge reference, Amazon ECR events).
_EVENTS = {
    "ImageAction": (
        "ECR Image Action",
        {"action-type": ["PUSH", "DELETE", "UPDATE_STORAGE_CLASS"], "result": ["SUCCESS"]},
    ),
    "PullThroughCacheAction": ("ECR Pull Through Cache Action", {"sync-status": ["SUCCESS"]}),
    "ReplicationAction": (
        "ECR Replication Action",
        {"action-type": ["REPLICATE"], "result": ["SUCCESS"]},
    ),
}


class ScanStack(HullwatchStack):
    """Scans what ECR says was pushed, pulled through, replicated, deleted or archived."""

    def __init__(self, scope: Construct, *, foundation: FoundationStack, platform: LambdaPlatform) -> None:
        super().__init__(
            scope, "scan", settings=foundation.settings, description="scan images when they are pushed"
        )
        self._foundation = foundation
        self._functions = Functions(self, foundation=foundation, platform=platform)
        self.intake_queue = WorkQueue(
            self,
            "IntakeQueue",
            purpose="ECR events that could not be taken in",
            foundation=foundation,
            visibility=Duration.minutes(18),
        )
        scan_image = ScanImage(
            resolve=self._resolve(),
            index_layer=self._index_layer(),
            assess_image=self._assess_image(),
            settle_track=self._settle_track(),
            record_failure=self._record_failure(),
        )
        self.scan_image = Workflow(
            self,
            "ScanImage",
            foundation=foundation,
            name="scan-image",
            define=scan_image.define,
            functions=scan_image.functions,
            timeout=Duration.hours(2),
        )
        self._intake()
        CfnOutput(self, "IntakeQueueUrl", value=self.intake_queue.queue.queue_url)
        CfnOutput(self, "ScanImageArn", value=self.scan_image.state_machine.state_machine_arn)
        for name, (detail_type, detail) in _EVENTS.items():
            self.intake_queue.follow(
                name,
                "To hullwatch's intake queue",
                aws_events.EventPattern(source=["aws.ecr"], detail_type=[detail_type], detail=detail),
            )
        for function in (scan_image.resolve, scan_image.index_layer):
            # Reading a manifest counts as a pull, and lifecycle rules of others go by the last pull.
            ecr.CfnPullTimeUpdateExclusion(function, "PullTime", principal_arn=function.role.role_arn)

    def _intake(self) -> None:
        queue, workflow = self.intake_queue.queue, self.scan_image.state_machine
        function = self._functions.make(
            "intake",
            "Start a scan for an image that an event speaks of, or settle its tracks",
            failures="The queue gives a message back, and after five tries to its dead-letter queue.",
            timeout=170,
            memory=1024,
            scan_state_machine_arn=workflow.state_machine_arn,
        )
        function.allow(["states:StartExecution"], [workflow.state_machine_arn])
        function.allow(
            [
                "sqs:ReceiveMessage",
                "sqs:DeleteMessage",
                "sqs:ChangeMessageVisibility",
                "sqs:GetQueueAttributes",
            ],
            [queue.queue_arn],
        )
        self._allow_settling(function)
        self.intake_queue.drive(
            function,
            batch_size=10,
            report_batch_item_failures=True,
            # A push of a whole registry must not use up ECR's rates or the account's concurrency.
            max_concurrency=10,
        )

    def _resolve(self) -> Function:
        queue = self.intake_queue.queue
        function = self._functions.make(
            "resolve",
            "Say what an image is, and which of its layers are still to be read",
            timeout=60,
            intake_queue_url=queue.queue_url,
        )
        function.allow(["sqs:SendMessage"], [queue.queue_arn])
        allow_images(
            function, self._foundation, ["DescribeImages", "BatchGetImage", "GetDownloadUrlForLayer"]
        )
        allow_items(function, self._foundation, read=["LAYER#"], write=["IMG#"])
        allow_evidence(function, self._foundation, read=["advisories"], write=["images", "indexes"])
        return function

    def _index_layer(self) -> Function:
        # 1,769 MiB is one whole processor.
        function = self._functions.make(
            "index_layer", "Read one layer once, as a stream", timeout=900, memory=1769
        )
        allow_images(function, self._foundation, ["GetDownloadUrlForLayer"])
        allow_items(function, self._foundation, write=["LAYER#"])
        allow_evidence(function, self._foundation, write=["layers"])
        return function

    def _assess_image(self) -> Function:
        function = self._functions.make(
            "assess_image",
            "Make an image's inventory of its layers, and match it with the advisories",
            timeout=900,
            memory=1769,
            scratch=4096,
        )
        allow_items(function, self._foundation, write=["IMG#"])
        allow_evidence(
            function,
            self._foundation,
            read=["images", "layers", "advisories"],
            write=["inventories", "questions", "reports"],
        )
        return function

    def _settle_track(self) -> Function:
        function = self._functions.make(
            "settle_track",
            "Bring the findings of an image's tracks in line with their head",
            timeout=170,
            memory=1024,
        )
        self._allow_settling(function)
        return function

    def _allow_settling(self, function: Function) -> None:
        allow_images(function, self._foundation, ["DescribeImages"])
        allow_items(function, self._foundation, read=["RUN#", "SURVEYS"], write=["IMG#", "TRACK#"])
        allow_evidence(function, self._foundation, read=["advisories", "indexes", "reports"])

    def _record_failure(self) -> Function:
        function = self._functions.make(
            "record_failure", "Record why an image could not be scanned", timeout=60
        )
        allow_items(function, self._foundation, write=["IMG#"])
        return function
