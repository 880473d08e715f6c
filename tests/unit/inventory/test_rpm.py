import io
import sqlite3
import struct
from contextlib import suppress
from pathlib import Path

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from hullwatch.inventory.collectors import rpm
from hullwatch.inventory.package import Package
from hullwatch.inventory.records import Ownership, Record, Unreadable
from hullwatch.inventory.rpmdb import DatabaseInvalid
from hullwatch.inventory.rpmdb.header import Header, HeaderInvalid, split_source_rpm
from hullwatch.inventory.rpmdb.sqlite import has_unmerged_changes, read_headers

FIXTURE = Path(__file__).parents[2] / "fixtures" / "collectors" / "rpmdb.sqlite.zst"
DATABASE = zstandard.ZstdDecompressor().stream_reader(io.BytesIO(FIXTURE.read_bytes())).read()
PATH = "var/lib/rpm/rpmdb.sqlite"


def parse(content: bytes) -> tuple[list[Record], str]:
    """The records, and the complaint when there is one."""
    records: list[Record] = []
    complaint = ""
    try:
        records.extend(rpm.parse(PATH, content))
    except Unreadable as error:
        complaint = str(error)
    return records, complaint


def database(*statements: str, blobs: tuple[object, ...] = ()) -> bytes:
    connection = sqlite3.connect(":memory:")
    for statement in statements:
        connection.execute(statement)
    for blob in blobs:
        connection.execute("INSERT INTO Packages(blob) VALUES (?)", (blob,))
    connection.commit()
    return connection.serialize()


TABLE = "CREATE TABLE Packages (hnum INTEGER PRIMARY KEY AUTOINCREMENT, blob BLOB NOT NULL)"
HEADERS = list(read_headers(DATABASE))


def test_a_database_that_rpm_wrote() -> None:
    records, complaint = parse(DATABASE)
    assert complaint == ""
    found = {record.name: record for record in records if isinstance(record, Package)}
    six = found["python3-six"]
    assert six == Package(
        type="rpm",
        name="python3-six",
        version="1:1.15.0-9.el9",
        arch="noarch",
        source_name="python3-six",
        source_version="1.15.0-9.el9",
        licenses=("MIT",),
        vendor="Example Linux",
        module="python39:3.9:9050020211119",
        locations=(PATH,),
    )
    # An epoch of zero is none.
    assert found["six-doc"].version == "2.0-9.el9"
    owned = [path for record in records if isinstance(record, Ownership) for path in record.paths]
    assert sorted(owned) == [
        "usr/lib/python3.9/site-packages/six-1.15.0.dist-info/METADATA",
        "usr/lib/python3.9/site-packages/six.py",
        "usr/share/doc/six/README",
    ]


@pytest.mark.parametrize(
    ("file_name", "expected"),
    [
        ("openssl-3.0.8-1.amzn2023.0.1.src.rpm", ("openssl", "3.0.8-1.amzn2023.0.1")),
        ("java-17-openjdk-17.0.9-1.el9.src.rpm", ("java-17-openjdk", "17.0.9-1.el9")),
        ("firmware-1-2.nosrc.rpm", ("firmware", "1-2")),
        ("(none)", ("", "")),
        ("", ("", "")),
    ],
)
def test_source_packages(file_name: str, expected: tuple[str, str]) -> None:
    assert split_source_rpm(file_name) == expected


def header(*tags: tuple[int, int, int, bytes]) -> bytes:
    data, index = b"", b""
    for tag, kind, count, content in tags:
        index += struct.pack(">IIII", tag, kind, len(data), count)
        data += content
    return struct.pack(">II", len(tags), len(data)) + index + data


NAME, VERSION = (1000, 6, 1, b"a\0"), (1001, 6, 1, b"1\0")


def test_public_keys_are_no_packages() -> None:
    assert Header(header((1000, 6, 1, b"gpg-pubkey\0"), VERSION)).package(PATH) is None


def test_files_of_old_packages_have_whole_names() -> None:
    assert Header(header(NAME, VERSION, (1027, 8, 2, b"/a\0/b\0"))).files() == ["/a", "/b"]


def test_directory_numbers_that_lead_nowhere_are_left_out() -> None:
    tags = (1117, 8, 2, b"x\0y\0"), (1118, 8, 1, b"/d/\0"), (1116, 4, 2, struct.pack(">II", 0, 7))
    assert Header(header(NAME, VERSION, *tags)).files() == ["/d/x"]


@given(st.binary(max_size=300))
def test_arbitrary_headers(blob: bytes) -> None:
    try:
        read = Header(blob)
        read.package(PATH)
        read.files()
    except HeaderInvalid:
        pass


@given(st.sampled_from(HEADERS), st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), max_size=5))
def test_damaged_headers(blob: bytes, changes: list[tuple[int, int]]) -> None:
    damaged = bytearray(blob)
    for at, value in changes:
        damaged[at % len(damaged)] = value
    try:
        read = Header(bytes(damaged))
        read.package(PATH)
        read.files()
    except HeaderInvalid:
        pass


def test_counts_that_lie_cost_nothing() -> None:
    read = Header(header(NAME, VERSION, (1117, 8, 0xFFFFFFFF, b"x\0"), (1003, 4, 0xFFFFFFFF, b"\0\0\0\1")))
    package = read.package(PATH)
    assert package is not None
    assert package.version == "1:1"


def test_more_files_than_any_package_has() -> None:
    many = 600_000
    read = Header(header(NAME, VERSION, (1117, 8, many, b"\0" * many)))
    assert read.package(PATH) is not None
    with pytest.raises(HeaderInvalid, match="too many strings"):
        read.files()
    read = Header(header(NAME, VERSION, (1116, 4, many, bytes(4 * many)), (1117, 8, 1, b"a\0")))
    with pytest.raises(HeaderInvalid, match="too many numbers"):
        read.files()


