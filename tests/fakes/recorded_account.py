"""An account of prepared answers: real clients whose calls are checked against botocore's models."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

import boto3
from botocore.exceptions import ClientError
from botocore.session import get_session
from botocore.validate import ParamValidator

PREFIXES = {"elbv2": "elasticloadbalancing"}

#: An answer, one for each page, or what makes it from the request.
Answer = dict[str, Any] | list[dict[str, Any]] | Callable[..., dict[str, Any]]


def refusal(code: str, operation: str = "Operation") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "m"}}, operation)


class RecordedAccount:
    """``answers`` by action (``ecs:ListTasks``). A list that nobody prepared is empty."""

    def __init__(self, answers: dict[str, Answer]) -> None:
        self.answers = dict(answers)
        #: Action and request of every call, in order.
        self.calls: list[tuple[str, dict[str, Any]]] = []

    def client(self, service: str) -> Any:
        client = _client(service)
        client._make_api_call = partial(self._answer, service)
        return client

    @property
    def called(self) -> set[str]:
        return {action for action, _ in self.calls}

    def requests(self, action: str) -> list[dict[str, Any]]:
        return [request for name, request in self.calls if name == action]

    def refuse(self, action: str, code: str = "AccessDeniedException") -> None:
        def refused(**_: Any) -> dict[str, Any]:
            raise refusal(code, action)

        self.answers[action] = refused

    def _answer(self, service: str, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        action = f"{PREFIXES.get(service, service)}:{operation}"
        self.calls.append((action, request))
        model = _client(service).meta.service_model.operation_model(operation)
        if model.input_shape is not None:
            _valid(f"request of {action}", request, model.input_shape)
        prepared = self.answers.get(action)
        if prepared is None:
            prepared = {
                name: [] for name, member in model.output_shape.members.items() if member.type_name == "list"
            }
        if callable(prepared):
            answer = prepared(**request)
        elif isinstance(prepared, list):
            answer = _page(service, operation, prepared, request)
        else:
            answer = prepared
        _valid(f"answer of {action}", answer, model.output_shape)
        return {**answer, "ResponseMetadata": {"HTTPStatusCode": 200}}


def _page(
    service: str, operation: str, pages: list[dict[str, Any]], request: dict[str, Any]
) -> dict[str, Any]:
    loader = get_session().get_component("data_loader")
    known = loader.load_service_model(service, "paginators-1")["pagination"]
    setup = known.get(operation, {"input_token": "nextToken", "output_token": "nextToken"})
    number = int(request.get(setup["input_token"], 0))
    if number + 1 >= len(pages):
        return pages[number]
    more = {setup["more_results"]: True} if "more_results" in setup else {}
    return {**pages[number], setup["output_token"]: str(number + 1), **more}


def _valid(what: str, value: dict[str, Any], shape: Any) -> None:
    report = ParamValidator().validate(value, shape)
    assert not report.has_errors(), f"{what}: {report.generate_report()}"


@lru_cache
def _client(service: str) -> Any:
    return boto3.client(
        service, region_name="eu-central-1", aws_access_key_id="id", aws_secret_access_key="key"
    )
