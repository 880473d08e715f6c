"""Which distribution an image is, by what its release files say, and what OSV calls it."""

import io
from collections.abc import Mapping
from pathlib import Path

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from fakes.images import Entry, Symlink, layer
from hullwatch.images.image import Descriptor, Layer
from hullwatch.inventory.collectors import os_release
from hullwatch.inventory.ecosystems import distribution_ecosystem
from hullwatch.inventory.layer_index import index_layer
from hullwatch.inventory.overlay import assemble
from hullwatch.inventory.package import Inventory, OsRelease

RELEASES = Path(__file__).parents[2] / "fixtures" / "os-release"
DPKG = "Package: a\nStatus: install ok installed\nVersion: 1\nArchitecture: all\n"


def inventory(files: Mapping[str, Entry]) -> Inventory:
    made = layer(files)
    descriptor = Descriptor(digest=made.digest, size=len(made.blob), media_type="")
    index = index_layer(io.BytesIO(made.blob), Layer(descriptor=descriptor, diff_id=made.diff_id))
    return assemble(made.digest, [index])


@pytest.mark.parametrize(
    ("name", "id_", "version", "ecosystem"),
    [
        ("debian-12", "debian", "12", "Debian:12"),
        ("debian-testing", "debian", "", "Debian:14"),
        ("distroless-12", "debian", "12", "Debian:12"),
        ("ubuntu-22.04", "ubuntu", "22.04", "Ubuntu:22.04:LTS"),
        ("ubuntu-23.10", "ubuntu", "23.10", "Ubuntu:23.10"),
        ("alpine-3.19", "alpine", "3.19.1", "Alpine:v3.19"),
        ("alpine-edge", "alpine", "3.20_alpha20240329", "Alpine:edge"),
        ("amzn-2018.03", "amzn", "2018.03", "Amazon Linux:1"),
        ("amzn-2", "amzn", "2", "Amazon Linux:2"),
        ("amzn-2023", "amzn", "2023", "Amazon Linux:2023"),
        ("rhel-8.7", "rhel", "8.7", "Red Hat:8"),
        ("centos-7", "centos", "7", "Red Hat:7"),
        ("rocky-9.3", "rocky", "9.3", "Rocky Linux:9"),
        ("almalinux-9.3", "almalinux", "9.3", "AlmaLinux:9"),
        ("ol-8.9", "ol", "8.9", "Oracle Linux:8"),
        ("sles-15", "sles", "15", "SUSE:Linux Enterprise Server 15"),
        ("sles-15.5", "sles", "15.5", "SUSE:Linux Enterprise Server 15 SP5"),
        ("sles-16.0", "sles", "16.0", "SUSE:Linux Enterprise Server 16.0"),
        (
            "sles_sap-12.5",
            "sles_sap",
            "12.5",
            "SUSE:Linux Enterprise Server for SAP Applications 12 SP5",
        ),
        ("opensuse-leap-15.5", "opensuse-leap", "15.5", "openSUSE:Leap 15.5"),
        ("opensuse-tumbleweed", "opensuse-tumbleweed", "20240328", "openSUSE:Tumbleweed"),
        ("photon-4.0", "photon", "4.0", "Photon OS:4.0"),
        ("mariner-2.0", "mariner", "2.0", "Azure Linux:2"),
        ("azurelinux-3.0", "azurelinux", "3.0", "Azure Linux:3"),
        ("wolfi", "wolfi", "20230201", "Wolfi"),
        ("chainguard", "chainguard", "20230214", "Chainguard"),
        ("bottlerocket-1.19", "bottlerocket", "1.19.2", "Bottlerocket"),
        # Known by its name, but to no feed.
        ("openwrt-23.05", "openwrt", "23.05.2", ""),
    ],
)
def test_official_images(name: str, id_: str, version: str, ecosystem: str) -> None:
    text = (RELEASES / name).read_text()
    # Nearly all of them have a link at the better known place.
    found = inventory({"etc/os-release": Symlink("../usr/lib/os-release"), "usr/lib/os-release": text})
    assert (found.os.id, found.os.version_id) == (id_, version)
    assert distribution_ecosystem(found.os) == ecosystem
    assert found.complete


def test_every_fixture_is_used() -> None:
    marker = next(mark for mark in test_official_images.pytestmark if mark.name == "parametrize")  # type: ignore[attr-defined]
    assert {case[0] for case in marker.args[1]} | {"README.md"} == {path.name for path in RELEASES.iterdir()}


