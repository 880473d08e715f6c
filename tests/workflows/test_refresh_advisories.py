"""RefreshAdvisories as it is synthesised, run with stand-ins for its functions."""

from __future__ import annotations

import json
from typing import Any

from hullwatch.advisories.feeds import FEEDS, OPT_IN
from tests.workflows.conftest import Workflow

CONFIGURED = [name for name in FEEDS if name not in OPT_IN]
ITEMS = "rematch/g1-g2/batches.json"
ROUND = {"before": "g1", "after": "g2"}
COMPILED: dict[str, list[dict[str, Any]]] = {"CompileAdvisories": [{"return": {"generation": "g2"}}]}


def _planned(batches: int) -> dict[str, list[dict[str, Any]]]:
    return COMPILED | {"PlanRematch": [{"return": {**ROUND, "batches": batches, "items": ITEMS}}]}


def _batches(workflow: Workflow, count: int) -> list[dict[str, Any]]:
    batches = [{"images": [["prod/api", f"sha256:{number}"]]} for number in range(count)]
    workflow.put_evidence(ITEMS, json.dumps(batches))
    return batches


def test_every_feed_is_fetched_and_then_compiled(workflow: Workflow) -> None:
    outcomes = _planned(0) | {"FetchAdvisories": [{"return": {"feed": "x"}}]}
    execution = workflow.run("RefreshAdvisories", outcomes)
    assert execution["status"] == "SUCCEEDED"
    assert sorted(payload["feed"] for name, payload in workflow.calls if name == "FetchAdvisories") == sorted(
        CONFIGURED
    )
    assert workflow.calls[-2] == ("CompileAdvisories", {"feeds": [{"feed": "x"}] * len(CONFIGURED)})


def test_a_feed_that_fails_leaves_the_others_and_is_told_to_the_compiler(workflow: Workflow) -> None:
    outcomes: list[dict[str, Any]] = [{"raise": "FeedInvalid"}, {"return": {"feed": "x"}}]
    execution = workflow.run("RefreshAdvisories", _planned(0) | {"FetchAdvisories": outcomes})
    assert execution["status"] == "SUCCEEDED"
    name, payload = workflow.calls[-2]
    assert name == "CompileAdvisories"
    (failed,) = (feed for feed in payload["feeds"] if "error" in feed)
    assert failed["feed"] in CONFIGURED
    assert failed["error"]["Error"] == "FeedInvalid"
    assert len(payload["feeds"]) == len(CONFIGURED)


def test_compiling_that_fails_fails_the_refresh(workflow: Workflow) -> None:
    execution = workflow.run("RefreshAdvisories", {"CompileAdvisories": [{"raise": "FeedInvalid"}]})
    assert (execution["status"], execution["error"]) == ("FAILED", "FeedInvalid")


def test_a_fleet_without_images_or_news_ends_with_the_plan(workflow: Workflow) -> None:
    assert workflow.run("RefreshAdvisories", _planned(0))["status"] == "SUCCEEDED"
    assert workflow.calls[-1] == ("PlanRematch", {"generation": "g2"})


def test_every_batch_is_matched_again_and_the_round_is_finished(workflow: Workflow) -> None:
    batches = _batches(workflow, 3)
    outcomes = _planned(3) | {"RematchBatch": [{"return": 4}], "FinishRematch": [{"return": {"failed": 0}}]}
    assert workflow.run("RefreshAdvisories", outcomes)["status"] == "SUCCEEDED"
    matched = [payload for name, payload in workflow.calls if name == "RematchBatch"]
    assert sorted(matched, key=json.dumps) == [{**ROUND, **batch} for batch in batches]
    assert workflow.calls[-1] == ("FinishRematch", {"after": "g2", "answers": [4, 4, 4]})


def test_a_batch_that_fails_costs_only_itself_and_fails_the_round_in_the_end(workflow: Workflow) -> None:
    _batches(workflow, 3)
    outcomes = _planned(3) | {
        "RematchBatch": [{"raise": "KeyError"}, {"return": 4}],
        "FinishRematch": [{"return": {"failed": 1}}],
    }
    execution = workflow.run("RefreshAdvisories", outcomes)
    assert (execution["status"], execution["error"]) == ("FAILED", "BatchesFailed")
    name, payload = workflow.calls[-1]
    assert name == "FinishRematch"
    assert sorted(payload["answers"]) == [-1, 4, 4]


def test_a_batch_whose_track_is_busy_or_whose_worker_dies_is_tried_again(workflow: Workflow) -> None:
    _batches(workflow, 1)
    fails: list[dict[str, Any]] = [{"raise": "LeaseHeld"}, {"raise": "Throttled"}, {"exit": 137}]
    outcomes = _planned(1) | {
        "RematchBatch": [*fails, {"return": 0}],
        "FinishRematch": [{"return": {"failed": 0}}],
    }
    assert workflow.run("RefreshAdvisories", outcomes)["status"] == "SUCCEEDED"
    assert workflow.counts["RematchBatch"] == 4
    assert workflow.calls[-1][1]["answers"] == [0]
