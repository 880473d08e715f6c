"""Packages of .NET applications: the dependency file that the SDK publishes beside each.

"Runtime configuration files", ``<app>.deps.json`` in the documentation of the .NET host. ``libraries`` names
what was restored as ``Name/Version``; the application itself and its other projects are of type ``project``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from hullwatch.inventory.package import Package
from hullwatch.inventory.records import Unreadable

NAME = "dotnet"
VERSION = 1
PATHS = ("**/*.deps.json",)
MAX_BYTES = 16 << 20


class _Library(msgspec.Struct):
    type: Any = None


class _Dependencies(msgspec.Struct):
    libraries: dict[str, _Library] = {}


_decoder = msgspec.json.Decoder(_Dependencies)


def parse(path: str, content: bytes) -> Iterable[Package]:
    """The NuGet packages of an application."""
    try:
        document = _decoder.decode(content.removeprefix(b"\xef\xbb\xbf"))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Unreadable(f"not a dependency file of .NET: {error}") from None
    for library, details in document.libraries.items():
        name, _, version = library.partition("/")
        if details.type == "package" and name and version:
            yield Package(type="nuget", name=name, version=version, locations=(path,))
