"""What is read in one go."""

from __future__ import annotations

from hullwatch.posture.model.snapshot import Resource
from hullwatch.posture.parts import MANY, Part, by_scope, controls_in, kind_of
from hullwatch.posture.standards import controls_of

SHOP = Part(kind="ecs", cluster="prod", subject="service", name="shop")
FAMILY = Part(kind="ecs", subject="family", name="shop")
ECS = Part(kind="ecs")
MAIN = Part(kind="cluster", cluster="main")


def test_parts_of_a_scope_are_read_together_and_each_once() -> None:
    assert by_scope([SHOP, MAIN, FAMILY, SHOP]) == [[SHOP, FAMILY], [MAIN]]
    assert by_scope([]) == []


def test_the_whole_of_a_scope_includes_its_parts() -> None:
    assert by_scope([SHOP, ECS, FAMILY]) == [[ECS]]
    assert by_scope([MAIN, MAIN]) == [[MAIN]]


def test_many_parts_of_a_scope_are_all_of_it() -> None:
    named = [Part(kind="ecs", subject="family", name=f"job-{number}") for number in range(MANY)]
    assert by_scope(named) == [[ECS]]
    assert by_scope(named[1:]) == [named[1:]]


def test_a_named_part_is_one_resource() -> None:
    service = Resource(kind="EcsService", namespace="prod", name="shop")
    assert SHOP.is_about(service)
    assert not SHOP.is_about(Resource(kind="EcsService", namespace="staging", name="shop"))
    assert not FAMILY.is_about(service)
    assert FAMILY.is_about(Resource(kind="TaskDefinition", name="shop"))
    assert Part(kind="ecr", subject="repository", name="shop").is_about(
        Resource(kind="Repository", name="shop")
    )
    assert not ECS.is_about(service)


def test_every_control_is_judged_by_a_part_or_when_an_image_is_scanned() -> None:
    controls = controls_of()
    kinds = ("account", "ecr", "ecs", "functions", "cluster")
    judged = {item.id for kind in kinds for item in controls_in(kind, controls)}
    with_images = {item.id for item in controls if {kind_of(name) for name in item.subject.INPUTS} == {None}}
    assert judged | with_images == {item.id for item in controls}
    assert not judged & with_images
