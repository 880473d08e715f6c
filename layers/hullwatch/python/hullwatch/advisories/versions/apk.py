"""Alpine and its kin: ``digits{.digits}{letter}{_suffix{digits}}{~hash}{-rdigits}``, apk-tools 3 version.c.

Fields are compared one by one. A number after a dot that begins with a zero is compared as text (``1.01 <
1.1``, as in Gentoo). Where one version goes on and the other does not, the longer one is newer, except for
the suffixes ``_alpha _beta _pre _rc``; ``_cvs _svn _git _hg _p`` come after the release.

Outside the grammar we read what apk-tools 2 read, since its tests are what others check against: a missing
number is 0, a letter may be followed by more numbers (``6.6.1p1``), and where the grammar breaks off, the
rest does not count but makes the version newer than everything that has the same valid beginning.
"""

from __future__ import annotations

import re

from hullwatch.advisories.versions.ordered_bytes import Table, number, word

# What follows the fields that are equal so far, oldest first.
_PRE_SUFFIXES = {"alpha": b"\x10", "beta": b"\x11", "pre": b"\x12", "rc": b"\x13"}
_END = b"\x20"
_REVISION = b"\x30"
_HASH = b"\x38"
_SUFFIX_NUMBER = b"\x40"
_POST_SUFFIXES = {"cvs": b"\x50", "svn": b"\x51", "git": b"\x52", "hg": b"\x53", "p": b"\x54"}
_LETTER = b"\x60"
_DIGITS = b"\x70"
_BROKEN = b"\x78"

_SUFFIXES = _PRE_SUFFIXES | _POST_SUFFIXES

_fields = re.compile(
    r"([0-9]*)((?:\.[0-9]*)*)([a-z](?:[0-9]++(?:\.[0-9]++)*+[a-z]?)*+)?((?:_(?:alpha|beta|pre|rc|cvs|svn|git|hg|p)(?![a-z])[0-9]*+)*)"
    r"(?:~([0-9a-f]+))?(?:-r([0-9]*))?"
).match
_lettered = re.compile(r"[a-z]|\.?[0-9]+").findall
_suffixes = re.compile(r"_([a-z]+)([0-9]*)").findall


def _dotted(digits: str) -> bytes:
    if digits and digits[0] != "0":
        return _DIGITS + number(digits)
    return _DIGITS + word(digits or "0")


def _letter(token: str) -> bytes:
    encoded = b""
    for part in _lettered(token):
        if part[0] == ".":
            encoded += _dotted(part[1:])
        else:
            encoded += _DIGITS + number(part) if part[0].isdigit() else _LETTER + part.encode()
    return encoded


def _suffix(token: str) -> bytes:
    encoded = b""
    for name, digits in _suffixes(token):
        encoded += _SUFFIXES[name]
        if digits:
            encoded += _SUFFIX_NUMBER + number(digits)
    return encoded


_NUMBERS = Table(number)
_DOTTED = Table(_dotted)
_LETTERED = Table(_letter)
_SUFFIXED = Table(_suffix)
_REVISIONS = Table(lambda digits: _REVISION + number(digits) + _END)


def key(version: str) -> bytes:
    """The place of an apk version."""
    version = version.strip()
    found = _fields(version)
    assert found is not None, "every field is optional"
    first, dotted, letter, suffixes, commit, revision = found.groups()
    encoded = _NUMBERS[first]
    if dotted:
        encoded += b"".join(map(_DOTTED.__getitem__, dotted[1:].split(".")))
    if letter:
        encoded += _LETTERED[letter]
    if suffixes:
        encoded += _SUFFIXED[suffixes]
    if commit:
        encoded += _HASH + word(commit)
    if found.end() != len(version):
        if revision is not None:
            encoded += _REVISION + number(revision)
        return encoded + _BROKEN
    return encoded + (_END if revision is None else _REVISIONS[revision])
