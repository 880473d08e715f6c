"""Walks a tar stream header by header, reads the bodies somebody asks for and passes over the rest.

POSIX.1-2017 ``pax`` (ustar and extended headers), the GNU extensions of tar(5), and what Go's ``archive/tar``
accepts, since that is what container runtimes unpack layers with.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from functools import lru_cache
from typing import Final, Literal

from hullwatch.errors import BudgetExceeded, LayerCorrupt
from hullwatch.indexing.budget import Budget

EntryKind = Literal["file", "directory", "symlink", "hardlink", "other"]

_BLOCK: Final = 512
#: name, mode, size, link name, magic, prefix
_HEADER = struct.Struct("100s8s16x12s21x100s6s82x155s12x")
_ZERO = bytes(_BLOCK)
_ADLER_MODULUS = 65521
_MAX_DIGITS = 20
#: What the checksum field counts for in the sum of a header: eight spaces.
_CHECKSUM_AS_SPACES = 8 * 0x20

_KINDS: dict[bytes, EntryKind] = {
    b"0": "file",
    b"\0": "file",
    b"7": "file",
    b"S": "file",
    b"1": "hardlink",
    b"2": "symlink",
    b"3": "other",
    b"4": "other",
    b"5": "directory",
    b"6": "other",
}
#: Types that never have a body, whatever their size field says.
_WITHOUT_BODY = frozenset((b"1", b"2", b"3", b"4", b"5", b"6"))
#: Long name, long link, extended header (``X`` is Solaris' spelling), extended header for all that follows.
_EXTENSIONS = frozenset((b"L", b"K", b"x", b"X", b"g"))


class Entry:
    """One member. ``path`` and, for a hard link, ``link`` are relative to the root of the image.

    ``size`` is that of the body in bytes, ``mode`` the permission bits with set-id and sticky. The body can
    be read until the walk goes on. Where a symbolic link points is not kept: nothing here follows one.
    """

    __slots__ = ("_walk", "capabilities", "kind", "link", "mode", "path", "size", "sparse")

    def __init__(self, walk: TarWalk, kind: EntryKind, size: int, mode: int) -> None:
        self._walk = walk
        self.path = ""
        self.kind = kind
        self.size = size
        self.mode = mode
        self.link = ""
        #: The body is a map of holes and what lies between them, not the file's content.
        self.sparse = False
        #: The file carries Linux capabilities, which its owner's permissions do not show.
        self.capabilities = False

    def read(self) -> bytes:
        """The body, or what is left of it."""
        # Grows in place. Joining the pieces would hold the file twice.
        content = io.BytesIO()
        for piece in self._walk.body():
            content.write(piece)
        return content.getvalue()

    def pieces(self) -> Iterator[bytes]:
        """The body, or what is left of it, in pieces as they lie in the stream."""
        return self._walk.body()


class TarWalk:
    """Iterates, once, over the entries of an archive that comes in pieces.

    Everything after the end mark is read (a digest covers it) but not looked at. Raises
    :class:`~hullwatch.errors.LayerCorrupt` for what is no archive or breaks off, and
    :class:`~hullwatch.errors.BudgetExceeded`.
    """

    def __init__(self, pieces: Iterator[bytes], budget: Budget) -> None:
        self._pieces = pieces
        self._budget = budget
        self._piece = b""
        self._at = 0
        self._body_left = 0
        self.entries = 0

    def __iter__(self) -> Iterator[Entry]:
        extended = _Extended()
        while (header := self._next_header()) is not None:
            kind = header[156:157]
            if kind in _EXTENSIONS:
                extended.add(kind, self._read_extension(_number(header[124:136])))
                continue
            self.entries += 1
            if self.entries > self._budget.entries:
                raise BudgetExceeded(f"the layer has more than {self._budget.entries} entries")
            entry = self._entry(header, kind, extended)
            self._body_left = entry.size
            padding = -entry.size % _BLOCK
            yield entry
            self._skip(self._body_left + padding)
            self._body_left = 0
        self._drain()

    def body(self) -> Iterator[bytes]:
        """What is left of the current entry's body."""
        while self._body_left:
            if self._at >= len(self._piece) and not self._more():
                raise LayerCorrupt("the archive breaks off within a file")
            part = self._piece[self._at : self._at + self._body_left]
            self._at += len(part)
            self._body_left -= len(part)
            yield part

    def _next_header(self) -> bytes | None:
        """The next header block, checked; ``None`` at the end of the archive."""
        header = self._take(_BLOCK)
        if not header or header == _ZERO:
            return None
        if len(header) < _BLOCK:
            raise LayerCorrupt("the archive breaks off within a header")
        if not _checksum_fits(header):
            raise LayerCorrupt(f"entry {self.entries + 1} of the archive has a header with a wrong checksum")
        return header

    def _entry(self, header: bytes, kind: bytes, extended: _Extended) -> Entry:
        """The entry of a header, with what the extended headers before it say; those are used up."""
        name, mode, size, link, magic, prefix = _HEADER.unpack(header)
        path = name.split(b"\0", 1)[0]
        # GNU's old format uses the room of the prefix for other things; its magic ends in a space.
        if prefix[0] and magic == b"ustar\0":
            path = _until_nul(prefix) + b"/" + path
        entry = Entry(self, _KINDS.get(kind, "file"), _number(size), _mode(mode))
        if kind == b"S":
            entry.sparse = True
            self._skip_sparse_map(header)
        if extended.pending:
            path, link = extended.apply(entry, path, link)
        if kind in _WITHOUT_BODY:
            entry.size = 0
        if entry.kind == "hardlink":
            entry.link = self._normalise(_until_nul(link))
        elif kind == b"\0" and path.endswith(b"/"):
            entry.kind = "directory"  # Unix version 7 knew directories by their name
        entry.path = self._normalise(path)
        return entry

    def _read_extension(self, size: int) -> bytes:
        if size > self._budget.header_bytes:
            raise BudgetExceeded(f"an extended header of {size} bytes, over {self._budget.header_bytes}")
        content = self._take(size)
        if len(content) < size:
            raise LayerCorrupt("the archive breaks off within an extended header")
        self._skip(-size % _BLOCK)
        return content

    def _skip_sparse_map(self, header: bytes) -> None:
        """Passes over the blocks in which GNU's old format continues its map of holes."""
        more = header[482]
        while more:
            block = self._take(_BLOCK)
            if len(block) < _BLOCK:
                raise LayerCorrupt("the archive breaks off within a sparse map")
            more = block[504]

    def _normalise(self, path: bytes) -> str:
        if len(path) > self._budget.path_bytes:
            raise BudgetExceeded(f"a path of {len(path)} bytes, over {self._budget.path_bytes}")
        if 0 in path:
            raise LayerCorrupt("the archive has a path with a NUL byte")
        return normalise(_text(path))

    def _more(self) -> bool:
        """Goes on to the next piece."""
        self._at = 0
        self._piece = next(self._pieces, b"")
        return bool(self._piece)

    def _take(self, count: int) -> bytes:
        """The next ``count`` bytes, fewer only at the end of the stream."""
        end = self._at + count
        if end <= len(self._piece):
            part = self._piece[self._at : end]
            self._at = end
            return part
        parts = [self._piece[self._at :]]
        missing = count - len(parts[0])
        while missing and self._more():
            part = self._piece[:missing]
            self._at = len(part)
            missing -= len(part)
            parts.append(part)
        return b"".join(parts)

    def _skip(self, count: int) -> None:
        self._at += count
        while self._at > len(self._piece):
            beyond = self._at - len(self._piece)
            if not self._more():
                raise LayerCorrupt("the archive breaks off within a file")
            self._at = beyond

    def _drain(self) -> None:
        while self._more():
            pass


