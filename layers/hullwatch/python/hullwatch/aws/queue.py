"""The intake queue, as a place to put images that still have to be looked at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from hullwatch.aws.errors import translated
from hullwatch.errors import SourceUnavailable

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


class ImageMessage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Our own message on the intake queue: look at this image (a child of an index, or a reconciled one)."""

    repository: str
    digest: str


class IntakeQueue:
    """The queue behind the ECR rules."""

    def __init__(self, client: SQSClient, url: str) -> None:
        self._client = client
        self._url = url

    def send(self, messages: Sequence[ImageMessage]) -> None:
        """Put messages on the queue. One that arrives twice does no harm."""
        for start in range(0, len(messages), 10):
            group = messages[start : start + 10]
            with translated("sending to the intake queue"):
                answer = self._client.send_message_batch(
                    QueueUrl=self._url,
                    Entries=[
                        {"Id": str(number), "MessageBody": msgspec.json.encode(message).decode()}
                        for number, message in enumerate(group)
                    ],
                )
            if answer.get("Failed"):
                raise SourceUnavailable(f"the intake queue refused {len(answer['Failed'])} messages")
