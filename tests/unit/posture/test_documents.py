"""Files to documents: several documents, Lists, hostile input."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hullwatch.errors import UserError
from hullwatch.posture.readers import documents
from hullwatch.posture.readers.documents import nodes, parse, parse_with_lines


def test_several_documents_lists_and_api_lists() -> None:
    content = b"""
apiVersion: v1
kind: Namespace
metadata: {name: a}
---
---
kind: List
items: [{apiVersion: v1, kind: Pod, metadata: {name: b}}]
---
kind: PodList
apiVersion: v1
items: [{metadata: {name: c}}]
--- # a string is no document
hello
"""
    found = parse(content, "x.yaml")
    assert [(item["kind"], item["metadata"]["name"]) for item in found] == [
        ("Namespace", "a"),
        ("Pod", "b"),
        ("Pod", "c"),
    ]
    assert found[2]["apiVersion"] == "v1"


def test_json_and_nulls_and_dates() -> None:
    assert parse(b'{"a": null, "b": [1, null]}', "x.json") == [{"b": [1]}]
    assert parse(b"creationTimestamp: 2024-01-02T03:04:05Z", "x") == [
        {"creationTimestamp": "2024-01-02T03:04:05Z"}
    ]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"a: [1", "not YAML or JSON"),
        (b"image: {{ .Values.image }}", "render it first"),
        (b"\xff\xfe\xfa", "not UTF-8"),
        (b"a: 1\nb: {c: 1, c: 2}", r"'c' is given twice \(line 2\)"),
        (b"a: !!python/object/apply:os.system ['true']", "not YAML or JSON"),
    ],
)
def test_what_is_no_document_says_so_in_one_line(content: bytes, said: str) -> None:
    with pytest.raises(UserError, match=said) as caught:
        parse(content, "x.yaml")
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("x.yaml: ")


def test_aliases_do_not_multiply() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10)]
    with pytest.raises(UserError, match="too many"):
        parse("\n".join(lines).encode(), "bomb.yaml")


def test_merge_keys_do_not_multiply() -> None:
    lines = ["a0: &a0 {x: 1, y: 1, z: 1}"]
    lines += [f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}]}}" for n in range(1, 12)]
    with pytest.raises(UserError, match="too many"):
        parse("\n".join(lines).encode(), "bomb.yaml")


def test_a_merged_key_may_be_given_again() -> None:
    found = parse(b"base: &b {x: 1, y: 1}\nown: {<<: *b, x: 2}", "x.yaml")
    assert found[0]["own"] == {"x": 2, "y": 1}


def test_what_helm_prints_is_read() -> None:
    content = b"""---
# Source: shop/templates/empty.yaml
---
# Source: shop/templates/pod.yaml
apiVersion: v1
kind: Pod
metadata:
  name: web
---
apiVersion: v1
kind: List
items:
- apiVersion: v1
  kind: Pod
"""
    assert [(line, item["kind"]) for line, item in parse_with_lines(content, "x")] == [
        (5, "Pod"),
        (10, "Pod"),
    ]
    assert [node.start_mark.line + 1 for node in nodes(content)] == [5, 13]


def test_depth_and_size_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError):
        parse(b"[" * 300 + b"]" * 300, "deep.json")
    with pytest.raises(UserError):
        parse(b"a: " + b"[" * 5000 + b"]" * 5000, "deep.yaml")
    for content in (b"[" * 100_000, b"- " * 100_000, b"{a: " * 100_000):
        with pytest.raises(UserError, match="nested too deeply"):
            parse(content, "deeper.yaml")
        assert list(nodes(content)) == []
    monkeypatch.setattr(documents, "MAX_BYTES", 3)
    with pytest.raises(UserError, match="larger"):
        parse(b"a: 1", "big.yaml")


@given(st.binary(max_size=400))
def test_any_bytes_give_documents_or_a_user_error(content: bytes) -> None:
    try:
        found = parse(content, "x")
    except UserError:
        return
    assert all(isinstance(item, dict) for item in found)
