"""From the table to Security Hub: what changed is sent, and only that."""

from __future__ import annotations

from typing import Any, cast

from aws_cdk import Duration, aws_lambda, aws_securityhub
from aws_cdk import aws_scheduler_targets as targets
from constructs import Construct

from stacks.constructs.access import allow_index, allow_items
from stacks.constructs.function import Function, Functions
from stacks.constructs.queue import DeadLetterQueue
from stacks.constructs.timer import Timer
from stacks.foundation import FoundationStack, HullwatchStack
from stacks.platform import LambdaPlatform

#: Security Hub takes ten BatchImportFindings a second from an account and Region, and a publisher makes four:
#: two of them stay below it, whatever the stream does.
_PUBLISHERS = 2

#: Saved searches over our active findings: name, and what narrows it down (attribute of the filters, value).
#: Security Hub groups by no attribute that holds an image's repository, so all of them list resources.
_INSIGHTS: dict[str, tuple[str, dict[str, str]]] = {
    "KnownExploited": (
        "images with a known exploited vulnerability",
        {"vulnerabilities_exploit_available": "YES"},
    ),
    "FixableCritical": (
        "images with an urgent upgrade",
        {"severity_label": "CRITICAL", "vulnerabilities_fix_available": "YES"},
    ),
    "MostFindings": ("images by number of findings", {"resource_type": "AwsEcrContainerImage"}),
    "FailedControls": (
        "resources with an urgent failed control",
        {"severity_label": "CRITICAL", "compliance_status": "FAILED"},
    ),
    "Unscannable": ("images that could not be read", {"generator_id": "hullwatch/unscannable-image"}),
}


class FindingsStack(HullwatchStack):
    """Sends findings from the table's stream to Security Hub and to the bus."""

    def __init__(self, scope: Construct, *, foundation: FoundationStack, platform: LambdaPlatform) -> None:
        super().__init__(
            scope, "findings", settings=foundation.settings, description="findings to Security Hub"
        )
        self._foundation = foundation
        publish_findings = Functions(self, foundation=foundation, platform=platform).make(
            "publish_findings",
            "Send changed findings to Security Hub, and events to the bus",
            failures="The stream is read again, and after ten tries its place goes to the on-failure queue; "
            "what a schedule could not send waits for the next one.",
            timeout=120,
            concurrency=_PUBLISHERS,
        )
        allow_items(publish_findings, foundation, write=["TRACK#", "POSTURE#"])
        publish_findings.allow(["events:PutEvents"], [foundation.bus.event_bus_arn])
        self._follow_stream(publish_findings)
        self._send_what_waits(publish_findings)
        if self.settings.findings.security_hub:
            product = f"product/{self.account}/default"
            publish_findings.allow(
                ["securityhub:BatchImportFindings"],
                [f"arn:{self.partition}:securityhub:{self.region}:{self.account}:{product}"],
            )
            self._security_hub()

    def _follow_stream(self, publish_findings: Function) -> None:
        unsent = DeadLetterQueue(
            self,
            "Unsent",
            purpose="places in the table's stream whose findings could not be sent",
            foundation=self._foundation,
        )
        stream = self._foundation.table.table_stream_arn
        publish_findings.allow(
            ["dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator"], [str(stream)]
        )
        publish_findings.allow(["sqs:SendMessage"], [unsent.queue.queue_arn])
        mapping = aws_lambda.EventSourceMapping(
            publish_findings,
            "Stream",
            target=publish_findings.function,
            event_source_arn=stream,
            starting_position=aws_lambda.StartingPosition.TRIM_HORIZON,
            # A finding to send, or an image whose state others may want to know.
            filters=[
                aws_lambda.FilterCriteria.filter(
                    {"dynamodb": {"NewImage": {"outbox": {"S": ["PENDING", "EVENT"]}}}}
                )
            ],
            batch_size=100,
            max_batching_window=Duration.seconds(2),
            report_batch_item_failures=True,
            bisect_batch_on_error=True,
            retry_attempts=10,
        )
        # Set on the resource, because the construct would give the function more than it needs of the key.
        resource = cast("aws_lambda.CfnEventSourceMapping", mapping.node.default_child)
        resource.destination_config = aws_lambda.CfnEventSourceMapping.DestinationConfigProperty(
            on_failure=aws_lambda.CfnEventSourceMapping.OnFailureProperty(destination=unsent.queue.queue_arn)
        )

    def _send_what_waits(self, publish_findings: Function) -> None:
        """What the stream gave up on is sent once Security Hub takes findings again."""
        allow_index(publish_findings, self._foundation, "scans", ["OUTBOX#"])
        Timer(
            self,
            "Waiting",
            foundation=self._foundation,
            description="Send hullwatch's findings that still wait to be sent",
            expression="rate(15 minutes)",
            action="lambda:InvokeFunction",
            resource=publish_findings.function.function_arn,
            target=lambda role, missed: targets.LambdaInvoke(
                publish_findings.function, role=role, dead_letter_queue=missed, retry_attempts=0
            ),
        )

    def _security_hub(self) -> None:
        hub = None
        if self.settings.findings.manage_hub:
            hub = aws_securityhub.CfnHub(self, "Hub", enable_default_standards=False)
        for name, (title, narrowed) in _INSIGHTS.items():
            filters: dict[str, Any] = {
                "generator_id": [_filter("hullwatch/", "PREFIX")],
                "record_state": [_filter("ACTIVE")],
                "workflow_status": [_filter("NEW"), _filter("NOTIFIED")],
            } | {attribute: [_filter(value)] for attribute, value in narrowed.items()}
            insight = aws_securityhub.CfnInsight(
                self,
                name,
                name=f"{self.settings.security.name_prefix}: {title}",
                group_by_attribute="ResourceId",
                filters=aws_securityhub.CfnInsight.AwsSecurityFindingFiltersProperty(**filters),
            )
            if hub:
                insight.add_dependency(hub)


def _filter(value: str, comparison: str = "EQUALS") -> aws_securityhub.CfnInsight.StringFilterProperty:
    return aws_securityhub.CfnInsight.StringFilterProperty(value=value, comparison=comparison)
