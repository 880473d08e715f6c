"""The one way to make a function, so that logs, traces, roles and alarms are the same everywhere."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Required, TypedDict, Unpack, cast

from aws_cdk import Duration, Size, aws_lambda
from aws_cdk import aws_iam as iam
from constructs import Construct

from stacks.constructs.acknowledgements import acknowledge
from stacks.constructs.alarms import alarm
from stacks.constructs.layer import ROOT, Layers, exceptions_layer
from stacks.constructs.log_group import log_group
from stacks.foundation import FoundationStack
from stacks.platform import LambdaPlatform
from stacks.settings import Network

#: What DynamoDB, S3 and SQS do with a customer's key in the caller's name.
_KEY_USE = [
    "kms:Decrypt",
    "kms:DescribeKey",
    "kms:Encrypt",
    "kms:GenerateDataKey",
    "kms:ReEncryptFrom",
    "kms:ReEncryptTo",
]

#: Lambda's limit on a function's name.
_MAX_NAME = 64


class Functions:
    """Makes the functions of one stack, which share its layers."""

    def __init__(self, scope: Construct, *, foundation: FoundationStack, platform: LambdaPlatform) -> None:
        self._scope = scope
        self._foundation = foundation
        self._layers = Layers(scope, "Layers", platform=platform)

    def make(self, name: str, description: str, **options: Unpack[FunctionOptions]) -> Function:
        """The function ``lambdas/<name>``; see :class:`Function`."""
        return Function(
            self._scope,
            name,
            description=description,
            foundation=self._foundation,
            layers=self._layers,
            **options,
        )


class FunctionOptions(TypedDict, total=False):
    """What is particular to a function. Times in seconds, memory and scratch space in MiB."""

    timeout: Required[int]
    memory: int
    scratch: int
    #: How many may run at a time.
    concurrency: int
    #: Where its failures go, since they go to no dead-letter queue of its own.
    failures: str
    intake_queue_url: str
    scan_state_machine_arn: str
    #: Whether it is told the accepted risks of the configuration.
    exceptions: bool
    survey_state_machine_arn: str
    #: Sets one of several functions with the same handler apart, and where that one runs.
    variant: str
    network: Network | None


class Function(Construct):
    """The function ``lambdas/<name>/handler.py`` with its own role, log group and alarms.

    A workflow or an event source calls it and waits, so that it needs no dead-letter queue of its own;
    ``failures`` says where they go instead.
    """

    def __init__(
        self,
        scope: Construct,
        name: str,
        *,
        description: str,
        foundation: FoundationStack,
        layers: Layers,
        timeout: int,
        memory: int = 512,
        scratch: int = 512,
        concurrency: int | None = None,
        failures: str = "The workflow that calls it retries, records or raises the alarm.",
        intake_queue_url: str = "",
        scan_state_machine_arn: str = "",
        exceptions: bool = False,
        survey_state_machine_arn: str = "",
        variant: str = "",
        network: Network | None = None,
    ) -> None:
        parts = [part.title() for part in name.split("_")]
        super().__init__(scope, "".join([*parts, *([f"-{variant}"] if variant else [])]))
        physical_name = _physical_name(foundation.settings.security.name_prefix, name, variant)
        logs = log_group(self, foundation, f"/aws/lambda/{physical_name}")
        self.role = iam.Role(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
            description=f"{physical_name}: {description}",
        )
        self.allow(["logs:CreateLogStream", "logs:PutLogEvents"], [logs.log_group_arn])
        if foundation.key:
            self.allow(_KEY_USE, [foundation.key.key_arn])
        self.function = aws_lambda.Function(
            self,
            "Function",
            function_name=physical_name,
            description=description,
            code=aws_lambda.Code.from_asset(str(ROOT / "lambdas" / name), exclude=["**/__pycache__"]),
            handler="handler.handler",
            runtime=layers.platform.runtime,
            architecture=layers.platform.architecture,
            layers=[*layers.versions, exceptions_layer(self, foundation.settings)]
            if exceptions
            else layers.versions,
            role=self.role,
            memory_size=memory,
            ephemeral_storage_size=Size.mebibytes(scratch),
            timeout=Duration.seconds(timeout),
            reserved_concurrent_executions=concurrency,
            tracing=aws_lambda.Tracing.ACTIVE,
            log_group=logs,
            environment=foundation.handler_environment(
                intake_queue_url=intake_queue_url,
                scan_state_machine_arn=scan_state_machine_arn,
                survey_state_machine_arn=survey_state_machine_arn,
            ).variables()
            | {
                "POWERTOOLS_SERVICE_NAME": "hullwatch",
                "POWERTOOLS_METRICS_NAMESPACE": "hullwatch",
                "POWERTOOLS_LOG_LEVEL": "INFO",
            },
        )
        acknowledge(self.role, "AwsSolutions-IAM5[Resource::*]", "X-Ray has no resources to name.")
        acknowledge(self.function, "Serverless-LambdaDLQ", failures)
        network = network or foundation.settings.network
        if network.subnets:
            self._attach(network.subnets, network.security_groups)
        for metric, word in (("errors", "fails"), ("throttles", "is throttled")):
            alarm(
                self,
                metric.title(),
                metric=getattr(self.function, f"metric_{metric}")(period=Duration.minutes(5)),
                description=f"{physical_name} {word} again and again",
                topic=foundation.alarms,
                # One failure is retried or recorded, whatever it is; only a lasting one needs a person.
                threshold=5,
                periods=3,
            )

    def allow(
        self,
        actions: Sequence[str],
        resources: Sequence[str],
        conditions: Mapping[str, Mapping[str, object]] | None = None,
    ) -> None:
        """Give the function's role one more permission."""
        self.role.add_to_policy(
            iam.PolicyStatement(actions=list(actions), resources=list(resources), conditions=conditions)
        )

    def _attach(self, subnets: Sequence[str], security_groups: Sequence[str]) -> None:
        """Run in these subnets. Lambda makes the interfaces, with permissions that the role must have."""
        resource = cast("aws_lambda.CfnFunction", self.function.node.default_child)
        resource.vpc_config = aws_lambda.CfnFunction.VpcConfigProperty(
            subnet_ids=list(subnets), security_group_ids=list(security_groups)
        )
        actions = ["CreateNetworkInterface", "DescribeNetworkInterfaces", "DeleteNetworkInterface"]
        self.allow([f"ec2:{action}" for action in actions], ["*"])
        resource.node.add_dependency(self.role)


def _physical_name(prefix: str, name: str, variant: str) -> str:
    """At most the 64 characters that Lambda allows; a variant that does not fit is told by its hash."""
    base = f"{prefix}-{name.replace('_', '-')}"
    whole = f"{base}-{variant}" if variant else base
    return whole if len(whole) <= _MAX_NAME else f"{base}-{hashlib.sha256(variant.encode()).hexdigest()[:8]}"
