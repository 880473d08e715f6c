from __future__ import annotations

import shlex

import pytest

from fakes.matches import deb, match, pypi
from hullwatch.findings.fixes import compared_version, fix_of, in_order, upgrade_command, upgrade_to
from hullwatch.inventory.package import Package


def package(kind: str, name: str, ecosystem: str = "") -> Package:
    return Package(type=kind, name=name, version="1", ecosystem=ecosystem)


@pytest.mark.parametrize(
    ("found", "command"),
    [
        (deb(), "apt-get update && apt-get install --only-upgrade openssl"),
        (package("apk", "libssl3", "Alpine:v3.19"), "apk upgrade --no-cache libssl3"),
        (package("rpm", "openssl-libs", "Rocky Linux:9"), "dnf upgrade openssl-libs"),
        (package("rpm", "curl", "Amazon Linux:2"), "yum update curl"),
        (package("rpm", "curl", "Amazon Linux:2023"), "dnf upgrade --releasever=latest curl"),
        (package("rpm", "libopenssl3", "SUSE:Linux Enterprise Server 15 SP5"), "zypper update libopenssl3"),
        (pypi(), "pip install 'Django>=2.0'"),
        (package("npm", "@scope/name"), "npm install @scope/name@2.0"),
        (package("golang", "golang.org/x/net"), "go get golang.org/x/net@v2.0"),
        (package("golang", "stdlib"), "rebuild with Go 2.0"),
        (package("cargo", "tokio"), "cargo update -p tokio --precise 2.0"),
        (package("gem", "rack"), "bundle update --conservative rack"),
        (package("composer", "guzzlehttp/psr7"), "composer require 'guzzlehttp/psr7:^2.0'"),
        (package("nuget", "Newtonsoft.Json"), "dotnet add package Newtonsoft.Json --version 2.0"),
        (package("maven", "org.a:b"), "set org.a:b to 2.0 in pom.xml or build.gradle"),
        (package("conan", "zlib"), ""),
    ],
)
def test_the_command_that_upgrades(found: Package, command: str) -> None:
    assert upgrade_command([found], "2.0") == command


def test_a_name_from_an_image_stays_one_word_of_the_command() -> None:
    hostile = "a'; rm -rf / #"
    assert shlex.split(upgrade_command([package("npm", hostile)], "$(id)"))[2] == f"{hostile}@$(id)"


def test_a_go_version_has_one_letter() -> None:
    assert upgrade_command([package("golang", "a.b/c")], "v1.2.3") == "go get a.b/c@v1.2.3"


def test_versions_are_in_the_order_of_their_ecosystem() -> None:
    assert in_order("Debian:12", ["1:1", "2.0~rc1", "2.0", "2.0"]) == ("2.0~rc1", "2.0", "1:1")
    assert in_order("PyPI", ["1.10", "1.9"]) == ("1.9", "1.10")
    assert in_order("", ["b", "a"]) == ("a", "b")


def test_the_lowest_version_that_mends_all_is_the_highest_fix() -> None:
    assert upgrade_to([match(pypi(), fixed="1.9"), match(pypi(), fixed="1.10"), match(pypi())]) == "1.10"
    assert upgrade_to([match(pypi())]) == ""


def test_a_fix_for_subscribers_is_not_offered() -> None:
    paid = match(deb(), fixed="9", status="fixed_in_pro")
    assert fix_of(paid) == ""
    assert upgrade_to([paid, match(deb(), fixed="4")]) == "4"


def test_fixes_are_compared_with_what_the_advisories_speak_of() -> None:
    assert compared_version(deb("libssl3", version="3.0.9-1+b1", source_version="3.0.9-1")) == "3.0.9-1"
    rpm = Package(
        type="rpm",
        name="a",
        version="1:1-2",
        source_name="b",
        source_version="1-2",
        ecosystem="Rocky Linux:9",
    )
    assert compared_version(rpm) == "1:1-2"