def normalise(path: str) -> str:
    """A path of an archive as one relative to the root: no leading slash, no ``.``, ``..`` or empty part.

    ``..`` never leads above the root, as for a process whose root it is. The root itself is the empty string.
    """
    if path[:1] not in ("/", ".") and "//" not in path and "/." not in path:
        return path.rstrip("/")
    parts: list[str] = []
    for part in path.split("/"):
        if part == "..":
            if parts:
                parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts)


def _text(path: bytes) -> str:
    """UTF-8, with what is not spelled out as ``\\xff``: two different names stay different."""
    return path.decode("utf-8", "backslashreplace")


def _until_nul(field: bytes) -> bytes:
    end = field.find(0)
    return field if end < 0 else field[:end]


def _number(field: bytes) -> int:
    """A numeric field: octal digits or, when its first bit is set, base 256 (GNU, for larger numbers)."""
    if field[0] & 0x80:
        if field[0] & 0x40:
            raise LayerCorrupt("the archive has a negative size")
        return int.from_bytes(field, "big") & ~(0x80 << 8 * (len(field) - 1))
    digits = field.split(b"\0", 1)[0].strip()
    if not digits:
        return 0
    try:
        # int() alone would also take signs and underscores.
        if digits.isdigit():
            return int(digits, 8)
    except ValueError:
        pass  # an 8 or a 9
    raise LayerCorrupt("the archive has a number that is not octal")


