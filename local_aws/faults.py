"""Failing calls on purpose: the n-th call of an operation, or the worker that runs a function.

A fault is armed, fires on the calls it names (counted from the moment it was armed) and is spent.
"""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass
from typing import Literal

How = Literal["throttle", "server_error", "lost_request", "lost_response"]


@dataclass
class _Fault:
    nth: int
    times: int
    how: str
    seen: int = 0

    def fires(self) -> bool:
        self.seen += 1
        return self.nth <= self.seen < self.nth + self.times


class Faults:
    """``calls`` counts every request by operation (``securityhub:BatchImportFindings``), faults or not."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self._armed: dict[str, list[_Fault]] = {}
        self._lock = threading.Lock()

    def fail(self, operation: str, *, how: How = "throttle", nth: int = 1, times: int = 1) -> None:
        """Fail ``operation`` (``dynamodb:UpdateItem``, ``ecr:DownloadLayer``) from its ``nth`` next call on.

        ``throttle`` and ``server_error`` are answered as AWS would, with nothing done. ``lost_request``
        closes the connection with nothing done, ``lost_response`` after everything was done: to the client
        both look like a time-out.
        """
        self._arm(operation, _Fault(nth, times, how))

    def kill_worker(self, function: str, *, nth: int = 1, times: int = 1) -> None:
        """Kill the worker in the ``nth`` next invocation of ``function``, right after it got the event.

        ``function`` is the physical name.
        """
        self._arm(f"worker:{function}", _Fault(nth, times, "kill"))

    def clear(self) -> None:
        """Disarm every fault. The counters stay."""
        with self._lock:
            self._armed.clear()

    def next(self, operation: str) -> str | None:
        """Count one call of ``operation`` and say how it has to fail, if it has to."""
        with self._lock:
            self.calls[operation] += 1
            # Every armed fault counts the call, so that two faults on one operation keep their own numbers.
            fired = [fault.how for fault in self._armed.get(operation, []) if fault.fires()]
        return fired[0] if fired else None

    def _arm(self, key: str, fault: _Fault) -> None:
        with self._lock:
            self._armed.setdefault(key, []).append(fault)
