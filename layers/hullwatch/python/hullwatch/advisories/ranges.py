"""Ranges of versions: an advisory's events compiled to intervals of version keys, and asked.

The evaluation is that of the OSV schema ("Evaluation"): a version is affected when it is enumerated or lies
in any range; inside a range the events are sorted by version, ``introduced`` opens, ``fixed`` closes before
and ``last_affected`` after its version, and ``limit`` cuts everything off from its version on.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

import msgspec

from hullwatch.advisories import versions
from hullwatch.advisories.record import Event

#: A version key: bytes that sort as the versions do.
Key = bytes

#: Sorts before every version, prereleases included: what ``introduced: "0"`` means.
BEGINNING: Key = b""

_SEPARATOR = re.compile(r"[-+_.~]")
#: Characters of an unreadable version that are looked at.
_READ_AT_MOST = 64

#: Key, whether it closes after its version, kind and version of an event.
_Turn = tuple[Key, bool, str, str]


class Interval(msgspec.Struct, frozen=True, array_like=True):
    """Affected from ``low`` on, up to ``high``: without it, or with it when ``closed``."""

    low: Key
    #: ``None``: without an end.
    high: Key | None
    closed: bool = False
    #: The version that ends the interval as its fix; empty when it has none.
    fixed: str = ""

    def holds(self, key: Key) -> bool:
        """Whether the version of this key is affected."""
        if key < self.low:
            return False
        return self.high is None or key < self.high or (self.closed and key == self.high)


class Scheme:
    """One ecosystem's order of versions, each distinct version read once.

    A version that its scheme cannot read (Go's ``(devel)``) lies in no range: it can only be enumerated. An
    ecosystem without an order knows equal versions and nothing else.
    """

    def __init__(self, ecosystem: str, skipped: Counter[str] | None = None) -> None:
        """``skipped`` counts the versions of events that could not be read."""
        name = versions.scheme_of(ecosystem)
        self._function = _unordered if name is None else versions.key_function(name)
        self._known: dict[str, Key] = {}
        self._skipped = skipped

    def key(self, version: str) -> Key:
        """The version's place in the order. Ask :func:`ordered` before comparing."""
        key = self._known.get(version)
        if key is None:
            key = self._known[version] = self._function(version)
        return key

    def intervals(self, ranges: Iterable[Sequence[Event]]) -> tuple[Interval, ...]:
        """The union of the given ranges' affected intervals, sorted, without repetition."""
        found = {interval for events in ranges for interval in self._intervals(events)}
        return tuple(sorted(found, key=lambda i: (i.low, i.high is None, i.high or b"", i.closed, i.fixed)))

    def _intervals(self, events: Sequence[Event]) -> list[Interval]:
        turns = self._turns(events)
        intervals: list[Interval] = []
        low: Key | None = None
        for position, (key, _, kind, version) in enumerate(turns):
            if kind == "introduced":
                low = key if low is None else low
            elif low is not None and not (kind == "last_affected" and _fixed_later(turns, position)):
                if kind == "last_affected":
                    intervals.append(Interval(low=low, high=key, closed=True))
                elif low < key:
                    intervals.append(Interval(low=low, high=key, fixed=version))
                low = None
        if low is not None:
            intervals.append(Interval(low=low, high=None))

        limits = [version for kind, version in events if kind == "limit" and version != "*"]
        if not limits:
            return intervals
        limit = max((key for version in limits for key in self._ordered(version)), default=BEGINNING)
        return [cut for interval in intervals if (cut := _cut(interval, limit)) is not None]

    def _turns(self, events: Sequence[Event]) -> list[_Turn]:
        """The events sorted by version; at one version, "up to and including it" comes last."""
        turns = [
            (key, kind == "last_affected", kind, version)
            for kind, version in events
            if kind != "limit"
            for key in ([BEGINNING] if (kind, version) == ("introduced", "0") else self._ordered(version))
        ]
        return sorted(turns, key=lambda turn: turn[:2])

    def _ordered(self, version: str) -> list[Key]:
        """The key of an event's version.

        Feeds made from CPE data have versions such as ``2.6.0-NA``, which their own ecosystem cannot read:
        then the longest part in front that it can read counts. An event without any is left out, so that an
        unreadable end makes an interval endless rather than empty.
        """
        key = self.key(version)
        if ordered(key):
            return [key]
        if self._skipped is not None:
            self._skipped["version not of its scheme"] += 1
        for separator in reversed(list(_SEPARATOR.finditer(version[:_READ_AT_MOST]))):
            key = self.key(version[: separator.start()])
            if ordered(key):
                return [key]
        return []


def ordered(key: Key) -> bool:
    """Whether a version has a place in its order, and not only a name."""
    return versions.readable(key)


def _unordered(version: str) -> Key:
    return versions.OUTSIDE + version.encode("utf-8", "surrogatepass")


def _fixed_later(turns: list[_Turn], position: int) -> bool:
    """Whether the same span names a fix too. The schema forbids both; the fix then says more."""
    for _, _, kind, _ in turns[position + 1 :]:
        if kind != "last_affected":
            return kind == "fixed"
    return False


def _cut(interval: Interval, limit: Key) -> Interval | None:
    """The part of an interval below the limit."""
    if interval.low >= limit:
        return None
    if interval.high is not None and (interval.high, interval.closed) <= (limit, False):
        return interval
    return Interval(low=interval.low, high=limit)
