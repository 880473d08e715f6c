"""The single table: items in and out as plain dictionaries, conditions, pages and batches.

What the items mean stands next door: :mod:`image_records`, :mod:`layer_records`, :mod:`track_records`,
:mod:`control_records`.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from boto3.dynamodb.types import TypeSerializer
from botocore.exceptions import ClientError

from hullwatch.aws.errors import error_code, translated
from hullwatch.errors import Throttled

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

T = TypeVar("T")
Item = dict[str, Any]
Key = tuple[str, str]

_to = TypeSerializer().serialize


def marshal(item: Mapping[str, Any]) -> dict[str, Any]:
    """DynamoDB's typed form. ``None`` and empty strings in optional places are left out."""
    return {name: _to(value) for name, value in item.items() if value is not None}


def unmarshal(item: Mapping[str, Any]) -> Item:
    """Plain values again, from a response or from a stream record (where binary values are base64)."""
    return {name: _plain(value) for name, value in item.items()}


def _plain(typed: Mapping[str, Any]) -> Any:
    ((kind, value),) = typed.items()
    match kind:
        case "N":
            # We never store fractions.
            return int(value)
        case "B" if isinstance(value, str):
            return base64.b64decode(value)
        case "NULL":
            return None
        case "L":
            return [_plain(entry) for entry in value]
        case "M":
            return unmarshal(value)
        case _:
            return value


class Table:
    """One table with the keys ``pk`` and ``sk``."""

    def __init__(self, client: DynamoDBClient, name: str) -> None:
        self._client = client
        self.name = name

    def get(self, pk: str, sk: str) -> Item | None:
        """One item, read consistently; ``None`` when there is none."""
        with translated(f"reading {pk} {sk}"):
            answer = self._client.get_item(
                TableName=self.name, Key=marshal({"pk": pk, "sk": sk}), ConsistentRead=True
            )
        found = answer.get("Item")
        return unmarshal(found) if found else None

    def get_many(self, keys: Sequence[Key]) -> list[Item]:
        """Those of the items that exist, in no particular order."""
        found: list[Item] = []
        for group in _groups(dict.fromkeys(keys), 100):
            wanted: list[Any] = [marshal({"pk": pk, "sk": sk}) for pk, sk in group]
            for pause in _pauses():
                with translated("reading items"):
                    answer = self._client.batch_get_item(
                        RequestItems={self.name: {"Keys": wanted, "ConsistentRead": True}}
                    )
                found += [unmarshal(item) for item in answer["Responses"].get(self.name, [])]
                left = answer.get("UnprocessedKeys", {})
                wanted = list(left[self.name]["Keys"]) if self.name in left else []
                if not wanted:
                    break
                pause()
        return found

    def put(self, item: Item) -> None:
        """Write one item, whatever was there."""
        with translated(f"writing {item['pk']} {item['sk']}"):
            self._client.put_item(TableName=self.name, Item=marshal(item))

    def put_if(self, item: Item, condition: str, values: Mapping[str, Any] | None = None) -> bool:
        """Write one item if the condition holds for the one that is there. Says whether it did."""
        arguments: dict[str, Any] = {"ConditionExpression": condition}
        if values:
            arguments["ExpressionAttributeValues"] = marshal(values)
        with translated(f"writing {item['pk']} {item['sk']}"):
            try:
                self._client.put_item(TableName=self.name, Item=marshal(item), **arguments)
            except ClientError as error:
                if error_code(error) == "ConditionalCheckFailedException":
                    return False
                raise
        return True

    def update_if(
        self,
        key: Key,
        update: str,
        condition: str,
        values: Mapping[str, Any],
        names: Mapping[str, str] | None = None,
    ) -> bool:
        """Change one item in place if the condition holds. Says whether it did."""
        arguments: dict[str, Any] = {"ExpressionAttributeNames": dict(names)} if names else {}
        with translated(f"updating {key[0]} {key[1]}"):
            try:
                self._client.update_item(
                    TableName=self.name,
                    Key=marshal({"pk": key[0], "sk": key[1]}),
                    UpdateExpression=update,
                    ConditionExpression=condition,
                    ExpressionAttributeValues=marshal(values),
                    **arguments,
                )
            except ClientError as error:
                if error_code(error) == "ConditionalCheckFailedException":
                    return False
                raise
        return True

    def write(self, puts: Iterable[Item] = (), deletes: Iterable[Key] = ()) -> None:
        """Write and delete many items. Not atomic: order what matters over several calls."""
        requests: list[Any] = [{"PutRequest": {"Item": marshal(item)}} for item in puts]
        requests += [{"DeleteRequest": {"Key": marshal({"pk": pk, "sk": sk})}} for pk, sk in deletes]
        for group in _groups(requests, 25):
            rest: list[Any] = list(group)
            for pause in _pauses():
                with translated("writing items"):
                    answer = self._client.batch_write_item(RequestItems={self.name: rest})
                rest = list(answer.get("UnprocessedItems", {}).get(self.name, []))
                if not rest:
                    break
                pause()

    def query(self, pk: str, prefix: str = "", *, newest_first: bool = False) -> Iterator[Item]:
        """Every item of a partition whose sort key begins with ``prefix``, in order, read consistently."""
        condition, values = "pk = :pk", {":pk": pk}
        if prefix:
            condition, values = f"{condition} AND begins_with(sk, :sk)", {**values, ":sk": prefix}
        yield from self._pages(
            KeyConditionExpression=condition,
            ExpressionAttributeValues=marshal(values),
            ConsistentRead=True,
            ScanIndexForward=not newest_first,
        )

    def query_index(self, index: str, key: str, value: str) -> Iterator[Item]:
        """Every item of one partition of a secondary index, in its order."""
        yield from self._pages(
            IndexName=index,
            KeyConditionExpression=f"{key} = :value",
            ExpressionAttributeValues=marshal({":value": value}),
        )

    def _pages(self, **arguments: Any) -> Iterator[Item]:
        with translated(f"querying {self.name}"):
            for page in self._client.get_paginator("query").paginate(TableName=self.name, **arguments):
                for item in page["Items"]:
                    yield unmarshal(item)


def _groups(entries: Iterable[T], size: int) -> Iterator[list[T]]:
    rest = iter(entries)
    while group := list(islice(rest, size)):
        yield group


def _pauses() -> Iterator[Any]:
    """Five tries at what a batch left unprocessed, with growing pauses; then :class:`Throttled`."""
    for attempt in range(5):
        yield lambda attempt=attempt: time.sleep(0.05 * 2**attempt)
    raise Throttled("DynamoDB left items of a batch unprocessed five times")
