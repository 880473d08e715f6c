"""What a question about a fleet means."""

from __future__ import annotations

import pytest

from fakes.feeds import apk, deb, python, rpm
from hullwatch.errors import UserError
from hullwatch.findings.question import PackageQuestion, VulnerabilityQuestion, question_of
from hullwatch.inventory.package import Package


def holds(query: str, package: Package) -> bool | None:
    question = question_of(query)
    assert isinstance(question, PackageQuestion)
    return question.holds(package) if question.concerns(package) else False


def npm(name: str, version: str) -> Package:
    return Package(type="npm", name=name, version=version, ecosystem="npm")


@pytest.mark.parametrize(
    ("query", "package", "answer"),
    [
        ("pkg:npm/lodash", npm("lodash", "4.17.20"), True),
        ("pkg:npm/lodash@4.17.20", npm("lodash", "4.17.20"), True),
        ("pkg:npm/lodash@4.17.2", npm("lodash", "4.17.20"), False),
        ("pkg:npm/lodash@<4.17.21", npm("lodash", "4.17.9"), True),
        ("pkg:npm/lodash@<4.17.21", npm("lodash", "4.17.21"), False),
        ("pkg:npm/lodash@>=4,<=4.17.21", npm("lodash", "4.17.21"), True),
        ("pkg:npm/lodash@>4.17.21", npm("lodash", "4.17.21"), False),
        ("pkg:npm/%40scope/name@<2", npm("@scope/name", "1.0.0"), True),
        ("pkg:npm/lodash", python("lodash", "1"), False),
        # Names and versions are those of the ecosystem, not of strings.
        ("pkg:pypi/Typing_Extensions@4.0", python("typing.extensions", "4.0.0"), True),
        (
            "pkg:maven/org.apache.logging.log4j/log4j-core@<2.17",
            Package(
                type="maven", name="org.apache.logging.log4j:log4j-core", version="2.14.1", ecosystem="Maven"
            ),
            True,
        ),
        ("pkg:deb/debian/openssl@<3.0.15", deb("openssl", "3.0.15~deb12u1"), True),
        # A source package means what was built from it.
        ("pkg:deb/debian/xz-utils", deb("liblzma5", "5.6.0-0.2", source="xz-utils"), True),
        ("pkg:deb/debian/xz-utils", deb("xz-utils", "5.6.0", "Ubuntu:22.04:LTS"), False),
        ("pkg:deb/debian/xz-utils?distro=debian-12", deb("xz-utils", "5.6.0", "Debian:11"), False),
        ("pkg:apk/alpine/xz?distro=alpine-3.16.2", apk("xz", "5.2.5-r1"), True),
        ("pkg:rpm/xz@<5.6", rpm("xz", "1:5.4-1.el8"), False),
        # Nobody knows where this version stands.
        (
            "pkg:golang/example.com/left@<2",
            Package(type="golang", name="example.com/left", version="(devel)", ecosystem="Go"),
            None,
        ),
        (
            "pkg:golang/example.com/left@2.0.0",
            Package(type="golang", name="example.com/left", version="(devel)", ecosystem="Go"),
            False,
        ),
    ],
)
def test_a_package_is_what_its_ecosystem_says(query: str, package: Package, answer: bool | None) -> None:
    assert holds(query, package) is answer


def test_a_vulnerability_is_asked_for_by_any_of_its_names() -> None:
    for text, identifier in (
        ("cve-2021-44228", "CVE-2021-44228"),
        ("GHSA-jfh8-c2jp-5v3q", "GHSA-jfh8-c2jp-5v3q"),
        ("ALSA-2022:0001", "ALSA-2022:0001"),
    ):
        assert question_of(text) == VulnerabilityQuestion(text=text, identifier=identifier)


@pytest.mark.parametrize(
    "query",
    [
        "",
        "log4j",
        "CVE-2021 44228",
        "pkg:",
        "pkg:npm",
        "pkg:npm/lodash@<",
        "pkg:npm/lodash@<1,,2",
        "a-" + "b" * 300,
    ],
)
def test_what_is_no_question_is_refused(query: str) -> None:
    with pytest.raises(UserError):
        question_of(query)
