"""Task definitions read before: a revision never changes, so it is asked for once.

Its tags can change. A copy is used for a week, so that a changed tag is seen by then.
"""

from __future__ import annotations

import re
from typing import Any, Protocol

import msgspec

from hullwatch.aws.evidence import Evidence
from hullwatch.errors import TransientError

_FRESH = 7 * 86_400
_ARN = re.compile(r"arn:[\w-]+:ecs:([\w-]+):(\d{12}):task-definition/([\w-]{1,255}):(\d{1,10})", re.ASCII)


class TaskDefinitions(Protocol):
    """A cache of ``DescribeTaskDefinition`` answers, by the ARN with its revision."""

    def get(self, arn: str) -> dict[str, Any] | None:
        """The answer; ``None`` when it has to be asked for."""

    def put(self, arn: str, answer: dict[str, Any]) -> None:
        """Keep an answer."""


class Nothing:
    """Keeps nothing: every definition is asked for."""

    def get(self, arn: str) -> dict[str, Any] | None:
        """Always ``None``."""
        return None

    def put(self, arn: str, answer: dict[str, Any]) -> None:
        """Forgets it."""


class StoredDefinition(msgspec.Struct, frozen=True, kw_only=True):
    """An answer as JSON has it, and when it was read, in epoch seconds."""

    read_at: int
    answer: dict[str, Any]


class StoredTaskDefinitions:
    """Answers in the evidence bucket: ``snapshots/task-definitions/ACCOUNT/REGION/FAMILY/REVISION.json.zst``.

    ``now`` is in epoch seconds. A bucket that does not answer at the moment only makes the survey slower.
    """

    def __init__(self, evidence: Evidence, now: int) -> None:
        self._evidence = evidence
        self._now = now

    def get(self, arn: str) -> dict[str, Any] | None:
        """The answer, unless it is too old."""
        if not (key := _key(arn)):
            return None
        try:
            stored = self._evidence.get_document(key, StoredDefinition)
        except (TransientError, msgspec.DecodeError):
            return None
        return stored.answer if stored and self._now - stored.read_at < _FRESH else None

    def put(self, arn: str, answer: dict[str, Any]) -> None:
        """Store an answer under its revision."""
        if not (key := _key(arn)):
            return
        try:
            self._evidence.put_document(key, StoredDefinition(read_at=self._now, answer=answer))
        except TransientError:
            return


def _key(arn: str) -> str:
    match = _ARN.fullmatch(arn)
    if match is None:
        return ""
    region, account, family, revision = match.groups()
    return f"snapshots/task-definitions/{account}/{region}/{family}/{revision}.json.zst"
