"""The HTTP endpoint: moto's server, in front of it the operations that are ours, faults and one lock.

AWS serialises what touches one item; moto's backends are plain Python objects that two threads can corrupt.
So one request is handled at a time, except for those that wait: invoking a function and receiving messages.
"""

from __future__ import annotations

import io
import json
import logging
import threading
import uuid
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from moto.core.request import Request
from moto.core.routing import get_service_router
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.exceptions import NotFound
from werkzeug.serving import make_server

if TYPE_CHECKING:
    from local_aws.cloud import LocalCloud

Handler = Callable[[dict[str, Any]], dict[str, Any]]
StartResponse = Callable[..., Any]

#: Operations that wait for something, so that they must not hold the lock.
_WAITING = {"lambda:Invoke", "sqs:ReceiveMessage"}
#: Services whose protocol is XML.
_XML = {"s3", "sns", "cloudformation", "sts", "iam"}
#: What a service calls its throttling error, where it is not the common name.
_THROTTLE = {
    "dynamodb": ("ProvisionedThroughputExceededException", 400),
    "lambda": ("TooManyRequestsException", 429),
    "s3": ("SlowDown", 503),
    "securityhub": ("TooManyRequestsException", 429),
}


class ApiError(Exception):
    """An error of an AWS API: its code as clients see it, a message and the HTTP status."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status


class Endpoint:
    """Listens on a free port of 127.0.0.1 until :meth:`close`."""

    def __init__(self, cloud: LocalCloud) -> None:
        self._cloud = cloud
        self._handlers: dict[str, Handler] = {}
        self._moto = DomainDispatcherApplication(create_backend_app)
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        self._server = make_server("127.0.0.1", 0, self, threaded=True, request_handler=_RequestHandler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def serve(self, service: str, operations: dict[str, Handler]) -> None:
        """Answer these operations instead of moto."""
        self._handlers.update({f"{service}:{name}": handler for name, handler in operations.items()})

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        if environ["PATH_INFO"].startswith("/-/"):
            return self._download(environ, start_response)
        operation = _operation(environ)
        fault = self._cloud.faults.next(operation)
        if fault in ("throttle", "server_error"):
            return _error(operation, fault, start_response)
        if fault == "lost_request":
            raise ConnectionResetError
        if operation in _WAITING:
            answer = self._answer(operation, environ, start_response)
        else:
            with self._cloud.lock:
                answer = self._answer(operation, environ, start_response)
        if fault == "lost_response":
            raise ConnectionResetError
        return answer

    def _answer(
        self, operation: str, environ: dict[str, Any], start_response: StartResponse
    ) -> Iterable[bytes]:
        handler = self._handlers.get(operation)
        if handler is None:
            # A list, so that the work is done before the lock is given back.
            return list(self._moto(environ, start_response))
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        query = {key: values[0] for key, values in parse_qs(environ.get("QUERY_STRING", "")).items()}
        try:
            return _json(handler({**query, **json.loads(body or b"{}")}), HTTPStatus.OK, start_response)
        except ApiError as error:
            return _json_error(error, start_response)

    def _download(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """A layer, streamed without the lock."""
        fault = self._cloud.faults.next("ecr:DownloadLayer")
        if fault in ("throttle", "server_error"):
            start_response("503 Slow Down", [("Content-Length", "0")])
            return []
        if fault == "lost_request":
            raise ConnectionResetError
        status, length, content_range, body = self._cloud.registry.download(
            environ["PATH_INFO"], environ.get("QUERY_STRING", ""), environ.get("HTTP_RANGE", "")
        )
        headers = [("Content-Length", str(length)), ("Accept-Ranges", "bytes")]
        if content_range:
            headers.append(("Content-Range", content_range))
        start_response(f"{status.value} {status.phrase}", headers)
        return _cut(body, length // 2) if fault == "lost_response" else body


class _RequestHandler(MotoRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def connection_dropped(self, error: BaseException, environ: Any = None) -> None:
        """A fault: the client has to see the connection end, not wait for an answer."""
        self.close_connection = True


def _operation(environ: dict[str, Any]) -> str:
    """``service:Operation`` of a request, from its signature and target header, form or path."""
    scope = environ.get("HTTP_AUTHORIZATION", "").partition("Credential=")[2].split(",")[0].split("/")
    service = scope[3] if len(scope) > 3 else "s3"
    service = {"states": "stepfunctions"}.get(service, service)
    if target := environ.get("HTTP_X_AMZ_TARGET"):
        return f"{service}:{target.rsplit('.', 1)[-1]}"
    if environ.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded"):
        form = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(form)
        return f"{service}:{parse_qs(form.decode()).get('Action', ['?'])[0]}"
    try:
        matched, _ = get_service_router(service).match(Request(environ))
    except (NotFound, NotImplementedError):
        return f"{service}:?"
    return f"{service}:{matched.name}"


def _error(operation: str, fault: str, start_response: StartResponse) -> Iterable[bytes]:
    service = operation.split(":")[0]
    code, status = _THROTTLE.get(service, ("ThrottlingException", 400))
    if fault == "server_error":
        code, status = ("InternalError" if service == "s3" else "InternalServerError"), 500
    error = ApiError(code, "injected by the test", status)
    if service not in _XML:
        return _json_error(error, start_response)
    inner = f"<Error><Code>{code}</Code><Message>{error.message}</Message></Error>"
    body = (inner if service == "s3" else f"<ErrorResponse>{inner}</ErrorResponse>").encode()
    start_response(f"{status} Error", [("Content-Type", "text/xml"), ("Content-Length", str(len(body)))])
    return [body]


def _json_error(error: ApiError, start_response: StartResponse) -> Iterable[bytes]:
    body = {"__type": error.code, "message": error.message, "Message": error.message}
    return _json(body, HTTPStatus(error.status), start_response, ("x-amzn-errortype", error.code))


def _json(
    body: dict[str, Any], status: HTTPStatus, start_response: StartResponse, *headers: tuple[str, str]
) -> Iterable[bytes]:
    text = json.dumps(body).encode()
    common = [
        ("Content-Type", "application/x-amz-json-1.1"),
        ("Content-Length", str(len(text))),
        ("x-amzn-requestid", str(uuid.uuid4())),
    ]
    start_response(f"{status.value} {status.phrase}", [*common, *headers])
    return [text]


def _cut(body: Iterable[bytes], length: int) -> Iterable[bytes]:
    """A transfer that breaks off after ``length`` bytes."""
    for chunk in body:
        yield chunk[:length]
        if len(chunk) >= length:
            raise ConnectionResetError
        length -= len(chunk)
