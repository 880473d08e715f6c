"""RubyGems: ``Gem::Version``.

A version is its runs of digits and of letters, a hyphen stands for ``.pre.``. Words are older than numbers,
so ``1.0.a < 1.0``; zeros at the end of the numbers and of the whole do not count, and a missing segment is
zero. Words compare by case. Strings that RubyGems rejects are read the same way, so any string has a place.
"""

from __future__ import annotations

import re

from hullwatch.advisories.versions.ordered_bytes import Table, number, word

# What stands next, oldest first. A missing segment is zero, so a run of zeros lies next to the end: below it
# when a word follows (the more zeros, the newer), above it when a number follows (the more, the older).
_WORD = b"\x10"
_ZEROS_THEN_WORD = b"\x20"
_END = b"\x30"
_ZEROS_THEN_NUMBER = b"\x40"

_COMPLEMENT = bytes(range(255, -1, -1))

_segments = re.compile(r"[0-9]+|[A-Za-z]+").findall


def _segment(token: str) -> bytes:
    """A number, or a word with its marker; empty for zero."""
    if token[0].isdigit():
        return number(token) if token.strip("0") else b""
    return _WORD + word(token)


_SEGMENTS = Table(_segment)


def _canonical(encoded: list[bytes]) -> list[bytes]:
    """``canonical_segments``: no zeros at the end of the leading numbers, and none at the end of the rest."""
    split = next((place for place, segment in enumerate(encoded) if segment[:1] == _WORD), len(encoded))
    numbers, rest = encoded[:split], encoded[split:]
    for part in (numbers, rest):
        while part and not part[-1]:
            part.pop()
    return numbers + rest


def key(version: str) -> bytes:
    """The place of a gem version."""
    encoded = [_SEGMENTS[token] for token in _segments(version.replace("-", ".pre."))]
    parts: list[bytes] = []
    zeros = 0
    for segment in _canonical(encoded):
        if not segment:
            zeros += 1
            continue
        if zeros:
            run = number(str(zeros))
            if segment[:1] == _WORD:
                parts.append(_ZEROS_THEN_WORD + run)
            else:
                parts.append(_ZEROS_THEN_NUMBER + run.translate(_COMPLEMENT))
            zeros = 0
        parts.append(segment)
    parts.append(_END)
    return b"".join(parts)
