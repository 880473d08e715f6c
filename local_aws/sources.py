"""Event source mappings: queues and table streams feed functions from threads of their own.

moto calls the function inside ``SendMessage`` and ``PutItem``; here delivery is in the background, as in AWS,
with batches, partial failures, redelivery, bisecting and on-failure destinations
(https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventsourcemapping.html).
"""

from __future__ import annotations

import base64
import contextlib
import json
import threading
import time
import uuid
from datetime import datetime
from typing import TYPE_CHECKING, Any

from moto.awslambda.models import LambdaBackend
from moto.dynamodb.models import dynamodb_backends
from moto.events.models import EventPattern
from moto.sqs.models import Message, SQSBackend, sqs_backends

from local_aws.patches import Patches
from local_aws.runtime import Outcome
from local_aws.targets import deliver

if TYPE_CHECKING:
    from local_aws.cloud import LocalCloud

#: Seconds between two looks at an empty queue or stream.
POLL = 0.02


class Sources:
    """The event source mappings of one cloud."""

    def __init__(self, cloud: LocalCloud) -> None:
        self._cloud = cloud
        self._stopped = threading.Event()
        self._threads: list[threading.Thread] = []
        self._sources: list[QueueSource | StreamSource] = []

    def install(self, patches: Patches) -> None:
        patches.wrap(LambdaBackend, "create_event_source_mapping", self._create)
        patches.wrap(SQSBackend, "receive_message", self._receive)
        patches.wrap(Message, "delay", self._delay)

    def _delay(self, _: Any, message: Any, delay_seconds: int) -> None:
        message.delayed_until = (time.time() + self._cloud.scaled(delay_seconds)) * 1000

    def pending(self) -> list[str]:
        """What is still to be delivered, in words."""
        return [text for source in self._sources if (text := source.pending())]

    def stop(self) -> None:
        self._stopped.set()

    def join(self) -> None:
        for thread in self._threads:
            thread.join()

    def _create(self, original: Any, backend: Any, spec: dict[str, Any]) -> Any:
        mapping = original(backend, spec)
        if ":sqs:" in mapping.event_source_arn:
            queue = sqs_backends[self._cloud.account][self._cloud.region].queues[_name(mapping)]
            queue.lambda_event_source_mappings.clear()
            source = QueueSource(self._cloud, mapping, queue)
            asked = (mapping.scaling_config or {}).get("MaximumConcurrency", self._cloud.workers)
            self._start(source, min(int(asked), self._cloud.workers))
        else:
            table = dynamodb_backends[self._cloud.account][self._cloud.region].tables[_table(mapping)]
            table.lambda_event_source_mappings.clear()
            stream = StreamSource(self._cloud, mapping, table.stream_shard, self._stopped)
            self._start(stream, 1)
        return mapping

    def _start(self, source: QueueSource | StreamSource, pollers: int) -> None:
        def run() -> None:
            while not self._stopped.wait(POLL):
                while source.mapping.enabled and not self._stopped.is_set() and source.step():
                    pass

        self._sources.append(source)
        for _ in range(pollers):
            thread = threading.Thread(target=self._cloud.guard(run), daemon=True, name="event source")
            thread.start()
            self._threads.append(thread)

    def _receive(
        self, original: Any, backend: Any, queue: str, count: int, wait: int, visibility: int, *names: Any
    ) -> Any:
        """Long polling that does not hold the lock of the whole cloud while it waits."""
        end = time.monotonic() + wait
        while True:
            with self._cloud.lock:
                messages = original(backend, queue, count, 0, visibility, *names)
            if messages or time.monotonic() >= end:
                return messages
            time.sleep(POLL)


class QueueSource:
    """A standard queue: batches in parallel; what fails is visible again after the visibility timeout."""

    def __init__(self, cloud: LocalCloud, mapping: Any, queue: Any) -> None:
        self.mapping = mapping
        self._cloud = cloud
        self._queue = queue
        self._backend = sqs_backends[cloud.account][cloud.region]

    def pending(self) -> str:
        count = len(self._queue._messages)
        return f"{count} messages in {self._queue.name}" if count and self.mapping.enabled else ""

    def step(self) -> bool:
        """Deliver one batch. False when there was none."""
        if not self._queue._messages:
            return False
        visibility = self._queue.visibility_timeout
        received = self._backend.receive_message(
            self._queue.name, self.mapping.batch_size, 0, visibility, ["All"]
        )
        records = {message.id: self._record(message) for message in received}
        wanted = {key: record for key, record in records.items() if _passes(self.mapping, record)}
        failed = self._failed(wanted) if wanted else set()
        with self._cloud.lock:
            for message in received:
                if message.id not in failed:
                    self._backend.delete_message(self._queue.name, str(message.receipt_handle))
            for message in self._queue._messages:
                if message.id in failed:
                    message.visible_at = (time.time() + self._cloud.scaled(visibility)) * 1000
        return bool(received)

    def _failed(self, records: dict[str, dict[str, Any]]) -> set[str]:
        event = json.dumps({"Records": list(records.values())}).encode()
        outcome = self._cloud.functions.invoke(self.mapping.function_arn, event)
        if outcome.error:
            return set(records)
        failures = _item_failures(self.mapping, outcome)
        # An identifier that was not in the batch makes the whole batch a failure.
        return set(records) if failures - set(records) else failures

    def _record(self, message: Any) -> dict[str, Any]:
        return {
            "messageId": message.id,
            "receiptHandle": message.receipt_handle,
            "body": message.body,
            "attributes": {
                "ApproximateReceiveCount": str(message.approximate_receive_count),
                "SentTimestamp": str(message.sent_timestamp),
                "SenderId": message.sender_id,
                "ApproximateFirstReceiveTimestamp": str(message.approximate_first_receive_timestamp),
            },
            "messageAttributes": {
                name: {
                    "dataType": value["DataType"],
                    **({"stringValue": value["StringValue"]} if value.get("StringValue") else {}),
                }
                for name, value in message.message_attributes.items()
            },
            "md5OfBody": message.body_md5,
            "eventSource": "aws:sqs",
            "eventSourceARN": self.mapping.event_source_arn,
            "awsRegion": self._cloud.region,
        }


