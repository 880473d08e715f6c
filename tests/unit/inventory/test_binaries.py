"""Programs without a package manager, as their makers build them."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes.images import Directory, Entry, File, Hardlink, layer
from fakes.programs import CODE, READ, elf
from hullwatch.images.image import Descriptor, Layer
from hullwatch.inventory.binaries import SIGNATURES, search_of
from hullwatch.inventory.collectors import runtimes
from hullwatch.inventory.layer_index import LayerIndex, index_layer
from hullwatch.inventory.overlay import assemble
from hullwatch.inventory.package import Inventory

#: What strings(1) shows of programs as distributions, makers and official images ship them.
PROGRAMS: list[tuple[str, bytes, str]] = [
    ("bin/bash", b"@(#)Bash version 5.2.15(1) release GNU", "bash 5.2.15"),
    ("bin/busybox", b"BusyBox v1.36.1 (2023-06-02 00:42:02 UTC)", "busybox 1.36.1"),
    ("bin/[", b"BusyBox v1.36.1 (2023-06-02 00:42:02 UTC)", "busybox 1.36.1"),
    ("usr/bin/curl", b"curl/8.4.0", "curl 8.4.0"),
    ("usr/local/lib/libcurl.so.4.8.0", b"libcurl/7.88.1", "curl 7.88.1"),
    ("usr/local/sbin/haproxy", b"HAProxy version 2.6.12, released 2023/03/28", "haproxy 2.6.12"),
    ("usr/sbin/haproxy", b"HA-Proxy version 1.8.30, released 2021/04/12", "haproxy 1.8.30"),
    ("usr/local/apache2/bin/httpd", b"Apache/2.4.57 (Unix)", "httpd 2.4.57"),
    ("usr/sbin/apache2", b"Apache/2.4.57", "httpd 2.4.57"),
    ("usr/sbin/mariadbd", b"10.11.6-MariaDB-1:10.11.6+maria~ubu2204", "mariadb 10.11.6"),
    ("usr/sbin/mysqld", b"/home/build/mysql-8.0.34/sql/mysqld.cc", "mysql 8.0.34"),
    ("usr/sbin/nginx", b"nginx version: nginx/1.25.3", "nginx 1.25.3"),
    ("usr/local/openresty/nginx/sbin/nginx", b"nginx version: openresty/1.21.4.2", "openresty 1.21.4.2"),
    ("usr/local/bin/node", b"node.js/v20.9.0", "node 20.9.0"),
    (
        "opt/java/lib/server/libjvm.so",
        b"OpenJDK 64-Bit Server VM (17.0.9+9) for linux-amd64 JRE (17.0.9+9), built on Oct 17 2023",
        "openjdk 17.0.9",
    ),
    (
        "opt/jre/lib/amd64/server/libjvm.so",
        b"OpenJDK 64-Bit Server VM (25.372-b07) for linux-amd64 JRE (1.8.0_372-b07), built on Apr 18 2023",
        "openjdk 1.8.0_372",
    ),
    ("usr/local/lib/libcrypto.so.3", b"OpenSSL 3.0.12 24 Oct 2023", "openssl 3.0.12"),
    ("usr/local/lib/libssl.so.1.1", b"OpenSSL 1.1.1w  11 Sep 2023", "openssl 1.1.1w"),
    ("usr/bin/openssl", b"OpenSSL 1.0.2k-fips  26 Jan 2017", "openssl 1.0.2k"),
    ("usr/local/bin/perl5.38.0", b"/usr/local/lib/perl5/5.38.0/x86_64-linux-gnu", "perl 5.38.0"),
    ("usr/local/bin/perl", b"/usr/local/lib/perl5/site_perl/5.36.1", "perl 5.36.1"),
    ("usr/local/sbin/php-fpm", b"X-Powered-By: PHP/8.2.12", "php 8.2.12"),
    ("usr/bin/php8.3", b"X-Powered-By: PHP/8.3.0RC6", "php 8.3.0RC6"),
    (
        "usr/lib/postgresql/16/bin/postgres",
        b"PostgreSQL 16.1 (Debian 16.1-1.pgdg120+1) on x86_64-pc-linux-gnu, compiled by gcc",
        "postgresql 16.1",
    ),
    ("usr/local/lib/libpython3.11.so.1.0", b"3.11.6", "python 3.11.6"),
    ("usr/local/bin/python3.12", b"/tmp/build/Python-3.12.0rc3", "python 3.12.0rc3"),
    ("usr/lib/libpython3.6m.so.1.0", b"3.6.15+", "python 3.6.15"),
    ("usr/local/bin/redis-server", b"7.0.14buildkitsandbox-1698889218000000000", "redis 7.0.14"),
    ("usr/local/bin/redis-server", b"5.0.142a64b0bd03d9-1635236021000000000", "redis 5.0.14"),
    ("usr/bin/redis-server", b"7.0.151790282056000000000", "redis 7.0.15"),
    ("usr/local/lib/libruby.so.3.2.2", b"ruby 3.2.2 (2023-03-30 revision e51014f9c0)", "ruby 3.2.2"),
    ("usr/lib/libruby-2.7.so.2.7.4", b"ruby 2.7.4p191 (2021-07-07 revision a21a3b7d23)", "ruby 2.7.4"),
    ("usr/local/bin/valkey-server", b"7.2.5buildkitsandbox-1713300000000000000", "valkey 7.2.5"),
]


def program(text: bytes, *, before: int = 700) -> bytes:
    return elf((CODE, b"\x90" * 300), (READ, bytes(before) + text + bytes(900)))


def found(path: str, content: bytes, piece: int = 1 << 19) -> list[str]:
    search = search_of(path)
    if search is None:
        return []
    parts = [content[at : at + piece] for at in range(0, len(content), piece)]
    assert b"".join(search.watch(parts)) == content
    return [f"{package.name} {package.version}" for package in search.packages()]


@pytest.mark.parametrize("piece", [3, 61, 1 << 19])
@pytest.mark.parametrize(("path", "text", "expected"), PROGRAMS)
def test_versions(path: str, text: bytes, expected: str, piece: int) -> None:
    assert found(path, program(text), piece) == [expected]


def test_every_signature_is_tried() -> None:
    assert {signature.name for signature in SIGNATURES} == {line.split()[0] for _, _, line in PROGRAMS}


@pytest.mark.parametrize(
    "path", ["usr/bin/curl-config", "etc/init.d/redis", "usr/lib/ruby/openssl.so", "app/x"]
)
def test_other_names_are_not_searched(path: str) -> None:
    assert search_of(path) is None


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("usr/bin/node", b"#!/bin/sh\n# node.js/v20.9.0\n" + bytes(500)),
        ("usr/bin/python3", program(b"3.11.6")),
        ("usr/bin/python3.11", program(b"3.12.1")),
        ("usr/bin/openssl", program(b"OpenSSL 3.0.0 or later is needed")),
        ("usr/sbin/nginx", program(b"nginx version: ")),
        ("usr/bin/node", b""),
    ],
)
def test_what_is_no_version(path: str, content: bytes) -> None:
    assert found(path, content) == []


@given(
    path=st.one_of(st.text(max_size=40), st.sampled_from([path for path, _, _ in PROGRAMS])),
    texts=st.lists(st.one_of(st.binary(max_size=60), st.sampled_from([text for _, text, _ in PROGRAMS]))),
    piece=st.integers(1, 900),
)
def test_any_program_passes_by_unchanged_whatever_it_is_called(
    path: str, texts: list[bytes], piece: int
) -> None:
    assert len(found(path, b"\x7fELF" + b"".join(texts), piece)) <= len(SIGNATURES)


def test_a_version_is_not_cut_off_where_a_piece_ends() -> None:
    content = program(b"node.js/v20.11.23")
    at = content.index(b"20.11.23") + len(b"20.11.2")
    search = search_of("node")
    assert search is not None
    list(search.watch([content[:at], content[at:]]))
    assert [package.version for package in search.packages()] == ["20.11.23"]


def indexed(entries: dict[str, Entry]) -> LayerIndex:
    fake = layer(entries)
    descriptor = Descriptor(digest=fake.digest, size=len(fake.blob), media_type="")
    return index_layer(io.BytesIO(fake.blob), Layer(descriptor=descriptor, diff_id=fake.diff_id))


def image(entries: dict[str, Entry]) -> tuple[LayerIndex, Inventory]:
    index = indexed(entries)
    return index, assemble("sha256:image", [index])


def test_a_program_and_a_library_of_an_image() -> None:
    _, inventory = image(
        {
            "usr/local/bin/node": File(program(b"node.js/v20.9.0"), 0o755),
            "usr/local/lib/libcrypto.so.3": program(b"OpenSSL 3.0.12 24 Oct 2023"),
            # No executable, and no library.
            "usr/share/nginx": program(b"nginx version: nginx/1.25.3"),
        }
    )
    assert [package.purl for package in inventory.packages] == [
        "pkg:generic/node@20.9.0",
        "pkg:generic/openssl@3.0.12",
    ]


def test_a_program_of_a_distribution_speaks_through_its_package() -> None:
    _, inventory = image(
        {
            "etc/os-release": "ID=debian\nVERSION_ID=12\n",
            "var/lib/dpkg/status": "Package: nginx\nStatus: install ok installed\nVersion: 1.22.1-9\n",
            "var/lib/dpkg/info/nginx.list": "/.\n/usr/sbin/nginx\n",
            "usr/sbin/nginx": File(program(b"nginx version: nginx/1.22.1"), 0o755),
        }
    )
    assert [package.type for package in inventory.packages] == ["deb"]
    assert [package.name for package in inventory.evidence] == ["nginx"]


@pytest.mark.parametrize("entry", [Directory(), File("#!/bin/sh\n", 0o755), Hardlink("bin/sh")])
def test_what_takes_the_place_of_a_program_takes_its_word_away(entry: Entry) -> None:
    lower = indexed({"usr/local/bin/node": File(program(b"node.js/v20.9.0"), 0o755)})
    upper = indexed({"usr/local/bin/node": entry})
    assert [package.name for package in assemble("sha256:image", [lower]).packages] == ["node"]
    assert assemble("sha256:image", [lower, upper]).packages == ()


def test_a_directory_over_a_directory_leaves_what_is_in_it() -> None:
    lower = indexed({"usr/local/bin/node": File(program(b"node.js/v20.9.0"), 0o755)})
    upper = indexed({"usr/local/bin": Directory(), "usr/local": Directory()})
    assert [package.name for package in assemble("sha256:image", [lower, upper]).packages] == ["node"]


def test_busybox_is_named_where_it_is_not_under_each_applet() -> None:
    applets: dict[str, Entry] = {f"bin/{name}": Hardlink("bin/[") for name in ("ash", "busybox", "cat")}
    index, _ = image({"bin/[": File(program(b"BusyBox v1.36.1 (2023)"), 0o755), **applets})
    assert [document.path for document in index.documents] == ["bin/[", "bin/busybox"]
    assert not index.problems


@pytest.mark.parametrize(
    ("path", "content", "expected"),
    [
        (
            "opt/java/openjdk/release",
            'IMPLEMENTOR="Eclipse Adoptium"\nJAVA_RUNTIME_VERSION="17.0.9+9"\nJAVA_VERSION="17.0.9"\n',
            [("openjdk", "17.0.9", "Eclipse Adoptium")],
        ),
        (
            "usr/lib/jvm/jre/release",
            'JAVA_VERSION="1.8.0_372"\nOS_NAME="Linux"\n',
            [("openjdk", "1.8.0_372", "")],
        ),
        ("srv/java/release", "the next one is in May\n", []),
        ("usr/local/go/VERSION", "go1.21.4\ntime 2023-11-01T20:46:39Z\n", [("go", "1.21.4", "")]),
        ("usr/local/go/VERSION", "go1.19", [("go", "1.19", "")]),
        ("usr/lib/go/VERSION", "devel +abcdef\n", []),
        ("usr/local/lib/erlang/releases/26/OTP_VERSION", "26.1.2\n", [("erlang", "26.1.2", "")]),
    ],
)
def test_runtimes_that_say_what_they_are(
    path: str, content: str, expected: list[tuple[str, str, str]]
) -> None:
    packages = runtimes.parse(path, content.encode())
    assert [(package.name, package.version, package.vendor) for package in packages] == expected
