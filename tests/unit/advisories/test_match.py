from __future__ import annotations

from typing import Any

import msgspec
import pytest

from fakes.feeds import Mirror, apk, deb, osv_record, python, rpm
from hullwatch.inventory.package import Package


def package(ecosystem: str, name: str, version: str) -> Package:
    return Package(type="x", name=name, version=version, ecosystem=ecosystem)


def test_a_version_is_affected_when_enumerated_or_in_any_range(mirror: Mirror) -> None:
    record = osv_record("PYSEC-1", "PyPI", "a", ("introduced", "2.0"), ("fixed", "2.2"), versions=["1.1"])
    record["affected"][0]["ranges"].append(
        {"type": "ECOSYSTEM", "events": [{"introduced": "3.0"}, {"last_affected": "3.1"}]}
    )
    mirror.osv("PyPI", record)
    affected = [
        match.package.version
        for match in mirror.matches(
            *(python("a", v) for v in ("1.0", "1.1", "2.0", "2.2", "3.0", "3.1", "3.2"))
        )
    ]
    assert affected == ["1.1", "2.0", "3.0", "3.1"]


def test_enumerated_versions_are_compared_as_the_ecosystem_compares(mirror: Mirror) -> None:
    mirror.osv("PyPI", osv_record("PYSEC-1", "PyPI", "a", versions=["1.0.0", "2.0-RC.1", "not a version"]))
    versions = ("1.0", "1.0.0.0", "2.0rc1", "not a version", "1.0.1")
    affected = [match.package.version for match in mirror.matches(*(python("a", v) for v in versions))]
    assert affected == ["1.0", "1.0.0.0", "2.0rc1", "not a version"]


def test_a_version_that_its_scheme_cannot_read_lies_in_no_range(mirror: Mirror) -> None:
    mirror.osv("Go", osv_record("GO-1", "Go", "example.org/m", ("introduced", "0")))
    assert mirror.ids(package("Go", "example.org/m", "(devel)")) == []


def test_gos_versions_prefix_and_standard_library(mirror: Mirror) -> None:
    mirror.osv(
        "Go",
        osv_record("GO-1", "Go", "stdlib", ("introduced", "1.22.0-0"), ("fixed", "1.22.4")),
        osv_record("GO-2", "Go", "example.org/m/v2", ("introduced", "0"), ("fixed", "2.1.0")),
    )
    assert mirror.ids(package("Go", "stdlib", "1.22.0-rc.1")) == ["GO-1"]
    assert mirror.ids(package("Go", "stdlib", "1.22.4")) == []
    assert mirror.ids(package("Go", "example.org/m/v2", "v2.0.1-0.20200101000000-abcdefabcdef")) == ["GO-2"]
    assert mirror.ids(package("Go", "example.org/m", "v1.0.0")) == []


@pytest.mark.parametrize(
    ("ecosystem", "listed", "installed"),
    [
        ("PyPI", "flask-login", "Flask_Login"),
        ("Packagist", "symfony/http-kernel", "Symfony/Http-Kernel"),
        ("NuGet", "Newtonsoft.Json", "newtonsoft.json"),
        ("npm", "@scope/name", "@scope/name"),
        ("Maven", "org.example:core", "org.example:core"),
    ],
)
def test_names_are_joined_in_normal_form(mirror: Mirror, ecosystem: str, listed: str, installed: str) -> None:
    mirror.osv(ecosystem, osv_record("GHSA-1", ecosystem, listed, ("introduced", "0")))
    assert mirror.ids(package(ecosystem, installed, "1.0.0")) == ["GHSA-1"]


def test_an_npm_scope_is_part_of_the_name(mirror: Mirror) -> None:
    mirror.osv("npm", osv_record("GHSA-1", "npm", "@scope/name", ("introduced", "0")))
    assert mirror.ids(package("npm", "name", "1.0.0"), package("npm", "@other/name", "1.0.0")) == []


def test_aliases_are_one_vulnerability_under_its_cve(mirror: Mirror) -> None:
    mirror.osv(
        "PyPI",
        osv_record("PYSEC-1", "PyPI", "a", ("introduced", "0"), ("fixed", "1.5"), aliases=["GHSA-x"]),
        osv_record("GHSA-x", "PyPI", "a", ("introduced", "0"), ("fixed", "1.5"), aliases=["CVE-2026-0001"]),
        osv_record("PYSEC-2", "PyPI", "a", ("introduced", "0"), ("fixed", "1.6"), related=["CVE-2026-0001"]),
    )
    first, second = mirror.matches(python("a", "1.0"))
    assert first.vulnerability.id == "CVE-2026-0001"
    assert first.vulnerability.aliases == ("GHSA-x", "PYSEC-1")
    assert [statement.advisory for statement in first.statements] == ["GHSA-x", "PYSEC-1"]
    assert second.vulnerability.id == "PYSEC-2"


