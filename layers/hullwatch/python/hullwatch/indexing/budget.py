"""Limits for reading what a stranger made. Reaching one is a finding with its reason, never a crash."""

from __future__ import annotations

import time
from collections.abc import Callable

import msgspec

from hullwatch.errors import BudgetExceeded

MIB = 1 << 20
GIB = 1 << 30


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """What one layer may cost. The defaults let every image through that a registry and a runtime accept."""

    #: Amazon ECR stores layers of up to 52,000 MiB (service quotas).
    compressed_bytes: int = 52_000 * MIB
    uncompressed_bytes: int = 200 * GIB
    #: Uncompressed bytes per compressed byte. Software packs 2 to 10 times, a file of zeros 1,000 times; the
    #: ratio counts only beyond ``ratio_from`` bytes, so that one empty disk image does no harm.
    ratio: int = 200
    ratio_from: int = 256 * MIB
    #: Archive members. The largest images seen have some 300,000 in all their layers.
    entries: int = 2_000_000
    #: Bytes of one path: Linux' ``PATH_MAX``.
    path_bytes: int = 4096
    #: Bytes of one extended header (PAX records, a GNU long name).
    header_bytes: int = MIB
    #: Bytes of one file that is read as a whole. A collector may ask for less, never for more.
    document_bytes: int = 128 * MIB
    #: Bytes that the index of the layer may take in memory. The largest layers seen need some five million.
    index_bytes: int = 128 * MIB
    #: Memory that one zstd frame may ask for: what ``zstd --ultra -22`` makes.
    zstd_window_bytes: int = 128 * MIB
    #: Wall-clock time for one layer. A Lambda function has 900 seconds for all it does.
    seconds: float = 780.0


class Deadline:
    """The time a budget allows, from now on."""

    def __init__(self, budget: Budget, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = budget.seconds
        self._clock = clock
        self._end = clock() + budget.seconds

    def check(self) -> None:
        """Raises :class:`~hullwatch.errors.BudgetExceeded` when the time is over."""
        if self._clock() > self._end:
            raise BudgetExceeded(f"reading the layer took more than {self._seconds:g} seconds")
