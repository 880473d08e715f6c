"""The table as a place for plain values: conditions, batches and pages."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from hullwatch.aws.table import Table, marshal, unmarshal
from hullwatch.errors import Throttled


def test_values_come_back_as_they_went() -> None:
    item = {"pk": "a", "n": 3, "b": b"\0\1", "l": ["x", {"y": True}], "m": {"z": 1}, "empty": ""}

    assert unmarshal(marshal({**item, "absent": None})) == item


def test_binary_values_of_a_stream_record_are_base64() -> None:
    assert unmarshal({"b": {"B": base64.b64encode(b"\0\1").decode()}}) == {"b": b"\0\1"}


def test_an_item_that_is_not_there_is_none(table: Table) -> None:
    assert table.get("a", "b") is None


def test_many_items_are_written_read_and_deleted_over_the_limits_of_a_batch(table: Table) -> None:
    table.write({"pk": "many", "sk": f"{number:04d}"} for number in range(130))

    keys = [("many", f"{number:04d}") for number in range(200)]
    assert len(table.get_many(keys)) == 130

    table.write(deletes=[("many", f"{number:04d}") for number in range(100)])
    assert [item["sk"] for item in table.query("many")] == [f"{number:04d}" for number in range(100, 130)]


def test_a_query_keeps_to_its_prefix_and_its_order(table: Table) -> None:
    table.write({"pk": "p", "sk": name} for name in ("A#1", "B#2", "B#1", "C#1"))

    assert [item["sk"] for item in table.query("p", "B#")] == ["B#1", "B#2"]
    assert [item["sk"] for item in table.query("p", "B#", newest_first=True)] == ["B#2", "B#1"]


def test_a_condition_that_fails_writes_nothing(table: Table) -> None:
    assert table.put_if({"pk": "a", "sk": "b", "v": 1}, "attribute_not_exists(pk)")
    assert not table.put_if({"pk": "a", "sk": "b", "v": 2}, "attribute_not_exists(pk)")
    assert not table.update_if(("a", "b"), "SET v = :new", "v = :old", {":new": 3, ":old": 9})
    assert table.get("a", "b") == {"pk": "a", "sk": "b", "v": 1}

    assert table.update_if(("a", "b"), "SET v = :new", "v = :old", {":new": 3, ":old": 1})
    assert table.get("a", "b") == {"pk": "a", "sk": "b", "v": 3}


class _LeavesEverything:
    """A DynamoDB that never gets round to a batch."""

    def __init__(self) -> None:
        self.calls = 0

    def batch_write_item(self, RequestItems: dict[str, Any]) -> dict[str, Any]:
        self.calls += 1
        return {"UnprocessedItems": RequestItems}


def test_what_a_batch_leaves_is_tried_again_and_not_for_ever() -> None:
    client = _LeavesEverything()

    with pytest.raises(Throttled):
        Table(client, "hullwatch").write([{"pk": "a", "sk": "b"}])  # type: ignore[arg-type]
    assert client.calls == 5
