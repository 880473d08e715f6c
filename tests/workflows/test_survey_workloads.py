"""SurveyWorkloads as it is synthesised, run with stand-ins for its functions."""

from __future__ import annotations

from typing import Any

from tests.workflows.conftest import Workflow

ECS: list[dict[str, Any]] = [{"kind": "ecs", "subject": "family", "name": "shop"}]
MAIN: list[dict[str, Any]] = [{"kind": "cluster", "cluster": "main"}]
DONE: dict[str, list[dict[str, Any]]] = {"SurveyScope": [{"return": "surveyed"}]}


def test_what_has_changed_is_surveyed_and_nothing_planned(workflow: Workflow) -> None:
    execution = workflow.run("SurveyWorkloads", DONE, {"scopes": [ECS, MAIN]})
    assert execution["status"] == "SUCCEEDED"
    assert sorted(workflow.calls, key=str) == sorted(
        [("SurveyScope", {"parts": ECS}), ("SurveyScope", {"parts": MAIN})], key=str
    )


def test_the_schedule_surveys_all_that_is_planned(workflow: Workflow) -> None:
    plan = {"PlanSurvey": [{"return": {"scopes": [[{"kind": "ecr"}], MAIN]}}]}
    assert workflow.run("SurveyWorkloads", DONE | plan)["status"] == "SUCCEEDED"
    assert workflow.calls[0][0] == "PlanSurvey"
    assert workflow.counts == {"PlanSurvey": 1, "SurveyScope": 2}


def test_a_scope_that_fails_costs_only_itself_and_fails_the_survey(workflow: Workflow) -> None:
    outcomes = {"SurveyScope": [{"raise": "KeyError"}, {"return": "surveyed"}]}
    execution = workflow.run("SurveyWorkloads", outcomes, {"scopes": [ECS, MAIN, [{"kind": "ecr"}]]})
    assert (execution["status"], execution["error"]) == ("FAILED", "ScopesFailed")
    assert workflow.counts == {"SurveyScope": 3}


def test_a_scope_that_another_worker_surveys_is_waited_for(workflow: Workflow) -> None:
    outcomes = {"SurveyScope": [{"raise": "LeaseHeld"}, {"raise": "LeaseHeld"}, {"return": "surveyed"}]}
    assert workflow.run("SurveyWorkloads", outcomes, {"scopes": [ECS]})["status"] == "SUCCEEDED"
    assert workflow.counts == {"SurveyScope": 3}
