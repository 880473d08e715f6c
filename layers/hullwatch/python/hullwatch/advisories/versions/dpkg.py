"""Debian and Ubuntu: ``[epoch:]upstream[-revision]``, deb-version(7).

Upstream version and revision are compared as alternating runs of non-digits and digits. In a run of
non-digits ``~`` sorts before the end, the end before letters, letters before everything else; runs of digits
are numbers, and no digits are zero. So ``1.0~rc1 < 1.0 < 1.0a < 1.0+b1 < 1.0.1``, and a missing revision is
revision ``0``.

Any string has a place: an epoch that is no number is taken as part of the upstream version, as is every
character that Debian policy forbids.
"""

from __future__ import annotations

import re

from hullwatch.advisories.versions.ordered_bytes import ZERO, Table, number

_TILDE = b"\x01"
_END = b"\x02"
_EMPTY = _END + ZERO + _END
_DIGITS = "0123456789"

_pairs = re.compile(r"[^0-9]*[0-9]+|[^0-9]+").findall


def _character(character: str) -> bytes:
    if character == "~":
        return _TILDE
    if character.isascii():
        return character.encode() if character.isalpha() else bytes((0x80 | ord(character),))
    return b"\xff" + character.encode("utf-8", "surrogatepass")


def _pair(token: str) -> bytes:
    letters = token.rstrip(_DIGITS)
    return b"".join(map(_character, letters)) + _END + number(token[len(letters) :])


_PAIRS = Table(_pair)
_EPOCHS = Table(number)


def _part(part: str) -> bytes:
    return b"".join(map(_PAIRS.__getitem__, _pairs(part))) + _END if part else _EMPTY


def key(version: str) -> bytes:
    """The place of a Debian version."""
    version = version.strip()
    epoch = ZERO
    head, colon, tail = version.partition(":")
    if colon and head.isdigit() and head.isascii():
        epoch = _EPOCHS[head]
        version = tail
    upstream, hyphen, revision = version.rpartition("-")
    if not hyphen:
        return epoch + _part(version) + _EMPTY
    return epoch + _part(upstream) + _part(revision)
