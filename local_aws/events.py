"""EventBridge: rules of any bus deliver to queues, functions, state machines, topics and other buses.

moto keeps buses, rules and targets and matches patterns. Delivery is ours: input transformers, dead-letter
queues, and schedules that fire when a test says so.
"""

from __future__ import annotations

import json
import re
import time
import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from moto.events.models import events_backends

from local_aws.endpoint import ApiError
from local_aws.targets import deliver

if TYPE_CHECKING:
    from local_aws.cloud import LocalCloud

#: Entries, and bytes in total: https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html
ENTRIES, BYTES = 10, 1_048_576


class Events:
    """The event buses of one cloud."""

    def __init__(self, cloud: LocalCloud) -> None:
        self._cloud = cloud
        #: ``AWS::Scheduler::Schedule`` resources by name.
        self.schedules: dict[str, dict[str, Any]] = {}

    def put_events(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """The API operation PutEvents."""
        entries = parameters["Entries"]
        if not 1 <= len(entries) <= ENTRIES:
            raise ApiError("ValidationException", f"1 to {ENTRIES} entries are allowed")
        if sum(len(json.dumps(entry)) for entry in entries) > BYTES:
            raise ApiError(
                "ValidationException", "Total size of the entries in the request is over the limit."
            )
        answers = [self._put(entry) for entry in entries]
        return {"FailedEntryCount": sum("ErrorCode" in answer for answer in answers), "Entries": answers}

    def publish(
        self, *, source: str, detail_type: str, detail: dict[str, Any], resources: list[str] | None = None
    ) -> str:
        """Put a service's own event on the default bus and return its id."""
        return self._route("default", source, detail_type, detail, resources or [])

    def fire(self, name: str) -> None:
        """Fire the schedule, or the scheduled rule, whose name or target ARN contains ``name``."""
        scheduled: list[tuple[str, dict[str, Any]]] = [
            (schedule, properties["Target"]) for schedule, properties in self.schedules.items()
        ]
        scheduled += [
            (rule.name, target)
            for rule in self._bus("default").rules.values()
            if rule.scheduled_expression
            for target in rule.targets
        ]
        found = [entry for entry in scheduled if name in entry[0] or name in entry[1]["Arn"]]
        if not found:
            known = ", ".join(sorted({schedule for schedule, _ in scheduled}))
            raise LookupError(f"no schedule matches {name!r}; there are: {known}")
        for schedule, target in found:
            event = self._event("aws.events", "Scheduled Event", {}, [schedule])
            self._send(target, event)

    # -- one event

    def _put(self, entry: dict[str, Any]) -> dict[str, str]:
        for field in ("Source", "DetailType", "Detail"):
            if not entry.get(field):
                message = f"Parameter {field} is not valid. Reason: {field} is a required argument."
                return {"ErrorCode": "InvalidArgument", "ErrorMessage": message}
        if entry["Source"].startswith("aws."):
            message = f"Not authorized for the source: {entry['Source']}"
            return {"ErrorCode": "NotAuthorizedForSourceException", "ErrorMessage": message}
        try:
            detail = json.loads(entry["Detail"])
        except ValueError:
            detail = None
        if not isinstance(detail, dict):
            return {"ErrorCode": "MalformedDetail", "ErrorMessage": "Detail is malformed."}
        bus = entry.get("EventBusName", "default").rsplit("/", 1)[-1]
        event_id = self._route(
            bus, entry["Source"], entry["DetailType"], detail, entry.get("Resources") or [], entry.get("Time")
        )
        return {"EventId": event_id}

    def _route(
        self,
        bus: str,
        source: str,
        detail_type: str,
        detail: Any,
        resources: list[str],
        at: float | None = None,
    ) -> str:
        event = self._event(source, detail_type, detail, resources, at)
        with self._cloud.lock:
            self._match(bus, event)
        return str(event["id"])

    def _match(self, bus: str, event: dict[str, Any]) -> None:
        for rule in list(self._bus(bus).rules.values()):
            # A rule without a pattern is a schedule: moto's empty pattern would match everything.
            if rule.state != "ENABLED" or not rule.event_pattern.get_pattern():
                continue
            if rule.event_pattern.matches_event(event):
                for target in rule.targets:
                    self._send(target, event)

    def _send(self, target: dict[str, Any], event: dict[str, Any]) -> None:
        arn = target["Arn"]
        if ":event-bus/" in arn:
            self._match(arn.rsplit("/", 1)[1], event)
            return
        try:
            group = target.get("SqsParameters", {}).get("MessageGroupId")
            body = transform(target, event)
            deliver(self._cloud, arn, body, name=f"{event['id']}_{uuid.uuid4()}", group=group)
        except NotImplementedError:
            raise
        except Exception as error:
            queue = target.get("DeadLetterConfig", {}).get("Arn")
            if not queue:
                self._cloud.problem(f"event lost: {arn} refused it and has no dead-letter queue: {error!r}")
                return
            deliver(self._cloud, queue, json.dumps(event))

    def _bus(self, name: str) -> Any:
        backend = events_backends[self._cloud.account][self._cloud.region]
        if name not in backend.event_buses:
            # AWS drops events for a bus that does not exist; here it is a mistake in the stack.
            raise ApiError("ResourceNotFoundException", f"Event bus {name} does not exist.")
        return backend.event_buses[name]

    def _event(
        self, source: str, detail_type: str, detail: Any, resources: list[str], at: float | None = None
    ) -> dict[str, Any]:
        moment = datetime.fromtimestamp(at if at is not None else time.time(), UTC)
        return {
            "version": "0",
            "id": str(uuid.uuid4()),
            "detail-type": detail_type,
            "source": source,
            "account": self._cloud.account,
            "time": moment.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "region": self._cloud.region,
            "resources": resources,
            "detail": detail,
        }


def transform(target: dict[str, Any], event: dict[str, Any]) -> str:
    """The body a target gets: constant input, input path, input transformer, or the event itself.

    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-transform-target-input.html. The context
    attributes of EventBridge Scheduler are filled in too.
    """
    if (constant := target.get("Input")) is not None:
        values = {"execution-id": event["id"], "scheduled-time": event["time"], "attempt-number": "1"}
        return re.sub(r"<aws\.scheduler\.([a-z-]+)>", lambda m: str(values.get(m[1], m[0])), str(constant))
    if path := target.get("InputPath"):
        return json.dumps(_at(event, path))
    if not (transformer := target.get("InputTransformer")):
        return json.dumps(event)
    found = {name: _at(event, path) for name, path in transformer.get("InputPathsMap", {}).items()}
    found["aws.events.event.json"] = event
    template: str = transformer["InputTemplate"]
    # The quotes outside of placeholders tell whether one stands inside a JSON string.
    parts = re.split(r"<([^<>]+)>", template)
    body, quoted = parts[0], parts[0].count('"') % 2 == 1
    for name, text in zip(parts[1::2], parts[2::2], strict=True):
        value = found.get(name)
        if quoted:
            words = value if isinstance(value, str) else "" if value is None else json.dumps(value)
            body += json.dumps(words)[1:-1] + text
        else:
            body += json.dumps(value) + text
        quoted ^= text.count('"') % 2 == 1
    return body


def _at(event: dict[str, Any], path: str) -> Any:
    """The value at a path such as ``$.detail.image-digest`` or ``$.resources[0]``, else ``None``."""
    value: Any = event
    for key, index in re.findall(r"\.([^.\[]+)|\[(\d+)\]", path.removeprefix("$")):
        try:
            value = value[int(index)] if index else value[key]
        except (KeyError, IndexError, TypeError):
            return None
    return value
