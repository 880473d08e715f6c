from __future__ import annotations

import json
import zipfile

import pytest

from fakes.feeds import Mirror, osv_record, python, records, rpm
from hullwatch.advisories.feeds import osv
from hullwatch.advisories.record import Advisory, Enrichment
from hullwatch.errors import FeedInvalid

SCORE = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"


def advisories(mirror: Mirror, ecosystem: str, *entries: dict[str, object]) -> list[Advisory]:
    found, _ = records(osv, mirror.osv(ecosystem, *entries))
    return [record for record in found if isinstance(record, Advisory)]


def test_withdrawn_records_are_left_out_and_counted(mirror: Mirror) -> None:
    path = mirror.osv(
        "PyPI",
        osv_record("PYSEC-1", "PyPI", "a", ("introduced", "0"), withdrawn="2026-05-02T00:00:00Z"),
        osv_record("PYSEC-2", "PyPI", "a", ("introduced", "0")),
    )
    found, log = records(osv, path)
    assert [record.id for record in found if isinstance(record, Advisory)] == ["PYSEC-2"]
    assert (log.entries, log.skipped) == (2, {"withdrawn": 1})


def test_git_ranges_are_ignored(mirror: Mirror) -> None:
    record = osv_record("PYSEC-1", "PyPI", "a")
    record["affected"][0]["ranges"] = [{"type": "GIT", "repo": "https://x", "events": [{"introduced": "0"}]}]
    assert advisories(mirror, "PyPI", record) == []


def test_only_the_entries_of_the_zips_own_ecosystem_are_taken(mirror: Mirror) -> None:
    record = osv_record("GHSA-1", "PyPI", "a", ("introduced", "0"))
    record["affected"].append(osv_record("", "npm", "b", ("introduced", "0"))["affected"][0])
    (advisory,) = advisories(mirror, "PyPI", record)
    assert [affected.name for affected in advisory.affected] == ["a"]


def test_malware_is_a_class_of_its_own(mirror: Mirror) -> None:
    (advisory,) = advisories(mirror, "npm", osv_record("MAL-2026-1", "npm", "a", ("introduced", "0")))
    assert advisory.malware


def test_every_severity_of_the_schema_is_read(mirror: Mirror) -> None:
    labelled = osv_record(
        "GHSA-1", "npm", "a", ("introduced", "0"), database_specific={"severity": "MODERATE"}
    )
    scored = osv_record(
        "GHSA-2", "npm", "a", ("introduced", "0"), severity=[{"type": "CVSS_V3", "score": SCORE}]
    )
    per_package = osv_record("BIT-1", "npm", "a", ("introduced", "0"))
    per_package["affected"][0]["severity"] = [{"type": "CVSS_V3", "score": SCORE}]
    found = {advisory.id: advisory for advisory in advisories(mirror, "npm", labelled, scored, per_package)}
    assert found["GHSA-1"].severity == "medium"
    assert [(rating.source, rating.score) for rating in found["GHSA-2"].cvss] == [("ghsa", 9.8)]
    assert [(rating.source, rating.score) for rating in found["BIT-1"].cvss] == [("bitnami", 9.8)]


def test_rustsecs_notes_are_no_more_than_negligible(mirror: Mirror) -> None:
    record = osv_record("RUSTSEC-1", "crates.io", "a", ("introduced", "0"))
    record["affected"][0]["database_specific"] = {"informational": "unmaintained"}
    (advisory,) = advisories(mirror, "crates.io", record)
    assert advisory.severity == "negligible"


@pytest.mark.parametrize(
    ("ecosystem", "identifier", "fields", "covers"),
    [
        (
            "Debian:12",
            "DSA-1-1",
            {"upstream": ["CVE-2026-0002", "CVE-2026-0001"]},
            ("CVE-2026-0001", "CVE-2026-0002"),
        ),
        ("Debian:12", "DEBIAN-CVE-2026-0001", {}, ("CVE-2026-0001",)),
        ("Ubuntu:22.04:LTS", "UBUNTU-CVE-2026-0001", {"related": ["USN-1"]}, ("CVE-2026-0001",)),
        ("Alpine:v3.18", "ALPINE-CVE-2026-0001", {"upstream": ["CVE-2026-0001"]}, ("CVE-2026-0001",)),
        ("Rocky Linux:9", "RLSA-2026:1", {"related": ["CVE-2026-0001"]}, ("CVE-2026-0001",)),
        ("AlmaLinux:8", "ALSA-2026:1", {"related": ["CVE-2026-0001"]}, ("CVE-2026-0001",)),
        (
            "Debian:12",
            "DSA-1-1",
            {"upstream": ["CVE-2026-0001"], "related": ["CVE-2026-0009"]},
            ("CVE-2026-0001",),
        ),
        ("PyPI", "PYSEC-1", {"aliases": ["CVE-2026-0001"], "related": ["CVE-2026-0002"]}, ()),
    ],
)
def test_a_distributions_advisory_covers_cves_where_its_export_names_them(
    mirror: Mirror, ecosystem: str, identifier: str, fields: dict[str, list[str]], covers: tuple[str, ...]
) -> None:
    record = osv_record(identifier, ecosystem, "a", ("introduced", "0"), ("fixed", "1"), **fields)
    (advisory,) = advisories(mirror, ecosystem.partition(":")[0], record)
    assert advisory.covers == covers


def test_errata_without_a_vulnerability_are_no_match_but_an_answer(mirror: Mirror) -> None:
    mirror.osv(
        "AlmaLinux", osv_record("ALBA-2026:1", "AlmaLinux:8", "curl", ("introduced", "0"), ("fixed", "8-1"))
    )
    assert mirror.matches(rpm("curl", "7-1")) == []
    with mirror.open() as found:
        (answer,) = found.lookup("pkg:rpm/almalinux/curl@7-1?distro=almalinux-8")
    assert answer.vulnerability.id == "ALBA-2026:1"


