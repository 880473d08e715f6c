"""What an evaluation may open and, above all, what it may close."""

from __future__ import annotations

import random
from collections.abc import Iterable
from datetime import date, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes.verdicts import ACCOUNT, API, CLUSTER, PRIVILEGED, THE_ACCOUNT, covered, result
from hullwatch.findings.control import ControlFinding
from hullwatch.findings.diff import Changes
from hullwatch.findings.diff_controls import diff_controls
from hullwatch.posture.engine import Result, Verdict, Violation
from hullwatch.posture.model.snapshot import READ, InputState, Resource
from hullwatch.posture.parts import Part
from hullwatch.settings import AcceptedRisk

NOW, LATER = "2026-03-01T12:00:00.000Z", "2026-03-02T12:00:00.000Z"
ROOT = "k8s.pod.run-as-root"
WHOLE = covered(PRIVILEGED, ROOT)
PARTLY = covered()

Stored = dict[str, ControlFinding]


def diff(stored: Stored, *results: Result, **arguments: object) -> Changes[ControlFinding]:
    options = {"covered": WHOLE, "now": LATER, **arguments}
    return diff_controls(stored, results, **options)  # type: ignore[arg-type]


def apply(stored: Stored, changes: Changes[ControlFinding]) -> Stored:
    return stored | {finding.id: finding for finding in (*changes.to_send, *changes.kept)}


def after(*results: Result, **arguments: object) -> Stored:
    return apply({}, diff({}, *results, **{"now": NOW, **arguments}))


def ended(changes: Changes[ControlFinding]) -> list[tuple[str, str]]:
    return [(finding.outcome, finding.because) for finding in changes.resolved]


def risk(**fields: object) -> AcceptedRisk:
    defaults = {
        "control": "k8s.pod.*",
        "resource": "Deployment/shop/*",
        "reason": "legacy",
        "owner": "team-shop",
        "until": "2026-03-31",
    }
    return msgspec.convert({**defaults, **fields}, AcceptedRisk)


def test_a_failed_control_is_opened_with_what_people_need() -> None:
    (finding,) = diff({}, result(), now=NOW).opened
    assert finding.id == f"hullwatch/{PRIVILEGED}/{result().id}"
    assert (finding.kind, finding.control, finding.resource, finding.scope) == (
        "control",
        PRIVILEGED,
        API,
        CLUSTER,
    )
    assert (finding.title, finding.severity, finding.priority) == ("Privileged container", "critical", "P1")
    assert finding.fix.startswith("Remove privileged: true")
    assert "NIST.800-53.r5 AC-6" in finding.requirements
    assert (finding.state, finding.first_seen, finding.updated_at) == ("OPEN", NOW, NOW)
    assert [(item.path, item.value) for item in finding.breaches] == [
        ("spec.containers[0].securityContext.privileged", "true")
    ]


def test_nothing_but_a_failure_opens_a_finding() -> None:
    verdicts: list[Verdict] = ["PASSED", "NOT_APPLICABLE", "NOT_AVAILABLE"]
    for verdict in verdicts:
        assert diff({}, result(verdict)) == Changes()


def test_the_same_again_says_nothing_and_names_the_pods_of_today() -> None:
    stored = after(result(evidence=("Pod/shop/api-1",), witnesses=1))
    changes = diff(stored, result(evidence=("Pod/shop/api-2", "Pod/shop/api-3"), witnesses=2))
    assert changes.to_send == ()
    (finding,) = changes.kept
    assert (finding.evidence, finding.witnesses) == (("Pod/shop/api-2", "Pod/shop/api-3"), 2)
    assert finding.updated_at == NOW


def test_another_violation_is_an_update() -> None:
    stored = after(result())
    (finding,) = diff(stored, result(path="spec.containers[1].securityContext.privileged")).updated
    assert (finding.first_seen, finding.updated_at) == (NOW, LATER)


@pytest.mark.parametrize(
    ("said", "outcome", "because"),
    [
        (result("PASSED"), "fixed", ""),
        (result("NOT_APPLICABLE", reason="a Windows pod"), "not-applicable", "a Windows pod"),
    ],
)
def test_a_verdict_closes_and_a_later_failure_opens_again(said: Result, outcome: str, because: str) -> None:
    stored = after(result())
    closing = diff(stored, said)
    assert ended(closing) == [(outcome, because)]
    closed = apply(stored, closing)
    assert diff(closed, said) == Changes()
    (again,) = diff(closed, result(), now="2026-03-03T12:00:00.000Z").reopened
    assert (again.state, again.outcome, again.first_seen) == ("OPEN", "", NOW)


