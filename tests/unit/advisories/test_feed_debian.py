from __future__ import annotations

from typing import Any

import pytest

from fakes.feeds import Mirror, deb, osv_record, records
from hullwatch.advisories.feeds import debian
from hullwatch.errors import FeedInvalid


def tracker(**release: Any) -> dict[str, Any]:
    return {"openssl": {"CVE-2026-0001": {"description": "A flaw.", "releases": {"bookworm": release}}}}


def test_resolved_in_a_version(mirror: Mirror) -> None:
    mirror.debian(tracker(status="resolved", fixed_version="3.0.14-1", urgency="not yet assigned"))
    (match,) = mirror.matches(deb("libssl3", "3.0.11-1+b1", source="openssl", of="3.0.11-1"))
    assert (match.fixed, match.status, match.vulnerability.summary) == ("3.0.14-1", "affected", "A flaw.")
    assert mirror.ids(deb("openssl", "3.0.14-1")) == []


def test_the_source_version_is_compared_not_the_binary_one(mirror: Mirror) -> None:
    mirror.debian(tracker(status="resolved", fixed_version="3.0.14-1"))
    # The binary package has an epoch that its source has not.
    assert mirror.ids(deb("libssl3", "1:3.0.11-1", source="openssl", of="3.0.11-1")) == ["CVE-2026-0001"]


def test_version_0_means_never_affected_and_overrules_a_coarser_advisory(mirror: Mirror) -> None:
    mirror.debian(tracker(status="resolved", fixed_version="0"))
    dsa = osv_record(
        "DSA-1-1",
        "Debian:12",
        "openssl",
        ("introduced", "0"),
        ("fixed", "3.0.14-1"),
        upstream=["CVE-2026-0001", "CVE-2026-0002"],
    )
    mirror.osv("Debian", dsa)
    assert mirror.ids(deb("openssl", "3.0.11-1")) == ["CVE-2026-0002"]


@pytest.mark.parametrize(
    ("release", "status"),
    [
        ({"status": "open"}, "affected"),
        ({"status": "open", "nodsa": "Minor issue", "nodsa_reason": ""}, "affected"),
        ({"status": "open", "nodsa": "Minor issue", "nodsa_reason": "postponed"}, "deferred"),
        ({"status": "open", "nodsa": "Minor issue", "nodsa_reason": "ignored"}, "will_not_fix"),
        ({"status": "open", "urgency": "end-of-life"}, "will_not_fix"),
        ({"status": "undetermined"}, "under_investigation"),
    ],
)
def test_unfixed_states_are_kept_apart(mirror: Mirror, release: dict[str, str], status: str) -> None:
    mirror.debian(tracker(**release))
    (match,) = mirror.matches(deb("openssl", "3.0.11-1"))
    assert (match.status, match.fixed) == (status, "")


def test_unimportant_is_negligible_and_other_urgencies_are_no_severity(mirror: Mirror) -> None:
    mirror.debian(tracker(status="open", urgency="unimportant"))
    assert mirror.matches(deb("openssl", "3"))[0].vulnerability.severity == "negligible"
    for urgency in ("low", "low**", "high", "not yet assigned"):
        mirror.debian(tracker(status="open", urgency=urgency))
        assert mirror.matches(deb("openssl", "3"))[0].vulnerability.severity == "unknown"


def test_sid_is_a_release_of_its_own(mirror: Mirror) -> None:
    mirror.debian(
        {"openssl": {"CVE-2026-0001": {"releases": {"sid": {"status": "open"}, "duke": {"status": "open"}}}}}
    )
    assert mirror.ids(deb("openssl", "3")) == []
    assert mirror.ids(deb("openssl", "3", "Debian:sid")) == ["CVE-2026-0001"]


def test_temporary_names_are_names(mirror: Mirror) -> None:
    mirror.debian({"openssl": {"TEMP-0000001-ABCDEF": {"releases": {"bookworm": {"status": "open"}}}}})
    assert mirror.ids(deb("openssl", "3")) == ["TEMP-0000001-ABCDEF"]


def test_the_tracker_and_an_advisory_become_one_vulnerability(mirror: Mirror) -> None:
    mirror.debian(tracker(status="resolved", fixed_version="3.0.14-1~deb12u1"))
    mirror.osv(
        "Debian",
        osv_record(
            "DSA-1-1",
            "Debian:12",
            "openssl",
            ("introduced", "0"),
            ("fixed", "3.0.14-1~deb12u2"),
            upstream=["CVE-2026-0001"],
        ),
    )
    (match,) = mirror.matches(deb("openssl", "3.0.11-1"))
    assert [(statement.advisory, statement.fixed) for statement in match.statements] == [
        ("CVE-2026-0001", "3.0.14-1~deb12u1"),
        ("DSA-1-1", "3.0.14-1~deb12u2"),
    ]
    assert match.fixed == "3.0.14-1~deb12u2"


def test_unknown_releases_and_states_are_counted(mirror: Mirror) -> None:
    _, log = records(debian, mirror.debian(tracker(status="novel")))
    assert log.skipped == {"unknown state": 1}


@pytest.mark.parametrize("data", ["", "[]", '{"a": 1}', '{"a": {"CVE-1": {}}}'])
def test_another_schema_is_refused(mirror: Mirror, data: str) -> None:
    with pytest.raises(FeedInvalid):
        records(debian, mirror.write("debian/tracker-data.json", data))


def test_without_a_severity_of_debians_nvds_rating_decides(mirror: Mirror) -> None:
    mirror.debian(tracker(status="open", urgency="low**"))
    item = {
        "id": "CVE-2026-0001",
        "lastModified": "2026-05-20T00:00:00.000",
        "vulnStatus": "Analyzed",
        "metrics": {
            "cvssMetricV31": [
                {
                    "source": "nvd@nist.gov",
                    "cvssData": {"vectorString": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"},
                }
            ]
        },
    }
    head = {"format": "NVD_CVE", "version": "2.0", "timestamp": "2026-05-31T03:00:00.000"}
    mirror.write("nvd/pages/1.json", {**head, "vulnerabilities": [{"cve": item}]})
    assert mirror.matches(deb("openssl", "3"))[0].vulnerability.severity == "critical"


def test_the_suites_that_have_a_version_say_nothing_of_its_state(mirror: Mirror) -> None:
    mirror.debian(
        tracker(
            status="open",
            repositories={
                "bookworm": "3.0.11-1",
                "bookworm-security": "3.0.14-1",
                "bookworm-backports": "3.2-1",
            },
        )
    )
    (match,) = mirror.matches(deb("openssl", "3.0.14-1"))
    assert (match.status, match.fixed) == ("affected", "")


def test_a_backport_is_measured_by_the_fix_of_the_release_it_is_installed_in(mirror: Mirror) -> None:
    mirror.debian(
        {
            "openssl": {
                "CVE-2026-0001": {
                    "releases": {
                        "bookworm": {"status": "resolved", "fixed_version": "3.0.14-1~deb12u1"},
                        "sid": {"status": "resolved", "fixed_version": "3.3.2-1"},
                    }
                }
            }
        }
    )
    # Newer than bookworm's fix and older than sid's: sid's does not count here.
    assert mirror.ids(deb("openssl", "3.2.1-3~bpo12+1")) == []
    # What ends in ~ and more is before the version itself.
    assert mirror.ids(deb("openssl", "3.0.14-1~deb12u1~bpo11+1")) == ["CVE-2026-0001"]
    assert mirror.ids(deb("openssl", "3.0.14-1~deb12u1")) == []
    assert mirror.ids(deb("openssl", "3.0.14-1")) == []
