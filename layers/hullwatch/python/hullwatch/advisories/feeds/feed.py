"""What every feed module offers, and what its documents may cost."""

from __future__ import annotations

import gzip
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Protocol, TypeVar

import msgspec

from hullwatch.advisories.record import Reading, Record
from hullwatch.errors import FeedInvalid

_MIB = 1024 * 1024
_Form = TypeVar("_Form")
#: No single record or JSON document is larger than this.
MAX_DOCUMENT = 512 * _MIB
_MAX_ENTRY = 32 * _MIB
_MAX_ARCHIVE = 8192 * _MIB
_MAX_ENTRIES = 2_000_000


#: Fetches a small text that leads to a document: ``ask(url, limit)``.
Ask = Callable[[str, int], bytes]
#: Puts a document together from others: ``collect(listing, since, ask, out)``. The listing names them;
#: ``since`` is the ``Last-Modified`` of the document that it adds to.
Collect = Callable[[bytes, str, Ask, IO[bytes]], None]


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """One file of a feed: where it lies in a mirror, and where the publisher has it."""

    #: Relative to the mirror's root, ``osv/PyPI/all.zip``.
    path: str
    url: str
    #: The most bytes that are fetched.
    limit: int = 256 * _MIB
    #: Its absence is no failure: a release that is not published yet.
    optional: bool = False
    #: Where the publisher keeps the document under changing names: finds its URL, beginning at ``url``.
    locate: Callable[[str, Ask], str] | None = None
    #: Another document of the feed, by path, which comes seldom: this one is put together, from the listing
    #: at ``url``, of what has changed since.
    adds_to: str = ""
    collect: Collect | None = None
    #: Further documents, by a catalogue of the publisher's.
    catalogue: Callable[[Ask], tuple[Document, ...]] | None = None


class Feed(Protocol):
    """A feed is a module with these names."""

    #: As ``hullwatch advisories status`` shows it.
    NAME: str
    #: Raised whenever the same document would be read differently.
    VERSION: int
    #: Days after which the feed counts as stale.
    MAX_AGE: int
    LICENCE: str

    def documents(self) -> tuple[Document, ...]:
        """What is fetched from the publisher or from an HTTP mirror."""

    def find(self, mirror: Path) -> dict[str, str]:
        """What a mirror directory holds of this feed: document -> path, both relative to the mirror.

        They differ where a copy has a date or a part in its name: the document stays the same.
        """

    def read(self, path: Path, log: Reading) -> Iterator[Record]:
        """The records of one document.

        :raises FeedInvalid: the document is damaged or not of the feed's schema.
        """


def each(mirror: Path, *patterns: str) -> dict[str, str]:
    """Every file of a mirror directory that fits one of the patterns, as a document of its own."""
    found = {path for pattern in patterns for path in mirror.glob(pattern) if path.is_file()}
    names = sorted(path.relative_to(mirror).as_posix() for path in found)
    return dict(zip(names, names, strict=True))


def newest(mirror: Path, document: str, pattern: str) -> dict[str, str]:
    """The one document of a feed: under its own name, else the last file that fits the pattern."""
    if (mirror / document).is_file():
        return {document: document}
    dated = list(each(mirror, pattern))
    return {document: dated[-1]} if dated else {}


def archive_entries(path: Path, suffix: str) -> Iterator[tuple[str, bytes]]:
    """Name and content of every file of a zip archive that ends in ``suffix``, in the archive's order.

    Nothing is extracted: names are names, never paths. Declared sizes are checked before anything is
    inflated, and no entry yields more than it declares.

    :raises FeedInvalid: damaged, truncated or larger than any real feed.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            entries = [entry for entry in archive.infolist() if entry.filename.endswith(suffix)]
            if len(entries) > _MAX_ENTRIES or sum(entry.file_size for entry in entries) > _MAX_ARCHIVE:
                raise FeedInvalid("the archive inflates to more than the limit")
            for entry in entries:
                if entry.file_size > _MAX_ENTRY:
                    raise FeedInvalid(f"{entry.filename[:200]!r} is larger than any record")
                yield entry.filename, archive.read(entry)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError) as error:
        raise FeedInvalid(f"not a readable zip archive: {error}") from error


def content(path: Path, limit: int = MAX_DOCUMENT) -> bytes:
    """A whole document, inflated when it is gzip.

    :raises FeedInvalid: damaged, or more than ``limit`` bytes.
    """
    return b"".join(chunks(path, limit))


def chunks(path: Path, limit: int = MAX_DOCUMENT) -> Iterator[bytes]:
    """A document piece by piece, inflated when it is gzip.

    :raises FeedInvalid: damaged, or more than ``limit`` bytes.
    """
    size = 0
    try:
        with path.open("rb") as plain:
            packed = plain.read(2) == b"\x1f\x8b"
            plain.seek(0)
            file = gzip.GzipFile(fileobj=plain) if packed else plain
            while data := file.read(_MIB):
                size += len(data)
                if size > limit:
                    raise FeedInvalid(f"more than {limit} bytes")
                yield data
    except (OSError, EOFError, zlib.error) as error:
        raise FeedInvalid(f"not readable: {error}") from error


def parse(data: bytes, form: type[_Form]) -> _Form:
    """A JSON document of the given form.

    :raises FeedInvalid: not JSON, or not of that form.
    """
    try:
        return msgspec.json.decode(data, type=form)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise FeedInvalid(f"not of the feed's schema: {error}") from error


def one_line(text: str, length: int = 200) -> str:
    """The beginning of a text on one line, for a summary."""
    line = " ".join(text[: 4 * length].split())
    return line if len(line) <= length else line[: length - 1].rstrip() + "…"
