from collections.abc import Iterable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hullwatch.inventory.collectors import apk, dpkg, node, os_release, python
from hullwatch.inventory.dispatch import all_collectors
from hullwatch.inventory.package import OsRelease, Package
from hullwatch.inventory.records import Collector, Ownership, Record, Unreadable


def packages(records: Iterable[Record]) -> list[Package]:
    return [record for record in records if isinstance(record, Package)]


def owned(records: Iterable[Record]) -> list[str]:
    return [path for record in records if isinstance(record, Ownership) for path in record.paths]


@pytest.mark.parametrize("collector", all_collectors(), ids=lambda collector: collector.NAME)
@given(content=st.binary(max_size=600), data=st.data())
def test_arbitrary_bytes_cost_only_their_file(
    collector: Collector, content: bytes, data: st.DataObject
) -> None:
    path = data.draw(st.sampled_from(collector.PATHS)).replace("**/", "").replace("*", "x")
    with suppress(Unreadable):
        for record in collector.parse(path, content):
            assert isinstance(record, Package | Ownership | OsRelease)


# Lines of real databases in any order and state of repair.
lines = st.lists(
    st.sampled_from(
        [
            "Package: a", "Version: 1:2-3+b1", "Status: install ok installed", "Source: s (1)", "Source:",
            "P:a", "V:1", "F:usr", "R:x", "o:", "L:MIT", "Name: a", "Name:", "Version: 1", "License: MIT",
            "ID=debian", 'VERSION_ID="12', "ID='", "{", "}", '"name": "a",', " folded", ": x", "", "\0", "é",
        ]
    ),
    max_size=20,
)  # fmt: skip


@pytest.mark.parametrize("collector", [apk, dpkg, node, os_release, python], ids=lambda module: module.NAME)
@given(lines=lines)
def test_any_mixture_of_lines_is_read_or_refused(collector: Collector, lines: list[str]) -> None:
    with suppress(Unreadable):
        for record in packages(collector.parse(collector.PATHS[0], "\n".join(lines).encode())):
            assert record.name
            assert record.version


DPKG_STATUS = """\
Package: libc6
Status: install ok installed
Priority: optional
Maintainer: GNU Libc Maintainers <debian-glibc@lists.debian.org>
Architecture: amd64
Multi-Arch: same
Source: glibc
Version: 2.36-9+deb12u4
Description: GNU C Library: Shared libraries
 Contains the standard libraries.
 Version: 9.9
 .

Package: gcc-12-base
Status: install ok installed
Architecture: amd64
Source: gcc-12 (12.2.0-14)
Version: 12.2.0-14+b1

Package: hello
Status: hold ok installed
Architecture: all
Version: 2.10-3+b12

Package: gone
Status: deinstall ok config-files
Version: 1.0

Package: also-gone
Status: install ok config-files
Version: 1.0

Package: half
Status: install reinstreq half-installed
Version: 1.0

Package: triggered
Status: install ok triggers-pending
Version: 1.0

Package: never
Status: purge ok not-installed
"""


def test_dpkg_lists_what_is_installed() -> None:
    found = packages(dpkg.parse("var/lib/dpkg/status", DPKG_STATUS.encode()))
    assert [(p.name, p.version, p.source_name, p.source_version) for p in found] == [
        ("libc6", "2.36-9+deb12u4", "glibc", "2.36-9+deb12u4"),
        ("gcc-12-base", "12.2.0-14+b1", "gcc-12", "12.2.0-14"),
        ("hello", "2.10-3+b12", "hello", "2.10-3"),
        ("triggered", "1.0", "triggered", "1.0"),
    ]
    assert (found[0].arch, found[0].vendor) == (
        "amd64",
        "GNU Libc Maintainers <debian-glibc@lists.debian.org>",
    )


def test_dpkg_stanzas_of_distroless_have_no_status() -> None:
    stanza = b"Package: base-files\nVersion: 12.4+deb12u5\nArchitecture: amd64\n"
    (package,) = packages(dpkg.parse("var/lib/dpkg/status.d/base", stanza))
    assert (package.name, package.locations) == ("base-files", ("var/lib/dpkg/status.d/base",))


