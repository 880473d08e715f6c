"""Failing calls on purpose: the n-th call of an operation, or the worker that runs a function.

A fault is armed, fires on the calls it names (counted from the moment it was armed) and is spent. A call can
also be held, so that others come in between.
"""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field
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


@dataclass
class Hold:
    """One call that waits: :attr:`reached` is set once it has come, and it goes on once released."""

    nth: int
    seen: int = 0
    reached: threading.Event = field(default_factory=threading.Event)
    _released: threading.Event = field(default_factory=threading.Event)

    def release(self) -> None:
        """Let the call go on, or never stop it."""
        self._released.set()

    def wait(self) -> None:
        """Wait, on the call's own thread."""
        self.reached.set()
        self._released.wait()


class Faults:
    """``calls`` counts every request by operation (``securityhub:BatchImportFindings``), faults or not."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self._armed: dict[str, list[_Fault]] = {}
        self._held: dict[str, list[Hold]] = {}
        self._lock = threading.Lock()

    def fail(self, operation: str, *, how: How = "throttle", nth: int = 1, times: int = 1) -> None:
        """Fail ``operation`` (``dynamodb:UpdateItem``, ``ecr:DownloadLayer``) from its ``nth`` next call on.

        ``throttle`` and ``server_error`` are answered as AWS would, with nothing done. ``lost_request``
        closes the connection with nothing done, ``lost_response`` after everything was done: to the client
        both look like a time-out.
        """
        self._arm(operation, _Fault(nth, times, how))

    def kill_worker(self, function: str, *, nth: int = 1, times: int = 1) -> None:
        """Kill the worker in the ``nth`` next invocation of ``function``, when it is given the event.

        ``function`` is the physical name.
        """
        self._arm(f"worker:{function}", _Fault(nth, times, "kill"))

    def hold(self, operation: str, *, nth: int = 1) -> Hold:
        """Keep the ``nth`` next call of ``operation`` waiting, with nothing done, until it is released."""
        hold = Hold(nth)
        with self._lock:
            self._held.setdefault(operation, []).append(hold)
        return hold

    def unspent(self) -> set[str]:
        """What is armed and has not failed as often as it was to."""
        with self._lock:
            return {
                key
                for key, faults in self._armed.items()
                if any(fault.seen < fault.nth + fault.times - 1 for fault in faults)
            }

    def clear(self) -> None:
        """Disarm every fault and release every call. The counters stay."""
        with self._lock:
            self._armed.clear()
            held, self._held = self._held, {}
        for hold in (hold for holds in held.values() for hold in holds):
            hold.release()

    def next(self, operation: str) -> str | None:
        """Count one call of ``operation`` and say how it has to fail, if it has to."""
        with self._lock:
            self.calls[operation] += 1
            # Every armed fault counts the call, so that two faults on one operation keep their own numbers.
            fired = [fault.how for fault in self._armed.get(operation, []) if fault.fires()]
            stopped = []
            for hold in self._held.get(operation, []):
                hold.seen += 1
                stopped += [hold] if hold.seen == hold.nth else []
        for hold in stopped:
            hold.wait()
        return fired[0] if fired else None

    def _arm(self, key: str, fault: _Fault) -> None:
        with self._lock:
            self._armed.setdefault(key, []).append(fault)
