import io
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes.images import Entry, FakeLayer, File, Hardlink, layer
from fakes.programs import (
    CODE,
    LIST_BEGIN,
    MARK,
    READ,
    WRITE,
    audit_data,
    elf,
    go_build_info,
    module_list,
)
from hullwatch.images.image import Descriptor, Layer
from hullwatch.inventory.elf import excerpts
from hullwatch.inventory.layer_index import LayerIndex, index_layer
from hullwatch.inventory.overlay import assemble
from hullwatch.inventory.programs import golang, rust
from hullwatch.inventory.records import Unreadable

MODULES = module_list(
    "mod\texample.org/app\t(devel)\t",
    "dep\tgithub.com/pkg/errors\tv0.9.1\th1:FEBL=",
    "dep\tgithub.com/old/name\tv1.0.0",
    "=>\tgithub.com/new/name\tv1.2.3\th1:x=",
    "dep\tgithub.com/local/fork\tv1.0.0",
    "=>\t./fork\t\t",
    "dep\tgolang.org/x/net\tv0.0.0-20220127200216-cd36cc0744dd",
    "build\t-compiler=gc",
)
EXPECTED = {
    "github.com/pkg/errors": "v0.9.1",
    "github.com/new/name": "v1.2.3",
    "golang.org/x/net": "v0.0.0-20220127200216-cd36cc0744dd",
}


def found(content: bytes, piece: int = 1 << 20) -> dict[str, str]:
    pieces = (content[at : at + piece] for at in range(0, len(content), piece))
    return {
        package.name: package.version
        for collector, excerpt in excerpts(pieces, (golang, rust))
        for package in collector.parse("app", excerpt)
    }


@pytest.mark.parametrize("wide", [True, False])
@pytest.mark.parametrize("big_endian", [True, False])
@pytest.mark.parametrize("piece", [97, 4096, 1 << 20])
def test_modules_of_a_go_program(wide: bool, big_endian: bool, piece: int) -> None:
    content = elf(
        (CODE, b"\x90" * 5000),
        (READ, bytes(3000)),
        (WRITE, bytes(160) + go_build_info("go1.21.6", MODULES) + bytes(700)),
        wide=wide,
        big_endian=big_endian,
    )
    assert found(content, piece) == EXPECTED | {"stdlib": "1.21.6"}


def test_modules_of_a_go_program_of_before_1_18() -> None:
    """Pointers stand behind the mark; the list lies among the constants."""
    pointers = (MARK + bytes([8, 0])).ljust(32, b"\0")
    content = elf((CODE, bytes(500)), (READ, bytes(999) + MODULES + bytes(99)), (WRITE, pointers))
    assert found(content) == EXPECTED


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("go1.22.1", "1.22.1"),
        ("go1.18", "1.18"),
        ("go1.22rc1", "1.22.0-rc.1"),
        ("go1.21.5 X:boringcrypto", "1.21.5"),
        ("devel go1.23-abcdef", None),
    ],
)
def test_the_standard_library_is_of_the_toolchains_version(version: str, expected: str | None) -> None:
    content = elf((WRITE, go_build_info(version, b"") + bytes(300)))
    assert found(content).get("stdlib") == expected


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ("-X main.version=1.2.3", "v1.2.3"),
        ('"-s -w -X main.Version=v1.2.3"', "v1.2.3"),
        ("\"-w -X 'example.org/app/pkg/version/app.ver=0.56.0'\"", "v0.56.0"),
        ('"-X=\\"main.version=1.2.3-rc.1+build\\" -X main.commit=0.9.9"', "v1.2.3-rc.1+build"),
        # A command of the module, a package for it, any other.
        ('"-X main.version=1.0.0 -X example.org/app/cmd/app.Version=2.0.0"', "v2.0.0"),
        ('"-X github.com/lib/x.Version=1.0.0 -X example.org/app/version.Version=2.0.0"', "v2.0.0"),
        ('"-X main.version=1.0.0 -X example.org/app/version.Version=v1.0.0"', "v1.0.0"),
        ('"-X main.version=1.0.0 -X example.org/app/version.Version=2.0.0"', None),
        ("-X main.version=dev", None),
        ("-X main.goVersion=1.21.0", None),
        ("-s", None),
    ],
)
def test_a_program_from_a_working_directory_has_the_version_of_its_linker(
    flags: str, expected: str | None
) -> None:
    modules = module_list(
        "mod\texample.org/app\t(devel)\t",
        "dep\texample.org/lib\t(devel)\t",
        "build\t-compiler=gc",
        f"build\t-ldflags={flags}",
    )
    versions = found(elf((READ, go_build_info("go1.21.6", modules) + bytes(300))))
    assert versions.get("example.org/app") == expected
    assert "example.org/lib" not in versions


def test_the_version_of_a_module_says_more_than_the_linker() -> None:
    modules = module_list("mod\texample.org/app\tv1.0.0\t", "build\t-ldflags=-X main.version=2.0.0")
    assert found(elf((READ, go_build_info("go1.21.6", modules) + bytes(300))))["example.org/app"] == "v1.0.0"


def test_gos_own_tools_hold_the_mark_as_a_constant() -> None:
    constant = b"some text " + MARK + b" more text, and " + LIST_BEGIN + b"\xf92C1"
    content = elf((READ, bytes(64) + constant + bytes(400)), (WRITE, go_build_info("go1.19.8", b"")))
    assert found(content) == {"stdlib": "1.19.8"}


