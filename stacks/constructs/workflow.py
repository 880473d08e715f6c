"""State machines and their steps: JSONPath, Standard, traced, and logged without what passes through them.

What is tried again is decided here, by the names of the error tree and of Lambda's own transient errors, and
nowhere by ``States.ALL``: a mistake of ours does not get better by repeating it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from aws_cdk import ArnFormat, Duration, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_stepfunctions as sfn
from aws_cdk import aws_stepfunctions_tasks as tasks
from constructs import Construct

from hullwatch.errors import LeaseHeld, PermanentError, TransientError, names_below
from stacks.constructs.acknowledgements import acknowledge
from stacks.constructs.alarms import alarm
from stacks.constructs.function import Function
from stacks.constructs.log_group import log_group
from stacks.foundation import FoundationStack

#: Another worker holds a lease. It is given back when that worker is done, which may take as long as the
#: longest function runs.
BUSY = names_below(LeaseHeld)
#: Everything else that is worth another try.
TRANSIENT = [name for name in names_below(TransientError) if name not in BUSY] + [
    "Lambda.ServiceException",
    "Lambda.AWSLambdaException",
    "Lambda.SdkClientException",
    "Lambda.TooManyRequestsException",
]
PERMANENT = names_below(PermanentError)
#: The process of a function was ended: by a fault of its host, or because it wanted too much memory.
ENDED = ["Lambda.Unknown", "Runtime.ExitError"]
#: The function ran out of time or memory, however often it was tried.
EXHAUSTED = ["States.Timeout", "Sandbox.Timedout", *ENDED]


def step(
    scope: Construct,
    name: str,
    function: Function,
    payload: Mapping[str, object] | None = None,
    *,
    keep_input: bool = False,
) -> tasks.LambdaInvoke:
    """Call a function with ``payload`` (by default the whole state) and go on with what it returned.

    With ``keep_input`` the answer is dropped and the state stays as it was.
    """
    task = tasks.LambdaInvoke(
        scope,
        name,
        lambda_function=function.function,
        payload=sfn.TaskInput.from_object(payload) if payload else None,
        output_path=None if keep_input else "$.Payload",
        result_path=sfn.JsonPath.DISCARD if keep_input else None,
        retry_on_service_exceptions=False,
    )
    # A host fails once; what is too large for a function fails every time. Waiting for a lease has to last
    # longer than any lease, however short the pauses come out.
    for errors, attempts, seconds in ((BUSY, 60, 5), (TRANSIENT, 6, 2), (ENDED, 2, 2)):
        task.add_retry(
            errors=errors,
            max_attempts=attempts,
            interval=Duration.seconds(seconds),
            backoff_rate=2,
            max_delay=Duration.seconds(60),
            jitter_strategy=sfn.JitterType.FULL,
        )
    return task


class Workflow(Construct):
    """A state machine, the role it runs as, its log and its alarms."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        foundation: FoundationStack,
        name: str,
        define: Callable[[Construct], sfn.IChainable],
        functions: Sequence[Function],
        timeout: Duration,
    ) -> None:
        super().__init__(scope, construct_id)
        self._foundation = foundation
        self._name = physical_name = f"{foundation.settings.security.name_prefix}-{name}"
        self._role = role = iam.Role(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal("states.amazonaws.com"),
            description=f"{physical_name}: call its functions, write its log and its traces",
        )
        logs = log_group(self, foundation, f"/aws/vendedlogs/states/{physical_name}")
        self.state_machine = sfn.StateMachine(
            self,
            "StateMachine",
            state_machine_name=physical_name,
            definition_body=sfn.DefinitionBody.from_chainable(define(Construct(self, "States"))),
            role=role.without_policy_updates(),
            timeout=timeout,
            tracing_enabled=True,
            logs=sfn.LogOptions(destination=logs, level=sfn.LogLevel.ALL, include_execution_data=False),
        )
        role.add_to_policy(
            iam.PolicyStatement(
                actions=["lambda:InvokeFunction"],
                resources=[function.function.function_arn for function in functions],
            )
        )
        role.add_to_policy(iam.PolicyStatement(actions=_TRACES_AND_LOG_DELIVERY, resources=["*"]))
        acknowledge(
            role,
            "AwsSolutions-IAM5[Resource::*]",
            "X-Ray and the set-up of log delivery have no resources to name.",
        )
        self.state_machine.node.add_dependency(role)
        for metric, word in (
            (self.state_machine.metric_failed, "failed"),
            (self.state_machine.metric_timed_out, "timed out"),
        ):
            alarm(
                self,
                word.title().replace(" ", ""),
                metric=metric(period=Duration.minutes(5)),
                description=f"An execution of {physical_name} {word}; its history says at which step.",
                topic=foundation.alarms,
            )

    def allow_distributed_map(self, items: str) -> None:
        """Let a Distributed Map read its items below a prefix of the evidence bucket, and run its children.

        https://docs.aws.amazon.com/step-functions/latest/dg/iam-policies-eg-dist-map.html
        """
        # The CDK's own policy, which goes to no role that is closed to updates.
        self.state_machine.node.try_remove_child("DistributedMapPolicy")
        bucket = self._foundation.evidence
        # By name: the machine itself waits for its role.
        machine, executions = (
            Stack.of(self).format_arn(
                service="states",
                resource=resource,
                resource_name=f"{self._name}{rest}",
                arn_format=ArnFormat.COLON_RESOURCE_NAME,
            )
            for resource, rest in (("stateMachine", ""), ("execution", ":*"))
        )
        for actions, resource in (
            (["states:StartExecution"], machine),
            (["states:DescribeExecution", "states:StopExecution"], executions),
            (["s3:GetObject"], bucket.arn_for_objects(f"{items}/*")),
        ):
            self._role.add_to_policy(iam.PolicyStatement(actions=actions, resources=[resource]))
        acknowledge(
            self._role,
            "AwsSolutions-IAM5[Resource::arn:<AWS::Partition>:states:<AWS::Region>:<AWS::AccountId>:"
            f"execution:{self._name}:*]",
            "The children of a Distributed Map are executions of the machine itself, named by the service.",
        )
        acknowledge(
            self._role,
            f"AwsSolutions-IAM5[Resource::{self._foundation.evidence_export}/{items}/*]",
            f"One object of items per run below {items}/.",
        )


_TRACES_AND_LOG_DELIVERY = [
    "xray:PutTraceSegments",
    "xray:PutTelemetryRecords",
    "xray:GetSamplingRules",
    "xray:GetSamplingTargets",
    "logs:CreateLogDelivery",
    "logs:GetLogDelivery",
    "logs:UpdateLogDelivery",
    "logs:DeleteLogDelivery",
    "logs:ListLogDeliveries",
    "logs:PutResourcePolicy",
    "logs:DescribeResourcePolicies",
    "logs:DescribeLogGroups",
]
