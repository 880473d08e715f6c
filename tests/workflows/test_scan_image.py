"""ScanImage as it is synthesised, run with stand-ins for its functions."""

from __future__ import annotations

from typing import Any

import pytest

from hullwatch.errors import PermanentError, names_below
from tests.workflows.conftest import Workflow

IMAGE = {"repository": "prod/api", "digest": "sha256:aa"}
LAYERS = [
    {"digest": f"sha256:{n}", "diff_id": f"sha256:d{n}", "size": 1, "media_type": "application/x-tar"}
    for n in range(6)
]


def _plan(kind: str, layers: list[dict[str, Any]] = LAYERS) -> list[dict[str, Any]]:
    return [{"return": {**IMAGE, "kind": kind, "generation": "g1", "layers": layers}}]


def _scan(workflow: Workflow, **outcomes: list[dict[str, Any]]) -> dict[str, Any]:
    return workflow.run("ScanImage", outcomes, IMAGE)


def test_an_image_is_read_assessed_and_settled(workflow: Workflow) -> None:
    execution = _scan(workflow, Resolve=_plan("image"))
    assert execution["status"] == "SUCCEEDED"
    names = [name for name, _ in workflow.calls]
    assert names == ["Resolve", *["IndexLayer"] * 6, "AssessImage", "SettleTrack"]
    read = [payload for name, payload in workflow.calls if name == "IndexLayer"]
    assert sorted(read, key=lambda payload: payload["layer"]["digest"]) == [
        {"repository": "prod/api", "image": "sha256:aa", "layer": layer} for layer in LAYERS
    ]
    payloads = dict(workflow.calls)
    assert payloads["Resolve"] == IMAGE
    assert payloads["AssessImage"] == {**IMAGE, "generation": "g1"}
    assert payloads["SettleTrack"] == IMAGE


def test_layers_that_were_read_before_are_not_read_again(workflow: Workflow) -> None:
    assert _scan(workflow, Resolve=_plan("image", []))["status"] == "SUCCEEDED"
    assert workflow.counts == {"Resolve": 1, "AssessImage": 1, "SettleTrack": 1}


@pytest.mark.parametrize("kind", ["index", "artifact", "assessed", "unreadable"])
def test_what_has_nothing_to_read_is_only_settled(workflow: Workflow, kind: str) -> None:
    assert _scan(workflow, Resolve=_plan(kind, []))["status"] == "SUCCEEDED"
    assert workflow.counts == {"Resolve": 1, "SettleTrack": 1}


def test_a_kind_that_nobody_thought_of_fails(workflow: Workflow) -> None:
    assert _scan(workflow, Resolve=_plan("wasm", []))["status"] == "FAILED"


@pytest.mark.parametrize("error", names_below(PermanentError))
def test_a_layer_that_cannot_be_read_is_recorded_and_settled(workflow: Workflow, error: str) -> None:
    execution = _scan(workflow, Resolve=_plan("image"), IndexLayer=[{"raise": error}])
    assert execution["status"] == "SUCCEEDED"
    assert not workflow.counts["AssessImage"]
    # Other layers may still be under way when the first one fails.
    called = [name for name, _ in workflow.calls if name != "IndexLayer"]
    assert called == ["Resolve", "RecordFailure", "SettleTrack"]
    recorded = dict(workflow.calls)["RecordFailure"]
    # The error keeps its name on its way out of the map.
    assert recorded["error"]["Error"] == error
    assert "as planned" in recorded["error"]["Cause"]
    assert (recorded["repository"], recorded["digest"], recorded["generation"]) == (*IMAGE.values(), "g1")


@pytest.mark.parametrize("step", ["IndexLayer", "AssessImage"])
def test_a_worker_that_is_killed_is_a_reason_too(workflow: Workflow, step: str) -> None:
    execution = _scan(workflow, Resolve=_plan("image", LAYERS[:1]), **{step: [{"exit": 137}] * 3})
    assert execution["status"] == "SUCCEEDED"
    assert dict(workflow.calls)["RecordFailure"]["error"]["Error"] == "Runtime.ExitError"
    assert workflow.counts["SettleTrack"] == 1


@pytest.mark.parametrize("step", ["Resolve", "IndexLayer", "AssessImage", "SettleTrack"])
def test_what_is_transient_is_tried_again(workflow: Workflow, step: str) -> None:
    fails = [{"raise": "Throttled"}, {"raise": "SourceUnavailable"}, {"raise": "LeaseHeld"}]
    plan = _plan("image", LAYERS[:1])
    outcomes = {"Resolve": plan} | {step: [*fails, *(plan if step == "Resolve" else [{}])]}
    assert _scan(workflow, **outcomes)["status"] == "SUCCEEDED"
    assert workflow.counts[step] == 4
    assert not workflow.counts["RecordFailure"]


def test_what_stays_transient_fails_after_six_more_tries(workflow: Workflow) -> None:
    execution = _scan(workflow, Resolve=[{"raise": "Throttled"}])
    assert (execution["status"], execution["error"]) == ("FAILED", "Throttled")
    assert workflow.counts == {"Resolve": 7, "RecordFailure": 1}


@pytest.mark.parametrize("step", ["Resolve", "IndexLayer", "AssessImage", "SettleTrack"])
def test_a_mistake_of_ours_is_recorded_and_fails_at_once(workflow: Workflow, step: str) -> None:
    outcomes = {"Resolve": _plan("image", LAYERS[:1])} | {step: [{"raise": "KeyError"}]}
    execution = _scan(workflow, **outcomes)
    assert (execution["status"], execution["error"]) == ("FAILED", "KeyError")
    assert workflow.counts[step] == 1
    assert workflow.calls[-1][0] == "RecordFailure"
    assert workflow.calls[-1][1]["error"]["Error"] == "KeyError"
