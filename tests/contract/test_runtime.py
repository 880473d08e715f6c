"""The runtime interface client in a worker, with its native part and with ours in its place."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from local_aws.runtime import Worker, base_environment, link_runtime

HANDLER = """
class LayerCorrupt(Exception):
    pass

def handler(event, context):
    if event.get("fail"):
        raise LayerCorrupt("not a tar archive")
    left = context.get_remaining_time_in_millis()
    return {"event": event, "arn": context.invoked_function_arn, "left": left}
"""


@pytest.fixture(params=[True, False], ids=["native", "portable"])
def worker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Worker]:
    (tmp_path / "code").mkdir()
    (tmp_path / "code/index.py").write_text(HANDLER)
    runtime = link_runtime(sys.executable, tmp_path, native=request.param)
    worker = Worker(
        python=sys.executable,
        handler="index.handler",
        path=[tmp_path / "code", runtime],
        environment=base_environment(region="eu-west-1", endpoint="http://127.0.0.1:9"),
        arn="arn:aws:lambda:eu-west-1:111122223333:function:probe",
        timeout=10,
        log=tmp_path / "log",
    )
    yield worker
    worker.close()


def test_it_answers_again_and_again(worker: Worker) -> None:
    for number in range(3):
        outcome = worker.invoke(json.dumps({"number": number, "text": "é"}).encode())
        answer = json.loads(outcome.payload)

        assert outcome.error is None
        assert answer["event"] == {"number": number, "text": "é"}
        assert answer["arn"].endswith(":function:probe")
        assert 0 < answer["left"] <= 10_000


def test_an_error_keeps_its_name_and_the_worker_lives_on(worker: Worker) -> None:
    failed = worker.invoke(b'{"fail": true}')

    assert failed.error == "Unhandled"
    assert json.loads(failed.payload)["errorType"] == "LayerCorrupt"
    assert json.loads(failed.payload)["errorMessage"] == "not a tar archive"
    assert worker.invoke(b"{}").error is None
