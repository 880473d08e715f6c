"""AWS on this machine, as far as hullwatch uses it: moto, with the parts that have to be real made real.

    with LocalCloud() as cloud:
        cloud.deploy(Path("cdk.out"))
        cloud.client("ecr").put_image(...)
        cloud.wait_idle()

What is real: handlers run in processes of their own with nothing but their layers, events reach their
targets, state machines run, images are content-addressed and downloadable, Security Hub refuses what the real
one refuses. What is not: permissions, keys, quotas and time (see ``time_scale``).
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, ParamSpec
from unittest import mock

import boto3
from botocore.config import Config
from moto.core.base_backend import BackendDict
from moto.core.model_instances import reset_model_data

from local_aws import deploy as deployment
from local_aws.endpoint import Endpoint
from local_aws.events import Events
from local_aws.faults import Faults
from local_aws.functions import Functions
from local_aws.patches import Patches
from local_aws.registry import Registry
from local_aws.resources import Resources
from local_aws.securityhub import Hub
from local_aws.sources import Sources
from local_aws.states import States

Parameters = ParamSpec("Parameters")

#: Seconds. No wait of AWS is longer here, however long it is there.
LONGEST_WAIT = 0.2


class LocalCloudError(RuntimeError):
    """The cloud itself went wrong, or did not come to rest."""


class LocalCloud:
    """One account and Region. Clouds may follow each other in a process, each empty; two at once may not.

    ``time_scale`` shortens every wait that AWS would impose (retries, visibility time-outs, Wait states).
    ``python`` is the interpreter of the workers; it must have awslambdaric. ``workers`` bounds the processes
    per function. Worker logs go to ``log_dir``, else to a folder that goes with the cloud.
    """

    def __init__(
        self,
        *,
        account: str = "111122223333",
        region: str = "eu-west-1",
        log_dir: Path | None = None,
        time_scale: float = 0.002,
        workers: int = 4,
        python: str = sys.executable,
    ) -> None:
        self.account = account
        self.region = region
        self.workers = workers
        self.time_scale = time_scale
        self.lock = threading.RLock()
        self.faults = Faults()
        self._python = python
        self._log_dir = log_dir
        self._problems: list[str] = []
        self._clients: dict[tuple[str, bool], Any] = {}
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> LocalCloud:
        with contextlib.ExitStack() as stack:
            self._start(stack)
            self._stack = stack.pop_all()
        return self

    def _start(self, stack: contextlib.ExitStack) -> None:
        self.directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="local-aws-")))
        self.log_directory = self._log_dir or self.directory / "logs"
        self.log_directory.mkdir(parents=True, exist_ok=True)
        _reset()
        stack.callback(_reset)
        patches = stack.enter_context(Patches())
        self._endpoint = Endpoint(self)
        # moto reads the account of every request, and the port it calls itself on, from here.
        settings = {"MOTO_ACCOUNT_ID": self.account, "MOTO_PORT": str(self._endpoint.port)}
        stack.enter_context(mock.patch.dict(os.environ, settings))
        self.hub = Hub(account=self.account, region=self.region)
        self.registry = Registry(self)
        self.events = Events(self)
        self.resources = Resources(self)
        self.states = States(self)
        self.functions = Functions(self, python=self._python, workers=self.workers)
        self.sources = Sources(self)
        self.states.install(patches, stack)
        self.functions.install(patches)
        self.sources.install(patches)
        self.resources.install(patches)
        self._endpoint.serve("ecr", self.registry.operations())
        self._endpoint.serve("events", {"PutEvents": self.events.put_events})
        self._endpoint.serve("securityhub", self.hub.operations())
        self._endpoint.start()
        # In reverse: no new batches, an end to the workers, then the pollers that waited for them.
        stack.callback(self._endpoint.close)
        stack.callback(self._close_clients)
        stack.callback(self.sources.join)
        stack.callback(self.functions.close)
        stack.callback(self.sources.stop)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()
        if kind is None:
            self._raise_problems()

    # -- for tests and the demo

    @property
    def endpoint(self) -> str:
        """The address that takes the place of every AWS endpoint."""
        return self._endpoint.url

    def client(self, service: str, *, retries: bool = True) -> Any:
        """A boto3 client of this cloud, the same for every call."""
        with self.lock:
            key = (service, retries)
            if key not in self._clients:
                self._clients[key] = boto3.client(
                    service,
                    endpoint_url=self.endpoint,
                    region_name=self.region,
                    aws_access_key_id="local",
                    aws_secret_access_key="local",
                    config=Config(
                        s3={"addressing_style": "path"},
                        read_timeout=900,
                        retries={"total_max_attempts": 5 if retries else 1},
                    ),
                )
            return self._clients[key]

    def deploy(self, assembly: Path) -> dict[str, dict[str, str]]:
        """Deploy a synthesised cloud assembly; returns the outputs of each stack."""
        return deployment.deploy(self, assembly)

    def create_stack(
        self, name: str, template: str, parameters: dict[str, str] | None = None
    ) -> dict[str, str]:
        """Create or update one stack from its template text; returns its outputs."""
        return deployment.create_stack(self, name, template, parameters)

    def push_event(
        self,
        detail: dict[str, Any],
        detail_type: str = "ECR Image Action",
        *,
        source: str = "aws.ecr",
        resources: list[str] | None = None,
    ) -> str:
        """Put an event on the default bus as only an AWS service itself can. Returns its id."""
        return self.events.publish(source=source, detail_type=detail_type, detail=detail, resources=resources)

    def fire_schedule(self, name: str) -> None:
        """Fire the schedules and scheduled rules whose name or target contains ``name``."""
        self.events.fire(name)

    def worker_logs(self, function: str) -> str:
        """What the workers of a function have written. Part of the name is enough when it is unambiguous."""
        log = self.functions.log(function)
        return log.read_text(errors="replace") if log.exists() else ""

    def wait_idle(self, timeout: float = 30) -> None:
        """Wait until nothing is queued, running or undelivered.

        Raises :class:`LocalCloudError` with what was still going on after ``timeout`` seconds, or when the
        cloud itself failed.
        """
        end = time.monotonic() + timeout
        # Work that moves from one place to the next between two looks shows as a request.
        seen, quiet = -1, 0
        while quiet < 2:
            self._raise_problems()
            pending, requests = self.pending(), self.faults.calls.total()
            quiet = quiet + 1 if not pending and requests == seen else 0
            seen = requests
            if pending and time.monotonic() > end:
                raise LocalCloudError(f"still busy after {timeout} s: {'; '.join(pending)}")
            time.sleep(0.01)

    def pending(self) -> list[str]:
        """Everything that is under way, in words."""
        found = [*self.sources.pending(), *self.states.running()]
        if self.functions.busy:
            found.append(f"{self.functions.busy} invocations")
        return found

    # -- for the other modules

    def scaled(self, seconds: float) -> float:
        """Seconds to wait here for ``seconds`` of AWS."""
        return min(seconds * self.time_scale, LONGEST_WAIT)

    def problem(self, text: str) -> None:
        """Record a failure of the cloud itself; the next :meth:`wait_idle` raises it."""
        self._problems.append(text)

    def guard(self, work: Callable[Parameters, None]) -> Callable[Parameters, None]:
        """``work`` for a background thread: an exception becomes a problem of the cloud."""

        def guarded(*args: Parameters.args, **kwargs: Parameters.kwargs) -> None:
            try:
                work(*args, **kwargs)
            except Exception:
                self.problem(traceback.format_exc())

        return guarded

    def _raise_problems(self) -> None:
        if self._problems:
            problems, self._problems = self._problems, []
            raise LocalCloudError("\n".join(problems))

    def _close_clients(self) -> None:
        for client in self._clients.values():
            client.close()
        self._clients.clear()


def _reset() -> None:
    BackendDict.reset()
    reset_model_data()