@pytest.mark.parametrize(
    ("files", "id_", "version", "ecosystem"),
    [
        # Older than os-release, or without it.
        ({"etc/redhat-release": "CentOS release 6.10 (Final)\n"}, "centos", "6.10", "Red Hat:6"),
        ({"etc/centos-release": "CentOS Linux release 7.9.2009 (Core)\n"}, "centos", "7.9.2009", "Red Hat:7"),
        ({"etc/centos-release": "CentOS Stream release 9\n"}, "centos", "9", "Red Hat:9"),
        (
            {"etc/redhat-release": "Red Hat Enterprise Linux Server release 6.10 (Santiago)\n"},
            "rhel",
            "6.10",
            "Red Hat:6",
        ),
        ({"etc/system-release": "Amazon Linux AMI release 2018.03\n"}, "amzn", "2018.03", "Amazon Linux:1"),
        ({"etc/system-release": "Amazon Linux release 2 (Karoo)\n"}, "amzn", "2", "Amazon Linux:2"),
        (
            {"etc/system-release": "Amazon Linux release 2023 (Amazon Linux)\n"},
            "amzn",
            "2023",
            "Amazon Linux:2023",
        ),
        (
            {"etc/rocky-release": "Rocky Linux release 8.9 (Green Obsidian)\n"},
            "rocky",
            "8.9",
            "Rocky Linux:8",
        ),
        (
            {"etc/almalinux-release": "AlmaLinux release 8.9 (Midnight Oncilla)\n"},
            "almalinux",
            "8.9",
            "AlmaLinux:8",
        ),
        # Oracle's redhat-release names Red Hat.
        (
            {
                "etc/oracle-release": "Oracle Linux Server release 6.10\n",
                "etc/redhat-release": "Red Hat Enterprise Linux Server release 6.10 (Santiago)\n",
            },
            "ol",
            "6.10",
            "Oracle Linux:6",
        ),
        (
            {"etc/SuSE-release": "SUSE Linux Enterprise Server 11 (x86_64)\nVERSION = 11\nPATCHLEVEL = 4\n"},
            "sles",
            "11.4",
            "SUSE:Linux Enterprise Server 11 SP4",
        ),
        (
            {"etc/SuSE-release": "openSUSE 42.3 (x86_64)\nVERSION = 42.3\nCODENAME = Malachite\n"},
            "opensuse",
            "42.3",
            "openSUSE:Leap 42.3",
        ),
        ({"etc/alpine-release": "3.2.3\n"}, "alpine", "3.2.3", "Alpine:v3.2"),
        ({"etc/debian_version": "7.11\n"}, "debian", "7.11", "Debian:7"),
        ({"etc/debian_version": "trixie/sid\n"}, "debian", "", "Debian:13"),
        (
            {
                "etc/debian_version": "bookworm/sid\n",
                "etc/lsb-release": "DISTRIB_ID=Ubuntu\nDISTRIB_RELEASE=22.04\nDISTRIB_CODENAME=jammy\n"
                'DISTRIB_DESCRIPTION="Ubuntu 22.04.4 LTS"\n',
            },
            "ubuntu",
            "22.04",
            "Ubuntu:22.04:LTS",
        ),
        # A file that names nothing leaves it to the next.
        (
            {"etc/os-release": "\x7fELF\0\xff", "usr/lib/os-release": "ID=debian\nVERSION_ID=12\n"},
            "debian",
            "12",
            "Debian:12",
        ),
        ({"etc/os-release": "NAME=x\n", "etc/debian_version": "12.5\n"}, "debian", "12.5", "Debian:12"),
        ({"etc/os-release": 'ID="debian\nVERSION_ID=12"\n'}, "debian", "12", "Debian:12"),
        (
            {"etc/os-release": "ID=Debian\nID='alpine'\nVERSION_ID='3.19.1'"},
            "alpine",
            "3.19.1",
            "Alpine:v3.19",
        ),
        # What is no identifier is none.
        ({"etc/os-release": "ID=$(id)\nVERSION_ID=12\n"}, "", "", ""),
        ({"etc/os-release": 'ID="a b"\n'}, "", "", ""),
        ({"etc/os-release": 'ID=debian\nVERSION_ID="../12"\n'}, "debian", "", ""),
        # Nobody said so: not guessed from what it is like.
        ({"etc/os-release": "ID=linuxmint\nVERSION_ID=21\nID_LIKE=ubuntu\n"}, "linuxmint", "21", ""),
        ({"etc/debian_version": "kali-rolling\n"}, "", "", ""),
        ({"etc/redhat-release": "Some Linux release 7\n"}, "", "", ""),
        ({"etc/SuSE-release": ""}, "", "", ""),
        ({}, "", "", ""),
    ],
)
def test_other_images(files: dict[str, Entry], id_: str, version: str, ecosystem: str) -> None:
    found = inventory({**files, "var/lib/dpkg/status": DPKG})
    assert (found.os.id, found.os.version_id) == (id_, version)
    assert distribution_ecosystem(found.os) == ecosystem
    # Whatever it is, its packages are listed.
    assert [(package.name, package.ecosystem) for package in found.packages] == [("a", ecosystem)]
    assert found.complete


