"""From what a cluster holds to what is said about it, and back: the real controls over real documents."""

from __future__ import annotations

from typing import Any

from fakes.verdicts import CLUSTER, SHOP
from hullwatch.findings.control import ControlFinding
from hullwatch.findings.diff import Changes
from hullwatch.findings.diff_controls import diff_controls
from hullwatch.posture.catalogue import severity_of
from hullwatch.posture.coverage import covered_by
from hullwatch.posture.engine import evaluate, inputs
from hullwatch.posture.model.snapshot import READ, InputState
from hullwatch.posture.parts import controls_in, kind_of
from hullwatch.posture.readers.snapshot import build
from hullwatch.posture.standards import controls_of

NOW, LATER = "2026-03-01T12:00:00.000Z", "2026-03-02T12:00:00.000Z"
CHOSEN = controls_in("cluster", controls_of())
REFUSED = InputState("forbidden", "pods is forbidden")


def deployment(name: str, *, privileged: bool) -> dict[str, Any]:
    container = {"name": "app", "image": "nginx:1", "securityContext": {"privileged": privileged}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {"template": {"spec": {"containers": [container]}}},
    }


def survey(
    stored: dict[str, ControlFinding], *documents: dict[str, Any], at: str = LATER, **changed: InputState
) -> Changes[ControlFinding]:
    states = dict.fromkeys((name for name in inputs(CHOSEN) if kind_of(name) == "cluster"), READ)
    snapshot = build(documents, scope=CLUSTER, inputs=states | changed)
    results = list(evaluate(snapshot, CHOSEN, severity_of))
    return diff_controls(stored, results, covered=covered_by(snapshot, CHOSEN, SHOP), now=at)


def said(findings: tuple[ControlFinding, ...], name: str) -> set[str]:
    return {finding.control for finding in findings if finding.resource.name == name}


BOTH = (deployment("api", privileged=True), deployment("jobs", privileged=False))
STORED = {finding.id: finding for finding in survey({}, *BOTH, at=NOW).opened}


def test_a_remedy_resolves_exactly_what_it_mends() -> None:
    changes = survey(STORED, deployment("api", privileged=False), BOTH[1])
    assert said(changes.resolved, "api") == {"k8s.pod.privileged"}
    assert len(changes.resolved) == 1
    assert survey(STORED, *BOTH).to_send == ()


def test_a_workload_that_is_gone_takes_all_of_its_findings_along() -> None:
    changes = survey(STORED, BOTH[1])
    assert len(changes.resolved) > 5
    assert {(finding.resource.name, finding.outcome) for finding in changes.resolved} == {("api", "gone")}
    assert said(changes.kept, "api") == set()


def test_pods_that_may_not_be_listed_close_nothing() -> None:
    changes = survey(STORED, pods=REFUSED)
    assert [finding for finding in changes.resolved if finding.resource.name in ("api", "jobs")] == []
    (unread,) = changes.opened
    assert (unread.kind, unread.control) == ("unread", "kubernetes")
    assert unread.breaches[0].path == "pods: forbidden (pods is forbidden)"


def test_an_object_that_does_not_fit_is_still_said_by_its_control() -> None:
    broken = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "odd"}, "spec": []}
    changes = survey(STORED, *BOTH, broken, pods=REFUSED)
    incomplete = next(item for item in changes.opened if item.control == "mon.evaluation.incomplete")
    assert [breach.path for breach in incomplete.breaches] == ["Pod/odd"]


def test_a_cluster_that_does_not_answer_closes_nothing_at_all() -> None:
    away = InputState("unavailable", "timed out")
    changes = survey(STORED, **dict.fromkeys(inputs(CHOSEN), away))
    assert changes.resolved == ()
    assert len(changes.kept) == len(STORED)
