"""RefreshAdvisories as it is synthesised, run with stand-ins for its functions."""

from __future__ import annotations

from typing import Any

from hullwatch.advisories.feeds import FEEDS
from tests.workflows.conftest import Workflow


def test_every_feed_is_fetched_and_then_compiled(workflow: Workflow) -> None:
    execution = workflow.run("RefreshAdvisories", {"FetchAdvisories": [{"return": {"feed": "x"}}]})
    assert execution["status"] == "SUCCEEDED"
    assert sorted(payload["feed"] for name, payload in workflow.calls if name == "FetchAdvisories") == sorted(
        FEEDS
    )
    assert workflow.calls[-1] == ("CompileAdvisories", {"feeds": [{"feed": "x"}] * len(FEEDS)})


def test_a_feed_that_fails_leaves_the_others_and_is_told_to_the_compiler(workflow: Workflow) -> None:
    outcomes: list[dict[str, Any]] = [{"raise": "FeedInvalid"}, {"return": {"feed": "x"}}]
    assert workflow.run("RefreshAdvisories", {"FetchAdvisories": outcomes})["status"] == "SUCCEEDED"
    name, payload = workflow.calls[-1]
    assert name == "CompileAdvisories"
    (failed,) = (feed for feed in payload["feeds"] if "error" in feed)
    assert failed["feed"] in FEEDS
    assert failed["error"]["Error"] == "FeedInvalid"
    assert len(payload["feeds"]) == len(FEEDS)


def test_compiling_that_fails_fails_the_refresh(workflow: Workflow) -> None:
    execution = workflow.run("RefreshAdvisories", {"CompileAdvisories": [{"raise": "FeedInvalid"}]})
    assert (execution["status"], execution["error"]) == ("FAILED", "FeedInvalid")
