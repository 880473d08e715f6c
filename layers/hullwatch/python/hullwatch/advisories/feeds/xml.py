"""XML documents read element by element, without ever declaring anything.

No feed has a document type: one that comes with a DTD is refused before it can declare an entity, so that
neither expansion nor external references exist. What lies outside the wanted elements is not kept.
"""

from __future__ import annotations

import bz2
import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, cast
from xml.etree.ElementTree import Element
from xml.parsers import expat

from hullwatch.errors import FeedInvalid

_CHUNK = 256 * 1024
#: Bytes after inflation: several times the largest real document.
_LIMIT = 4096 * 1024 * 1024
_DEPTH = 64


def elements(path: Path, *wanted: str, limit: int = _LIMIT) -> Iterator[Element]:
    """The elements of the given local names, each complete, in the order of the document.

    Tags inside them are local names too. Plain, gzip and bzip2 documents are read.

    :raises FeedInvalid: damaged, truncated, with a document type, or more than ``limit`` bytes.
    """
    collector = _Collector(frozenset(wanted))
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.StartElementHandler = collector.start
    parser.CharacterDataHandler = collector.text
    parser.EndElementHandler = collector.end
    parser.StartDoctypeDeclHandler = _refuse
    size = 0
    try:
        with _open(path) as stream:
            while data := stream.read(_CHUNK):
                size += len(data)
                if size > limit:
                    raise FeedInvalid(f"more than {limit} bytes")
                parser.Parse(data, False)
                yield from collector.done
                collector.done.clear()
        parser.Parse(b"", True)
    except expat.ExpatError as error:
        raise FeedInvalid(f"not well-formed XML: {error}") from error
    except (OSError, EOFError, zlib.error) as error:
        raise FeedInvalid(f"not readable: {error}") from error
    yield from collector.done


class _Collector:
    """Builds the wanted elements out of the parser's events, and nothing else."""

    def __init__(self, wanted: frozenset[str]) -> None:
        self._wanted = wanted
        #: From the wanted element down to the current one.
        self._inside: list[Element] = []
        self._depth = 0
        self.done: list[Element] = []

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth > _DEPTH:
            raise FeedInvalid(f"nested more than {_DEPTH} deep")
        tag = _local(name)
        if self._inside or tag in self._wanted:
            element = Element(tag, {_local(key): value for key, value in attributes.items()})
            if self._inside:
                self._inside[-1].append(element)
            self._inside.append(element)

    def text(self, data: str) -> None:
        # Mixed content does not occur: what follows a child is white space.
        if self._inside and not len(self._inside[-1]):
            self._inside[-1].text = (self._inside[-1].text or "") + data

    def end(self, _: str) -> None:
        self._depth -= 1
        if self._inside:
            element = self._inside.pop()
            if not self._inside:
                self.done.append(element)


def _refuse(*_: object) -> None:
    raise FeedInvalid("the document declares a type, which no feed does")


def _open(path: Path) -> IO[bytes]:
    with path.open("rb") as file:
        magic = file.read(3)
    if magic[:2] == b"\x1f\x8b":
        return cast("IO[bytes]", gzip.open(path))
    return cast("IO[bytes]", bz2.open(path)) if magic == b"BZh" else path.open("rb")


def _local(name: str) -> str:
    return name.rpartition(" ")[2]


def text_of(element: Element, tag: str) -> str:
    """The stripped text of a child; empty when there is none."""
    return (element.findtext(tag) or "").strip()
