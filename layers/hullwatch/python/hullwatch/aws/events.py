"""The custom event bus: what others may want to know, with a schema number in every detail."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from hullwatch.aws.errors import translated
from hullwatch.errors import SourceUnavailable

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient

DetailType = Literal[
    "Image Scan Completed", "Image Scan Failed", "Finding Opened", "Finding Resolved", "Coverage Changed"
]


class Event(msgspec.Struct, frozen=True):
    """One event: its type, the ARNs it is about, and its detail (without ``schema``, which is added)."""

    detail_type: DetailType
    resources: tuple[str, ...]
    detail: dict[str, Any]


class EventBus:
    """The bus ``hullwatch``."""

    def __init__(self, client: EventBridgeClient, name: str) -> None:
        self._client = client
        self._name = name

    def put(self, events: Sequence[Event]) -> None:
        """Publish events. One that is published twice says the same twice."""
        for start in range(0, len(events), 10):
            with translated("publishing events"):
                answer = self._client.put_events(
                    Entries=[
                        {
                            "Source": "hullwatch",
                            "EventBusName": self._name,
                            "DetailType": event.detail_type,
                            "Resources": list(event.resources),
                            "Detail": msgspec.json.encode({"schema": 1, **event.detail}).decode(),
                        }
                        for event in events[start : start + 10]
                    ]
                )
            if answer["FailedEntryCount"]:
                raise SourceUnavailable(f"the event bus refused {answer['FailedEntryCount']} events")
