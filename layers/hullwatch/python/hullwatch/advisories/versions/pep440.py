"""Python: PEP 440 (now the version specifiers specification), all spellings that it normalises.

Order within an epoch: release numbers without zeros at the end, then ``.devN`` < ``aN`` < ``bN`` < ``rcN`` <
final < ``.postN``, with a ``.devN`` of each before it, and local versions after the public one (words before
numbers). https://packaging.python.org/en/latest/specifications/version-specifiers/

What is no PEP 440 version is outside: below all of them, in the order that setuptools once gave such
versions (``pkg_resources.parse_version`` before it dropped them).
"""

from __future__ import annotations

import re

from hullwatch.advisories.versions.ordered_bytes import OUTSIDE, ZERO, Table, number, word

# After the release numbers, all below any number. Pre-release: dev only, a, b, rc, none.
_DEV_ONLY = b"\x01"
_PRE = {"a": b"\x02", "alpha": b"\x02", "b": b"\x03", "beta": b"\x03"}
_RC = b"\x04"
_NO_PRE = b"\x05"
_NO_POST = b"\x01"
_POST = b"\x02"
_DEV = b"\x01"
_NO_DEV = b"\x02"
# Local versions: none, or segments; words before numbers.
_LOCAL_END = b"\x00"
_LOCAL_WORD = b"\x01"

_FINAL = _NO_PRE + _NO_POST + _NO_DEV + _LOCAL_END

_plain = re.compile(r"[0-9]+(?:\.[0-9]+)*").fullmatch
_parse = re.compile(
    r"""
    v?(?:([0-9]+)!)?                                                 # epoch
    ([0-9]+(?:\.[0-9]+)*)                                            # release
    (?:[-_.]?(alpha|a|beta|b|preview|pre|c|rc)[-_.]?([0-9]*))?       # pre-release
    (?:-([0-9]+)|[-_.]?(post|rev|r)[-_.]?([0-9]*))?                  # post-release
    (?:[-_.]?(dev)[-_.]?([0-9]*))?                                   # development release
    (?:\+([a-z0-9]+(?:[-_.][a-z0-9]+)*))?                            # local version
    """,
    re.VERBOSE | re.ASCII,
).fullmatch
_local_segments = re.compile(r"[a-z0-9]+").findall

_NUMBERS = Table(number)


def _release(dotted: str) -> bytes:
    parts = dotted.split(".")
    while parts and not parts[-1].strip("0"):
        parts.pop()
    return b"".join(map(_NUMBERS.__getitem__, parts))


def _local(local: str) -> bytes:
    segments = _local_segments(local)
    return (
        b"".join(number(part) if part.isdigit() else _LOCAL_WORD + word(part) for part in segments)
        + _LOCAL_END
    )


def key(version: str) -> bytes:
    """The place of a Python package version."""
    if _plain(version):
        return ZERO + _release(version) + _FINAL
    version = version.strip().lower()
    found = _parse(version)
    if found is None:
        return _legacy(version)
    epoch, release, pre, pre_number, post_hyphen, post, post_number, dev, dev_number, local = found.groups()
    encoded = (number(epoch) if epoch else ZERO) + _release(release)
    has_post = post is not None or post_hyphen is not None
    if pre is not None:
        encoded += _PRE.get(pre, _RC) + _NUMBERS[pre_number]
    elif dev is not None and not has_post:
        encoded += _DEV_ONLY
    else:
        encoded += _NO_PRE
    encoded += _POST + _NUMBERS[post_hyphen or post_number or ""] if has_post else _NO_POST
    encoded += _DEV + _NUMBERS[dev_number] if dev is not None else _NO_DEV
    return encoded + (_local(local) if local else _LOCAL_END)


# --- versions from before PEP 440 ---------------------------------------------------------------------------

_legacy_parts = re.compile(r"[0-9]+|[a-z]+|-|[^0-9a-z.-]+").findall
_DIGITS = frozenset("0123456789")
_LEGACY_WORDS = {"pre": "c", "preview": "c", "rc": "c", "dev": "@", "-": "final-"}


def _legacy(version: str) -> bytes:
    """Numbers and words in setuptools' order: a word before ``final`` is a pre-release, one after it is not.

    A dash is a word just after ``final``; dashes before a pre-release word, and zeros before any word, do
    not count. Words are marked with ``*``, which sorts before digits.
    """
    parts: list[str] = []
    for token in [*_legacy_parts(version), "final"]:
        if token[0] in _DIGITS:
            parts.append(token)
            continue
        name = _LEGACY_WORDS.get(token, token)
        if name < "final":
            while parts and parts[-1] == "final-":
                parts.pop()
        while parts and not parts[-1].strip("0"):
            parts.pop()
        parts.append(name)
    encoded = (b"0" + number(part) if part[0] in _DIGITS else b"*" + word(part) for part in parts)
    return OUTSIDE + b"".join(encoded)
