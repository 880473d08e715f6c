"""Verdicts, reasons, grouping and ids."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, ClassVar

import msgspec
import pytest

from hullwatch.posture.engine import (
    MAX_EVIDENCE,
    MAX_SHOWN,
    Control,
    Outcome,
    Result,
    Unknown,
    Violation,
    evaluate,
)
from hullwatch.posture.model.snapshot import InputState, Resource, Scope, Snapshot, Unreadable


class Thing(msgspec.Struct, frozen=True, kw_only=True):
    """Something to judge."""

    INPUTS: ClassVar[tuple[str, ...]] = ("things",)
    name: str
    outcomes: tuple[Outcome, ...] = ()
    evidence: str = ""
    READS: ClassVar[dict[str, str]] = {"answer": "svc:Get"}
    unread: dict[str, str] = {}

    @property
    def resource(self) -> Resource:
        return Resource(kind="Thing", name=self.name, namespace="ns")


def said(thing: Thing, _: Snapshot) -> Iterable[Outcome]:
    return thing.outcomes


def judge(
    things: list[Thing], *, needs: tuple[str, ...] = (), check: Any = said, skip: Any = None, **snapshot: Any
) -> list[Result]:
    item = Control(id="thing.good", subject=Thing, check=check, needs=needs, skip=skip)
    taken = Snapshot(things, scope=Scope(account="1", region="r", cluster="c"), **snapshot)
    return list(evaluate(taken, [item], lambda _: "medium"))


BAD = Violation(path="spec.bad", value=True)


@pytest.mark.parametrize(
    ("outcomes", "verdict"),
    [
        ((), "PASSED"),
        ((BAD,), "FAILED"),
        ((Unknown("no answer"),), "NOT_AVAILABLE"),
        ((Unknown("x"), BAD), "FAILED"),
    ],
)
def test_verdict_of_one_object(outcomes: tuple[Outcome, ...], verdict: str) -> None:
    [result] = judge([Thing(name="a", outcomes=outcomes)])
    assert result.verdict == verdict


def test_a_control_that_raises_costs_only_itself_and_never_passes() -> None:
    def broken(thing: Thing, _: Snapshot) -> Iterator[Outcome]:
        yield BAD
        raise KeyError(thing.name)

    [result] = judge([Thing(name="a")], check=broken)
    assert result.verdict == "NOT_AVAILABLE"
    assert "KeyError" in result.reason
    assert not result.violations


def test_a_derivation_that_raises_costs_only_its_control() -> None:
    class Derived(Thing, frozen=True, kw_only=True):
        @classmethod
        def derive(cls, _: Snapshot) -> Iterator[Thing]:
            raise RuntimeError("no")

    item = Control(id="thing.good", subject=Derived, check=said)
    [result] = evaluate(Snapshot(), [item], lambda _: "low")
    assert (result.verdict, "RuntimeError" in result.reason) == ("NOT_AVAILABLE", True)


def test_skip_wins_over_missing_evidence() -> None:
    [result] = judge([Thing(name="a")], needs=("other",), skip=lambda *_: "not for this kind")
    assert (result.verdict, result.reason) == ("NOT_APPLICABLE", "not for this kind")


@pytest.mark.parametrize(
    ("status", "outcomes", "verdict"),
    [
        ("read", (), "PASSED"),
        ("absent", (), "PASSED"),
        ("partial", (), "NOT_AVAILABLE"),
        ("partial", (BAD,), "FAILED"),
        ("forbidden", (BAD,), "NOT_AVAILABLE"),
        ("unavailable", (), "NOT_AVAILABLE"),
        ("not-read", (), "NOT_AVAILABLE"),
    ],
)
def test_how_a_needed_input_was_read_decides(
    status: Any, outcomes: tuple[Outcome, ...], verdict: str
) -> None:
    inputs = {"other": InputState(status, "why")}
    [result] = judge([Thing(name="a", outcomes=outcomes)], needs=("other",), inputs=inputs)
    assert result.verdict == verdict
    if verdict == "NOT_AVAILABLE":
        assert result.reason.startswith("other: ")
        assert "why" in result.reason


def test_why_there_is_no_verdict_is_a_fact_of_its_own() -> None:
    def broken(*_: object) -> Iterator[Outcome]:
        raise KeyError

    gone = Unreadable(resource=Resource(kind="Thing", name="b"), reason="no mapping", subject=Thing)
    partly, unread = ({"other": InputState(status)} for status in ("partial", "forbidden"))
    one = [Thing(name="a")]
    causes = [
        judge(one, check=broken)[0].cause,
        judge([], unreadable=(gone,))[0].cause,
        judge(one, needs=("other",), inputs=partly)[0].cause,
        judge(one, needs=("other",), inputs=unread)[0].cause,
        judge([Thing(name="a", outcomes=(Unknown("x"),))])[0].cause,
        judge([Thing(name="a", outcomes=(Unknown("x", "unreadable"),))])[0].cause,
        judge(one)[0].cause,
    ]
    assert causes == ["defect", "unreadable", "partial", "not-read", "undecided", "unreadable", ""]


def test_a_refused_read_of_one_object_is_its_own() -> None:
    things = [Thing(name="a", unread={"svc:Get": "AccessDenied"}), Thing(name="b")]
    results = judge(things, needs=("svc:Get",))
    assert [(item.resource.name, item.verdict) for item in results] == [
        ("a", "NOT_AVAILABLE"),
        ("b", "PASSED"),
    ]
    assert results[0].reason == "svc:Get: AccessDenied"


def test_a_forbidden_listing_is_one_result_for_the_cluster_and_hides_nothing() -> None:
    results = judge([Thing(name="a", outcomes=(BAD,))], inputs={"things": InputState("forbidden", "403")})
    assert [(item.resource.kind, item.verdict) for item in results] == [
        ("Cluster", "NOT_AVAILABLE"),
        ("Thing", "FAILED"),
    ]


def test_an_unreadable_object_is_not_available() -> None:
    broken = Unreadable(resource=Resource(kind="Thing", name="x"), reason="no such field", subject=Thing)
    [result] = judge([], unreadable=(broken,))
    assert (result.verdict, result.reason, result.resource.name) == ("NOT_AVAILABLE", "no such field", "x")


def test_members_of_a_controller_are_one_result_with_the_worst_verdict() -> None:
    members = [
        Thing(name="a", evidence="p0"),
        Thing(name="a", evidence="p1", outcomes=(BAD,)),
        Thing(name="a", evidence="p2", outcomes=(BAD, Violation(path="spec.worse", severity="critical"))),
        Thing(name="a", evidence="p3", outcomes=(Unknown("x"),)),
    ]
    [result] = judge(members)
    assert result.verdict == "FAILED"
    assert [item.path for item in result.violations] == ["spec.bad", "spec.worse"]
    assert (result.evidence, result.witnesses) == (("p1", "p2"), 2)
    assert result.severity == "critical"


def test_evidence_is_bounded_and_counted() -> None:
    [result] = judge([Thing(name="a", evidence=f"p{n}", outcomes=(BAD,)) for n in range(50)])
    assert (len(result.evidence), result.witnesses, len(result.violations)) == (MAX_EVIDENCE, 50, 1)


def test_long_values_are_cut() -> None:
    [result] = judge([Thing(name="a", outcomes=(Violation(path="p", value="x" * 10_000),))])
    assert len(str(result.violations[0].value)) == MAX_SHOWN + 1


def test_ids_depend_on_control_scope_and_resource_alone() -> None:
    first = judge([Thing(name="a", outcomes=(BAD,))])[0].id
    assert judge([Thing(name="a", evidence="p9")])[0].id == first
    assert judge([Thing(name="b")])[0].id != first
    item = Control(id="thing.good", subject=Thing, check=said)
    elsewhere = Snapshot([Thing(name="a")], scope=Scope(account="1", region="r", cluster="other"))
    assert next(iter(evaluate(elsewhere, [item], lambda _: "low"))).id != first
