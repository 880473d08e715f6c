"""RPM: ``[epoch:]version[-release]``, each compared with rpmvercmp.

https://rpm-software-management.github.io/rpm/man/rpm-version.7 and rpmio/rpmvercmp.c: digits are numbers,
letters are words, every other character only separates. A number is newer than a word, more segments are
newer than fewer. ``~`` is older than the end, ``^`` is newer than the end and older than any segment.

An absent epoch is 0. An absent release is older than any release: an advisory's ``1.0`` comes before the
installed ``1.0-1``. Any string has a place; an epoch that is no number is part of the version, as in rpm.
"""

from __future__ import annotations

import re

from hullwatch.advisories.versions.ordered_bytes import ZERO, Table, number, word

_TILDE = b"\x01"
_END = b"\x02"
_CARET = b"\x03"

_NO_RELEASE = b"\x00"
_RELEASE = b"\x01"

_segments = re.compile(r"[0-9]+|[A-Za-z]+|[~^]").findall


def _segment(segment: str) -> bytes:
    if segment == "~":
        return _TILDE
    if segment == "^":
        return _CARET
    return number(segment) if segment[0].isdigit() else word(segment)


_SEGMENTS = Table(_segment)
_EPOCHS = Table(number)


def segment_key(text: str) -> bytes:
    """The place of a bare version or release string: rpmvercmp without epoch and release."""
    return b"".join(map(_SEGMENTS.__getitem__, _segments(text))) + _END


def key(version: str) -> bytes:
    """The place of an EVR (epoch, version, release)."""
    version = version.strip()
    epoch = ZERO
    head, colon, tail = version.partition(":")
    if colon and (not head or (head.isdigit() and head.isascii())):
        epoch = _EPOCHS[head]
        version = tail
    name, hyphen, release = version.rpartition("-")
    if not hyphen:
        return epoch + segment_key(version) + _NO_RELEASE
    return epoch + segment_key(name) + _RELEASE + segment_key(release)