def test_when_sources_disagree_their_union_holds_and_each_keeps_its_word(mirror: Mirror) -> None:
    mirror.osv(
        "PyPI",
        osv_record("PYSEC-1", "PyPI", "a", ("introduced", "0"), ("fixed", "1.4"), aliases=["CVE-2026-0001"]),
        osv_record("GHSA-x", "PyPI", "a", ("introduced", "1.0"), ("fixed", "1.5"), aliases=["CVE-2026-0001"]),
    )
    both, newer = mirror.matches(python("a", "1.2"), python("a", "1.4"))
    assert both.fixed == newer.fixed == "1.5"
    assert [(s.advisory, s.fixed) for s in both.statements] == [("GHSA-x", "1.5"), ("PYSEC-1", "1.4")]
    assert [(s.advisory, s.fixed) for s in newer.statements] == [("GHSA-x", "1.5")]


def test_a_fix_is_named_even_when_another_source_knows_none(mirror: Mirror) -> None:
    mirror.osv(
        "PyPI",
        osv_record("PYSEC-1", "PyPI", "a", ("introduced", "0"), aliases=["CVE-2026-0001"]),
        osv_record("GHSA-x", "PyPI", "a", ("introduced", "0"), ("fixed", "1.5"), aliases=["CVE-2026-0001"]),
    )
    assert mirror.matches(python("a", "1.2"))[0].fixed == "1.5"


def test_the_fix_is_that_of_the_installed_branch(mirror: Mirror) -> None:
    mirror.osv(
        "PyPI",
        osv_record(
            "PYSEC-1",
            "PyPI",
            "django",
            ("introduced", "1.11"),
            ("fixed", "1.11.22"),
            ("introduced", "2.1"),
            ("fixed", "2.1.10"),
            ("introduced", "2.2"),
            ("fixed", "2.2.3"),
        ),
    )
    fixes = [
        m.fixed
        for m in mirror.matches(
            python("Django", "1.11.1"), python("Django", "2.1"), python("Django", "2.2.0")
        )
    ]
    assert fixes == ["1.11.22", "2.1.10", "2.2.3"]


def test_an_enumerated_version_is_fixed_by_the_next_fix_above_it(mirror: Mirror) -> None:
    mirror.osv(
        "PyPI",
        osv_record("PYSEC-1", "PyPI", "a", ("introduced", "2.0"), ("fixed", "2.3"), versions=["1.1"]),
    )
    assert mirror.matches(python("a", "1.1"))[0].fixed == "2.3"


def test_last_affected_names_no_fix(mirror: Mirror) -> None:
    mirror.osv("PyPI", osv_record("PYSEC-1", "PyPI", "a", ("introduced", "0"), ("last_affected", "1.4")))
    (match,) = mirror.matches(python("a", "1.4"))
    assert (match.fixed, match.status) == ("", "affected")


def test_a_release_is_asked_in_its_own_shard_only(mirror: Mirror) -> None:
    record = osv_record("DSA-1-1", "Debian:11", "openssl", ("introduced", "0"), upstream=["CVE-2026-0001"])
    mirror.osv("Debian", record)
    assert mirror.ids(deb("openssl", "1.1", "Debian:12")) == []
    assert mirror.ids(deb("openssl", "1.1", "Debian")) == []
    assert mirror.ids(deb("openssl", "1.1", "Debian:11")) == ["CVE-2026-0001"]


def test_a_question_without_a_release_is_answered_for_every_release(mirror: Mirror) -> None:
    record = osv_record("DSA-1-1", "Debian:11", "openssl", ("introduced", "0"), upstream=["CVE-2026-0001"])
    record["affected"].append(
        {**record["affected"][0], "package": {"ecosystem": "Debian:12", "name": "openssl"}}
    )
    mirror.osv("Debian", record)
    mirror.build()
    with mirror.open() as advisories:
        answers = advisories.lookup("pkg:deb/debian/openssl@1.1")
    assert [match.package.ecosystem for match in answers] == ["Debian:11", "Debian:12"]


