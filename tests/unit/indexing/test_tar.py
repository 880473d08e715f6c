import io
import tarfile
from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fakes.images import Directory, Entry, File, Hardlink, Symlink, tar_of
from hullwatch.errors import BudgetExceeded, HullwatchError, LayerCorrupt
from hullwatch.indexing.budget import Budget
from hullwatch.indexing.tar import TarWalk, normalise

Seen = tuple[str, str, int, bytes]


def cut(archive: bytes, size: int) -> list[bytes]:
    return [archive[at : at + size] for at in range(0, len(archive), size)]


def walk(archive: bytes, piece: int = 1 << 20, **limits: int) -> list[Seen]:
    budget = msgspec.structs.replace(Budget(), **limits)
    return [
        (entry.path, entry.kind, entry.mode, entry.read())
        for entry in TarWalk(iter(cut(archive, piece)), budget)
    ]


def by_tarfile(archive: bytes) -> list[Seen]:
    """The same through the standard library."""
    kinds: list[tuple[str, Any]] = [
        ("file", tarfile.TarInfo.isreg),
        ("directory", tarfile.TarInfo.isdir),
        ("symlink", tarfile.TarInfo.issym),
        ("hardlink", tarfile.TarInfo.islnk),
    ]
    seen = []
    with tarfile.open(fileobj=io.BytesIO(archive), errors="surrogateescape") as opened:
        for member in opened:
            raw = member.name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
            content = opened.extractfile(member) if member.isreg() else None
            kind = next((kind for kind, is_kind in kinds if is_kind(member)), "other")
            seen.append((normalise(raw), kind, member.mode & 0o7777, content.read() if content else b""))
    return seen


names = st.one_of(
    st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), min_size=1, max_size=40),
    st.lists(st.sampled_from(["a", "..", ".", "", "usr", "é", "x" * 90]), min_size=1, max_size=6).map(
        "/".join
    ),
    st.integers(95, 300).map(lambda size: "d/" * 40 + "n" * size),
)
entries = st.one_of(
    st.builds(File, st.binary(max_size=1500), st.integers(0, 0o7777)),
    st.builds(Symlink, names),
    st.builds(Hardlink, names),
    st.just(Directory()),
)
formats = st.sampled_from([tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])


@given(st.lists(st.tuples(names, entries), max_size=8), formats, st.integers(1, 3000))
@example([("a" * 100, File(b"x" * 512)), ("b" * 101, File())], tarfile.GNU_FORMAT, 511)
@settings(max_examples=150, deadline=None)
def test_the_same_entries_as_the_standard_library(
    pairs: list[tuple[str, Entry]], tar_format: int, piece: int
) -> None:
    # An archive member of no name at all cannot be written.
    pairs = [(path, entry) for path, entry in pairs if path.strip("/")]
    archive = tar_of(pairs, tar_format=tar_format)
    assert walk(archive, piece) == by_tarfile(archive)


@given(st.lists(st.tuples(names, entries), max_size=5), formats, st.data())
@settings(max_examples=100, deadline=None)
def test_damage_gives_a_named_error_or_entries(
    pairs: list[tuple[str, Entry]], tar_format: int, data: st.DataObject
) -> None:
    archive = bytearray(tar_of([pair for pair in pairs if pair[0].strip("/")], tar_format=tar_format))
    for _ in range(data.draw(st.integers(1, 4))):
        archive[data.draw(st.integers(0, len(archive) - 1))] = data.draw(st.integers(0, 255))
    size = data.draw(st.integers(0, len(archive)))
    with suppress(HullwatchError):
        walk(bytes(archive[:size]))


@given(st.binary(min_size=1, max_size=3000))
def test_arbitrary_bytes_are_no_archive(content: bytes) -> None:
    if any(content[:512]):
        with pytest.raises(LayerCorrupt):
            walk(content)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("usr/bin/env", "usr/bin/env"),
        ("./usr/bin/env", "usr/bin/env"),
        ("/usr/bin/env", "usr/bin/env"),
        ("usr//bin/./env/", "usr/bin/env"),
        ("../../etc/passwd", "etc/passwd"),
        ("usr/../../etc/passwd", "etc/passwd"),
        ("usr/lib/../bin", "usr/bin"),
        (".", ""),
        ("/", ""),
        ("..", ""),
        (".wh.x", ".wh.x"),
        ("a/..b/c", "a/..b/c"),
    ],
)
def test_paths_are_relative_to_the_root(path: str, expected: str) -> None:
    assert normalise(path) == expected


