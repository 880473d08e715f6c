"""EventBridge input transformers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from local_aws.events import transform

EVENT: dict[str, Any] = {
    "id": "1",
    "time": "2026-01-01T00:00:00Z",
    "resources": ["arn:one", "arn:two"],
    "detail": {"image-digest": 'sha256:"x"', "count": 3, "nested": {"a": [1]}},
}


def transformer(template: str, **paths: str) -> dict[str, Any]:
    return {"InputTransformer": {"InputTemplate": template, "InputPathsMap": paths}}


@pytest.mark.parametrize(
    ("target", "body"),
    [
        ({}, EVENT),
        ({"Input": '{"a": 1}'}, {"a": 1}),
        ({"InputPath": "$.detail.nested"}, {"a": [1]}),
        ({"InputPath": "$.resources[1]"}, "arn:two"),
        ({"InputPath": "$.detail.absent"}, None),
        # Without quotes a string is quoted, inside quotes it is inserted: both give JSON.
        (transformer('{"d": <d>}', d="$.detail.image-digest"), {"d": 'sha256:"x"'}),
        (transformer('{"d": "<d>"}', d="$.detail.image-digest"), {"d": 'sha256:"x"'}),
        (transformer('{"d": "at <d>!"}', d="$.detail.image-digest"), {"d": 'at sha256:"x"!'}),
        (
            transformer('{"n": <n>, "o": <o>}', n="$.detail.count", o="$.detail.nested"),
            {"n": 3, "o": {"a": [1]}},
        ),
        (transformer('{"o": "<o>"}', o="$.detail.nested"), {"o": '{"a": [1]}'}),
        (transformer('{"d": "<d>", "e": <d>}', d="$.absent"), {"d": "", "e": None}),
        (transformer('"<a> and <b>"', a="$.id", b="$.detail.count"), "1 and 3"),
        (transformer('{"all": <aws.events.event.json>}'), {"all": EVENT}),
    ],
)
def test_bodies(target: dict[str, Any], body: Any) -> None:
    assert json.loads(transform(target, EVENT)) == body
