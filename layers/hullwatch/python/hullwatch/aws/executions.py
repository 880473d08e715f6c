"""Starting a state machine: once per name, however often it is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec
from botocore.exceptions import ClientError

from hullwatch.aws.errors import error_code, translated

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient


class Executions:
    """Executions of one state machine."""

    def __init__(self, client: SFNClient, state_machine_arn: str) -> None:
        self._client = client
        self._arn = state_machine_arn

    def start(self, name: str, payload: Mapping[str, Any]) -> bool:
        """Start an execution. ``False`` when one of this name runs or ran already: names hold for 90 days."""
        with translated(f"starting execution {name}"):
            try:
                self._client.start_execution(
                    stateMachineArn=self._arn, name=name, input=msgspec.json.encode(payload).decode()
                )
            except ClientError as error:
                if error_code(error) == "ExecutionAlreadyExists":
                    return False
                raise
        return True
