"""Semantic Versioning 2.0.0, section 11: npm, crates.io, Hex, Swift and whoever else says so.

Read as loosely as node-semver's loose mode: a leading ``v`` or ``=``, missing minor and patch (zero), a
pre-release without its hyphen (``1.2.3beta``). More than three numbers are compared as numbers too. What
follows the numbers without being build metadata is a pre-release. Build metadata does not count.

Strings that do not begin with a number (after ``v`` and ``=``) are outside.
"""

from __future__ import annotations

import re

from hullwatch.advisories.versions.ordered_bytes import ZERO, Table, number, outside, text

# After the numbers, oldest first; all below any further number.
_PRE_RELEASE = b"\x01"
_RELEASE = b"\x02"

# In a list of identifiers: its end, numbers (0x80 to 0xE0), words.
_LIST_END = b"\x00"
_WORD = b"\xf0"
_WORD_END = b"\x01"

_RELEASED = _RELEASE + _LIST_END

_parse = re.compile(
    r"[=vV\s]*([0-9]+)(?:\.([0-9]+)(?:\.([0-9]+)((?:\.[0-9]+)*))?)?[-._]?([^+]*)(?:\+(.*))?", re.DOTALL
).fullmatch


def _identifier(identifier: str) -> bytes:
    if identifier.isdigit() and identifier.isascii():
        return number(identifier)
    return _WORD + text(identifier) + _WORD_END


_NUMBERS = Table(number)
_IDENTIFIERS = Table(_identifier)


def identifiers(dotted: str) -> bytes:
    """Dot-separated identifiers: numbers are older than words, a shorter list is older than a longer one."""
    return b"".join(map(_IDENTIFIERS.__getitem__, dotted.split("."))) + _LIST_END


def further_numbers(dotted: str) -> bytes:
    """The numbers after the third, as in ``.4.5``; zeros at the end do not count."""
    parts = dotted[1:].split(".")
    while parts and not parts[-1].strip("0"):
        parts.pop()
    return b"".join(map(number, parts))


def precedence(version: str) -> tuple[bytes, str | None] | None:
    """The key of everything but the build metadata, and the build metadata; None for an outside string."""
    found = _parse(version.strip())
    if found is None:
        return None
    major, minor, patch, further, pre_release, build = found.groups()
    encoded = _NUMBERS[major] + (_NUMBERS[minor] if minor else ZERO) + (_NUMBERS[patch] if patch else ZERO)
    if further:
        encoded += further_numbers(further)
    if pre_release:
        return encoded + _PRE_RELEASE + identifiers(pre_release), build
    return encoded + _RELEASED, build


def key(version: str) -> bytes:
    """The place of a semantic version; build metadata is ignored."""
    found = precedence(version)
    return outside(version) if found is None else found[0]
