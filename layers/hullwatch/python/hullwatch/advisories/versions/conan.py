"""Conan 2: its own ``Version``, which is not SemVer.

Dotted items, numbers or words; zeros at the end do not count. What follows the last ``-`` is a pre-release
and older than the release, what follows the last ``+`` is a build and newer; both are versions themselves:
``1-pre1`` is ``1.0-pre1``.

Conan compares a number with a word as text, which is no order (``2 < 10``, ``10 < 1a``, ``1a < 2``). Here an
item is its leading number, then the rest as text; a word without a number is newer than any number. That
agrees with Conan unless leading numbers differ in length. Any string has a place.
"""

from __future__ import annotations

import re

from hullwatch.advisories.versions.ordered_bytes import number, word

_LIST_END = b"\x01"
_PRE_RELEASE = b"\x01"
_RELEASE = b"\x02"
_NO_BUILD = b"\x01"
_BUILD = b"\x02"
_WORD = b"\xf0"

_item = re.compile(r"([0-9]*)(.*)", re.DOTALL).fullmatch


def _encode(item: str) -> bytes:
    found = _item(item)
    assert found is not None, "both parts are optional"
    digits, rest = found.groups()
    return (number(digits) if digits else _WORD) + word(rest)


def key(version: str) -> bytes:
    """The place of a Conan version."""
    main, plus, build = version.strip().rpartition("+")
    if not plus:
        main, build = build, ""
    numbers, hyphen, pre_release = main.rpartition("-")
    if not hyphen:
        numbers, pre_release = pre_release, ""
    items = numbers.split(".")
    while items and items[-1] and not items[-1].strip("0"):
        items.pop()
    return (
        b"".join(map(_encode, items))
        + _LIST_END
        + (_PRE_RELEASE + key(pre_release) if hyphen else _RELEASE)
        + (_BUILD + key(build) if plus else _NO_BUILD)
    )
