"""What a collector makes of one file of a layer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Protocol

import msgspec

from hullwatch.inventory.package import OsRelease, Package

_BATCH = 4096


class Ownership(msgspec.Struct, frozen=True, kw_only=True):
    """Files that distribution packages installed, relative to the root and without a leading slash."""

    paths: tuple[str, ...]


def ownerships(paths: Iterable[str]) -> Iterator[Ownership]:
    """Records of some files each, so that a list of any length takes little memory."""
    remaining = iter(paths)
    while batch := tuple(islice(remaining, _BATCH)):
        yield Ownership(paths=batch)


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


class ProgramCollector(Protocol):
    """One language's word on its compiled programs: a module of :mod:`hullwatch.inventory.programs`."""

    NAME: str
    VERSION: int
    #: Bytes with which what it reads begins.
    MARKS: tuple[bytes, ...]
    #: Where it is: in what the loader maps, or in the sections for other tools behind that.
    MAPPED: bool
    #: Bytes from the mark on that it reads at most.
    MAX_BYTES: int

    def begins(self, head: bytes) -> bool:
        """Whether ``head``, a mark and up to some 250 bytes after it, is what it reads."""
        ...

    def parse(self, path: str, excerpt: bytes) -> Iterable[Package]:
        """The packages in a program, from the mark on. Pure; raises :class:`Unreadable`."""
        ...