def test_an_advisory_for_several_cves_is_as_many_vulnerabilities(mirror: Mirror) -> None:
    record = osv_record(
        "DSA-1-1",
        "Debian:12",
        "openssl",
        ("introduced", "0"),
        ("fixed", "3.0.14-1"),
        upstream=["CVE-2026-0001", "CVE-2026-0002"],
    )
    mirror.osv("Debian", record)
    matches = mirror.matches(deb("openssl", "3.0.11-1"))
    assert [(m.vulnerability.id, m.vulnerability.aliases, m.fixed) for m in matches] == [
        ("CVE-2026-0001", (), "3.0.14-1"),
        ("CVE-2026-0002", (), "3.0.14-1"),
    ]


def ubuntu(*releases: tuple[str, str]) -> dict[str, Any]:
    record = osv_record("UBUNTU-CVE-2026-0001", "Ubuntu:22.04:LTS", "a", upstream=["CVE-2026-0001"])
    record["affected"] = [
        osv_record("", ecosystem, "a", ("introduced", "0"), *([("fixed", fixed)] if fixed else []))[
            "affected"
        ][0]
        for ecosystem, fixed in releases
    ]
    return record


JAMMY, PRO = "Ubuntu:22.04:LTS", "Ubuntu:Pro:22.04:LTS"


@pytest.mark.parametrize(
    ("releases", "status", "fixed", "pro"),
    [
        ([(JAMMY, "1.1-0ubuntu1"), (PRO, "1.1-0ubuntu1")], "affected", "1.1-0ubuntu1", ""),
        ([(JAMMY, "1.1-0ubuntu1"), (PRO, "1.1-0ubuntu1+esm1")], "affected", "1.1-0ubuntu1", ""),
        ([(JAMMY, ""), (PRO, "1.1-0ubuntu1+esm1")], "fixed_in_pro", "", "1.1-0ubuntu1+esm1"),
        ([(PRO, "1.1-0ubuntu1+esm1")], "fixed_in_pro", "", "1.1-0ubuntu1+esm1"),
        ([(JAMMY, ""), (PRO, "")], "affected", "", ""),
        ([(PRO, "")], "affected", "", ""),
    ],
)
def test_a_fix_that_needs_a_subscription_is_shown_apart(
    mirror: Mirror, releases: list[tuple[str, str]], status: str, fixed: str, pro: str
) -> None:
    mirror.osv("Ubuntu", ubuntu(*releases))
    (match,) = mirror.matches(deb("a", "1.0-1", JAMMY))
    assert (match.status, match.fixed) == (status, fixed)
    assert [statement.fixed for statement in match.statements] == [fixed or pro]


def test_a_host_with_pro_updates_is_not_affected(mirror: Mirror) -> None:
    mirror.osv("Ubuntu", ubuntu((JAMMY, ""), (PRO, "1.1-0ubuntu1+esm1")))
    assert mirror.ids(deb("a", "1.1-0ubuntu1+esm1", JAMMY)) == []


def test_other_pro_builds_are_never_mixed_in(mirror: Mirror) -> None:
    mirror.osv("Ubuntu", ubuntu(("Ubuntu:Pro:FIPS-updates:22.04:LTS", "9")))
    assert mirror.ids(deb("a", "1.0-1", JAMMY)) == []


def test_header_files_of_the_kernel_are_low(mirror: Mirror) -> None:
    record = osv_record(
        "UBUNTU-CVE-2026-0001",
        JAMMY,
        "linux",
        ("introduced", "0"),
        upstream=["CVE-2026-0001"],
        severity=[{"type": "Ubuntu", "score": "high"}],
    )
    mirror.osv("Ubuntu", record)
    headers, image = mirror.matches(
        deb("linux-libc-dev", "5.15", JAMMY, source="linux"),
        deb("linux-image-5.15", "5.15", JAMMY, source="linux"),
    )
    assert (headers.vulnerability.severity, image.vulnerability.severity) == ("low", "high")


def alma(identifier: str, title: str, name: str, fixed: str) -> dict[str, Any]:
    return osv_record(
        identifier,
        "AlmaLinux:8",
        name,
        ("introduced", "0"),
        ("fixed", fixed),
        summary=title,
        related=["CVE-2026-0001"],
    )


def test_rpm_advisories_name_binary_packages_and_an_absent_epoch_is_0(mirror: Mirror) -> None:
    mirror.osv("AlmaLinux", alma("ALSA-2026:1", "Important: curl security update", "curl", "7.61.1-30.el8"))
    matches = mirror.matches(rpm("curl", "0:7.61.1-22.el8"), rpm("curl", "1:7.61.1-22.el8"))
    assert [(m.package.version, m.vulnerability.severity) for m in matches] == [("0:7.61.1-22.el8", "high")]