@given(st.sampled_from(os_release.PATHS), st.text() | st.from_regex(r"(ID|VERSION_ID)=.*\n[^\0]*"))
def test_arbitrary_release_files(path: str, text: str) -> None:
    for release in os_release.parse(path, text.encode("utf-8", "surrogatepass")):
        assert isinstance(release, OsRelease)
        assert release.id == "".join(release.id.split()).lower()
        assert not set(release.id + release.version_id) & set("/@?&#%: ")
        distribution_ecosystem(release)


MANIFEST = "root/buildinfo/content_manifests/ubi9-minimal-container-9.4-1227.json"


def test_content_manifests_of_all_layers_are_joined() -> None:
    found = inventory(
        {
            "etc/os-release": (RELEASES / "rhel-8.7").read_text(),
            MANIFEST: '{"metadata": {"icm_version": 1}, "content_sets":'
            ' ["rhel-8-for-x86_64-baseos-rpms", "rhel-8-for-x86_64-appstream-rpms"], "image_contents": []}',
            "usr/share/buildinfo/content-sets.json": '{"content_sets":'
            ' ["x", 5, "rhel-8-for-x86_64-baseos-rpms"]}',
        }
    )
    assert found.os.id == "rhel"
    assert found.os.content_sets == (
        "rhel-8-for-x86_64-appstream-rpms",
        "rhel-8-for-x86_64-baseos-rpms",
        "x",
    )
    assert found.complete


def test_a_content_manifest_names_no_distribution() -> None:
    found = inventory({MANIFEST: '{"content_sets": ["a"]}'})
    assert found.os == OsRelease(content_sets=("a",))


@pytest.mark.parametrize("text", ["", "[]", "{", '{"content_sets": "a"}', "\xff", "[" * 100_000])
def test_a_damaged_content_manifest_is_reported(text: str) -> None:
    found = inventory({MANIFEST: text.encode("latin-1"), "etc/os-release": "ID=rhel\nVERSION_ID=8.7\n"})
    assert found.os.content_sets == ()
    assert [(problem.path, "content manifest" in problem.detail) for problem in found.problems] == [
        (MANIFEST, True)
    ]


def packages(name: str) -> bytes:
    compressed = (RELEASES.parent / "collectors" / f"{name}.zst").read_bytes()
    return zstandard.ZstdDecompressor().stream_reader(io.BytesIO(compressed)).read()


@pytest.mark.parametrize(
    ("release", "files", "ecosystem"),
    [
        ("centos-7", {"var/lib/rpm/Packages": packages("Packages-512")}, "Red Hat:7"),
        ("amzn-2018.03", {"var/lib/rpm/Packages": packages("Packages-16384")}, "Amazon Linux:1"),
        ("amzn-2", {"var/lib/rpm/Packages": packages("Packages-16384")}, "Amazon Linux:2"),
        ("amzn-2023", {"var/lib/rpm/rpmdb.sqlite": packages("rpmdb.sqlite")}, "Amazon Linux:2023"),
        (
            "opensuse-leap-15.5",
            {
                "usr/lib/sysimage/rpm/Packages": packages("Packages-512"),
                "var/lib/rpm": Symlink("../../usr/lib/sysimage/rpm"),
            },
            "openSUSE:Leap 15.5",
        ),
    ],
)
def test_images_with_rpm(release: str, files: dict[str, Entry], ecosystem: str) -> None:
    found = inventory({"etc/os-release": (RELEASES / release).read_text(), **files})
    assert found.complete
    assert {(package.name, package.version, package.ecosystem) for package in found.packages} == {
        ("python3-six", "1:1.15.0-9.el9", ecosystem),
        ("six-doc", "2.0-9.el9", ecosystem),
    }
    (six,) = [package for package in found.packages if package.name == "python3-six"]
    assert six.purl.startswith(f"pkg:rpm/{found.os.id}/python3-six@1.15.0-9.el9?")
    # The label of the module stream it came from.
    assert "rpmmod=python39:3.9:9050020211119" in six.purl
