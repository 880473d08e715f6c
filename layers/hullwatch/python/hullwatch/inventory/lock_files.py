"""What the collectors of lock files have in common: where such a file counts, and how it is opened.

A lock file says what somebody meant to install. Its packages are marked ``declared_only``, and the overlay
drops them where installed ones of the same kind speak for themselves.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import msgspec

from hullwatch.inventory.records import Unreadable

#: Bytes. The longest in use have some 5 MiB.
MAX_BYTES = 32 << 20
#: Dots in a line of TOML. A key's parts cost their square, and no lock file has keys of more than a few.
_MAX_DOTS = 500
#: Directories of installed or cached packages and of tests: a lock file there is of whoever made the package.
_ELSEWHERE = frozenset(
    {
        ".cargo",
        ".git",
        ".pub-cache",
        "__tests__",
        "dist-packages",
        "doc",
        "example",
        "examples",
        "fixture",
        "fixtures",
        "gems",
        "node_modules",
        "site-packages",
        "spec",
        "test",
        "testdata",
        "tests",
        "vendor",
    }
)


def counts(path: str) -> bool:
    """Whether a lock file is the image's own, not one that came inside a package."""
    return "/pkg/mod/" not in f"/{path}" and _ELSEWHERE.isdisjoint(path.split("/")[:-1])


def load_json(content: bytes) -> dict[str, Any]:
    """The object of a JSON document. Raises :class:`~hullwatch.inventory.records.Unreadable`."""
    try:
        return _json.decode(content.removeprefix(b"\xef\xbb\xbf"))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Unreadable(f"the lock file is no JSON object: {error}") from None


def lines(content: bytes) -> Iterator[str]:
    """The lines of a text, one at a time: a list of short ones takes twenty times the file."""
    for line in io.BytesIO(content):
        yield line.decode("utf-8", "replace").rstrip("\r\n")


def load_toml(content: bytes) -> dict[str, Any]:
    """The table of a TOML document. Raises :class:`~hullwatch.inventory.records.Unreadable`."""
    import tomllib  # few images have such a file

    if any(line.count(b".") > _MAX_DOTS for line in io.BytesIO(content)):
        raise Unreadable(f"the lock file has a line with more than {_MAX_DOTS} dots")
    try:
        return tomllib.loads(content.decode())
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"the lock file is not TOML: {error}") from None


def table(value: object) -> dict[str, Any]:
    """``value`` if it is a table with names as keys, else an empty one."""
    return value if isinstance(value, dict) else {}


def tables(value: object) -> list[dict[str, Any]]:
    """The tables of a list; nothing for what is none."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def text(value: object) -> str:
    """``value`` if it is text, else nothing."""
    return value if isinstance(value, str) else ""


_json = msgspec.json.Decoder(dict[str, Any])