def header(**fields: Any) -> bytearray:
    info = tarfile.TarInfo(fields.pop("name", "file"))
    for key, value in fields.items():
        setattr(info, key, value)
    return bytearray(info.tobuf(tarfile.GNU_FORMAT))


def with_checksum(block: bytearray) -> bytes:
    block[148:156] = b"        "
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def test_bodies_nobody_asks_for_are_passed_over() -> None:
    archive = tar_of({"a": b"1" * 5000, "b": b"2" * 600, "c": b"3"})
    read = {}
    for entry in TarWalk(iter(cut(archive, 700)), Budget()):
        if entry.path == "b":
            pieces = entry.pieces()
            read["first"] = next(pieces)
            read["rest"] = entry.read()
            read["nothing"] = entry.read()
        if entry.path == "c":
            read["c"] = entry.read()
    assert read["first"] + read["rest"] == b"2" * 600
    assert (read["nothing"], read["c"]) == (b"", b"3")


def test_sizes_beyond_octal() -> None:
    block = header(size=1 << 40)
    walking = iter(TarWalk(iter([with_checksum(block), b"x" * 100]), Budget()))
    entry = next(walking)
    assert entry.size == 1 << 40
    with pytest.raises(LayerCorrupt, match="breaks off"):
        next(walking)


def test_a_negative_size() -> None:
    block = header()
    block[124:136] = b"\xff" * 12
    with pytest.raises(LayerCorrupt, match="negative"):
        walk(with_checksum(block))


@pytest.mark.parametrize(
    "field", [b"-0000000001\0", b"1_000\0\0\0\0\0\0\0", b"99999999999\0", b"0x10\0\0\0\0\0\0\0\0"]
)
def test_numbers_are_octal_or_wrong(field: bytes) -> None:
    block = header()
    block[124:136] = field
    with pytest.raises(LayerCorrupt, match="octal"):
        walk(with_checksum(block))


def test_a_wrong_checksum() -> None:
    block = header()
    block[0] ^= 1
    with pytest.raises(LayerCorrupt, match="checksum"):
        walk(bytes(block))


def test_a_checksum_of_signed_bytes() -> None:
    block = header(name="caf\udce9")
    block[148:156] = b"        "
    total = sum(byte - 256 if byte > 127 else byte for byte in block)
    block[148:156] = b"%06o\0 " % total
    assert [entry[0] for entry in walk(bytes(block))] == ["caf\\xe9"]


def pax(*records: str, kind: bytes = tarfile.XHDTYPE) -> bytes:
    content = b""
    for record in records:
        body = f" {record}\n".encode()
        size = len(body) + 1
        while len(str(size)) + len(body) != size:
            size = len(str(size)) + len(body)
        content += str(size).encode() + body
    padding = bytes(-len(content) % 512)
    return with_checksum(header(name="pax", type=kind, size=len(content))) + content + padding


def test_extended_headers_override() -> None:
    archive = (
        pax("path=odd/é", "size=3", "SCHILY.xattr.security.capability=x")
        + with_checksum(header(name="plain", size=0))
        + b"abc".ljust(512, b"\0")
        + with_checksum(header(name="next"))
    )
    entries = [(e.path, e.capabilities, e.read()) for e in TarWalk(iter([archive]), Budget())]
    assert entries == [("odd/é", True, b"abc"), ("next", False, b"")]


def test_extended_headers_for_all_that_follow() -> None:
    archive = (
        pax("path=everywhere", kind=tarfile.XGLTYPE)
        + with_checksum(header(name="a"))
        + pax("path=once")
        + with_checksum(header(name="b"))
        + pax("path=", kind=tarfile.XGLTYPE)
        + with_checksum(header(name="c"))
    )
    assert [entry[0] for entry in walk(archive)] == ["everywhere", "once", "c"]


