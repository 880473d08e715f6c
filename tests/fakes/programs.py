"""ELF files as linkers lay them out, with what Go and cargo-auditable leave in them."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Sequence

LIST_BEGIN = bytes.fromhex("3077af0c9274080241e1c107e6d618e6")
LIST_END = bytes.fromhex("f932433186182072008242104116d8f2")
MARK = b"\xff Go buildinf:"

READ, CODE, WRITE = 4, 5, 6


def elf(
    *segments: tuple[int, bytes], unmapped: bytes = b"", wide: bool = True, big_endian: bool = False
) -> bytes:
    """A program of the given (flags, content) segments, and what follows them in the file."""
    order = ">" if big_endian else "<"
    header, entry = (64, 56) if wide else (52, 32)
    offset = header + entry * len(segments)
    table, body = b"", b""
    for flags, content in segments:
        at, size = offset + len(body), len(content)
        if wide:
            table += struct.pack(f"{order}IIQQQQQQ", 1, flags, at, at, at, size, size, 1)
        else:
            table += struct.pack(f"{order}IIIIIIII", 1, at, at, at, size, size, flags, 1)
        body += content
    ident = b"\x7fELF" + bytes([2 if wide else 1, 2 if big_endian else 1, 1]) + bytes(9)
    word = "Q" if wide else "I"
    rest = struct.pack(
        f"{order}HHI{word}{word}{word}IHHHHHH",
        *(2, 62, 1, 0, header, 0, 0, header, entry, len(segments), 0, 0, 0),
    )
    return ident + rest + table + body + unmapped


def module_list(*lines: str) -> bytes:
    return LIST_BEGIN + "\n".join(("path\texample.org/app", *lines, "")).encode() + LIST_END


def go_build_info(version: str, modules: bytes) -> bytes:
    """Since Go 1.18: flags with the bit for inline strings, then both strings after their lengths."""
    return (MARK + bytes([8, 2])).ljust(32, b"\0") + _sized(version.encode()) + _sized(modules)


def audit_data(packages: Sequence[dict[str, object]]) -> bytes:
    return zlib.compress(json.dumps({"packages": packages}, separators=(",", ":")).encode(), 9)


def _sized(content: bytes) -> bytes:
    length, out = len(content), b""
    while length >= 0x80:
        out += bytes([length & 0x7F | 0x80])
        length >>= 7
    return out + bytes([length]) + content
