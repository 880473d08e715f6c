"""The Berkeley DB backend, the default before rpm 4.16: ``Packages``, a hash file.

Its header file (``src/dbinc/db_page.h`` of Berkeley DB) is its specification. All pages are of one size;
those of the hash table hold keys and values in turn, and a value too large for them lies in a chain of pages
of its own. The byte order is that of the machine that wrote the file.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from itertools import pairwise

from hullwatch.inventory.rpmdb import DatabaseInvalid

#: Magic at 12, version at 16, page size at 20, encryption at 24, type at 25, flags at 26, last page at 32.
_META_FIELDS = "12xIIIBBB5xI"
_MAGIC, _VERSIONS, _HASH_META = 0x061561, range(7, 11), 8
_CHECKSUMS = 1
_META_SIZE = 512
#: Keys of one file; a machine with everything installed has some 100,000.
_MAX_PAIRS = 1_000_000
_PAGE_SIZES = frozenset(1 << exponent for exponent in range(9, 17))
#: Next page at 16, entries at 20, bytes (of an overflow page) at 22, type at 25.
_PAGE_FIELDS = "16xIHHxB"
_PAGE_HEADER = 26
_OVERFLOW, _HASH_UNSORTED, _HASH = 7, 2, 13
#: The first byte of an item, and what follows it: a short value, or first page and length of a long one.
_SHORT, _LONG = 1, 3
_LONG_FIELDS = "4xII"


def read_headers(content: bytes) -> Iterator[bytes]:
    """The header of every package, in the order of the pages."""
    yield from _HashFile(content).values()


class _HashFile:
    def __init__(self, content: bytes) -> None:
        order = next((order for order in "<>" if _magic(content, order) == _MAGIC), None)
        if len(content) < _META_SIZE or order is None:
            raise DatabaseInvalid("not a Berkeley DB hash file")
        _, version, size, encryption, kind, flags, last = struct.unpack_from(order + _META_FIELDS, content)
        if version not in _VERSIONS or kind != _HASH_META or size not in _PAGE_SIZES:
            raise DatabaseInvalid(f"a Berkeley DB hash file of version {version} with pages of {size} bytes")
        if encryption or flags & _CHECKSUMS:
            raise DatabaseInvalid("an encrypted or checksummed file, which rpm does not write")
        self._content = content
        self._page_size = size
        self._size = (last + 1) * size
        self._page = struct.Struct(order + _PAGE_FIELDS)
        self._long = struct.Struct(order + _LONG_FIELDS)
        self._index = order + "{}H"
        #: No page belongs to two values: how many may still be read, and how many bytes given.
        self._pages_left = len(content) // size
        self._bytes_left = len(content)
        self._pairs_left = _MAX_PAIRS

    def values(self) -> Iterator[bytes]:
        """The values of all keys but 0, which stands for the last package number given."""
        for start in range(self._page_size, len(self._content) - self._page_size + 1, self._page_size):
            _, entries, _, kind = self._page.unpack_from(self._content, start)
            if kind in (_HASH, _HASH_UNSORTED):
                page = self._content[start : start + self._page_size]
                yield from self._values_of(page, entries)
        if len(self._content) < self._size:
            raise DatabaseInvalid(f"it breaks off after {len(self._content)} of {self._size} bytes")

    def _values_of(self, page: bytes, entries: int) -> Iterator[bytes]:
        first = _PAGE_HEADER + 2 * entries
        if first > len(page):
            yield b""
            return
        offsets = (len(page), *struct.unpack_from(self._index.format(entries), page, _PAGE_HEADER))
        # Items fill a page from its end: each reaches to where the one before begins.
        if offsets[-1] < first or any(start > end for end, start in pairwise(offsets)):
            yield b""
            return
        items = [page[start:end] for end, start in pairwise(offsets)]
        self._pairs_left -= entries // 2
        if self._pairs_left < 0:
            raise DatabaseInvalid(f"more than {_MAX_PAIRS} keys")
        for key, value in zip(items[::2], items[1::2], strict=False):
            if key.strip(b"\0") != bytes([_SHORT]):
                yield self._value(value)

    def _value(self, item: bytes) -> bytes:
        value = b""
        if item[:1] == bytes([_SHORT]):
            value = item[1:]
        elif item[:1] == bytes([_LONG]) and len(item) == self._long.size:
            value = self._long_value(*self._long.unpack(item))
        self._bytes_left -= len(value)
        if self._bytes_left < 0:
            raise DatabaseInvalid("more headers than the file has room for")
        return value

    def _long_value(self, number: int, length: int) -> bytes:
        parts: list[bytes] = []
        missing = length
        while missing > 0 and number:
            start = number * self._page_size
            if start + self._page_size > len(self._content):
                return b""
            self._pages_left -= 1
            if self._pages_left < 0:
                raise DatabaseInvalid("headers that share their pages")
            number, _, size, kind = self._page.unpack_from(self._content, start)
            if kind != _OVERFLOW or size > self._page_size - _PAGE_HEADER:
                return b""
            parts.append(self._content[start + _PAGE_HEADER : start + _PAGE_HEADER + size])
            missing -= size
        return b"" if missing else b"".join(parts)


def _magic(content: bytes, order: str) -> int:
    magic: int = struct.unpack_from(order + "12xI", content.ljust(16, b"\0"))[0]
    return magic
