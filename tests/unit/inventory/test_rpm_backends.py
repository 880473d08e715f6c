"""The backends besides SQLite: Berkeley DB files that libdb wrote, and ndb files made as rpm makes them."""

import io
import struct
import zlib
from pathlib import Path

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from hullwatch.inventory.collectors import rpm
from hullwatch.inventory.package import Package
from hullwatch.inventory.records import Ownership, Record, Unreadable
from hullwatch.inventory.rpmdb import DatabaseInvalid, bdb, ndb, sqlite

FIXTURES = Path(__file__).parents[2] / "fixtures" / "collectors"


def fixture(name: str) -> bytes:
    compressed = (FIXTURES / f"{name}.zst").read_bytes()
    return zstandard.ZstdDecompressor().stream_reader(io.BytesIO(compressed)).read()


HEADERS = list(sqlite.read_headers(fixture("rpmdb.sqlite")))
BDB = {name: fixture(f"Packages-{name}") for name in ("512", "16384", "big-endian")}


def ndb_file(blobs: list[bytes], pages: int = 1, free: int = 0) -> bytes:
    """What rpm writes (``rpmpkg.c``), with ``free`` free slots before those in use."""
    slots, body, block = struct.pack("<4s12x", b"Slot") * free, b"", pages * 256
    for number, blob in enumerate(blobs, 1):
        start = struct.pack("<4sIII", b"BlbS", number, 1700000000, len(blob)) + blob
        start += bytes(-(len(start) + 12) % 16)
        body += start + struct.pack("<II4s", zlib.adler32(start), len(blob), b"BlbE")
        slots += struct.pack("<4sIII", b"Slot", number, block, (len(start) + 12) // 16)
        block += (len(start) + 12) // 16
    table = struct.pack("<4sIIII12x", b"RpmP", 0, 7, pages, len(blobs) + 1) + slots
    return table + struct.pack("<4s12x", b"Slot") * ((pages * 4096 - len(table)) // 16) + body


NDB = ndb_file(HEADERS)


def parse(path: str, content: bytes) -> tuple[list[Record], str]:
    records: list[Record] = []
    try:
        records.extend(rpm.parse(path, content))
    except Unreadable as error:
        return records, str(error)
    return records, ""


def owned(records: list[Record]) -> set[str]:
    return {path for record in records if isinstance(record, Ownership) for path in record.paths}


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("var/lib/rpm/Packages", BDB["512"]),
        ("var/lib/rpm/Packages", BDB["16384"]),
        ("usr/lib/sysimage/rpm/Packages", BDB["big-endian"]),
        ("usr/lib/sysimage/rpm/Packages.db", NDB),
        ("var/lib/rpm/Packages.db", ndb_file(HEADERS, pages=2, free=300)),
    ],
)
def test_every_backend_says_the_same(path: str, content: bytes) -> None:
    expected, _ = parse("var/lib/rpm/rpmdb.sqlite", fixture("rpmdb.sqlite"))
    records, complaint = parse(path, content)
    assert complaint == ""

    def named(records: list[Record]) -> list[tuple[str, str, str]]:
        return sorted((r.name, r.version, r.module) for r in records if isinstance(r, Package))

    assert named(records) == named(expected)
    assert all(record.locations == (path,) for record in records if isinstance(record, Package))
    assert owned(records) == owned(expected)


def test_the_key_for_the_last_number_is_no_package() -> None:
    assert sorted(bdb.read_headers(BDB["big-endian"])) == sorted(HEADERS)


# Berkeley DB, damaged


def patched(content: bytes, at: int, replacement: bytes) -> bytes:
    return content[:at] + replacement + content[at + len(replacement) :]


@pytest.mark.parametrize(
    ("at", "replacement", "message"),
    [
        (12, b"\x62\x31\x05\0", "not a Berkeley DB hash file"),  # a B-tree
        (16, b"\x03", "version 3"),
        (20, b"\x01", "pages of 513 bytes"),
        (24, b"\x01", "encrypted"),
        (25, b"\x09", "version 9"),
        (26, b"\x01", "encrypted"),
    ],
)
def test_other_berkeley_db_files(at: int, replacement: bytes, message: str) -> None:
    with pytest.raises(DatabaseInvalid, match=message):
        list(bdb.read_headers(patched(BDB["512"], at, replacement)))


