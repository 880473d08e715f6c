"""Step Functions: moto's interpreter runs every state machine, also those that CloudFormation made."""

from __future__ import annotations

import contextlib
import json
import re
import time
import types
import uuid
from typing import TYPE_CHECKING, Any
from unittest import mock

import moto.stepfunctions.models as models
import moto.stepfunctions.parser.asl.component.common.retry.retrier_decl as retrier
import moto.stepfunctions.parser.asl.utils.boto_client as boto_client
from moto.core.config import default_user_config
from moto.stepfunctions.exceptions import InvalidExecutionInput, InvalidName
from moto.stepfunctions.parser.asl.component.state.wait.wait_function.wait_function import WaitFunction
from moto.stepfunctions.parser.models import StepFunctionsParserBackend, stepfunctions_parser_backends

from local_aws.patches import Patches

if TYPE_CHECKING:
    from local_aws.cloud import LocalCloud

# https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html
_NAME = re.compile(r"""[^\s<>{}\[\]?*"#%\\^|~`$&,;:/\x00-\x1f\x7f-\x9f]{1,80}""")
_INPUT_BYTES = 262_144


class States:
    """The executions of one cloud."""

    def __init__(self, cloud: LocalCloud) -> None:
        self._cloud = cloud

    def install(self, patches: Patches, stack: contextlib.ExitStack) -> None:
        execute: dict[str, Any] = {
            "stepfunctions": {"execute_state_machine": True},
            "lambda": {"use_docker": False},
        }
        stack.enter_context(mock.patch.dict(default_user_config, execute))
        patches.replace(models, "stepfunctions_backends", stepfunctions_parser_backends)
        patches.wrap(models.StateMachine, "get_cfn_attribute", _attribute)
        patches.wrap(StepFunctionsParserBackend, "start_execution", _start)
        # The interpreter makes a client per task: 20 ms that the cached ones of the cloud do not cost.
        patches.replace(boto_client, "boto3", types.SimpleNamespace(client=self._client))
        cloud = self._cloud
        clock = types.SimpleNamespace(sleep=lambda seconds: time.sleep(cloud.scaled(seconds)))
        patches.replace(retrier, "time", clock)
        patches.replace(
            WaitFunction,
            "_wait_interval",
            lambda _, env, wait_seconds: env.program_state_event.wait(cloud.scaled(wait_seconds)),
        )

    def running(self) -> list[str]:
        """The ARNs of the executions that run."""
        backend = stepfunctions_parser_backends[self._cloud.account][self._cloud.region]
        return [
            execution.execution_arn
            for machine in list(backend.state_machines)
            for execution in list(machine.executions)
            if execution.status == "RUNNING"
        ]

    def _client(self, service_name: str, **_: Any) -> Any:
        return self._cloud.client(service_name, retries=False)


def _attribute(original: Any, machine: Any, name: str) -> Any:
    return machine.arn if name == "Arn" else original(machine, name)


def _start(
    original: Any, backend: Any, arn: str, name: str | None = None, execution_input: Any = None, *more: Any
) -> Any:
    name = name or str(uuid.uuid4())
    if not _NAME.fullmatch(name):
        raise InvalidName(f"Invalid Name: '{name}'")
    if len(execution_input or "") > _INPUT_BYTES:
        raise InvalidExecutionInput(f"Invalid execution input: over {_INPUT_BYTES} bytes")
    json.loads(execution_input or "{}")
    return original(backend, arn, name, execution_input, *more)
