"""Where a result stands: file and line."""

from __future__ import annotations

import json

import pytest

from hullwatch.posture.engine import Result
from hullwatch.posture.readers import sources as sources_module
from hullwatch.posture.readers.sources import Sources
from hullwatch.posture.standards import check_documents

MANIFEST = b"""apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  namespace: shop
spec:
  template:
    spec:
      containers:
      - name: app
        image: app:1
      - name: side
        image: side:1
        securityContext:
          privileged: true
"""
TASK = json.dumps(
    {
        "taskDefinition": {
            "family": "shop",
            "containerDefinitions": [{"name": "app", "image": "app:1", "privileged": True}],
        }
    },
    indent=2,
).encode()


def failed(sources: Sources, content: bytes, file: str, control: str) -> Result:
    [result] = [
        item
        for item in check_documents(sources.add(content, file), only=[control])
        if item.verdict == "FAILED"
    ]
    return result


def test_the_line_is_that_of_the_field() -> None:
    sources = Sources()
    result = failed(sources, MANIFEST, "web.yaml", "k8s.pod.privileged")
    assert str(sources.place(result.resource)) == "web.yaml:5"
    assert str(sources.place(result.resource, result.violations[0].path)) == "web.yaml:19"
    # As far as the path can be followed: what is not set has the line of what should hold it.
    assert str(sources.place(result.resource, "spec.template.spec.containers[0].resources")) == "web.yaml:14"


def test_answers_of_aws_have_a_place_too() -> None:
    sources = Sources()
    result = failed(sources, TASK, "task.json", "ecs.task.privileged")
    place = sources.place(result.resource, result.violations[0].path)
    line = TASK.decode().splitlines().index('        "privileged": true') + 1
    assert (str(place), str(sources.place(result.resource))) == (f"task.json:{line}", "task.json:1")


def test_the_first_of_two_files_with_the_same_object_counts() -> None:
    sources = Sources()
    for file in ("a.yaml", "b.yaml"):
        result = failed(sources, MANIFEST, file, "k8s.pod.privileged")
    assert str(sources.place(result.resource)) == "a.yaml:5"


def test_a_large_file_is_not_parsed_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources_module, "MAX_LINED_BYTES", 10)
    sources = Sources()
    result = failed(sources, MANIFEST, "web.yaml", "k8s.pod.privileged")
    assert str(sources.place(result.resource, result.violations[0].path)) == "web.yaml:5"


def test_what_no_file_holds_has_no_place() -> None:
    sources = Sources()
    results = check_documents(sources.add(TASK, "task.json"))
    assert {sources.place(item.resource) for item in results if item.resource.kind == "Account"} <= {None}