CRATES = [
    {"name": "adler2", "version": "2.0.1", "source": "crates.io"},
    {"name": "cc", "version": "1.0.1", "source": "crates.io", "kind": "build"},
    {"name": "app", "version": "0.1.0", "source": "local", "root": True},
    {"name": "tokio", "version": "1.38.0", "source": "registry", "dependencies": [0]},
]


@pytest.mark.parametrize("piece", [61, 1 << 20])
def test_crates_of_a_rust_program(piece: int) -> None:
    """The section lies behind what is mapped; other compressed data is not it."""
    audit, other = audit_data(CRATES), audit_data([])[:5] + b"x\x9cx\xdax\x01"
    expected = {"adler2": "2.0.1", "app": "0.1.0", "tokio": "1.38.0"}
    program = elf((READ, other + audit), (CODE, bytes(9)))
    assert found(program, piece) == {}
    assert found(program + other + bytes(99) + audit + bytes(500), piece) == expected


def test_audit_data_that_is_damaged_is_reported() -> None:
    damaged = audit_data([{"name": f"crate{n}", "version": "1"} for n in range(900)])[:-40]
    content = elf((READ, bytes(9)), unmapped=damaged)
    with pytest.raises(Unreadable, match="Rust"):
        found(content)


def test_machine_code_is_not_looked_at_where_it_has_its_own_segment() -> None:
    info = go_build_info("go1.21.6", MODULES)
    assert found(elf((CODE, info), (READ, bytes(99)))) == {}
    assert found(elf((CODE, info), (WRITE, bytes(99)))) != {}


@pytest.mark.parametrize("content", [b"", b"\x7fEL", b"\x7fELF", b"\x7fELF" + b"\xff" * 500, b"#!/bin/sh\n"])
def test_what_is_no_program_says_nothing(content: bytes) -> None:
    assert found(content) == {}


@given(
    st.lists(st.tuples(st.integers(0, 600), st.integers(0, 255)), max_size=12),
    st.integers(1, 700),
    st.booleans(),
)
def test_damaged_programs(changes: list[tuple[int, int]], piece: int, wide: bool) -> None:
    info = go_build_info("go1.21.6", MODULES) + audit_data(CRATES)
    damaged = bytearray(elf((READ, info), (WRITE, info), unmapped=info, wide=wide))
    for at, value in changes:
        damaged[at % len(damaged)] = value
    with suppress(Unreadable):
        assert len(found(bytes(damaged), piece)) < 50


def index(fake: FakeLayer) -> LayerIndex:
    described = Layer(
        descriptor=Descriptor(digest=fake.digest, size=len(fake.blob), media_type=""), diff_id=fake.diff_id
    )
    return index_layer(io.BytesIO(fake.blob), described)


PROGRAM = File(elf((WRITE, go_build_info("go1.21.6", MODULES))), mode=0o755)


def test_programs_are_known_by_their_mode_or_name_and_first_bytes() -> None:
    files: dict[str, Entry] = {
        "usr/local/bin/app": PROGRAM,
        "usr/local/bin/again": Hardlink("usr/local/bin/app"),
        "srv/data": File(PROGRAM.content, mode=0o644),
        "srv/my.sources/data": File(PROGRAM.content, mode=0o644),
        "usr/lib/libapp.so.1.2": File(PROGRAM.content, mode=0o644),
        "usr/lib/text.so": File(b"INPUT(libapp.so.1.2)", mode=0o644),
        "srv/script": File(b"#!/bin/sh\n", mode=0o755),
    }
    assert [(d.path, d.collector, len(d.packages)) for d in index(layer(files)).documents] == [
        ("usr/local/bin/app", "go", 4),
        ("usr/local/bin/again", "go", 4),
        ("usr/lib/libapp.so.1.2", "go", 4),
    ]


def test_a_later_file_of_the_same_path_counts() -> None:
    assert index(layer([("bin/app", PROGRAM), ("bin/app", b"")])).documents == ()


def test_a_packed_program_is_reported_not_guessed() -> None:
    packed = File(elf((CODE, bytes(8) + b"UPX!" + bytes(600))), mode=0o755)
    (problem,) = index(layer({"bin/app": packed})).problems
    assert (problem.path, "UPX" in problem.detail) == ("bin/app", True)


def test_a_distribution_package_speaks_for_its_programs() -> None:
    files: dict[str, Entry] = {
        "etc/os-release": "ID=debian\nVERSION_ID=12\n",
        "var/lib/dpkg/status": "Package: app\nStatus: install ok installed\nVersion: 1\n",
        "var/lib/dpkg/info/app.list": "/.\n/usr/bin/app\n",
        "usr/bin/app": PROGRAM,
    }
    inventory = assemble("sha256:image", [index(layer(files))])
    assert [package.type for package in inventory.packages] == ["deb"]
    assert {package.purl for package in inventory.evidence} == {
        "pkg:golang/stdlib@1.21.6",
        "pkg:golang/github.com/pkg/errors@v0.9.1",
        "pkg:golang/github.com/new/name@v1.2.3",
        "pkg:golang/golang.org/x/net@v0.0.0-20220127200216-cd36cc0744dd",
    }
    assert {package.ecosystem for package in inventory.evidence} == {"Go"}
