"""Installed PHP packages: Composer's ``vendor/composer/installed.json``.

Composer 1 writes a list of packages, Composer 2 an object with that list as ``packages``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from hullwatch.inventory.package import Package
from hullwatch.inventory.records import Unreadable

NAME = "php"
VERSION = 1
PATHS = ("**/composer/installed.json",)
MAX_BYTES = 16 << 20


class _Installed(msgspec.Struct):
    name: Any = None
    version: Any = None
    license: Any = None


class _Composer2(msgspec.Struct):
    packages: list[_Installed] = []


_decoder = msgspec.json.Decoder(_Composer2 | list[_Installed])


def parse(path: str, content: bytes) -> Iterable[Package]:
    """Every installed package. Versions go without the ``v`` of their tags, as in advisories."""
    try:
        document = _decoder.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Unreadable(f"not what Composer writes: {error}") from None
    for item in document.packages if isinstance(document, _Composer2) else document:
        if not (isinstance(item.name, str) and isinstance(item.version, str)):
            continue
        name, version = item.name, item.version
        if version[:1] == "v" and version[1:2].isdigit():
            version = version[1:]
        if not name or not version:
            continue
        licenses = item.license if isinstance(item.license, list) else [item.license]
        yield Package(
            type="composer",
            name=name,
            version=version,
            licenses=tuple(text for text in licenses if isinstance(text, str) and text),
            locations=(path,),
        )
