"""A directory of feeds as an HTTP mirror on this machine, and a deployment that reads it."""

from __future__ import annotations

import functools
import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from local_aws.cloud import LocalCloud


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 - the base class's name
        return


@contextmanager
def served(directory: Path) -> Iterator[str]:
    """The address under which a directory can be read over HTTP on this machine."""
    handler = functools.partial(_Quiet, directory=str(directory))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def read_feeds_from(cloud: LocalCloud, address: str) -> None:
    """Let the deployed function read its feeds there, as the setting ``mirror`` would."""
    functions = cloud.client("lambda")
    name = "hullwatch-fetch-advisories"
    variables = functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    settings = json.loads(variables["HULLWATCH_SETTINGS"]) | {"mirror": address}
    variables |= {"HULLWATCH_SETTINGS": json.dumps(settings)}
    functions.update_function_configuration(FunctionName=name, Environment={"Variables": variables})
