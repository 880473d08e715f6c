from __future__ import annotations

import pytest

from hullwatch.advisories.purls import package_of
from hullwatch.errors import UserError


@pytest.mark.parametrize(
    ("purl", "ecosystem", "name", "version"),
    [
        ("pkg:pypi/Django@2.2.0", "PyPI", "django", "2.2.0"),
        ("pkg:npm/%40babel/traverse@7.1.0", "npm", "@babel/traverse", "7.1.0"),
        (
            "pkg:maven/org.apache.logging.log4j/log4j-core@2.14.1",
            "Maven",
            "org.apache.logging.log4j:log4j-core",
            "2.14.1",
        ),
        ("pkg:golang/github.com/gin-gonic/gin@v1.6.0", "Go", "github.com/gin-gonic/gin", "v1.6.0"),
        ("pkg:golang/stdlib@1.22.4", "Go", "stdlib", "1.22.4"),
        ("pkg:generic/httpd@2.4.57", "Bitnami", "httpd", "2.4.57"),
        ("pkg:generic/openssl@3.0.12", "", "openssl", "3.0.12"),
        ("pkg:bitnami/apache@2.4.57-1", "Bitnami", "apache", "2.4.57-1"),
        ("pkg:composer/symfony/http-kernel@4.4.0", "Packagist", "symfony/http-kernel", "4.4.0"),
        ("pkg:cargo/time@0.1.42", "crates.io", "time", "0.1.42"),
        ("pkg:nuget/Newtonsoft.Json@12.0.1", "NuGet", "Newtonsoft.Json", "12.0.1"),
        (
            "pkg:deb/debian/openssl@1.1.1n-0%2Bdeb11u3?distro=debian-11",
            "Debian:11",
            "openssl",
            "1.1.1n-0+deb11u3",
        ),
        ("pkg:deb/debian/openssl@3.0?distro=bookworm", "Debian:12", "openssl", "3.0"),
        ("pkg:deb/debian/openssl@3.0?distro=debian-12.5", "Debian:12", "openssl", "3.0"),
        ("pkg:deb/debian/openssl@3.0", "Debian", "openssl", "3.0"),
        ("pkg:deb/ubuntu/glibc@2.35?distro=jammy", "Ubuntu:22.04:LTS", "glibc", "2.35"),
        ("pkg:deb/ubuntu/glibc@2.38?distro=ubuntu-23.10", "Ubuntu:23.10", "glibc", "2.38"),
        ("pkg:apk/alpine/musl@1.2.3-r0?distro=alpine-3.16.2", "Alpine:v3.16", "musl", "1.2.3-r0"),
        ("pkg:apk/alpine/musl@1.2.3-r0?distro=3.16", "Alpine:v3.16", "musl", "1.2.3-r0"),
        ("pkg:apk/alpine/musl@1.2.3-r0?distro=alpine-edge", "Alpine:edge", "musl", "1.2.3-r0"),
        (
            "pkg:rpm/almalinux/openssl@1.1.1k-5.el8?epoch=1&distro=almalinux-8.9",
            "AlmaLinux:8",
            "openssl",
            "1:1.1.1k-5.el8",
        ),
        (
            "pkg:rpm/amzn/curl@8.3.0-1.amzn2023.0.2?distro=amzn-2023",
            "Amazon Linux:2023",
            "curl",
            "8.3.0-1.amzn2023.0.2",
        ),
        ("pkg:generic/openssl@1.0", "", "openssl", "1.0"),
        ("pkg:deb/linuxmint/openssl@1.0", "", "openssl", "1.0"),
    ],
)
def test_purls(purl: str, ecosystem: str, name: str, version: str) -> None:
    package = package_of(purl)
    assert (package.ecosystem, package.name, package.version) == (ecosystem, name, version)
    assert package.purl == purl


def test_the_source_package_is_taken_from_upstream() -> None:
    package = package_of("pkg:deb/debian/libssl3@3.0.11-1%2Bb1?distro=debian-12&upstream=openssl%403.0.11-1")
    assert (package.source_name, package.source_version) == ("openssl", "3.0.11-1")
    package = package_of("pkg:apk/alpine/musl-utils@1.2.3-r0?distro=3.16&upstream=musl")
    assert (package.source_name, package.source_version) == ("musl", "1.2.3-r0")


def test_an_rpms_source_file_is_no_source_package() -> None:
    package = package_of(
        "pkg:rpm/almalinux/openssl-libs@1.1.1k-5.el8?distro=8&upstream=openssl-1.1.1k-5.el8.src.rpm"
    )
    assert package.source_name == "openssl-libs"


@pytest.mark.parametrize("purl", ["", "django", "pkg:", "pkg:pypi/django", "pkg:pypi"])
def test_what_is_no_purl_with_a_version_is_the_users_to_mend(purl: str) -> None:
    with pytest.raises(UserError):
        package_of(purl)