@lru_cache(maxsize=256)
def _mode(field: bytes) -> int:
    """Permission bits: the same few again and again."""
    return _number(field) & 0o7777


def _checksum_fits(header: bytes) -> bool:
    """Whether the header adds up to its checksum, taken as unsigned bytes or, as some old tars did, signed.

    The low half of Adler-32 is one more than the sum of the bytes, modulo 65521 (RFC 1950): the one checksum
    of the standard library that adds up bytes as tar does.
    """
    field = header[148:156]
    others = (zlib.adler32(header) & 0xFFFF) - 1 - sum(field) + _CHECKSUM_AS_SPACES
    expected = _number(field)
    if (others - expected) % _ADLER_MODULUS == 0:
        return True
    negative = sum(byte > 0x7F for byte in header) - sum(byte > 0x7F for byte in field)
    return (others - 256 * negative - expected) % _ADLER_MODULUS == 0


class _Extended:
    """What extended headers say of the next entry, or of all that follow."""

    __slots__ = ("_defaults", "_link", "_path", "_records", "pending")

    def __init__(self) -> None:
        self._defaults: dict[str, bytes] = {}
        self._records: dict[str, bytes] = {}
        self._path = b""
        self._link = b""
        #: Whether there is anything to apply.
        self.pending = False

    def add(self, kind: bytes, content: bytes) -> None:
        """Takes in an extended header of one of the types in ``_EXTENSIONS``."""
        self.pending = True
        match kind:
            case b"L":
                self._path = _until_nul(content)
            case b"K":
                self._link = _until_nul(content)
            case b"g":
                self._defaults |= _pax_records(content)
            case _:
                self._records |= _pax_records(content)

    def apply(self, entry: Entry, path: bytes, link: bytes) -> tuple[bytes, bytes]:
        """Sets what is said of an entry; returns its path and link. An empty value takes a default back."""
        records = self._defaults | self._records
        if size := records.get("size"):
            if not size.isdigit() or len(size) > _MAX_DIGITS:
                raise LayerCorrupt("an extended header has a size that is no number")
            entry.size = int(size)
        path = records.get("path") or self._path or path
        if "GNU.sparse.major" in records or "GNU.sparse.map" in records:
            entry.sparse = True
            path = records.get("GNU.sparse.name") or path
        entry.capabilities = "SCHILY.xattr.security.capability" in records
        link = records.get("linkpath") or self._link or link
        self._records, self._path, self._link = {}, b"", b""
        self.pending = bool(self._defaults)
        return path, link


def _pax_records(content: bytes) -> dict[str, bytes]:
    """PAX records: ``length key=value`` and a newline each, the length counting all of it."""
    records: dict[str, bytes] = {}
    at = 0
    while at < len(content):
        space = content.find(b" ", at, at + _MAX_DIGITS + 1)
        digits = content[at:space]
        if space < 0 or not digits.isdigit():
            raise LayerCorrupt("an extended header has a record without a length")
        end = at + int(digits)
        key, equals, value = content[space + 1 : end - 1].partition(b"=")
        if not equals or end > len(content) or content[end - 1 : end] != b"\n":
            raise LayerCorrupt("an extended header has a record of a wrong length")
        records[_text(key)] = value
        at = end
    return records