def test_names_that_share_a_long_directory() -> None:
    directory, count = b"/" + b"d" * 40_000 + b"/\0", 2000
    tags = (1118, 8, 1, directory), (1117, 8, count, b"x\0" * count), (1116, 4, count, bytes(4 * count))
    with pytest.raises(HeaderInvalid, match="too long"):
        Header(header(NAME, VERSION, *tags)).files()


def test_damaged_headers_cost_themselves_and_are_counted() -> None:
    records, complaint = parse(database(TABLE, blobs=(b"", HEADERS[0], b"\xff" * 40, "text")))
    assert len([record for record in records if isinstance(record, Package)]) == 1
    assert complaint == "2 headers of the rpm database are damaged"


@given(st.lists(st.tuples(st.integers(0, len(DATABASE) - 1), st.integers(0, 255)), min_size=1, max_size=40))
@settings(max_examples=60, deadline=None)
def test_damaged_databases(changes: list[tuple[int, int]]) -> None:
    damaged = bytearray(DATABASE)
    for at, value in changes:
        damaged[at] = value
    parse(bytes(damaged))


def test_what_fuzzing_found() -> None:
    found = sorted((FIXTURE.parent / "fuzzed").glob("*.sqlite"))
    assert found
    for path in found:
        # Another version of SQLite may make something else of it, but nothing else may come out of it.
        with suppress(DatabaseInvalid):
            list(read_headers(path.read_bytes()))


@pytest.mark.parametrize("size", [0, 10, 100, 4096, 50_000])
def test_a_database_that_breaks_off(size: int) -> None:
    _, complaint = parse(DATABASE[:size])
    assert "damaged" in complaint


@pytest.mark.parametrize(
    "statements",
    [
        ("CREATE TABLE Other (blob)",),
        # A program in place of the table: without end, or with a function.
        (
            "CREATE VIEW Packages AS WITH RECURSIVE c(blob) AS"
            " (SELECT x'00' UNION ALL SELECT blob FROM c) SELECT blob FROM c",
        ),
        ("CREATE TABLE t (a)", "CREATE VIEW Packages AS SELECT randomblob(a) AS blob FROM t"),
        ("CREATE VIRTUAL TABLE Packages USING fts5(blob)",),
    ],
)
def test_something_else_in_place_of_the_table(statements: tuple[str, ...]) -> None:
    with pytest.raises(DatabaseInvalid):
        list(read_headers(database(*statements)))


def test_a_column_that_is_computed_is_not() -> None:
    table = "CREATE TABLE Packages (hnum INTEGER PRIMARY KEY, blob AS (zeroblob(100000000)))"
    with pytest.raises(DatabaseInvalid):
        list(read_headers(database(table, "INSERT INTO Packages(hnum) VALUES (1)")))


def test_rows_that_share_their_pages_are_not_read_for_ever() -> None:
    page, size = 4096, 57_770  # few enough bytes in the row itself for two rows on one page
    content = bytearray(database(TABLE, blobs=(b"a" * size, b"b" * size)))
    # The rows lie at the end of their page, the first one last; each ends with the number of its next page.
    leaf = next(at for at in range(page, len(content), page) if content[at : at + 5] == b"\x0d\0\0\0\2")
    first_row = leaf + int.from_bytes(content[leaf + 8 : leaf + 10], "big")
    pages = [int.from_bytes(content[leaf + page - 4 : leaf + page], "big")]
    while following := int.from_bytes(content[(pages[-1] - 1) * page : (pages[-1] - 1) * page + 4], "big"):
        pages.append(following)
    content[first_row - 4 : first_row] = content[leaf + page - 4 : leaf + page]
    # What only the second row needed is cut off, and the header told so.
    del content[max(pages) * page :]
    content[28:32] = max(pages).to_bytes(4, "big")
    headers = read_headers(bytes(content))
    assert next(headers) == b"a" * size
    with pytest.raises(DatabaseInvalid, match="more headers"):
        next(headers)


def test_reading_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hullwatch.inventory.rpmdb.sqlite._MAX_STEPS", 1000)
    monkeypatch.setattr("hullwatch.inventory.rpmdb.sqlite._STEPS_PER_CALL", 100)
    with pytest.raises(DatabaseInvalid, match="interrupted"):
        list(read_headers(database(TABLE, blobs=(b"x",) * 5000)))


def write_ahead_log(tmp_path: Path) -> bytes:
    connection = sqlite3.connect(tmp_path / "db")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("CREATE TABLE t (a)")
    connection.commit()
    log = (tmp_path / "db-wal").read_bytes()
    connection.close()
    return log


def test_changes_that_only_the_log_has_are_reported(tmp_path: Path) -> None:
    log = write_ahead_log(tmp_path)
    assert has_unmerged_changes(log)
    with pytest.raises(Unreadable, match="write-ahead log"):
        list(rpm.parse(PATH + "-wal", log))


@pytest.mark.parametrize("log", [b"", b"\0" * 32, b"\xff" * 200])
def test_a_log_without_changes_says_nothing(log: bytes) -> None:
    assert list(rpm.parse(PATH + "-wal", log)) == []


def test_a_log_of_changes_already_merged_says_nothing(tmp_path: Path) -> None:
    log = bytearray(write_ahead_log(tmp_path))
    log[16] ^= 1  # the next round begins with another salt
    assert not has_unmerged_changes(bytes(log))
