"""Packages of conda environments: one record per package in ``conda-meta``.

conda documentation, "Managing environments": the records are what ``conda list`` reads.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from hullwatch.inventory.package import Package
from hullwatch.inventory.records import Unreadable

NAME = "conda"
VERSION = 1
PATHS = ("**/conda-meta/*.json",)
#: A record lists every file of its package.
MAX_BYTES = 32 << 20


class _Record(msgspec.Struct):
    name: Any = None
    version: Any = None
    license: Any = None


_decoder = msgspec.json.Decoder(_Record)


def parse(path: str, content: bytes) -> Iterable[Package]:
    """The package that a record describes; nothing for other files of the directory."""
    try:
        record = _decoder.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Unreadable(f"not valid JSON: {error}") from None
    name, version = record.name, record.version
    if isinstance(name, str) and isinstance(version, str) and name and version:
        text = record.license
        yield Package(
            type="conda",
            name=name,
            version=version,
            licenses=(text,) if isinstance(text, str) and text else (),
            locations=(path,),
        )