def test_module_builds_are_compared_inside_their_module_and_stream(mirror: Mirror) -> None:
    fixed = "1:14.18.2-2.module_el8.5.0+254+b4526b16"
    mirror.osv("AlmaLinux", alma("ALSA-2026:1", "Moderate: nodejs:14 security update", "nodejs", fixed))
    old = "1:12.1.0-1.el8"
    installed = [
        rpm("nodejs", old, module) for module in ("nodejs:14:8040:522a", "nodejs:14", "nodejs:12:8040:1", "")
    ]
    assert [match.package.module for match in mirror.matches(*installed)] == [
        "nodejs:14:8040:522a",
        "nodejs:14",
    ]


def test_a_module_build_without_its_label_may_be_of_any_stream(mirror: Mirror) -> None:
    fixed = "1:14.18.2-2.module_el8.5.0+254+b4526b16"
    mirror.osv("AlmaLinux", alma("ALSA-2026:1", "Moderate: nodejs:14 security update", "nodejs", fixed))
    assert mirror.ids(rpm("nodejs", "1:12.1.0-1.module_el8.4.0+1+0")) == ["CVE-2026-0001"]


def test_a_plain_build_does_not_speak_of_a_module(mirror: Mirror) -> None:
    mirror.osv("AlmaLinux", alma("ALSA-2026:1", "Moderate: nodejs security update", "nodejs", "1:20-1.el8"))
    assert mirror.ids(rpm("nodejs", "1:14-1.module_el8", "nodejs:14:1:2")) == []
    assert mirror.ids(rpm("nodejs", "1:14-1.el8")) == ["CVE-2026-0001"]


def test_a_module_build_of_an_unnamed_stream_holds_for_any_stream(mirror: Mirror) -> None:
    record = alma(
        "ALSA-2026:1", "Important: varnish security update", "varnish", "6.0.8-1.module_el8.5.0+2620+0"
    )
    mirror.osv("AlmaLinux", record)
    assert mirror.ids(
        rpm("varnish", "6.0.6-1.module_el8", "varnish:6:1:2"), rpm("varnish", "6.0.6-1.el8")
    ) == ["CVE-2026-0001"]


def test_packages_without_advisories_are_told_apart_from_packages_without_faults(mirror: Mirror) -> None:
    mirror.osv("PyPI", osv_record("PYSEC-1", "PyPI", "a", ("introduced", "0")))
    assert mirror.ids(python("b", "1"), deb("a", "1"), package("", "a", "1")) == []
    with mirror.open() as advisories:
        assert advisories.covers("PyPI")
        assert not advisories.covers("Debian:12")


def test_answers_do_not_depend_on_what_was_asked_before(mirror: Mirror) -> None:
    mirror.alpine("v3.16", {"musl": {"1.2.3-r1": ["CVE-2025-0001"]}})
    mirror.build()
    asked = [apk("musl-utils", "1.2.3-r0", origin="musl"), apk("musl", "1.2.3-r1"), apk("musl", "1.2.3-r0")]
    with mirror.open() as advisories:
        first, again = advisories.match(asked), advisories.match(asked)
    assert first == again
    assert [match.package.name for match in first] == ["musl-utils", "musl"]
    # What holds for both is one object: a fleet keeps each vulnerability once.
    assert first[0].vulnerability is first[1].vulnerability


def test_malware_is_marked(mirror: Mirror) -> None:
    mirror.osv("npm", osv_record("MAL-2026-1", "npm", "evil", ("introduced", "0")))
    (match,) = mirror.matches(package("npm", "evil", "1.0.0"))
    assert match.vulnerability.malware


def test_a_fix_is_that_of_the_packages_ecosystem(mirror: Mirror) -> None:
    # One GHSA record on a library that is published twice, as Protocol Buffers are.
    record = osv_record("GHSA-8gq9-2x98-w8hf", "PyPI", "protobuf", ("introduced", "0"), ("fixed", "3.18.3"))
    record["aliases"] = ["CVE-2022-1941"]
    record["affected"] += osv_record("", "npm", "protobuf", ("introduced", "0"), ("fixed", "21.6.0"))[
        "affected"
    ]
    mirror.osv("PyPI", record)
    mirror.osv("npm", record)
    matches = mirror.matches(python("protobuf", "3.18.0"), package("npm", "protobuf", "20.0.0"))
    assert [(match.vulnerability.id, match.fixed) for match in matches] == [
        ("CVE-2022-1941", "3.18.3"),
        ("CVE-2022-1941", "21.6.0"),
    ]