def test_without_a_verdict_nothing_closes() -> None:
    stored = after(result())
    changes = diff(stored, result("NOT_AVAILABLE", reason="pods: forbidden"))
    assert changes.to_send == ()
    assert changes.kept == tuple(stored.values())


def test_what_is_gone_from_a_whole_list_is_resolved() -> None:
    assert ended(diff(after(result()))) == [("gone", "the resource is gone")]


def test_what_is_missing_from_a_partial_list_stays() -> None:
    stored = after(result(), result(control=ROOT))
    assert diff(stored, covered=PARTLY).to_send == ()
    assert [finding.control for finding in diff(stored, covered=covered(ROOT)).resolved] == [ROOT]


def test_a_pod_that_was_not_read_may_still_bear_witness() -> None:
    drifted = after(result(evidence=("Pod/shop/api-7",), witnesses=1))
    assert diff(drifted, result("PASSED"), covered=PARTLY).to_send == ()
    assert ended(diff(drifted, result("PASSED"))) == [("fixed", "")]
    # The template itself was read, and passes.
    assert ended(diff(after(result()), result("PASSED"), covered=PARTLY)) == [("fixed", "")]


def test_a_survey_of_one_thing_closes_what_it_read_of_that_thing_and_nothing_else() -> None:
    def failed(name: str, verdict: Verdict = "FAILED") -> Result:
        where = Resource(kind="TaskDefinition", name=name)
        return result(verdict, resource=where, scope=ACCOUNT, evidence=(f"{name}:7",), witnesses=1)

    ecs = Part(kind="ecs")
    stored = after(failed("api"), failed("jobs"), covered=covered(PRIVILEGED, part=ecs))
    one = covered(part=Part(kind="ecs", subject="family", name="api"), pods=InputState("partial"))
    changes = diff(stored, failed("api", "PASSED"), covered=one)
    assert [finding.resource.name for finding in changes.resolved] == ["api"]
    assert [finding.resource.name for finding in changes.kept] == ["jobs"]
    assert changes.opened == ()


def test_a_control_that_is_withdrawn_takes_its_findings_along() -> None:
    (finding,) = after(result()).values()
    old = msgspec.structs.replace(finding, control="k8s.pod.retired")
    assert ended(diff({old.id: old}, covered=PARTLY)) == [
        ("withdrawn", "this control is not checked any more")
    ]


def test_an_accepted_risk_opens_nothing_and_resolves_what_is_open() -> None:
    accepted = {"exceptions": [risk()]}
    assert diff({}, result(), **accepted) == Changes()
    assert ended(diff(after(result()), result(), **accepted)) == [
        ("accepted", "accepted by team-shop until 2026-03-31: legacy")
    ]


@pytest.mark.parametrize(
    "other",
    [
        {"control": "rbac.*"},
        {"resource": "Deployment/bank/*"},
        {"cluster": "bank"},
        {"until": "2026-03-01"},
    ],
)
def test_an_exception_accepts_only_what_it_names_until_its_day_is_over(
    other: dict[str, str],
) -> None:
    (finding,) = diff({}, result(), exceptions=[risk(**other)]).opened
    assert finding.state == "OPEN"
    assert diff({}, result(), exceptions=[risk(until="2026-03-02")]) == Changes()


def test_an_expired_exception_opens_the_finding_again() -> None:
    stored = after(result())
    closed = apply(stored, diff(stored, result(), exceptions=[risk(until="2026-03-02")]))
    changes = diff(closed, result(), exceptions=[risk(until="2026-03-02")], now="2026-03-03T00:00:00.000Z")
    assert [finding.because for finding in changes.reopened] == [""]