def test_ubuntus_ratings_are_nvds_and_serve_every_package(mirror: Mirror) -> None:
    record = osv_record(
        "UBUNTU-CVE-2026-0001",
        "Ubuntu:22.04:LTS",
        "a",
        ("introduced", "0"),
        severity=[{"type": "Ubuntu", "score": "low"}, {"type": "CVSS_V3", "score": SCORE}],
    )
    mirror.osv("Ubuntu", record)
    mirror.osv("PyPI", osv_record("PYSEC-1", "PyPI", "b", ("introduced", "0"), aliases=["CVE-2026-0001"]))
    (match,) = mirror.matches(python("b", "1"))
    assert [(rating.source, rating.score) for rating in match.vulnerability.cvss] == [("nvd", 9.8)]
    assert match.vulnerability.severity == "critical"


def test_dates_in_the_future_do_not_date_the_feed(mirror: Mirror) -> None:
    future = osv_record("PYSEC-1", "PyPI", "a", ("introduced", "0"), modified="2031-01-01T00:00:00Z")
    _, log = records(osv, mirror.osv("PyPI", future, osv_record("PYSEC-2", "PyPI", "a", ("introduced", "0"))))
    assert log.date == "2026-05-01T00:00:00"


@pytest.mark.parametrize(
    "junk",
    [
        b"",
        b"null",
        b"[]",
        b'{"id": 5, "modified": ""}',
        b'{"id": "", "modified": ""}',
        b'{"id": "A-1", "modified": "", "affected": [{"ranges": 1}]}',
        b"\xff\xfe",
        b"[" * 100_000,
    ],
)
def test_an_invalid_record_is_counted_and_costs_only_itself(mirror: Mirror, junk: bytes) -> None:
    path = mirror.osv("PyPI", osv_record("PYSEC-1", "PyPI", "a", ("introduced", "0")))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("junk.json", junk)
    found, log = records(osv, path)
    assert len(found) == 1
    assert log.skipped == {"invalid": 1}


def test_a_name_that_leads_out_of_the_archive_is_only_a_name(mirror: Mirror) -> None:
    path = mirror.osv("PyPI")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(
            "../../evil.json", json.dumps(osv_record("PYSEC-1", "PyPI", "a", ("introduced", "0")))
        )
    found, _ = records(osv, path)
    assert len(found) == 1
    assert not (mirror.feeds.parent / "evil.json").exists()


def test_a_truncated_zip_is_refused(mirror: Mirror) -> None:
    path = mirror.osv("PyPI", osv_record("PYSEC-1", "PyPI", "a", ("introduced", "0")))
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(FeedInvalid):
        records(osv, path)


def test_a_flipped_byte_is_refused(mirror: Mirror) -> None:
    path = mirror.osv("PyPI", osv_record("PYSEC-1", "PyPI", "a" * 300, ("introduced", "0")))
    data = bytearray(path.read_bytes())
    data[60] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(FeedInvalid):
        records(osv, path)


def test_an_entry_that_inflates_beyond_any_record_is_refused(mirror: Mirror) -> None:
    path = mirror.osv("PyPI")
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb.json", b" " * (33 * 1024 * 1024))
    with pytest.raises(FeedInvalid, match="larger than any record"):
        records(osv, path)


def test_a_summary_is_one_short_line(mirror: Mirror) -> None:
    record = osv_record("PYSEC-1", "PyPI", "a", ("introduced", "0"), details="One.\n\n" + "word " * 500)
    (advisory,) = advisories(mirror, "PyPI", record)
    assert advisory.summary.startswith("One. word")
    assert len(advisory.summary) <= 200
    assert "\n" not in advisory.summary


def test_enrichment_is_only_made_of_ubuntus_ratings(mirror: Mirror) -> None:
    rated = osv_record(
        "GHSA-1", "npm", "a", ("introduced", "0"), severity=[{"type": "CVSS_V3", "score": SCORE}]
    )
    found, _ = records(osv, mirror.osv("npm", rated))
    assert not any(isinstance(record, Enrichment) for record in found)


def test_documents_are_asked_for_by_quoted_name() -> None:
    urls = {document.path: document.url for document in osv.documents()}
    assert urls["osv/Rocky Linux/all.zip"].endswith("/Rocky%20Linux/all.zip")


def test_exports_lie_under_names_without_a_release() -> None:
    assert not any(":" in document.path or "%3A" in document.url for document in osv.documents())


@pytest.mark.parametrize(
    "ecosystem",
    [
        "Alpine:v3.18",
        "Debian:12",
        "Ubuntu:22.04:LTS",
        "Ubuntu:23.10",
        "Ubuntu:Pro:18.04:LTS",
        "Ubuntu:Pro:FIPS-updates:18.04:LTS",
        "Rocky Linux:9",
        "AlmaLinux:9",
        "Red Hat:rhel_eus:8.8::baseos",
    ],
)
def test_every_spelling_of_a_release_is_in_the_folder_of_its_family(mirror: Mirror, ecosystem: str) -> None:
    record = osv_record("X-1", ecosystem, "a", ("introduced", "0"), ("fixed", "1"))
    (advisory,) = advisories(mirror, ecosystem.partition(":")[0], record)
    # A subscription's fix is told apart in its release's entry; every other spelling stays as it is.
    (affected,) = advisory.affected
    release = ecosystem.replace("Pro:18", "18")
    assert (affected.ecosystem, affected.status) == (
        release,
        "fixed_in_pro" if release != ecosystem else "affected",
    )