def test_a_link_beyond_a_hundred_bytes() -> None:
    target = "long/" * 60 + "target"
    for tar_format in (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT):
        archive = tar_of({"link": Hardlink("./" + target)}, tar_format=tar_format)
        (entry,) = TarWalk(iter([archive]), Budget())
        assert (entry.kind, entry.link) == ("hardlink", target)


@pytest.mark.parametrize("records", [b"x", b"5 a=b\n", b"99 path=a\n", b"7 path\n", b"-6 a=b\n", b"1" * 400])
def test_damaged_extended_headers(records: bytes) -> None:
    block = with_checksum(header(type=tarfile.XHDTYPE, size=len(records)))
    with pytest.raises(LayerCorrupt):
        walk(block + records.ljust(512, b"\0") + with_checksum(header()))


def test_a_path_cannot_contain_a_nul() -> None:
    with pytest.raises(LayerCorrupt, match="NUL"):
        walk(pax("path=a\0b") + with_checksum(header()))


def test_a_directory_of_unix_version_7() -> None:
    archive = with_checksum(header(name="old/", type=b"\0")) + with_checksum(header(name="file/", type=b"0"))
    assert [entry[:2] for entry in walk(archive)] == [("old", "directory"), ("file", "file")]


def test_sparse_files_are_told_apart() -> None:
    gnu = header(name="old", type=tarfile.GNUTYPE_SPARSE, size=512)
    gnu[482] = 1  # the map of holes goes on in one more block
    archive = (
        with_checksum(gnu)
        + bytes(512)
        + b"d" * 512
        + pax("GNU.sparse.major=1", "GNU.sparse.name=real/name", "GNU.sparse.realsize=9")
        + with_checksum(header(name="GNUSparseFile.0/name"))
        + with_checksum(header(name="plain"))
    )
    entries = [(entry.path, entry.sparse) for entry in TarWalk(iter([archive]), Budget())]
    assert entries == [("old", True), ("real/name", True), ("plain", False)]


def test_what_follows_the_end_is_not_looked_at_but_read() -> None:
    pieces = iter(cut(tar_of({"a": b"1"}) + b"garbage" * 1000, 512))
    assert [entry.path for entry in TarWalk(pieces, Budget())] == ["a"]
    assert list(pieces) == []


@pytest.mark.parametrize("kind", [b"1", b"2", b"3", b"4", b"5", b"6"])
def test_links_and_directories_have_no_body_whatever_their_size(kind: bytes) -> None:
    archive = with_checksum(header(name="a", type=kind, size=4096)) + with_checksum(header(name="b"))
    assert [entry[0] for entry in walk(archive)] == ["a", "b"]


@pytest.mark.parametrize("size", [100, 511, 513, 1024 + 100, 1024 + 512])
def test_an_archive_that_breaks_off(size: int) -> None:
    archive = tar_of({"a": b"1" * 512, "b": b"2" * 512})
    with pytest.raises(LayerCorrupt, match="breaks off"):
        walk(archive[:size])


def test_an_archive_without_an_end_mark_is_complete() -> None:
    archive = tar_of({"a": b"1" * 512})
    assert [entry[0] for entry in walk(archive[:1024])] == ["a"]
    assert walk(b"") == []


@pytest.mark.parametrize(
    ("archive", "limits"),
    [
        (tar_of({str(number): b"" for number in range(11)}), {"entries": 10}),
        (tar_of({"d/" * 100: b""}), {"path_bytes": 100}),
        (tar_of({"d/" * 100: b""}, tar_format=tarfile.GNU_FORMAT), {"path_bytes": 100}),
        (pax("comment=" + "c" * 5000) + with_checksum(header()), {"header_bytes": 4096}),
        (with_checksum(header(type=tarfile.GNUTYPE_LONGNAME, size=1 << 40)), {}),
    ],
)
def test_limits(archive: bytes, limits: dict[str, int]) -> None:
    with pytest.raises(BudgetExceeded):
        walk(archive, **limits)
