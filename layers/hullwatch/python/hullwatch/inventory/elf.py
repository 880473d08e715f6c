"""Looks through a program for what its language left in it, in one pass and with little memory.

System V ABI, chapters 4 and 5. Machine code is passed over where it has segments of its own, which
are most of a common program.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import NamedTuple

from hullwatch.inventory.records import ProgramCollector, Unreadable

MAGIC = b"\x7fELF"
#: Bytes in which the file header and the program headers have to be.
_HEADERS = 64 << 10
_64_BIT = 2
_BIG_ENDIAN = 2
_LOAD = 1
_EXECUTABLE, _READABLE = 1, 4
_MAX_SEGMENTS = 64
_END_OF_FILE = 1 << 62
#: What UPX writes behind the program headers (its ``l_info``).
_UPX = b"UPX!"
_UPX_WITHIN = 512
#: Bytes from a mark on that a collector sees before it says whether it is one.
_HEAD = 256
#: Excerpts of one program that are read for one collector.
_MAX_EXCERPTS = 8


class Range(NamedTuple):
    """A part of a file from one offset to before another, and whether the loader maps it."""

    begin: int
    end: int
    mapped: bool


def segments(head: bytes) -> list[Range]:
    """The parts of the file that may hold data, as offsets, in order. Empty for what is no ELF file."""
    if not head.startswith(MAGIC) or len(head) < 64:
        return []
    order = ">" if head[5] == _BIG_ENDIAN else "<"
    wide = head[4] == _64_BIT
    table, size, count = (
        struct.unpack_from(f"{order}Q", head, 32) + struct.unpack_from(f"{order}HH", head, 54)
        if wide
        else struct.unpack_from(f"{order}I", head, 28) + struct.unpack_from(f"{order}HH", head, 42)
    )
    layout = struct.Struct(f"{order}IIQQQQ" if wide else f"{order}IIIIIII")
    found: list[tuple[int, int, int]] = []
    for number in range(min(count, _MAX_SEGMENTS)):
        at = table + number * size
        if at + layout.size > len(head):
            break
        if wide:
            kind, flags, offset, _, _, length = layout.unpack_from(head, at)
        else:
            kind, offset, _, _, length, _, flags = layout.unpack_from(head, at)
        if kind == _LOAD and length:
            found.append((offset, offset + length, flags & 7))
    # Where constants have no segment of their own they lie among the code.
    has_constants = any(flags == _READABLE for _, _, flags in found)
    data = sorted((begin, end) for begin, end, flags in found if not (has_constants and flags & _EXECUTABLE))
    ranges: list[Range] = []
    last = 0
    for begin, end in data:
        # No byte is looked at twice, however segments overlap.
        if max(begin, last) < end:
            ranges.append(Range(max(begin, last), end, mapped=True))
            last = end
    if found:
        # What the loader does not map comes after it: sections for other tools.
        ranges.append(Range(max(end for _, end, _ in found), _END_OF_FILE, mapped=False))
    return ranges


def excerpts(
    pieces: Iterable[bytes], collectors: Sequence[ProgramCollector]
) -> Iterator[tuple[ProgramCollector, bytes]]:
    """What each collector asked for: from its mark on, up to its ``MAX_BYTES``.

    Raises :class:`~hullwatch.inventory.records.Unreadable` for a program that unpacks itself.
    """
    remaining = iter(pieces)
    head = _head(remaining)
    if _UPX in head[:_UPX_WITHIN]:
        raise Unreadable("the program is packed with UPX: what is in it cannot be seen")
    wanted = segments(head)
    if not wanted:
        return
    # Each mark on its own: one may lie in what follows another.
    searches = [_Search(collector, mark) for collector in collectors for mark in collector.MARKS]
    here: list[_Search] = []
    carry = b""
    for part, within, is_end in _parts(wanted, chain((head,), remaining)):
        here = [search for search in searches if search.collector.MAPPED is within.mapped]
        window = carry + part
        for search in here:
            search.feed(window, len(carry))
            if is_end:
                search.finish(window[-_HEAD:])
        carry = b"" if is_end else window[-_HEAD:]
    for search in here:
        search.finish(carry)
    for search in searches:
        for excerpt in search.found:
            yield search.collector, excerpt


def _head(pieces: Iterator[bytes]) -> bytes:
    """The beginning of an ELF file, all its headers included; of any other its first piece at most."""
    head = b""
    for piece in pieces:
        head += piece
        if len(head) >= _HEADERS or not head.startswith(MAGIC[: len(head)]):
            break
    return head if head.startswith(MAGIC) else b""


def _parts(wanted: list[Range], pieces: Iterable[bytes]) -> Iterator[tuple[bytes, Range, bool]]:
    """What lies in the ranges wanted, piece by piece, its range, and whether it is the last of it."""
    at = 0
    for piece in pieces:
        end = at + len(piece)
        for within in wanted:
            if within.begin < end and within.end > at:
                yield piece[max(within.begin - at, 0) : within.end - at], within, within.end <= end
        at = end
        if at >= wanted[-1].end:
            return


class _Search:
    """One mark in a stream: the places that its collector accepts, with what follows them."""

    def __init__(self, collector: ProgramCollector, mark: bytes) -> None:
        self.collector = collector
        self.found: list[bytes] = []
        self._mark = mark
        self._open: bytearray | None = None

    def feed(self, window: bytes, known: int) -> None:
        """The next part of a segment, behind the last ``known`` bytes of the one before."""
        if self._open is None:
            self._look(window, len(window) - _HEAD)
        else:
            self._open += window[known : known + self.collector.MAX_BYTES - len(self._open)]
        if self._open is not None and len(self._open) >= self.collector.MAX_BYTES:
            self._close()

    def finish(self, rest: bytes) -> None:
        """The segment ends with ``rest``, in which no mark was looked for."""
        if self._open is None:
            self._look(rest, len(rest))
        if self._open is not None:
            self._close()

    def _look(self, window: bytes, until: int) -> None:
        """Looks for the mark before ``until``; a later one comes again with the next part."""
        at = window.find(self._mark) if len(self.found) < _MAX_EXCERPTS else -1
        while 0 <= at < until:
            if self.collector.begins(window[at : at + _HEAD]):
                self._open = bytearray(window[at : at + self.collector.MAX_BYTES])
                return
            at = window.find(self._mark, at + 1)

    def _close(self) -> None:
        self.found.append(bytes(self._open or b""))
        self._open = None