def test_maven_joins_by_group_and_artifact(mirror: Mirror) -> None:
    mirror.osv("Maven", osv_record("GHSA-1", "Maven", "org.example:core", ("introduced", "0")))
    assert mirror.ids(package("Maven", "org.other:core", "1"), package("Maven", "core", "1")) == []


def test_a_go_package_is_no_module_and_the_toolchain_is_not_the_library(mirror: Mirror) -> None:
    module = osv_record("GO-2023-1571", "Go", "golang.org/x/net", ("introduced", "0"), ("fixed", "0.7.0"))
    module["affected"][0]["ecosystem_specific"] = {
        "imports": [{"path": "golang.org/x/net/http2", "symbols": ["Server.ServeConn"]}]
    }
    toolchain = osv_record("GO-2023-2095", "Go", "toolchain", ("introduced", "0"), ("fixed", "1.20.9"))
    mirror.osv("Go", module, toolchain)
    # A program names the modules that it is made of; which of their packages it imports, it does not say.
    assert mirror.ids(package("Go", "golang.org/x/net", "v0.6.0")) == ["GO-2023-1571"]
    assert mirror.ids(package("Go", "golang.org/x/net/http2", "v0.6.0")) == []
    assert mirror.ids(package("Go", "golang.org/x", "v0.6.0")) == []
    assert mirror.ids(package("Go", "stdlib", "1.20.8")) == []
    assert mirror.ids(package("Go", "toolchain", "1.20.8")) == ["GO-2023-2095"]


def test_a_kernels_flavours_are_sources_of_their_own(mirror: Mirror) -> None:
    fixed = ("introduced", "0"), ("fixed", "5.15.0-1021.25")
    mirror.osv("Ubuntu", osv_record("UBUNTU-CVE-2026-0001", JAMMY, "linux-aws", *fixed))
    installed = [
        deb(f"linux-image-{number}", "5.15.0-1020.24", JAMMY, source=source)
        for number, source in enumerate(("linux", "linux-aws", "linux-hwe-5.15"))
    ]
    assert [match.package.source_name for match in mirror.matches(*installed)] == ["linux-aws"]


def test_ubuntu_names_binaries_but_is_keyed_by_source(mirror: Mirror) -> None:
    record = ubuntu((JAMMY, "1.1-0ubuntu1"))
    record["affected"][0]["ecosystem_specific"] = {"binaries": [{"a-bin": "1.1-0ubuntu1"}]}
    mirror.osv("Ubuntu", record)
    assert mirror.ids(deb("a-bin", "1.0-1", JAMMY, source="a")) == ["CVE-2026-0001"]
    assert mirror.ids(deb("a", "1.0-1", JAMMY, source="a-other")) == []


@pytest.mark.parametrize(
    "stream", ["rhel_eus:9.2::baseos", "rhel_aus:8.4::baseos", "enterprise_linux:8::baseos"]
)
def test_red_hats_products_in_osv_are_not_the_main_stream(mirror: Mirror, stream: str) -> None:
    record = osv_record("RHSA-2026:1", f"Red Hat:{stream}", "openssl", ("introduced", "0"))
    mirror.osv("Red Hat", record)
    assert mirror.ids(rpm("openssl", "1-1.el9", ecosystem="Red Hat:9")) == []


def test_an_rpm_of_any_architecture_is_meant(mirror: Mirror) -> None:
    mirror.osv("AlmaLinux", alma("ALSA-2026:1", "Low: curl update", "curl", "7.61.1-30.el8"))
    installed = [
        msgspec.structs.replace(rpm("curl", "7.61.1-22.el8"), arch=arch) for arch in ("x86_64", "aarch64", "")
    ]
    assert len(mirror.ids(*installed)) == 3


def test_a_version_with_a_tilde_or_a_caret_is_before_or_after_its_release(mirror: Mirror) -> None:
    mirror.osv("AlmaLinux", alma("ALSA-2026:1", "Low: curl update", "curl", "8.0-1.el8"))
    versions = ("8.0~rc1-1.el8", "8.0-0.el8", "8.0-1.el8", "8.0^20260101-1.el8")
    found = mirror.matches(*(rpm("curl", version) for version in versions))
    assert [match.package.version for match in found] == ["8.0~rc1-1.el8", "8.0-0.el8"]