@pytest.mark.parametrize("size", [0, 10, 511, 512, 513, 3000])
def test_a_berkeley_db_file_that_breaks_off(size: int) -> None:
    _, complaint = parse("var/lib/rpm/Packages", BDB["512"][:size])
    assert "damaged" in complaint


def overflow_pages(content: bytes, size: int) -> list[int]:
    return [at for at in range(0, len(content), size) if content[at + 25] == 7]


def test_a_chain_without_end() -> None:
    content = BDB["512"]
    first, *_, last = overflow_pages(content, 512)
    # The last page leads back to the first, and none of them says it holds a byte.
    looped = patched(content, last + 16, struct.pack("<I", first // 512))
    for at in overflow_pages(content, 512):
        looped = patched(looped, at + 22, b"\0\0")
    with pytest.raises(DatabaseInvalid, match="share their pages"):
        list(bdb.read_headers(looped))


def test_headers_that_share_their_pages_give_no_more_than_the_file_has() -> None:
    # A page of hash entries that all point to one chain.
    item = struct.pack("<B3xII", 3, 1, 400)
    meta = patched(bytes(512), 12, struct.pack("<IIIBB", 0x061561, 9, 512, 0, 8))
    chain = struct.pack("<16xIHHBB", 0, 1, 400, 0, 7) + bytes(512 - 26)
    count = 12
    offsets = [offset for pair in range(count) for offset in (510 - pair * 14, 498 - pair * 14)]
    page = struct.pack("<16xIHHBB", 0, 2 * count, 0, 0, 13) + struct.pack(f"<{2 * count}H", *offsets)
    page = page.ljust(offsets[-1], b"\0") + (item + b"\1k") * count
    content = meta + chain + page
    headers = bdb.read_headers(content)
    assert [len(next(headers)) for _ in range(3)] == [400, 400, 400]
    with pytest.raises(DatabaseInvalid, match="share"):
        next(headers)


@pytest.mark.parametrize(
    ("at", "replacement"),
    [(20, b"\xff\xff"), (26, b"\xff\xff"), (28, b"\0\0"), (30, b"\xff\x0f")],
)
def test_a_damaged_page_costs_itself(at: int, replacement: bytes) -> None:
    content = BDB["big-endian"]
    page = next(start for start in range(0, len(content), 4096) if content[start + 25] in (2, 13))
    _, complaint = parse("var/lib/rpm/Packages", patched(content, page + at, replacement))
    assert "headers of the rpm database are damaged" in complaint


def test_a_header_on_a_page_of_another_kind_costs_itself() -> None:
    content = BDB["512"]
    records, complaint = parse(
        "var/lib/rpm/Packages", patched(content, overflow_pages(content, 512)[0] + 25, b"\0")
    )
    assert len([record for record in records if isinstance(record, Package)]) == 1
    assert complaint == "1 headers of the rpm database are damaged"


def test_a_file_of_nothing_but_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bdb, "_MAX_PAIRS", 2)
    with pytest.raises(DatabaseInvalid, match="more than 2 keys"):
        list(bdb.read_headers(BDB["16384"]))


# ndb, damaged


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not an ndb"),
        (b"RpmP", "not an ndb"),
        (patched(NDB, 0, b"X"), "not an ndb"),
        (patched(NDB, 4, b"\1"), "ndb version 1"),
        (patched(NDB, 32, b"Slat"), "damaged slot"),
        (NDB[:2000], "breaks off"),
        (patched(NDB, 12, b"\xff\xff\xff\xff"), "damaged slot"),
    ],
)
def test_other_ndb_files(content: bytes, message: str) -> None:
    with pytest.raises(DatabaseInvalid, match=message):
        list(ndb.read_headers(content))


