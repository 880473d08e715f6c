"""Calls to an account's APIs, and the record of what could be read and what stood in the way.

A failure costs the input it belongs to and nothing else. Throttling is the client's business (its standard or
adaptive retry mode); what still fails makes the input unavailable.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from botocore import xform_name
from botocore.exceptions import BotoCoreError, ClientError

from hullwatch.aws.errors import error_code, translate
from hullwatch.errors import AccessRefused, HullwatchError, SourceUnavailable
from hullwatch.posture.model.snapshot import READ, InputState, Status

Document = dict[str, Any]

#: Clients whose name differs from the service's prefix in IAM.
_CLIENTS = {"elasticloadbalancing": "elbv2"}
_MAX_REASON = 200


class Reading:
    """What one survey reads. ``client`` makes the client of a service; ``wanted`` are inputs.

    Actions are named as IAM names them (``ecs:ListTasks``): the name that is called is the permission needed.
    """

    def __init__(self, client: Callable[[str], Any], wanted: Collection[str]) -> None:
        self._client = client
        self._clients: dict[str, Any] = {}
        self._wanted = frozenset(wanted)
        #: How each input was read, as far as the survey has come.
        self.inputs: dict[str, InputState] = {}

    def wants(self, *names: str) -> bool:
        """Whether any of these inputs is to be read."""
        return not self._wanted.isdisjoint(names)

    def call(self, action: str, missing: Collection[str] = (), **parameters: Any) -> Document | None:
        """The answer of one call; ``None`` when the error code is among ``missing``.

        Raises :class:`AccessRefused` with the missing permission, or :class:`SourceUnavailable`.
        """
        try:
            answer: Document = _plain(self._method(action)(**parameters))
        except (ClientError, BotoCoreError) as error:
            if _code(error) in missing:
                return None
            raise _failure(action, error) from error
        return answer

    def pages(self, action: str, missing: Collection[str] = (), **parameters: Any) -> Iterator[Document]:
        """Every page of a list, as :meth:`call` gives answers; none when the code is among ``missing``."""
        service, _, operation = action.partition(":")
        client, method = self._service(service), xform_name(operation)
        try:
            if client.can_paginate(method):
                yield from map(_plain, client.get_paginator(method).paginate(**parameters))
                return
            while True:
                answer = self._method(action)(**parameters)
                yield _plain(answer)
                if not (token := answer.get("nextToken")):
                    return
                parameters["nextToken"] = token
        except (ClientError, BotoCoreError) as error:
            if _code(error) not in missing:
                raise _failure(action, error) from error

    def begin(self, *names: str) -> None:
        """Record those of the inputs that are wanted as read: there may be nothing there to read."""
        for name in names:
            if self.wants(name):
                self.inputs.setdefault(name, READ)

    @contextmanager
    def input(self, name: str) -> Iterator[None]:
        """Around the reading of an input, or of a part of it: what fails is recorded, and the rest goes on.

        An input of which anything is missing counts as unreadable: a control must not take what nobody could
        list for what is not there. What was read of it is still given and judged.
        """
        self.inputs.setdefault(name, READ)
        try:
            yield
        except HullwatchError as error:
            self.lacks(name, error)

    def lacks(self, name: str, why: HullwatchError | str) -> None:
        """Record that something of an input could not be read. The first reason stays."""
        if self.inputs.get(name, READ).usable:
            status: Status = "forbidden" if isinstance(why, AccessRefused) else "unavailable"
            self.inputs[name] = InputState(status, str(why)[:_MAX_REASON])

    def cut(self, name: str, reason: str) -> None:
        """Record that there may be more of an input than what was asked for."""
        if self.inputs.get(name, READ).complete:
            self.inputs[name] = InputState("partial", reason)

    def follows(self, name: str, *sources: str) -> None:
        """Record that a wanted input lacks what its sources, where its names come from, lack."""
        for source in sources if self.wants(name) else ():
            state = self.inputs.get(source, READ)
            if not state.usable and self.inputs.get(name, READ).usable:
                self.inputs[name] = state

    def further(
        self,
        action: str,
        name: str,
        missing: Collection[str] = (),
        *,
        subject: Document,
        **parameters: Any,
    ) -> Iterator[Document]:
        """A further read of one resource, with ``subject`` (what it is about) beside the answer.

        None there is a ``notFound`` envelope, and a failure a ``refused`` one about the resource ``name``.
        """
        self.inputs.setdefault(action, READ)
        try:
            answer = self.call(action, missing, **parameters)
        except HullwatchError as error:
            self.lacks(action, error)
            yield {"refused": {"operation": action, "name": name, "reason": str(error)[:_MAX_REASON]}}
            return
        about = {**subject, "operation": action}
        yield {"notFound": about} if answer is None else {**answer, **subject}

    def failures(self, name: str, answer: Document) -> None:
        """The part of an answer that says what it leaves out. What is gone meanwhile is no failure."""
        for item in answer.get("failures", ()):
            reason = item.get("reason") or item.get("failureCode", "")
            if reason not in ("MISSING", "INACTIVE", "RepositoryNotFoundException"):
                detail = item.get("detail") or item.get("failureReason", "")
                self.lacks(name, f"{item.get('arn') or item.get('repositoryName', '')}: {reason} {detail}")

    def _service(self, service: str) -> Any:
        if service not in self._clients:
            self._clients[service] = self._client(_CLIENTS.get(service, service))
        return self._clients[service]

    def _method(self, action: str) -> Any:
        service, _, operation = action.partition(":")
        return getattr(self._service(service), xform_name(operation))


def _code(error: ClientError | BotoCoreError) -> str:
    return error_code(error) if isinstance(error, ClientError) else ""


def _failure(action: str, error: ClientError | BotoCoreError) -> HullwatchError:
    code = _code(error)
    if code in _DENIED or isinstance(translate(code, ""), AccessRefused):
        return AccessRefused(f"no {action} permission")
    if isinstance(error, ClientError):
        return SourceUnavailable(f"{action}: {code}: {error.response.get('Error', {}).get('Message', '')}")
    return SourceUnavailable(f"{action}: {error}")


#: What services answer that have no permission, besides the codes that the pipeline knows.
_DENIED = frozenset({"AuthFailure", "AuthorizationError", "OptInRequired", "SubscriptionRequiredException"})


def several(items: Iterable[str], size: int) -> Iterator[list[str]]:
    """Lists of at most ``size``, in order and each name once."""
    names = list(dict.fromkeys(items))
    for start in range(0, len(names), size):
        yield names[start : start + size]


def trimmed(items: Iterable[Document], *fields: str) -> list[Document]:
    """The objects with these fields only: what nobody reads need not be held."""
    return [{name: item[name] for name in fields if name in item} for item in items]


def _plain(answer: Any) -> Any:
    """An answer as JSON has it: times as ISO 8601, and without what the client adds."""
    match answer:
        case dict():
            return {key: _plain(value) for key, value in answer.items() if key != "ResponseMetadata"}
        case list():
            return [_plain(value) for value in answer]
        case datetime():
            return answer.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case _:
            return answer
