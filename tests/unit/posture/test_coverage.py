"""How far an evaluation saw: what may be called gone, and which inputs were missing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

import pytest

from hullwatch.posture.catalogue import catalogue
from hullwatch.posture.coverage import covered_by
from hullwatch.posture.engine import Control
from hullwatch.posture.model.image import ImageUse
from hullwatch.posture.model.kubernetes import Workload
from hullwatch.posture.model.snapshot import (
    NOT_READ,
    PARTIAL,
    READ,
    InputState,
    Resource,
    Scope,
    Snapshot,
    Unreadable,
)
from hullwatch.posture.parts import Part
from hullwatch.posture.requirements import requirements_of, standards_of

PODS = Control(id="k8s.pod.privileged", subject=Workload, check=lambda *_: ())
NEEDY = Control(id="needy", subject=Workload, check=lambda *_: (), needs=("services",))
SHOP = Part(kind="cluster", cluster="shop")
REFUSED = InputState("forbidden", "no list permission")


def snapshot(unreadable: tuple[Unreadable, ...] = (), **inputs: InputState) -> Snapshot:
    names = {name.replace("_", "."): state for name, state in inputs.items()}
    return Snapshot(scope=Scope(cluster="shop"), inputs=names, unreadable=unreadable)


@pytest.mark.parametrize("state", [PARTIAL, REFUSED, NOT_READ])
def test_only_a_list_that_was_read_to_the_end_covers_a_control(state: InputState) -> None:
    assert covered_by(snapshot(pods=READ), [PODS], SHOP).controls == {PODS.id}
    assert covered_by(snapshot(pods=InputState("absent")), [PODS], SHOP).controls == {PODS.id}
    assert covered_by(snapshot(pods=state), [PODS], SHOP).controls == frozenset()
    assert covered_by(snapshot(pods=READ, services=state), [PODS, NEEDY], SHOP).controls == {PODS.id}


def test_what_is_between_a_pod_and_its_controller_counts_when_it_was_asked_for() -> None:
    assert covered_by(snapshot(pods=READ, jobs_batch=READ), [PODS], SHOP).controls == {PODS.id}
    assert covered_by(snapshot(pods=READ, jobs_batch=REFUSED), [PODS], SHOP).controls == frozenset()


def test_an_object_that_does_not_fit_its_schema_may_be_any_of_them() -> None:
    broken = Unreadable(resource=Resource(kind="Pod", name="odd"), reason="spec: a list", subject=Workload)
    assert covered_by(snapshot((broken,), pods=READ), [PODS], SHOP).controls == frozenset()


def test_a_control_about_several_types_needs_the_lists_of_all() -> None:
    class Broken:
        INPUTS: ClassVar[tuple[str, ...]] = ("pods",)
        resource = Resource(kind="Pod", name="odd")

        @classmethod
        def derive(cls, _: Snapshot) -> Iterable[Broken]:
            raise ValueError("a defect")

    other = Control(id=PODS.id, subject=Broken, check=lambda *_: ())
    assert covered_by(snapshot(pods=READ), [PODS, other], SHOP).controls == frozenset()
    assert covered_by(snapshot(pods=READ), [other, PODS], SHOP).controls == frozenset()


def test_a_part_answers_for_its_own_lists_only() -> None:
    both = Control(id="both", subject=ImageUse, check=lambda *_: ())
    read = Snapshot(inputs={"ecs:DescribeTaskDefinition": READ})
    assert covered_by(read, [both], Part(kind="ecs")).controls == {"both"}
    assert covered_by(read, [both], SHOP).controls == frozenset()
    one = Part(kind="ecs", subject="family", name="api")
    assert covered_by(read, [both], one).controls == frozenset()


def test_inputs_are_those_that_were_asked_for() -> None:
    read = covered_by(snapshot(pods=REFUSED, nodes=READ), [PODS, NEEDY], SHOP)
    assert read.inputs == {"pods": REFUSED}


def test_requirements_are_written_as_security_hub_writes_them() -> None:
    entry = catalogue()["k8s.pod.privileged"]
    assert requirements_of(entry) == (
        "CIS Amazon EKS Benchmark v1.8.0/4.2.1",
        "CIS Docker Benchmark v1.6.0/5.5",
        "Kubernetes Pod Security Standards/baseline",
        "NSA-CISA Kubernetes Hardening Guidance v1.2/pod-security",
        "NIST.800-53.r5 AC-6",
        "NIST.800-190 4.4.3",
    )
    assert [standard.title for standard in standards_of(entry)][-2:] == ["NIST 800-53", "NIST 800-190"]