def test_dpkg_files() -> None:
    listed = b"/.\n/usr\n/usr/lib/python3/dist-packages/six.py\n"
    sums = b"d41d8cd98f00b204e9800998ecf8427e  usr/lib/a\nd41d8cd98f00b204e9800998ecf8427e  ./usr/lib/b\n"
    assert owned(dpkg.parse("var/lib/dpkg/info/python3-six.list", listed))[-1] == (
        "usr/lib/python3/dist-packages/six.py"
    )
    assert owned(dpkg.parse("var/lib/dpkg/status.d/base.md5sums", sums)) == ["usr/lib/a", "usr/lib/b"]


APK_DATABASE = """\
C:Q1qKcZ+j23xssAXmgQhkOO8dHnbWw=
P:libssl3
V:3.0.12-r1
A:x86_64
T:SSL shared libraries
L:Apache-2.0
o:openssl
m:Ariadne Conill <ariadne@dereferenced.org>
F:lib
R:libssl.so.3
a:0:0:755
F:usr/lib/engines-3

P:busybox
V:1.36.1-r5
A:x86_64
F:
R:etc-at-root
F:bin
R:busybox

P:broken
A:x86_64
"""


def test_apk_packages_and_their_files() -> None:
    records = list(apk.parse("lib/apk/db/installed", APK_DATABASE.encode()))
    found = packages(records)
    assert [(p.name, p.version, p.source_name, p.source_version, p.licenses) for p in found] == [
        ("libssl3", "3.0.12-r1", "openssl", "3.0.12-r1", ("Apache-2.0",)),
        ("busybox", "1.36.1-r5", "busybox", "1.36.1-r5", ()),
    ]
    assert owned(records) == ["lib/libssl.so.3", "etc-at-root", "bin/busybox"]


@pytest.mark.parametrize(
    ("path", "content", "expected"),
    [
        (
            "etc/os-release",
            'PRETTY_NAME="Debian 12 (bookworm)"\nVERSION_ID="12"\nVERSION_CODENAME=bookworm\nID=debian',
            OsRelease(id="debian", version_id="12", codename="bookworm", name="Debian 12 (bookworm)"),
        ),
        (
            "usr/lib/os-release",
            '# comment\nID=\'amzn\'\nID_LIKE="centos rhel fedora"\nVERSION_ID=2\nNAME="It\'s \\"2\\""\n',
            OsRelease(id="amzn", version_id="2", id_like=("centos", "rhel", "fedora"), name='It\'s "2"'),
        ),
        ("etc/alpine-release", "3.16.2\n", OsRelease(id="alpine", version_id="3.16.2", name="Alpine Linux")),
        (
            "etc/redhat-release",
            "CentOS release 6.10 (Final)\n",
            OsRelease(id="centos", version_id="6.10", name="CentOS release 6.10 (Final)"),
        ),
        (
            "etc/redhat-release",
            "Red Hat Enterprise Linux Server release 7.9 (Maipo)\n",
            OsRelease(
                id="rhel", version_id="7.9", name="Red Hat Enterprise Linux Server release 7.9 (Maipo)"
            ),
        ),
        (
            "etc/system-release",
            "Amazon Linux release 2 (Karoo)\n",
            OsRelease(id="amzn", version_id="2", name="Amazon Linux release 2 (Karoo)"),
        ),
    ],
)
def test_distributions_name_themselves(path: str, content: str, expected: OsRelease) -> None:
    assert list(os_release.parse(path, content.encode())) == [expected]


@pytest.mark.parametrize(
    ("path", "content"),
    [("etc/os-release", "NAME=x\n"), ("etc/redhat-release", "hello\n"), ("etc/os-release", "")],
)
def test_what_names_no_distribution_says_nothing(path: str, content: str) -> None:
    assert list(os_release.parse(path, content.encode())) == []


METADATA = """\
Metadata-Version: 2.1
Name: ruamel.yaml
Version: 0.18.5
Author: Anthon van der Neut
License: MIT license
Classifier: License :: OSI Approved :: MIT License
Description-Content-Type: text/markdown

Name: not-this
Version: 9
"""