class StreamSource:
    """A table's stream: one shard, in order; a batch that fails holds up what comes after it."""

    def __init__(self, cloud: LocalCloud, mapping: Any, shard: Any, stopped: threading.Event) -> None:
        self.mapping = mapping
        self._cloud = cloud
        self._shard = shard
        self._stopped = stopped
        self._position = len(shard.items) if mapping.starting_position == "LATEST" else 0

    def pending(self) -> str:
        count = len(self._shard.items) - self._position
        return f"{count} stream records of {_table(self.mapping)}" if count and self.mapping.enabled else ""

    def step(self) -> bool:
        """Deliver one batch. False when there was none."""
        items = self._shard.items[self._position : self._position + self.mapping.batch_size]
        records = [record for item in items if _passes(self.mapping, record := self._record(item))]
        self._process(records)
        self._position += len(items)
        return bool(items)

    def _process(self, records: list[dict[str, Any]]) -> None:
        """Retry until done or the attempts are used up. Splitting a batch does not count as an attempt."""
        limit = self.mapping.max_retry_attempts
        attempts = 0
        while records and not self._stopped.is_set():
            outcome, done = self._attempt(records)
            records = records[done:]
            if done or not records:
                attempts = 0
                continue
            if self.mapping.bisect_on_error and len(records) > 1:
                half = len(records) // 2
                self._process(records[:half])
                self._process(records[half:])
                return
            attempts += 1
            if limit is not None and 0 <= int(limit) < attempts:
                self._give_up(records, attempts, outcome)
                return
            self._stopped.wait(self._cloud.scaled(min(60.0, 2.0**attempts)))

    def _attempt(self, records: list[dict[str, Any]]) -> tuple[Outcome, int]:
        """How many of the leading records are done."""
        event = json.dumps({"Records": records}).encode()
        outcome = self._cloud.functions.invoke(self.mapping.function_arn, event)
        if outcome.error:
            return outcome, 0
        failures = _item_failures(self.mapping, outcome)
        numbers = [record["dynamodb"]["SequenceNumber"] for record in records]
        if failures - set(numbers):
            return outcome, 0
        return outcome, min((numbers.index(failure) for failure in failures), default=len(records))

    def _give_up(self, records: list[dict[str, Any]], attempts: int, outcome: Outcome) -> None:
        destination = (self.mapping.destination_config or {}).get("OnFailure", {}).get("Destination")
        if not destination:
            return
        first, last = records[0]["dynamodb"], records[-1]["dynamodb"]
        # https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html
        record = {
            "version": "1.0",
            "timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "requestContext": {
                "requestId": str(uuid.uuid4()),
                "functionArn": self.mapping.function_arn,
                "condition": "RetryAttemptsExhausted",
                "approximateInvokeCount": attempts,
            },
            "responseContext": {
                "statusCode": 200,
                "executedVersion": "$LATEST",
                "functionError": outcome.error,
            },
            "DDBStreamBatchInfo": {
                "shardId": self._shard.id,
                "startSequenceNumber": first["SequenceNumber"],
                "endSequenceNumber": last["SequenceNumber"],
                "approximateArrivalOfFirstRecord": first["ApproximateCreationDateTime"],
                "approximateArrivalOfLastRecord": last["ApproximateCreationDateTime"],
                "batchSize": len(records),
                "streamArn": self.mapping.event_source_arn,
            },
        }
        deliver(self._cloud, destination, json.dumps(record))

    def _record(self, item: Any) -> dict[str, Any]:
        record = item.to_json()
        # Binary values travel as base64.
        change = json.loads(json.dumps(record["dynamodb"], default=_plain))
        return {
            **record,
            "awsRegion": self._cloud.region,
            "dynamodb": change,
            "eventSourceARN": self.mapping.event_source_arn,
        }


def _plain(value: object) -> object:
    """What JSON has no form for, as Lambda's events have it."""
    if isinstance(value, datetime):
        return int(value.timestamp())
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    raise TypeError(f"{type(value).__name__} in a stream record")


def _item_failures(mapping: Any, outcome: Outcome) -> set[str]:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html#services-sqs-batchfailurereporting"""
    if "ReportBatchItemFailures" not in (mapping.function_response_types or []):
        return set()
    answer = json.loads(outcome.payload or b"null") or {}
    return {str(item.get("itemIdentifier", "")) for item in answer.get("batchItemFailures") or []}


def _passes(mapping: Any, record: dict[str, Any]) -> bool:
    """Filter patterns are EventBridge patterns; a queue's apply to the body when that is JSON."""
    filters = (mapping.filter_criteria or {}).get("Filters") or []
    if not filters:
        return True
    seen: Any = dict(record)
    if "body" in record:
        with contextlib.suppress(ValueError):
            seen["body"] = json.loads(record["body"])
    return any(EventPattern.load(entry["Pattern"]).matches_event(seen) for entry in filters)


def _name(mapping: Any) -> str:
    return str(mapping.event_source_arn).rsplit(":", 1)[1]


def _table(mapping: Any) -> str:
    return str(mapping.event_source_arn).split("/")[1]
