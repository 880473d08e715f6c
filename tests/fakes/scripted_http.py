"""An HTTP server whose every answer a test decides, with the requests it got.

with ScriptedServer(lambda request: Answer(body=b"hello")) as server:
    ...  # server.host is HOST:PORT, server.requests what was asked
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    headers: Message
    body: bytes = b""


@dataclass(frozen=True)
class Answer:
    """``sent`` bytes of the body are really sent before the connection ends; all of them by default.

    With ``length`` false the body's end is the connection's, and nobody can tell that it was cut.
    """

    status: int = 200
    body: bytes | Iterator[bytes] = b""
    headers: Mapping[str, str] | list[tuple[str, str]] = field(default_factory=dict)
    sent: int | None = None
    length: bool = True


class ScriptedServer:
    """Listens on 127.0.0.1 while it is a context."""

    def __init__(self, script: Callable[[Request], Answer]) -> None:
        self.requests: list[Request] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                request = Request(self.command, self.path, self.headers, body)
                outer.requests.append(request)
                self._send(script(request))

            do_POST = do_GET  # noqa: N815

            def _send(self, answer: Answer) -> None:
                self.send_response(answer.status)
                headers = answer.headers.items() if isinstance(answer.headers, Mapping) else answer.headers
                for name, value in headers:
                    self.send_header(name, value)
                body = answer.body
                if answer.length and isinstance(body, bytes):
                    self.send_header("Content-Length", str(len(body)))
                else:
                    self.send_header("Connection", "close")
                self.end_headers()
                try:
                    for part in [body[: answer.sent]] if isinstance(body, bytes) else body:
                        self.wfile.write(part)
                except OSError:
                    self.close_connection = True
                if answer.sent is not None or not answer.length:
                    self.close_connection = True

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.host = f"127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    def __enter__(self) -> ScriptedServer:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