def test_an_unreachable_cluster_is_one_finding_with_its_remedy() -> None:
    away = InputState("unavailable", "connection timed out")
    unreachable = covered(pods=away, services=away, namespaces=away)
    (finding,) = diff({}, covered=unreachable).opened
    assert (finding.kind, finding.severity, finding.resource) == (
        "unread",
        "info",
        Resource(kind="Cluster", name="shop"),
    )
    assert finding.title == "Kubernetes API of cluster shop could not be reached"
    assert finding.fix.startswith("Let the surveying function reach")
    assert finding.violations == 3
    stored = {finding.id: finding}
    assert diff(stored, covered=covered(pods=READ)).resolved[0].outcome == "fixed"
    # Who did not ask the cluster does not know that it answers.
    elsewhere = msgspec.structs.replace(covered(), inputs={"iam:GetAccountAuthorizationDetails": READ})
    assert diff(stored, covered=elsewhere).to_send == ()


def test_a_refused_api_of_an_account_names_what_is_missing() -> None:
    refused = {"iam:GetAccountAuthorizationDetails": InputState("forbidden", "AccessDenied")}
    (finding,) = diff({}, covered=covered(part=THE_ACCOUNT, **refused)).opened
    assert finding.title == "iam API of account 111122223333 refused to be read"
    assert finding.breaches[0].path == "iam:GetAccountAuthorizationDetails: forbidden (AccessDenied)"


def test_a_hostile_manifest_makes_a_small_finding() -> None:
    nasty = "\u202e\n" + "x" * 10_000
    violations = tuple(
        Violation(path=f"{number}{nasty}", value=[nasty] * 20, message=nasty) for number in range(100)
    )
    hostile = Resource(kind="Deployment", namespace=nasty, name=nasty, arn="arn:\u202e")
    (finding,) = diff(
        {}, result(resource=hostile, violations=violations, evidence=(nasty,) * 20, witnesses=20)
    ).opened
    assert len(msgspec.json.encode(finding)) < 8_000
    assert (finding.violations, finding.witnesses) == (100, 20)
    assert finding.resource.arn == ""
    assert all(
        text.isprintable() for item in finding.breaches for text in (item.path, item.value, item.message)
    )


CONTROLS = [PRIVILEGED, ROOT, "rbac.escalate-bind"]
RESOURCES = [
    API,
    Resource(kind="Pod", namespace="shop", name="job"),
    Resource(kind="ClusterRole", name="ops"),
]
verdicts = st.sampled_from(["PASSED", "FAILED", "NOT_APPLICABLE", "NOT_AVAILABLE"])
evaluations = st.dictionaries(
    st.tuples(st.sampled_from(CONTROLS), st.integers(0, 2)), verdicts, max_size=9
).map(lambda said: [result(verdict, control, RESOURCES[at]) for (control, at), verdict in said.items()])
covers = st.sets(st.sampled_from(CONTROLS)).map(lambda controls: covered(*controls))


@given(evaluations, evaluations, covers, st.randoms(use_true_random=False))
def test_idempotent_and_independent_of_the_order(
    first: list[Result], second: list[Result], seen: object, order: random.Random
) -> None:
    stored = after(*first)
    changes = diff(stored, *second, covered=seen)
    shuffled = sorted(second, key=lambda _: order.random())
    assert diff(dict(reversed(stored.items())), *shuffled, covered=seen) == changes
    assert diff(apply(stored, changes), *second, covered=seen, now="2026-03-05T00:00:00.000Z").to_send == ()


@given(evaluations, evaluations, covers)
def test_only_proof_closes_and_reading_more_only_closes_more(
    first: list[Result], second: list[Result], seen: object
) -> None:
    stored = after(*first)
    verdict = {f"hullwatch/{item.control}/{item.id}": item.verdict for item in second}
    changes = diff(stored, *second, covered=seen)
    for finding in changes.resolved:
        said = verdict.get(finding.id)
        assert said in ("PASSED", "NOT_APPLICABLE") or (
            said is None and finding.control in seen.controls  # type: ignore[attr-defined]
        )
    more = diff(stored, *second, covered=covered(*CONTROLS))
    assert names(changes.resolved) <= names(more.resolved)
    assert names(changes.opened) == names(more.opened)
    for finding in changes.to_send:
        if finding.id in stored:
            assert datetime.fromisoformat(finding.updated_at) > datetime.fromisoformat(
                stored[finding.id].updated_at
            )


def names(findings: Iterable[ControlFinding]) -> set[str]:
    return {finding.id for finding in findings}


def test_the_date_of_an_exception_is_a_date() -> None:
    assert risk().until == date(2026, 3, 31)
    with pytest.raises(msgspec.ValidationError):
        risk(until="soon")
