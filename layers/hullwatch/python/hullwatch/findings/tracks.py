"""Tracks: which tags are successive versions of the same thing.

Two tags are of one lineage when the same build template could have written both. What such a template
fills in (versions, dates, build numbers, commit ids) becomes ``*``, and everything else stays as it is:
``main-3f2a1c9`` is ``main-*``, ``v1.4.2`` is ``v*``, ``1.27-alpine3.19`` is ``*-alpine*``, and ``latest`` is
``latest``.

A number written directly behind letters belongs to a name (``amd64``, ``jdk21``, ``ubi9``) and stays, unless
it is dotted (``php8.2``), the letters announce a number (``v1``, ``rc2``, ``build77``), or the word began
with a number (``8u412``). Where a project means something else, a rule of the configuration says so.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase

from hullwatch.settings import TrackRule

_START = r"(?<![0-9A-Za-z])"
_END = r"(?![0-9A-Za-z])"

_UUID = re.compile(rf"{_START}[0-9a-f]{{8}}(?:-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}}{_END}", re.IGNORECASE)

#: A calendar date, and what only ever follows one: a time behind ``T``, a zone, a dotted serial number.
#: A number behind another separator is left to stand alone, because it may be a commit id without letters.
_DATE = re.compile(
    rf"""(?<!\d\.){_START}
    20\d\d([-_.]?)(?:0[1-9]|1[0-2])\1(?:0[1-9]|[12]\d|3[01])
    (?:T\d\d(?:[-_.]?\d\d){{0,2}})?
    Z?
    (?:\.\d+)*
    {_END}""",
    re.VERBOSE | re.IGNORECASE,
)

#: At least seven hexadecimal digits (git's default abbreviation), at most the 64 of SHA-256. Without a letter
#: among them they are found as a number; ``g`` is what ``git describe`` puts in front.
_COMMIT = re.compile(rf"{_START}(g?)(?:(?<=g)|(?=\d*[a-f]))[0-9a-f]{{7,64}}{_END}", re.IGNORECASE)

_WORD = re.compile(r"[^-_]+")
_NUMBER = re.compile(r"([A-Za-z]*)(\d+(?:\.\d+)*)")

#: Words that announce a number rather than being a name together with it.
_ANNOUNCING = frozenset(
    {
        *("v", "ver", "version", "r", "rev", "rel", "release"),
        *("b", "build", "run", "ci", "pr", "mr"),
        *("rc", "alpha", "beta", "pre", "preview"),
    }
)


def lineage_of(tag: str) -> str:
    """The default lineage of a tag (see the module's text).

    A tag has at most 128 characters of letters, digits, ``_``, ``.`` and ``-``, so a ``*`` in the result is
    never the tag's own. The function is idempotent.
    """
    tag = _UUID.sub("*", tag)
    tag = _DATE.sub("*", tag)
    tag = _COMMIT.sub(r"\1*", tag)
    return _WORD.sub(_generalise, tag)


def _generalise(word: re.Match[str]) -> str:
    text = word[0]
    begins_with_number = text[0].isdigit() or text[0] == "*"

    def replace(found: re.Match[str]) -> str:
        letters, number = found.groups()
        at_start = found.start() == 0 or text[found.start() - 1] == "."
        if (
            not letters
            or "." in number
            or begins_with_number
            or (at_start and letters.lower() in _ANNOUNCING)
        ):
            return f"{letters}*"
        return found[0]

    return _NUMBER.sub(replace, text)


def lineage(repository: str, tag: str, rules: Sequence[TrackRule] = ()) -> str:
    """The name of the first rule that matches ``repository:tag``, else the default lineage of the tag."""
    name = f"{repository}:{tag}"
    for rule in rules:
        if fnmatchcase(name, rule.match):
            return rule.name
    return lineage_of(tag)
