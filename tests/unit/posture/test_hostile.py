"""Objects somebody else wrote: whatever stands in a field, it costs at most its own verdict."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator
from typing import Any

import pytest

from hullwatch.posture.analysis import network
from hullwatch.posture.catalogue import severity_of
from hullwatch.posture.controls.rbac import Mapping
from hullwatch.posture.engine import evaluate
from hullwatch.posture.model.eks import Addon
from hullwatch.posture.model.snapshot import Snapshot
from hullwatch.posture.readers.documents import parse
from hullwatch.posture.standards import controls_of

from .cases import VERDICTS, cases, snapshot

JUNK: tuple[Any, ...] = (
    None, "", 0, -1, 1.5, True, [], {}, "x", "*", [None], ["x"], {"a": 1}, [{}], [{"x": []}],
    "9" * 30, 2**70, "🦀",
)  # fmt: skip
CASES = cases(*VERDICTS)
CONTROLS = controls_of()


def paths(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every value but those that say what an object is."""
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in items:
        if key not in ("apiVersion", "kind"):
            yield (*path, key)
            yield from paths(value, (*path, key))


@pytest.mark.parametrize("seed", range(12))
def test_no_value_breaks_a_reader_or_a_control(seed: int) -> None:
    choose = random.Random(seed)
    for case in choose.sample(CASES, 30):
        documents = case.documents()
        if not (places := [(item, path) for item in documents for path in paths(item)]):
            continue
        node, (*parents, last) = choose.choice(places)
        for key in parents:
            node = node[key]
        node[last] = copy.deepcopy(choose.choice(JUNK))
        content = json.dumps(documents).encode()
        taken = snapshot(parse(content, "mutated.json"), case.context())
        for result in evaluate(taken, CONTROLS, severity_of):
            assert not result.reason.startswith("the control failed"), (case, content, result)


@pytest.mark.parametrize("content", ["- " * 100_000, "[" * 100_000, "a: 1\n*b"])
def test_yaml_in_a_field_has_the_limits_of_a_file(content: str) -> None:
    metadata = {"name": "aws-auth", "namespace": "kube-system"}
    config_map = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata,
        "data": {"mapRoles": content},
    }
    taken = snapshot([config_map], {})
    (mapping,) = Mapping.derive(taken)
    assert mapping.problem
    addon = Addon(cluster_name="prod", addon_name="vpc-cni", configuration_values=content)
    assert network.enforcers(Snapshot([addon])) == set()
