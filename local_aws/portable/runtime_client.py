"""The part of the runtime interface client that is native on Linux, for where it is not built (macOS).

Speaks the Lambda runtime API, https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html, under the names
that ``awslambdaric`` calls. It runs inside a worker, so it imports nothing but the standard library.
"""

from __future__ import annotations

import http.client
import json
import os

_DEADLINE = "Lambda-Runtime-Deadline-Ms"
_PREFIX = "/2018-06-01/runtime/invocation"

_connection: http.client.HTTPConnection | None = None
_user_agent = ""


def initialize_client(user_agent: str) -> None:
    """Called once, before anything else."""
    global _user_agent
    _user_agent = user_agent


def next() -> tuple[bytes, dict[str, str | int]]:  # noqa: A001 - the name that is called
    """Wait for an invocation: its payload and its headers, the deadline among them as a number."""
    response, body = _call("GET", f"{_PREFIX}/next", None, {})
    headers: dict[str, str | int] = dict(response.getheaders())
    headers[_DEADLINE] = int(headers[_DEADLINE])
    return body, headers


def post_invocation_result(
    invoke_id: str, result: bytes, content_type: str, invocation_id: str | None = None
) -> None:
    """Answer an invocation."""
    _call("POST", f"{_PREFIX}/{invoke_id}/response", result, {"Content-Type": content_type})


def post_error(invoke_id: str, error: str, xray_cause: str, invocation_id: str | None = None) -> None:
    """Say that an invocation failed; ``error`` is the error document as JSON."""
    headers = {
        "Content-Type": "application/json",
        "Lambda-Runtime-Function-Error-Type": str(json.loads(error).get("errorType", "Unhandled")),
    }
    if xray_cause:
        headers["Lambda-Runtime-Function-XRay-Error-Cause"] = xray_cause
    _call("POST", f"{_PREFIX}/{invoke_id}/error", error.encode(), headers)


def _call(
    method: str, path: str, body: bytes | None, headers: dict[str, str]
) -> tuple[http.client.HTTPResponse, bytes]:
    global _connection
    if _connection is None:
        _connection = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    _connection.request(method, path, body, {"User-Agent": _user_agent, **headers})
    response = _connection.getresponse()
    content = response.read()
    if response.status >= 300:
        raise RuntimeError(f"{method} {path} answered {response.status}")
    return response, content
