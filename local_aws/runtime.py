"""One Lambda execution environment: a process under the official runtime interface client.

The process sees the standard library, the runtime interface client with what that needs, the function's code
and its layers, and nothing else of the interpreter's site-packages: what the layer lacks fails to import, as
it would when deployed. The host side speaks the Lambda Runtime API
(https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html).
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, InvalidStateError
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

#: Seconds that importing the handler may take. AWS gives 10; a busy laptop needs more.
INIT_TIMEOUT = 60.0
#: Bytes of a synchronous response, https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
RESPONSE_LIMIT = 6_291_556

#: Stands in for the native part of the runtime interface client where there is none.
_PORTABLE = Path(__file__).parent / "portable/runtime_client.py"

_BOOTSTRAP = """
import sys
handler, *sys.path[:0] = sys.argv[1:]
from awslambdaric.__main__ import main
main(["awslambdaric", handler])
"""

_FIND_RUNTIME = """
import importlib.metadata as metadata, pathlib
for name in ("awslambdaric", "simplejson", "snapshot-restore-py"):
    for file in metadata.distribution(name).files or ():
        if file.parts[0] not in ("..", "__pycache__") and not file.parts[0].endswith(".dist-info"):
            print(pathlib.Path(metadata.distribution(name).locate_file(file.parts[0])))
"""


@dataclass(frozen=True)
class Outcome:
    """What an invocation gave: the payload, and ``Unhandled`` when the payload describes an error."""

    payload: bytes
    error: str | None = None


def failure(error_type: str, message: str) -> Outcome:
    """The payload that Lambda itself writes when the function could not."""
    return Outcome(json.dumps({"errorType": error_type, "errorMessage": message}).encode(), "Unhandled")


@cache
def runtime_packages(python: str) -> tuple[str, ...]:
    """The files and folders in site-packages that make up the runtime interface client of ``python``."""
    found = subprocess.run([python, "-c", _FIND_RUNTIME], capture_output=True, text=True, check=True)
    return tuple(sorted(set(found.stdout.split("\n")) - {""}))


def link_runtime(python: str, directory: Path, *, native: bool = True) -> Path:
    """A folder that holds only the runtime interface client, to be put on a worker's path.

    Where its native part was not built, or is not wanted, ours stands in for it.
    """
    target = directory / "runtime"
    target.mkdir()
    for source in map(Path, runtime_packages(python)):
        if native or not source.name.startswith("runtime_client."):
            (target / source.name).symlink_to(source)
    if not any(target.glob("runtime_client.*")):
        (target / _PORTABLE.name).symlink_to(_PORTABLE)
    return target


class Worker:
    """A process that runs one function, one invocation at a time."""

    def __init__(
        self,
        *,
        python: str,
        handler: str,
        path: Sequence[Path],
        environment: Mapping[str, str],
        arn: str,
        timeout: float,
        log: Path,
    ) -> None:
        self.arn = arn
        self._timeout = timeout
        self._event: tuple[str, bytes] | None = None
        self._offered = threading.Condition()
        self._started: Future[None] = Future()
        self._outcome: Future[Outcome] = Future()
        self._on_start: Callable[[], object] | None = None
        self._init_error: bytes | None = None
        self._api = _RuntimeApi(self)
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [python, "-I", "-S", "-c", _BOOTSTRAP, handler, *map(str, path)],
                cwd=path[0],
                env={**environment, "AWS_LAMBDA_RUNTIME_API": self._api.address, "_HANDLER": handler},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        threading.Thread(target=self._watch, daemon=True, name=f"watch {arn}").start()

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def invoke(self, payload: bytes, on_start: Callable[[], object] | None = None) -> Outcome:
        """Run one event. ``on_start`` is called as the function is given it. It may be dead afterwards."""
        request_id = str(uuid.uuid4())
        self._started, self._outcome, self._on_start = Future(), Future(), on_start
        if not self.alive:
            self._exited()
        with self._offered:
            self._event = (request_id, payload)
            self._offered.notify()
        try:
            self._started.result(INIT_TIMEOUT)
            return self._outcome.result(self._timeout)
        except FutureTimeout:
            self.close()
            message = f"RequestId: {request_id} Error: Task timed out after {self._timeout:.2f} seconds"
            return failure("Sandbox.Timedout", message)

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        with self._offered:
            self._offered.notify_all()
        self._api.close()

    # -- the Runtime API's side, called on its threads

    def next_event(self) -> tuple[str, bytes, dict[str, str]] | None:
        """Wait for an event. ``None`` once the process is gone."""
        with self._offered:
            while self._event is None:
                if not self.alive:
                    return None
                self._offered.wait(1.0)
            (request_id, payload), self._event = self._event, None
        headers = {
            "Lambda-Runtime-Aws-Request-Id": request_id,
            "Lambda-Runtime-Deadline-Ms": str(int((time.time() + self._timeout) * 1000)),
            "Lambda-Runtime-Invoked-Function-Arn": self.arn,
            "Lambda-Runtime-Trace-Id": f"Root=1-{int(time.time()):08x}-{uuid.uuid4().hex[:24]};Sampled=0",
        }
        _settle(self._started, None)
        if self._on_start:
            # Here, so that whether anything was done before does not depend on who is faster.
            self._on_start()
        return request_id, payload, headers

    def finish(self, outcome: Outcome) -> None:
        if outcome.error is None and len(outcome.payload) > RESPONSE_LIMIT:
            outcome = failure(
                "Function.ResponseSizeTooLarge", "Response payload size exceeded maximum allowed"
            )
        _settle(self._outcome, outcome)

    def fail_init(self, body: bytes) -> None:
        self._init_error = body

    def _watch(self) -> None:
        self._process.wait()
        self._exited()

    def _exited(self) -> None:
        if self._init_error:
            outcome = Outcome(self._init_error, "Unhandled")
        else:
            message = f"Runtime exited with error: {_status(self._process.returncode)}"
            outcome = failure("Runtime.ExitError", message)
        _settle(self._outcome, outcome)
        _settle(self._started, None)


def _status(code: int) -> str:
    return f"signal: {-code}" if code < 0 else f"exit status {code}"


def _settle(future: Future[Any], result: object) -> None:
    """The first result counts: a process that exits after it has answered changes nothing."""
    with contextlib.suppress(InvalidStateError):
        future.set_result(result)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A killed worker leaves a broken connection: nothing to report."""


class _RuntimeApi:
    """``/2018-06-01/runtime/...`` for one worker, on a port of its own."""

    def __init__(self, worker: Worker) -> None:
        class Handler(_Handler):
            owner = worker

        self._server = _Server(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    owner: Worker
    protocol_version = "HTTP/1.1"
    # One packet per answer: without these two, delayed acknowledgements cost 40 ms per invocation.
    disable_nagle_algorithm = True
    wbufsize = 65536

    def do_GET(self) -> None:
        event = self.owner.next_event() if self.path.endswith("/invocation/next") else None
        if event is None:
            self._answer(410, b"", {})
            return
        _, payload, headers = event
        self._answer(200, payload, {"Content-Type": "application/json", **headers})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        match self.path.split("/")[-2:]:
            case ["init", "error"]:
                self.owner.fail_init(body)
            case [_, "response"]:
                self.owner.finish(Outcome(body))
            case [_, "error"]:
                self.owner.finish(Outcome(body, "Unhandled"))
        self._answer(202, b"{}", {})

    def _answer(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base class's name)
        pass


#: The variables of a worker that do not depend on the function.
def base_environment(*, region: str, endpoint: str) -> dict[str, str]:
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "LANG": "en_US.UTF-8",
        "TZ": ":UTC",
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
    }
