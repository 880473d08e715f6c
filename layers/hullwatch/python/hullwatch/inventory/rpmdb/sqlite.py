"""The sqlite backend, the default since rpm 4.16: ``rpmdb.sqlite``, table ``Packages(hnum, blob)``.

The file is a stranger's. It is opened as an image in memory, its schema is not trusted, and an authorizer
lets one plain table be read and nothing be run.
"""

from __future__ import annotations

import sqlite3
import struct
from collections.abc import Iterator
from contextlib import closing

from hullwatch.inventory.rpmdb import DatabaseInvalid

#: Virtual machine steps; the largest real databases need some hundred thousand.
_MAX_STEPS = 50_000_000
_STEPS_PER_CALL = 100_000
_MAX_BLOB = 64 << 20
_MAGIC = b"SQLite format 3\0"
#: Bytes 18 and 19 of the file: the write and the read version, 2 for write-ahead logging, which a database in
#: memory cannot do; 1 for a rollback journal. The pages are the same (SQLite file format, 1.3.3).
_VERSIONS = slice(18, 20)
_ROLLBACK_JOURNAL = b"\1\1"
_WAL_HEADER, _WAL_FRAME = struct.Struct(">IIIIIIII"), struct.Struct(">IIIIII")
_WAL_MAGICS = (0x377F0682, 0x377F0683)


def read_headers(content: bytes) -> Iterator[bytes]:
    """The header blob of every package."""
    if not content.startswith(_MAGIC):
        raise DatabaseInvalid("not a SQLite database")
    image = bytearray(content)
    image[_VERSIONS] = _ROLLBACK_JOURNAL
    calls_left = _MAX_STEPS // _STEPS_PER_CALL

    def out_of_steps() -> bool:
        nonlocal calls_left
        calls_left -= 1
        return calls_left < 0

    try:
        with closing(sqlite3.connect(":memory:")) as connection:
            connection.execute("PRAGMA trusted_schema = OFF")
            connection.execute("PRAGMA cell_size_check = ON")
            connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _MAX_BLOB)
            connection.deserialize(image)
            del image
            connection.set_progress_handler(out_of_steps, _STEPS_PER_CALL)
            _check_schema(connection)
            connection.set_authorizer(_only_read)
            bytes_left = len(content)
            for (blob,) in connection.execute("SELECT blob FROM Packages"):
                # Rows that share their pages could make a small file a long one.
                bytes_left -= len(blob) if isinstance(blob, bytes) else 0
                if bytes_left < 0:
                    raise DatabaseInvalid("more headers than the file has room for")
                if isinstance(blob, bytes):
                    yield blob
    except (sqlite3.Error, UnicodeDecodeError) as error:
        # Its own words may quote a damaged schema.
        raise DatabaseInvalid(f"SQLite: {error}") from None
    except MemoryError:
        # What it says of some damaged pages, long before memory is short.
        raise DatabaseInvalid("SQLite: a damaged page") from None


def _check_schema(connection: sqlite3.Connection) -> None:
    """Lets only a table with a stored column pass: views, virtual tables, computed columns are programs."""
    query = "SELECT type, rootpage FROM sqlite_master WHERE name = 'Packages'"
    if [(kind, bool(page)) for kind, page in connection.execute(query)] != [("table", True)]:
        raise DatabaseInvalid("no table Packages")
    # name and hidden are the second and the last column; hidden is 0 for one that is stored.
    columns = {row[1]: row[6] for row in connection.execute("PRAGMA table_xinfo(Packages)")}
    if columns.get("blob") != 0:
        raise DatabaseInvalid("no column blob in the table Packages")


def has_unmerged_changes(log: bytes) -> bool:
    """Whether a write-ahead log holds pages that its database does not (SQLite file format, 4)."""
    if len(log) < _WAL_HEADER.size + _WAL_FRAME.size:
        return False
    magic, _, _, _, *salts, _, _ = _WAL_HEADER.unpack_from(log)
    frame_salts = list(_WAL_FRAME.unpack_from(log, _WAL_HEADER.size)[2:4])
    # Frames of an earlier round, already merged, carry other salts.
    return magic in _WAL_MAGICS and frame_salts == salts


def _only_read(action: int, *_: str | None) -> int:
    allowed = (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ)
    return sqlite3.SQLITE_OK if action in allowed else sqlite3.SQLITE_DENY
