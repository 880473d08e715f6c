"""The ndb backend, which SUSE uses: ``Packages.db``.

Its source (``lib/backend/ndb/rpmpkg.c`` of rpm) is its specification. A header and slots fill the first
pages, little-endian throughout; a slot says where a package's blob lies, in blocks of 16 bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from hullwatch.inventory.rpmdb import DatabaseInvalid

_PAGE, _BLOCK = 4096, 16
#: Magic, version, generation, number of pages with slots, next package number; padded to two slots.
_HEADER = struct.Struct("<4sIIII12x")
#: Magic, package number, first block, number of blocks.
_SLOT = struct.Struct("<4sIII")
#: Magic, package number, time of installation, length. A checksum, the length and a magic end the blob.
_BLOB = struct.Struct("<4sIII")
_BLOB_END = 12


def read_headers(content: bytes) -> Iterator[bytes]:
    """The header of every package, in the order of their slots."""
    if len(content) < _HEADER.size:
        raise DatabaseInvalid("not an ndb database")
    magic, version, _, pages, _ = _HEADER.unpack_from(content)
    if magic != b"RpmP":
        raise DatabaseInvalid("not an ndb database")
    if version != 0:
        raise DatabaseInvalid(f"ndb version {version}")
    bytes_left = len(content)
    # A file that breaks off still has the slots, and the blobs, that it has.
    end = min(pages * _PAGE, len(content) - _SLOT.size + 1)
    for at in range(_HEADER.size, end, _SLOT.size):
        slot_magic, number, block, blocks = _SLOT.unpack_from(content, at)
        if slot_magic != b"Slot":
            raise DatabaseInvalid("a damaged slot")
        if not block:
            continue  # free
        blob = _read_blob(content, number, block * _BLOCK, blocks * _BLOCK)
        bytes_left -= len(blob)
        if bytes_left < 0:
            raise DatabaseInvalid("more headers than the file has room for")
        yield blob
    if end < pages * _PAGE:
        raise DatabaseInvalid("it breaks off")


def _read_blob(content: bytes, number: int, start: int, size: int) -> bytes:
    if start + size > len(content) or size < _BLOB.size + _BLOB_END:
        return b""
    magic, owner, _, length = _BLOB.unpack_from(content, start)
    if magic != b"BlbS" or owner != number or _BLOB.size + length + _BLOB_END > size:
        return b""
    start += _BLOB.size
    return content[start : start + length]
