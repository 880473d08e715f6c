from typing import Any

import pytest
from packageurl import PackageURL

from hullwatch.inventory.binaries import SIGNATURES
from hullwatch.inventory.distributions import PROGRAMS
from hullwatch.inventory.ecosystems import distribution_ecosystem, ecosystem_of, with_names
from hullwatch.inventory.package import OsRelease, Package


@pytest.mark.parametrize(
    ("os", "expected"),
    [
        ({"id": "debian", "version_id": "12"}, "Debian:12"),
        ({"id": "debian", "version_id": "12.4"}, "Debian:12"),
        ({"id": "debian", "codename": "trixie"}, "Debian:13"),
        ({"id": "debian"}, ""),
        ({"id": "ubuntu", "version_id": "22.04"}, "Ubuntu:22.04:LTS"),
        ({"id": "ubuntu", "version_id": "23.10"}, "Ubuntu:23.10"),
        ({"id": "ubuntu", "version_id": "23.04"}, "Ubuntu:23.04"),
        ({"id": "alpine", "version_id": "3.16.2"}, "Alpine:v3.16"),
        ({"id": "alpine", "version_id": "3.21_alpha20240807"}, "Alpine:edge"),
        ({"id": "almalinux", "version_id": "9.3"}, "AlmaLinux:9"),
        ({"id": "rocky", "version_id": "8.9"}, "Rocky Linux:8"),
        ({"id": "rhel", "version_id": "9.4"}, "Red Hat:9"),
        ({"id": "amzn", "version_id": "2023"}, "Amazon Linux:2023"),
        ({"id": "amzn", "version_id": "2"}, "Amazon Linux:2"),
        ({"id": "opensuse-leap", "version_id": "15.5"}, "openSUSE:Leap 15.5"),
        ({"id": "opensuse-tumbleweed", "version_id": "20240101"}, "openSUSE:Tumbleweed"),
        ({"id": "sles", "version_id": "15.5"}, "SUSE:Linux Enterprise Server 15 SP5"),
        ({"id": "photon", "version_id": "4.0"}, "Photon OS:4.0"),
        ({"id": "wolfi", "version_id": "20230201"}, "Wolfi"),
        # Nobody said so: not guessed from what it is like.
        ({"id": "linuxmint", "version_id": "21", "id_like": ("ubuntu",)}, ""),
        ({}, ""),
    ],
)
def test_releases_as_osv_spells_them(os: dict[str, Any], expected: str) -> None:
    assert distribution_ecosystem(OsRelease(**os)) == expected


DEBIAN = OsRelease(id="debian", version_id="12")
AMAZON = OsRelease(id="amzn", version_id="2023")


@pytest.mark.parametrize(
    ("package", "os", "expected"),
    [
        (
            Package(type="deb", name="libc6", version="1:2.36-9+deb12u4", arch="amd64", source_name="glibc"),
            DEBIAN,
            "pkg:deb/debian/libc6@1:2.36-9%2Bdeb12u4?arch=amd64&distro=debian-12&upstream=glibc",
        ),
        (
            Package(
                type="deb",
                name="hello",
                version="2-3+b1",
                source_name="hello",
                source_version="2-3",
            ),
            DEBIAN,
            "pkg:deb/debian/hello@2-3%2Bb1?distro=debian-12&upstream=hello@2-3",
        ),
        (
            Package(type="apk", name="musl", version="1.2.3-r0", arch="x86_64", source_name="musl"),
            OsRelease(id="alpine", version_id="3.16.2"),
            "pkg:apk/alpine/musl@1.2.3-r0?arch=x86_64&distro=alpine-3.16.2",
        ),
        (
            Package(
                type="rpm",
                name="openssl-libs",
                version="1:3.0.8-1.amzn2023",
                arch="x86_64",
                source_name="openssl",
                source_version="3.0.8-1.amzn2023",
            ),
            AMAZON,
            "pkg:rpm/amzn/openssl-libs@3.0.8-1.amzn2023"
            "?arch=x86_64&distro=amzn-2023&epoch=1&upstream=openssl-3.0.8-1.amzn2023.src.rpm",
        ),
        (
            Package(type="rpm", name="nodejs", version="18-1", module="nodejs:18:1:2", source_name=""),
            OsRelease(),
            "pkg:rpm/nodejs@18-1?rpmmod=nodejs:18:1:2",
        ),
        (Package(type="pypi", name="Ruamel_Yaml", version="1"), DEBIAN, "pkg:pypi/ruamel-yaml@1"),
        (Package(type="npm", name="@scope/x", version="1"), DEBIAN, "pkg:npm/%40scope/x@1"),
        (Package(type="npm", name="JSONStream", version="1"), DEBIAN, "pkg:npm/JSONStream@1"),
        (Package(type="generic", name="httpd", version="2.4.57"), DEBIAN, "pkg:generic/httpd@2.4.57"),
    ],
)
def test_package_urls(package: Package, os: OsRelease, expected: str) -> None:
    (named,) = with_names([package], os)
    assert PackageURL.from_string(named.purl) == PackageURL.from_string(expected)
    assert named.name == package.name


@pytest.mark.parametrize(
    ("package_type", "expected"), [("pypi", "PyPI"), ("npm", "npm"), ("deb", "Debian:12"), ("nonesuch", "")]
)
def test_ecosystems(package_type: str, expected: str) -> None:
    assert ecosystem_of(Package(type=package_type, name="x", version="1"), DEBIAN) == expected


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs_have_bitnamis_advisories(name: str) -> None:
    assert ecosystem_of(Package(type="generic", name=name, version="1"), DEBIAN) == "Bitnami"


def test_a_program_that_bitnami_does_not_know_has_no_ecosystem() -> None:
    assert ecosystem_of(Package(type="generic", name="openssl", version="3.0.12"), DEBIAN) == ""


def test_every_program_with_advisories_is_found_by_something() -> None:
    runtimes = {"go", "openjdk"}
    assert set(PROGRAMS) <= {signature.name for signature in SIGNATURES} | runtimes
