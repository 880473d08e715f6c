"""Byte strings that sort like what they stand for: the numbers and words that all version keys are made of.

Numbers begin with a byte from 0x80 to 0xE0, so a scheme is free to give its markers the bytes below (older
than any number) and above (newer).
"""

from __future__ import annotations

from collections.abc import Callable

#: First byte of the key of a string that is no version of its scheme.
OUTSIDE = b"\x00"

_NUMBER = 0x80
#: Digits that fit the one-byte length; longer numbers carry their length in four bytes.
_SHORT = 0x60

#: A table stops growing here, and never keeps a token longer than this: the input is not ours.
_TABLE_ENTRIES = 8192
_TABLE_TOKEN = 16


def number(digits: str) -> bytes:
    """A natural number of any size from its decimal digits; no digits are zero, leading zeros do not count.

    >>> number("9") < number("10") == number("010")
    True
    """
    significant = digits.lstrip("0").encode("ascii")
    length = len(significant)
    if length < _SHORT:
        return bytes((_NUMBER + length,)) + significant
    return bytes((_NUMBER + _SHORT,)) + length.to_bytes(4, "big") + significant


ZERO = number("0")


def text(word: str) -> bytes:
    """A word by its bytes, for the last place in a key. Lone surrogates are kept: no string raises."""
    return word.encode("utf-8", "surrogatepass")


def word(letters: str) -> bytes:
    """A word by its bytes, closed so that it sorts before every longer word. NUL bytes are dropped."""
    return text(letters).replace(b"\x00", b"") + b"\x00"


def outside(version: str) -> bytes:
    """The key of a string that its scheme cannot read: below every version, by its text."""
    return OUTSIDE + text(version)


class Table(dict[str, bytes]):
    """The encodings of tokens seen before. Nearly all versions are made of a few thousand tokens.

    Looking a token up costs a fifth of encoding it. The table is bounded, so that hostile versions cost time
    at most, never memory.
    """

    def __init__(self, encode: Callable[[str], bytes]) -> None:
        super().__init__()
        self._encode = encode

    def __missing__(self, token: str) -> bytes:
        value = self._encode(token)
        if len(self) < _TABLE_ENTRIES and len(token) <= _TABLE_TOKEN:
            self[token] = value
        return value
