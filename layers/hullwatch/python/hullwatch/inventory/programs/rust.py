"""Crates of Rust programs: what ``cargo auditable`` embeds in them, zlib over JSON.

cargo-auditable, PARSING.md. It is the section ``.dep-v0``, which is not loaded: it lies behind all segments,
mostly among a few kilobytes. The table of sections comes later still, so that a stream is read by its
content, which nothing else has.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from typing import Any

import msgspec

from hullwatch.inventory.package import Package
from hullwatch.inventory.records import Unreadable

NAME = "rust"
VERSION = 2
#: The headers of zlib (RFC 1950) that compressors write.
MARKS = (b"x\x9c", b"x\xda", b"x\x01")
MAPPED = False
MAX_BYTES = 1 << 20

_MAX_UNPACKED = 8 << 20
_BLOCK_TYPE = 0b110
_COMPRESSED = (0b010, 0b100)
_FIRST = b'{"packages":['


class _Crate(msgspec.Struct):
    name: str
    version: str
    kind: Any = None


class _Audit(msgspec.Struct):
    packages: list[_Crate]


_decoder = msgspec.json.Decoder(_Audit)


def begins(head: bytes) -> bool:
    """Whether a header of zlib is that of audit data."""
    # RFC 1951, 3.2.3: compressed with fixed or dynamic codes; sorts out most chance hits at once.
    if len(head) < 3 or head[2] & _BLOCK_TYPE not in _COMPRESSED:
        return False
    try:
        return zlib.decompressobj().decompress(head, len(_FIRST)) == _FIRST
    except zlib.error:
        return False


def parse(path: str, excerpt: bytes) -> Iterable[Package]:
    """The crates that are part of the program, its own workspace included: not what only its build used."""
    inflater = zlib.decompressobj()
    try:
        content = inflater.decompress(excerpt, _MAX_UNPACKED)
        if not inflater.eof:
            raise Unreadable("the audit data of a Rust program is too long or breaks off")
        crates = _decoder.decode(content).packages
    except (zlib.error, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Unreadable(f"the audit data of a Rust program is damaged: {error}") from None
    for crate in crates:
        if crate.name and crate.version and crate.kind != "build":
            yield Package(type="cargo", name=crate.name, version=crate.version, locations=(path,))