@pytest.mark.parametrize(
    ("at", "replacement"),
    [
        (36, b"\x09"),  # the slot's package number
        (40, b"\xff\xff\xff"),  # its first block
        (44, b"\1\0"),  # its number of blocks
        (4096, b"X"),  # the blob's magic
        (4108, b"\xff\xff"),  # its length
    ],
)
def test_a_damaged_blob_costs_itself(at: int, replacement: bytes) -> None:
    headers = list(ndb.read_headers(patched(NDB, at, replacement)))
    assert headers == [b"", HEADERS[1]]
    records, complaint = parse("var/lib/rpm/Packages.db", patched(NDB, at, replacement))
    assert len([record for record in records if isinstance(record, Package)]) == 1
    assert complaint == "1 headers of the rpm database are damaged"


def test_slots_that_share_a_blob_give_no_more_than_the_file_has() -> None:
    content = NDB
    for at in range(48, 4096, 16):
        content = patched(content, at, NDB[32:48])
    headers = ndb.read_headers(content)
    for _ in range(len(content) // len(HEADERS[0])):
        assert next(headers) == HEADERS[0]
    with pytest.raises(DatabaseInvalid, match="more headers"):
        next(headers)


@given(
    st.sampled_from([("Packages", BDB["512"]), ("Packages", BDB["16384"]), ("Packages.db", NDB)]),
    st.lists(st.tuples(st.integers(0, 50_000), st.binary(min_size=1, max_size=4)), min_size=1, max_size=20),
)
@settings(max_examples=200, deadline=None)
def test_damaged_databases(database: tuple[str, bytes], changes: list[tuple[int, bytes]]) -> None:
    name, content = database
    damaged = bytearray(content)
    for at, value in changes:
        # Half of them where the bookkeeping is.
        at = at % len(damaged) if at % 2 else at % min(len(damaged), 1024)
        damaged[at : at + len(value)] = value
    records, _ = parse(f"var/lib/rpm/{name}", bytes(damaged))
    assert all(isinstance(record, Package | Ownership) for record in records)


@given(st.sampled_from([bdb, ndb]), st.binary(max_size=2000))
def test_arbitrary_files(backend: object, content: bytes) -> None:
    assert hasattr(backend, "read_headers")
    with pytest.raises(DatabaseInvalid):
        list(backend.read_headers(content))


def test_a_database_of_nothing_but_damage_is_left() -> None:
    content = ndb_file([b""] * 2000, pages=8)
    records, complaint = parse("var/lib/rpm/Packages.db", content)
    assert records == []
    assert complaint == "the rpm database is damaged: it has 1000 damaged headers or more"


# The list of packages of images without rpm


MANIFEST = "var/lib/rpmmanifest/container-manifest-2"
LINES = (
    "mariner-release\t2.0-12.cm2\t1653816591\t1653753130\tMicrosoft Corporation\t(none)\t580\tnoarch\t0"
    "\tmariner-release-2.0-12.cm2.src.rpm\n"
    "openssl-libs\t1.1.1k-15.cm2\t1653816591\t1653028490\t(none)\t1\t5265\tx86_64\t1"
    "\topenssl-1.1.1k-15.cm2.src.rpm\n"
)


def test_a_list_of_packages() -> None:
    records, complaint = parse(MANIFEST, LINES.encode())
    assert complaint == ""
    assert records[0] == Package(
        type="rpm",
        name="mariner-release",
        version="2.0-12.cm2",
        arch="noarch",
        source_name="mariner-release",
        source_version="2.0-12.cm2",
        vendor="Microsoft Corporation",
        locations=(MANIFEST,),
    )
    assert isinstance(records[1], Package)
    assert (records[1].version, records[1].source_name, records[1].vendor) == (
        "1:1.1.1k-15.cm2",
        "openssl",
        "",
    )


def test_damaged_lines_cost_themselves() -> None:
    records, complaint = parse(MANIFEST, f"nonsense\n\n\t1-1\t\n{LINES}".encode())
    assert len(records) == 2
    assert complaint == "2 lines of the package list are damaged"
