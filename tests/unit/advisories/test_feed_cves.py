"""The feeds that know CVEs, not packages: KEV, EPSS, vulnrichment."""

from __future__ import annotations

import gzip
from typing import Any

import pytest

from fakes.feeds import Mirror, osv_record, python, records
from hullwatch.advisories.feeds import epss, kev, vulnrichment
from hullwatch.advisories.model import Exploited
from hullwatch.advisories.record import Enrichment
from hullwatch.errors import FeedInvalid

HIGH = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N"
LOW = "CVSS:3.1/AV:P/AC:H/PR:H/UI:R/S:U/C:L/I:N/A:N"


@pytest.fixture
def vulnerable(mirror: Mirror) -> Mirror:
    mirror.osv("PyPI", osv_record("PYSEC-1", "PyPI", "a", ("introduced", "0"), aliases=["CVE-2026-0001"]))
    return mirror


def test_exploited_vulnerabilities_are_marked(vulnerable: Mirror) -> None:
    vulnerable.kev(
        {
            "cveID": "CVE-2026-0001",
            "dateAdded": "2026-05-20",
            "dueDate": "2026-05-23",
            "knownRansomwareCampaignUse": "Known",
        },
        {"cveID": "CVE-2026-0002", "dateAdded": "2026-05-20", "knownRansomwareCampaignUse": "Unknown"},
    )
    (match,) = vulnerable.matches(python("a", "1"))
    assert match.vulnerability.exploited == Exploited(added="2026-05-20", due="2026-05-23", ransomware=True)


def test_the_catalogue_is_dated_by_its_release(mirror: Mirror) -> None:
    entry = {"cveID": "CVE-2026-0001", "dateAdded": "2026-05-20"}
    found, log = records(kev, mirror.kev(entry, released="2026-05-30T10:00:00.0000Z"))
    assert log.date == "2026-05-30T10:00:00"
    assert found == [Enrichment(cve="CVE-2026-0001", exploited=Exploited(added="2026-05-20"))]


@pytest.mark.parametrize(
    "data",
    [
        "{",
        '{"vulnerabilities": []}',
        '{"dateReleased": "2026", "vulnerabilities": [{"cveID": "CVE-2026-0001"}]}',
    ],
)
def test_another_catalogue_is_refused(mirror: Mirror, data: str) -> None:
    with pytest.raises(FeedInvalid):
        records(kev, mirror.write("kev/known_exploited_vulnerabilities.json", data))


def test_probabilities_are_joined_and_a_missing_one_is_unknown_not_0(vulnerable: Mirror) -> None:
    vulnerable.epss("CVE-2026-0001,0.97,0.99", "CVE-2026-0003,0.0,0.0")
    vulnerable.osv(
        "PyPI",
        osv_record("PYSEC-1", "PyPI", "a", ("introduced", "0"), aliases=["CVE-2026-0001"]),
        osv_record("PYSEC-2", "PyPI", "a", ("introduced", "0"), aliases=["CVE-2026-0002"]),
        osv_record("PYSEC-3", "PyPI", "a", ("introduced", "0"), aliases=["CVE-2026-0003"]),
    )
    scores = [match.vulnerability.epss for match in vulnerable.matches(python("a", "1"))]
    assert scores == [0.97, None, 0.0]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "cve,epss\nCVE-2020-5902,0.65\n",
        "#model_version:v2023.03.01\ncve,epss,percentile\n",
        "#model_version:v2023.03.01,score_date:2024-02-20T00:00:00+0000\ninvalid,header,format\n",
    ],
)
def test_scores_of_an_unknown_model_or_form_are_refused(mirror: Mirror, text: str) -> None:
    path = mirror.write("epss/epss_scores-current.csv.gz", gzip.compress(text.encode()))
    with pytest.raises(FeedInvalid):
        records(epss, path)


def test_damaged_gzip_is_refused(mirror: Mirror) -> None:
    path = mirror.epss("CVE-2026-0001,0.97,0.99")
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(FeedInvalid):
        records(epss, path)


def test_rows_that_are_no_scores_are_counted(mirror: Mirror) -> None:
    found, log = records(
        epss, mirror.epss("CVE-2026-0001,nan,0", "CVE-2026-0002,7,0", "x,0.1,0", "CVE-2026-0003,0.1,0")
    )
    assert [record.cve for record in found if isinstance(record, Enrichment)] == ["CVE-2026-0003"]
    assert log.skipped["invalid"] == 3