@pytest.mark.parametrize(
    ("license_fields", "licenses"),
    [
        ("License-Expression: MIT OR Apache-2.0\nLicense: ignored", ("MIT OR Apache-2.0",)),
        ("License: BSD", ("BSD",)),
        (
            "License: UNKNOWN\nClassifier: License :: OSI Approved :: BSD License\nClassifier: Topic :: Text",
            ("BSD License",),
        ),
        ("License: " + "the whole text of the licence " * 10, ()),
        ("", ()),
    ],
)
def test_python_licences(license_fields: str, licenses: tuple[str, ...]) -> None:
    content = f"Name: x\nVersion: 1\n{license_fields}\n".encode()
    (package,) = python.parse("x.dist-info/METADATA", content)
    assert package.licenses == licenses


def test_python_metadata_ends_with_its_header() -> None:
    (package,) = python.parse("site-packages/ruamel.yaml-0.18.5.dist-info/METADATA", METADATA.encode())
    assert (package.name, package.version, package.licenses) == ("ruamel.yaml", "0.18.5", ("MIT license",))


@pytest.mark.parametrize("content", [b"", b"Name: x\n", b"Version: 1\n\nName: x\n", b"Name:\nVersion: 1\n"])
def test_python_metadata_without_name_or_version_is_reported(content: bytes) -> None:
    with pytest.raises(Unreadable):
        list(python.parse("x.dist-info/METADATA", content))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b'{"name": "@scope/x", "version": "1.0.0", "license": "MIT"}', ("@scope/x", "1.0.0", ("MIT",))),
        (b'\xef\xbb\xbf{"name": "x", "version": "1", "license": {"type": "BSD"}}', ("x", "1", ("BSD",))),
        (
            b'{"name": "x", "version": "1", "licenses": [{"type": "MIT"}, {"url": 1}, "GPL"]}',
            ("x", "1", ("MIT", "GPL")),
        ),
        (b'{"name": "x", "version": "1", "license": 7, "scripts": {"a": 1}}', ("x", "1", ())),
    ],
)
def test_node_modules(content: bytes, expected: tuple[str, str, tuple[str, ...]]) -> None:
    (package,) = node.parse("node_modules/x/package.json", content)
    assert (package.name, package.version, package.licenses) == expected


@pytest.mark.parametrize(
    "content",
    [
        b'{"type": "module"}',
        b'{"name": "x"}',
        b'{"name": 1, "version": "1"}',
        b'{"name": "", "version": "1"}',
        b"{}",
    ],
)
def test_a_package_json_that_names_no_module_says_nothing(content: bytes) -> None:
    assert list(node.parse("node_modules/x/package.json", content)) == []


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"\xff", b"[" * 50_000, b'{"a":' + b"[" * 50_000])
def test_a_package_json_that_is_no_json_object_is_reported(content: bytes) -> None:
    with pytest.raises(Unreadable):
        list(node.parse("node_modules/x/package.json", content))


@pytest.mark.parametrize(
    ("path", "is_installed"),
    [
        ("app/node_modules/x/package.json", True),
        ("app/node_modules/test/package.json", True),
        ("app/test/node_modules/x/package.json", True),
        ("app/node_modules/a/node_modules/test/node_modules/x/package.json", True),
        ("app/node_modules/@scope/tests/node_modules/x/package.json", True),
        ("app/node_modules/.pnpm/x@1.0.0/node_modules/x/package.json", True),
        ("app/node_modules/resolve/test/resolver/node_modules/x/package.json", False),
        ("node_modules/@scope/a/Fixtures/node_modules/x/package.json", False),
    ],
)
def test_modules_that_another_one_keeps_for_its_tests_are_not_installed(
    path: str, is_installed: bool
) -> None:
    found = list(node.parse(path, b'{"name": "x", "version": "1"}'))
    assert bool(found) is is_installed


def test_paths_of_collectors_are_relative_and_their_names_unique() -> None:
    collectors = all_collectors()
    assert len({collector.NAME for collector in collectors}) == len(collectors)
    for collector in collectors:
        assert collector.VERSION >= 1
        assert collector.MAX_BYTES > 0
        assert not any(path.startswith("/") for path in collector.PATHS)
