"""Maven: ``ComparableVersion`` as in Maven 3.9, made a total order.

https://maven.apache.org/pom.html#version-order-specification. A version is a list of numbers and qualifiers;
a hyphen, or a change between digits and letters, opens a list within the list. Zeros and release names (ga,
final, release) at the end of a list, or before the list within, do not count. At one place: alpha, beta,
milestone, rc (cr), snapshot < the end (and release names) < sp < other words by text < a list that begins
with a number < a number. ``a1 b1 m1`` are alpha, beta and milestone. Case does not count.

Maven 3.9 is circular where a qualifier stands amid numbers (``1.0.beta.2 < 1 < 1-1 < 1.0.beta.2``) or a list
holds nothing but a list of qualifiers. There we do as Maven 4: zeros before any qualifier do not count, a
qualifier amid numbers is a list of its own, and a list of nothing but a list of qualifiers is that list.
Strings of more than 256 characters are outside, as Maven 4 refuses them.
"""

from __future__ import annotations

import re

from hullwatch.advisories.versions.ordered_bytes import ZERO, Table, number, outside, word

# The places of a list, and of a release name with something after it: just beside the end, which it equals.
_OLDER_LIST = b"\x18"
_RELEASE_THEN_OLDER = b"\x20"
_END = b"\x30"
_RELEASE_THEN_NEWER = b"\x40"
_NEWER_LIST = b"\x58"

#: The places of qualifiers.
_QUALIFIERS = {
    "alpha": b"\x10",
    "beta": b"\x11",
    "milestone": b"\x12",
    "rc": b"\x13",
    "cr": b"\x13",
    "snapshot": b"\x14",
    "sp": b"\x50",
}
_UNKNOWN = b"\x51"

_RELEASE_NAMES = frozenset({"ga", "final", "release"})
_BEFORE_DIGITS = {"a": "alpha", "b": "beta", "m": "milestone"}
_MAX_LENGTH = 256

_DIGITS = frozenset("0123456789")
_SEPARATORS = frozenset(".-")

_plain = re.compile(r"[0-9]+(?:\.[0-9]+)*").fullmatch
_tokens = re.compile(r"[0-9]+|[.-]|[^0-9.-]+").findall


def _lists(version: str) -> list[list[str]]:
    """The lists, outermost first: a list holds at most one list, and as its last item.

    Items are digits or qualifiers; ``1.0-alpha1`` is ``1 0``, ``alpha``, ``1``.
    """
    lists: list[list[str]] = [[]]
    before = "."
    tokens = _tokens(version)
    for token, after in zip(tokens, [*tokens[1:], ""], strict=False):
        if token in _SEPARATORS:
            if before in _SEPARATORS:
                lists[-1].append("0")
            if token.startswith("-"):
                lists.append([])
        elif token[0] in _DIGITS:
            lists[-1].append(token)
            if after and after not in _SEPARATORS:
                lists.append([])
        else:
            digits_follow = after[:1] in _DIGITS
            # At the end, or with digits, ".rc" is "-rc".
            if lists[-1] and (digits_follow or not after):
                lists.append([])
            lists[-1].append(_BEFORE_DIGITS.get(token, token) if digits_follow else token)
            if digits_follow:
                lists.append([])
        before = token
    return lists


def _is_zero(item: str) -> bool:
    return not item.strip("0")


def _prepend(item: str, rest: bytes, *, head: bool) -> bytes:
    """``rest`` of a list with ``item`` before it."""
    if item[0] in _DIGITS:
        return number(item) + rest
    if item in _RELEASE_NAMES:
        return (_RELEASE_THEN_OLDER if rest < _END else _RELEASE_THEN_NEWER) + rest
    encoded = _QUALIFIERS.get(item) or _UNKNOWN + word(item)
    return (encoded if head else _nested(encoded + _END)) + rest


def _nested(inner: bytes) -> bytes:
    return (_OLDER_LIST if inner < _END else _NEWER_LIST) + inner


def _begins_with_qualifier(inner: bytes) -> bool:
    return inner[:1] not in (_OLDER_LIST, _NEWER_LIST) and inner[0] < ZERO[0]


def _list(items: list[str], inner: bytes) -> bytes:
    """The place of a list of ``items`` that ends with the list ``inner``."""
    items = list(items)
    while items and (_is_zero(items[-1]) or items[-1] in _RELEASE_NAMES):
        items.pop()
    encoded = inner
    if inner != _END and (items or not _begins_with_qualifier(inner)):
        encoded = _nested(inner) + _END
    qualifier_follows = False
    for place in range(len(items) - 1, -1, -1):
        item = items[place]
        if qualifier_follows and _is_zero(item):
            continue
        encoded = _prepend(item, encoded, head=place == 0)
        qualifier_follows = item[0] not in _DIGITS
    return encoded


_NUMBERS = Table(number)


def key(version: str) -> bytes:
    """The place of a Maven version."""
    if len(version) > _MAX_LENGTH:
        return outside(version)
    if _plain(version):
        parts = version.split(".")
        while parts and _is_zero(parts[-1]):
            parts.pop()
        return b"".join(map(_NUMBERS.__getitem__, parts)) + _END
    encoded = _END
    for items in reversed(_lists(version.strip().lower())):
        encoded = _list(items, encoded)
    return encoded
