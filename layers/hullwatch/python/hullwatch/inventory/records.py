"""What a collector makes of one file of a layer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

import msgspec

from hullwatch.inventory.package import OsRelease, Package


class Ownership(msgspec.Struct, frozen=True, kw_only=True):
    """Files that distribution packages installed, relative to the root and without a leading slash."""

    paths: tuple[str, ...]


#: One thing that a file says.
Record = Package | Ownership | OsRelease


class Unreadable(ValueError):
    """Raised by a collector for a file that is not what its name promises. Costs the rest of that file."""


class Collector(Protocol):
    """One ecosystem: a module of :mod:`hullwatch.inventory.collectors`."""

    #: The collector's name, the same for ever.
    NAME: str
    #: Counted up whenever the same file would give other records: layers are then read again.
    VERSION: int
    #: The files it wants, as patterns relative to the root. ``*`` stands for anything within one name, ``**``
    #: for any directories. The last name must be literal, ``*`` or ``*.extension``; ``*`` needs a literal
    #: directory.
    PATHS: tuple[str, ...]
    #: Bytes. A larger file is reported, not read.
    MAX_BYTES: int

    def parse(self, path: str, content: bytes) -> Iterable[Record]:
        """The records of one file. Pure: no other file, no clock, no network.

        Raises :class:`Unreadable` with one line for people. Any other exception is taken for the same.
        """
        ...