def test_the_newest_dated_scores_stand_for_todays(mirror: Mirror) -> None:
    for date in ("2026-05-30", "2026-05-31"):
        mirror.write(f"epss/epss_scores-{date}.csv.gz", b"")
    assert epss.find(mirror.feeds) == {
        "epss/epss_scores-current.csv.gz": "epss/epss_scores-2026-05-31.csv.gz"
    }


def cve(
    identifier: str, cna: list[Any], adp: list[Any] | None = None, state: str = "PUBLISHED"
) -> dict[str, Any]:
    return {
        "cveMetadata": {"cveId": identifier, "state": state, "dateUpdated": "2026-05-01T00:00:00.000Z"},
        "containers": {
            "cna": {"providerMetadata": {"shortName": "vendor"}, "metrics": cna},
            "adp": [
                {"providerMetadata": {"shortName": "CISA-ADP"}, "metrics": adp or []},
                {"providerMetadata": {"shortName": "CVE"}, "metrics": [{"cvssV3_1": {"vectorString": HIGH}}]},
            ],
        },
    }


def test_the_cnas_rating_counts_before_cisas(vulnerable: Mirror) -> None:
    vulnerable.cve5(
        cve("CVE-2026-0001", [{"cvssV3_1": {"vectorString": LOW}}], [{"cvssV3_1": {"vectorString": HIGH}}])
    )
    (match,) = vulnerable.matches(python("a", "1"))
    assert [rating.source for rating in match.vulnerability.cvss] == ["cna", "cisa-adp"]
    assert match.vulnerability.severity == "low"


def test_all_versions_of_cvss_may_stand_in_one_metric(mirror: Mirror) -> None:
    metric = {
        "cvssV4_0": {"vectorString": "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N"},
        "cvssV3_0": {"vectorString": HIGH.replace("3.1", "3.0")},
        "cvssV2_0": {"vectorString": "AV:N/AC:L/Au:N/C:P/I:P/A:P"},
        "other": {"type": "ssvc", "content": {}},
    }
    (record,), _ = records(vulnrichment, mirror.cve5(cve("CVE-2026-0001", [metric])))
    assert isinstance(record, Enrichment)
    assert [rating.version for rating in record.cvss] == ["4.0", "3.0", "2.0"]


def test_a_rejected_cve_is_no_vulnerability_any_more(vulnerable: Mirror) -> None:
    vulnerable.cve5(cve("CVE-2026-0001", [], state="REJECTED"))
    assert vulnerable.ids(python("a", "1")) == []


def test_another_cve_of_the_same_advisory_stays(mirror: Mirror) -> None:
    mirror.osv(
        "PyPI",
        osv_record("PYSEC-1", "PyPI", "a", ("introduced", "0"), aliases=["CVE-2026-0001", "CVE-2026-0002"]),
    )
    mirror.cve5(cve("CVE-2026-0001", [], state="REJECTED"))
    assert mirror.ids(python("a", "1")) == ["CVE-2026-0002"]


def test_an_entry_of_the_catalogue_needs_no_weakness(vulnerable: Mirror) -> None:
    entry = {"cveID": "CVE-2026-0001", "dateAdded": "2026-05-20", "dueDate": "2026-05-23", "cwes": []}
    vulnerable.write(
        "kev/known_exploited_vulnerabilities.json",
        {"dateReleased": "2026-05-30T10:00:00.0000Z", "count": 1, "vulnerabilities": [entry]},
    )
    (match,) = vulnerable.matches(python("a", "1"))
    assert match.vulnerability.exploited == Exploited(added="2026-05-20", due="2026-05-23", ransomware=False)


def test_scores_of_two_models_are_never_mixed(mirror: Mirror) -> None:
    mirror.osv(
        "PyPI",
        *(
            osv_record(f"PYSEC-{n}", "PyPI", "a", ("introduced", "0"), aliases=[f"CVE-2026-000{n}"])
            for n in (1, 2)
        ),
    )

    def scored(model: str, date: str, *rows: str) -> list[float | None]:
        text = f"#model_version:{model},score_date:{date}T00:00:00+0000\ncve,epss,percentile\n"
        data = gzip.compress((text + "".join(f"{row}\n" for row in rows)).encode())
        mirror.write("epss/epss_scores-current.csv.gz", data)
        return [match.vulnerability.epss for match in mirror.matches(python("a", "1"))]

    assert scored("v2023.03.01", "2026-03-16", "CVE-2026-0001,0.9,1", "CVE-2026-0002,0.8,1") == [0.9, 0.8]
    # What the new model does not score is unknown: the old model's word is gone.
    assert scored("v2025.03.14", "2026-03-17", "CVE-2026-0001,0.1,1") == [0.1, None]
