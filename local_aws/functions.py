"""Lambda functions that really run: moto keeps their configuration, workers run their code."""

from __future__ import annotations

import atexit
import contextlib
import io
import tempfile
import threading
import uuid
import zipfile
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from moto.awslambda.models import LambdaFunction, LayerVersion
from moto.awslambda_simple.models import LambdaSimpleBackend, lambda_simple_backends

from local_aws.patches import Patches
from local_aws.runtime import Outcome, Worker, base_environment, failure, link_runtime
from local_aws.targets import deliver

if TYPE_CHECKING:
    from local_aws.cloud import LocalCloud

#: Of an asynchronous event, https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
ATTEMPTS = 3

# Unpacked code and layers by content, for the life of this process: clouds that follow each other share them.
_unpacked: dict[str, Path] = {}
_unpacking = threading.Lock()
_store = tempfile.TemporaryDirectory(prefix="local-aws-code-", ignore_cleanup_errors=True)
atexit.register(_store.cleanup)


def _unpack(content: bytes, sha256: str) -> Path:
    with _unpacking:
        if sha256 not in _unpacked:
            target = Path(_store.name, f"{len(_unpacked):04d}")
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                archive.extractall(target)
            _unpacked[sha256] = target
        return _unpacked[sha256]


class Functions:
    """Invokes the functions of one cloud, at most ``workers`` processes per function."""

    def __init__(self, cloud: LocalCloud, *, python: str, workers: int) -> None:
        self._cloud = cloud
        self._python = python
        self._limit = workers
        self._runtime = link_runtime(python, cloud.directory)
        self._lock = threading.Lock()
        self._idle: dict[tuple[object, ...], list[Worker]] = defaultdict(list)
        self._workers: set[Worker] = set()
        self._slots: dict[str, threading.BoundedSemaphore] = {}
        self._closed = threading.Event()
        self._asynchronous = ThreadPoolExecutor(max_workers=16, thread_name_prefix="lambda-async")
        #: Invocations that wait, run or will be tried again.
        self.busy = 0

    def install(self, patches: Patches) -> None:
        original = LambdaFunction.create_from_cloudformation_json

        def create(_: Any, /, name: str, template: Any, account: str, region: str, **more: Any) -> Any:
            """The original keeps neither layers nor architectures nor the dead-letter queue."""
            function: Any = original(name, template, account, region, **more)
            properties = template["Properties"]
            function.layers = function._get_layers_data(properties.get("Layers", []))
            function.architectures = properties.get("Architectures", ["x86_64"])
            function.dead_letter_arn = properties.get("DeadLetterConfig", {}).get("TargetArn")
            for key, value in (function.environment_vars or {}).items():
                if not isinstance(value, str | int | float):
                    raise TypeError(f"{name}: {key} is {value!r}: moto has no physical id for that resource")
            return function

        patches.add(LayerVersion, "physical_resource_id", property(lambda layer: layer.arn))
        patches.replace(LambdaFunction, "create_from_cloudformation_json", classmethod(create))
        patches.wrap(LambdaSimpleBackend, "invoke", self._invoke_api)

    def backend(self) -> Any:
        return lambda_simple_backends[self._cloud.account][self._cloud.region]

    def resolve(self, name: str) -> str:
        """The physical name of the function called ``name``, or of the only one whose name contains it."""
        names = [function.function_name for function in self.backend().list_functions()]
        matches = [name] if name in names else [candidate for candidate in names if name in candidate]
        if len(matches) != 1:
            raise LookupError(
                f"{len(matches)} functions match {name!r}; there are: {', '.join(sorted(names))}"
            )
        return matches[0]

    def log(self, name: str) -> Path:
        return self._cloud.log_directory / f"{self.resolve(name)}.log"

    def invoke(self, arn: str, payload: bytes) -> Outcome:
        """Invoke synchronously. Waits for a free worker rather than throttling."""
        with self._counted():
            return self._invoke(arn, payload)

    def _invoke(self, arn: str, payload: bytes) -> Outcome:
        function = self.backend().get_function(arn)
        with self._slot(function):
            if self._closed.is_set():
                return failure("Runtime.ExitError", "The cloud is being closed")
            worker = self._take(function)
            killed = self._cloud.faults.next(f"worker:{function.function_name}") is not None
            outcome = worker.invoke(payload, on_start=worker.close if killed else None)
            self._give_back(function, worker)
            return outcome

    def invoke_async(self, arn: str, payload: bytes) -> None:
        """Queue an event: three attempts, a minute and two apart, then the dead-letter queue."""
        self._count(+1)
        self._asynchronous.submit(self._cloud.guard(self._run_async), arn, payload)

    def kill(self, name: str) -> None:
        """Kill every worker of a function, whatever it is doing."""
        arn = self.backend().get_function(self.resolve(name)).function_arn
        with self._lock:
            workers = [worker for worker in self._workers if worker.arn == arn]
        for worker in workers:
            worker.close()

    def close(self) -> None:
        self._closed.set()
        with self._lock:
            workers = list(self._workers)
        for worker in workers:
            worker.close()
        self._asynchronous.shutdown(cancel_futures=True)

    # -- what moto calls

    def _invoke_api(
        self, _: Any, backend: Any, name: str, qualifier: str | None, body: Any, headers: Any, answer: Any
    ) -> bytes:
        function = backend.get_function(name, qualifier)
        payload = (body.encode() if isinstance(body, str) else bytes(body or b"")) or b"{}"
        answer["x-amzn-requestid"] = str(uuid.uuid4())
        match headers.get("x-amz-invocation-type", "RequestResponse"):
            case "Event":
                self.invoke_async(function.function_arn, payload)
                return b""
            case "DryRun":
                return b""
        outcome = self.invoke(function.function_arn, payload)
        if outcome.error:
            answer["x-amz-function-error"] = outcome.error
        return outcome.payload

    # -- workers

    def _take(self, function: Any) -> Worker:
        key = _identity(function)
        with self._lock:
            while self._idle[key]:
                if (idle := self._idle[key].pop()).alive:
                    return idle
        worker = self._start(function)
        with self._lock:
            self._workers.add(worker)
        return worker

    def _give_back(self, function: Any, worker: Worker) -> None:
        with self._lock:
            if worker.alive:
                self._idle[_identity(function)].append(worker)
                return
            self._workers.discard(worker)
        worker.close()

    def _start(self, function: Any) -> Worker:
        backend = self.backend()
        path = [_unpack(function.code_bytes, function.code_sha_256)]
        # Later layers hide what earlier ones have, as they do when unpacked over each other in /opt.
        for layer in reversed(function.layers or []):
            version = backend.layers_versions_by_arn(layer["Arn"])
            path.append(_unpack(version.code_bytes, version.code_sha_256) / "python")
        name = function.function_name
        return Worker(
            python=self._python,
            handler=function.handler,
            path=[*path, self._runtime],
            environment={
                **base_environment(region=self._cloud.region, endpoint=self._cloud.endpoint),
                "LAMBDA_TASK_ROOT": str(path[0]),
                "AWS_EXECUTION_ENV": f"AWS_Lambda_{function.run_time}",
                "AWS_LAMBDA_FUNCTION_NAME": name,
                "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
                "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory_size),
                "AWS_LAMBDA_LOG_GROUP_NAME": function.logs_group_name,
                "AWS_LAMBDA_LOG_STREAM_NAME": uuid.uuid4().hex,
                **{key: str(value) for key, value in (function.environment_vars or {}).items()},
            },
            arn=function.function_arn,
            timeout=float(function.timeout),
            log=self.log(name),
        )

    @contextlib.contextmanager
    def _slot(self, function: Any) -> Iterator[None]:
        with self._lock:
            reserved = function.reserved_concurrency
            limit = min(int(reserved), self._limit) if reserved else self._limit
            slots = self._slots.setdefault(function.function_arn, threading.BoundedSemaphore(limit))
        with slots:
            yield

    # -- asynchronous invocations

    def _run_async(self, arn: str, payload: bytes) -> None:
        try:
            function = self.backend().get_function(arn)
            for attempt in range(ATTEMPTS):
                self._closed.wait(self._cloud.scaled(60 * attempt))
                if self._closed.is_set() or self._invoke(arn, payload).error is None:
                    return
            if function.dead_letter_arn:
                deliver(self._cloud, function.dead_letter_arn, payload.decode())
        finally:
            self._count(-1)

    @contextlib.contextmanager
    def _counted(self) -> Iterator[None]:
        self._count(+1)
        try:
            yield
        finally:
            self._count(-1)

    def _count(self, change: int) -> None:
        with self._lock:
            self.busy += change


def _identity(function: Any) -> tuple[object, ...]:
    """What a worker was started with: a changed function gets new workers."""
    return (
        function.function_arn,
        function.code_sha_256,
        function.handler,
        tuple(layer["Arn"] for layer in function.layers or []),
        tuple(sorted((function.environment_vars or {}).items())),
        function.timeout,
    )
