from __future__ import annotations

import pytest

from fakes.feeds import Mirror, apk, records
from hullwatch.advisories.feeds import alpine
from hullwatch.advisories.record import Advisory
from hullwatch.errors import FeedInvalid


def test_fixed_from_the_version_of_the_key_on(mirror: Mirror) -> None:
    mirror.alpine("v3.16", {"busybox": {"1.35.0-r15": ["CVE-2022-30065"]}})
    (match,) = mirror.matches(apk("busybox", "1.35.0-r13"), apk("busybox", "1.35.0-r15"))
    assert (match.vulnerability.id, match.fixed, match.package.version) == (
        "CVE-2022-30065",
        "1.35.0-r15",
        "1.35.0-r13",
    )
    assert [statement.source for statement in match.statements] == ["alpine"]


def test_version_0_means_never_affected(mirror: Mirror) -> None:
    mirror.alpine("v3.16", {"busybox": {"0": ["CVE-2022-0001"]}})
    assert mirror.ids(apk("busybox", "1.35.0-r13")) == []


def test_a_real_version_corrects_a_0(mirror: Mirror) -> None:
    mirror.alpine("edge", {"zlib": {"0": ["CVE-2026-22184"], "1.3.2-r0": ["CVE-2026-22184"]}})
    (match,) = mirror.matches(apk("zlib", "1.3.1-r0", "edge"))
    assert match.fixed == "1.3.2-r0"


def test_of_two_fixes_the_later_one_counts(mirror: Mirror) -> None:
    mirror.alpine("v3.16", {"cacti": {"1.2.28-r0": ["CVE-2024-43362"], "1.2.29-r0": ["CVE-2024-43362"]}})
    (match,) = mirror.matches(apk("cacti", "1.2.28-r0"))
    assert match.fixed == "1.2.29-r0"


def test_packages_are_found_by_their_origin(mirror: Mirror) -> None:
    mirror.alpine("v3.16", {"musl": {"1.2.3-r1": ["CVE-2025-0001"]}})
    assert mirror.ids(apk("musl-utils", "1.2.3-r0", origin="musl")) == ["CVE-2025-0001"]
    assert mirror.ids(apk("musl-utils", "1.2.3-r0", origin="other")) == []


def test_a_branch_knows_nothing_of_another(mirror: Mirror) -> None:
    mirror.alpine("v3.16", {"musl": {"1.2.3-r1": ["CVE-2025-0001"]}})
    assert mirror.ids(apk("musl", "1.2.3-r0", "v3.17")) == []


def test_both_repositories_of_a_branch_are_one_shard(mirror: Mirror) -> None:
    mirror.alpine("v3.16", {"musl": {"1.2.3-r1": ["CVE-2025-0001"]}})
    mirror.alpine("v3.16", {"cacti": {"1.3-r0": ["CVE-2025-0001"]}}, repository="community")
    assert mirror.ids(apk("musl", "1-r0"), apk("cacti", "1-r0")) == ["CVE-2025-0001", "CVE-2025-0001"]


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("CVE-2022-30065", ["CVE-2022-30065"]),
        ("CVE-2019-14697 ALPINE-13661", ["CVE-2019-14697"]),
        ("CVE-2017-2616 (+ regression fix)", ["CVE-2017-2616"]),
        ("CVE_2020_12345", ["CVE-2020-12345"]),
        ("CVE-2020-24659 GNUTLS-SA-2020-09-04", ["CVE-2020-24659"]),
        ("CVE-2017-9669 CVE-2017-9671", ["CVE-2017-9669", "CVE-2017-9671"]),
        ("XSA-207", ["XSA-207"]),
        ("GHSA-2c59-37c4-qrx5", ["GHSA-2c59-37c4-qrx5"]),
        ("CVE_2020_1", []),
        ("", []),
        ("regression", []),
    ],
)
def test_identifiers_are_found_in_real_lines(mirror: Mirror, line: str, names: list[str]) -> None:
    found, log = records(alpine, mirror.alpine("v3.16", {"a": {"1-r0": [line]}}))
    assert [record.id for record in found if isinstance(record, Advisory)] == names
    assert log.skipped["no identifier"] == (not names)


def test_two_cves_of_one_xen_advisory_stay_two(mirror: Mirror) -> None:
    mirror.alpine("v3.16", {"xen": {"4.8-r0": ["CVE-2016-9379 XSA-198", "CVE-2016-9380 XSA-198"]}})
    matches = mirror.matches(apk("xen", "4.7-r0"))
    assert [(match.vulnerability.id, match.vulnerability.aliases) for match in matches] == [
        ("CVE-2016-9379", ("XSA-198",)),
        ("CVE-2016-9380", ("XSA-198",)),
    ]


def test_dated_copies_and_other_files_are_no_branch(mirror: Mirror) -> None:
    mirror.alpine("v3.16", {})
    mirror.alpine("edge-20240208", {})
    mirror.write("alpine/v3.16/main.current-versions.json", "{}")
    assert list(alpine.find(mirror.feeds)) == ["alpine/v3.16/main.json"]


def test_packages_without_fixes_are_no_fault(mirror: Mirror) -> None:
    path = mirror.write(
        "alpine/v3.16/main.json",
        {
            "distroversion": "v3.16",
            "reponame": "main",
            "packages": [
                {"pkg": {"name": "a", "secfixes": None}},
                {"pkg": {"name": "b", "secfixes": {"1": None}}},
            ],
        },
    )
    assert records(alpine, path)[0] == []


@pytest.mark.parametrize(
    "data", ["", "{", "[]", '{"packages": 1}', '{"distroversion": "v3.16", "reponame": "main"}']
)
def test_another_schema_is_refused(mirror: Mirror, data: str) -> None:
    with pytest.raises(FeedInvalid):
        records(alpine, mirror.write("alpine/v3.16/main.json", data))
