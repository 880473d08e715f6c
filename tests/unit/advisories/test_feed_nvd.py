"""NVD: ratings by CVE, and nothing else."""

from __future__ import annotations

import gzip
import json
import tracemalloc
from typing import Any

import pytest

from fakes.feeds import Mirror, osv_record, python, records
from hullwatch.advisories.feeds import nvd
from hullwatch.advisories.record import Enrichment, Reading
from hullwatch.errors import FeedInvalid

V40 = "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N"
V31 = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H"
V30 = "CVSS:3.0/AV:L/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:L"
V2 = "AV:N/AC:M/Au:N/C:N/I:P/A:N"


def metric(vector: str, source: str = "nvd@nist.gov") -> dict[str, Any]:
    return {"source": source, "type": "Primary", "cvssData": {"vectorString": vector}}


def item(
    cve: str = "CVE-2026-0001", status: str = "Analyzed", **metrics: list[dict[str, Any]]
) -> dict[str, Any]:
    return {
        "cve": {
            "id": cve,
            "lastModified": "2026-05-20T00:00:00.000",
            "vulnStatus": status,
            "metrics": {f"cvssMetric{key}": value for key, value in metrics.items()},
        }
    }


def page(*items: dict[str, Any]) -> dict[str, Any]:
    return {
        "format": "NVD_CVE",
        "version": "2.0",
        "timestamp": "2026-05-31T03:00:00.000",
        "vulnerabilities": list(items),
    }


def enriched(mirror: Mirror, *items: dict[str, Any]) -> list[Enrichment]:
    found, _ = records(nvd, mirror.write("nvd/pages/1.json", page(*items)))
    return [record for record in found if isinstance(record, Enrichment)]


def test_all_versions_of_cvss_may_coexist_and_the_newest_says_most(mirror: Mirror) -> None:
    (found,) = enriched(
        mirror, item(V2=[metric(V2)], V30=[metric(V30)], V31=[metric(V31)], V40=[metric(V40)])
    )
    assert [rating.version for rating in found.cvss] == ["4.0", "3.1", "3.0", "2.0"]
    assert {rating.source for rating in found.cvss} == {"nvd"}


def test_secondary_ratings_are_those_of_the_cna_and_of_cisa(mirror: Mirror) -> None:
    cisa = metric(V31, "134c704f-9b21-4f2e-91b3-4a467353bcc0")
    (found,) = enriched(mirror, item(V31=[metric(V30), cisa, metric(V31, "security@example.org")]))
    assert [rating.source for rating in found.cvss] == ["cna", "cisa-adp", "nvd"]


def test_yearly_files_and_pages_of_the_api_have_one_form(mirror: Mirror) -> None:
    mirror.osv("PyPI", osv_record("PYSEC-1", "PyPI", "a", ("introduced", "0"), aliases=["CVE-2026-0001"]))
    data = json.dumps(page(item(V31=[metric(V31)]))).encode()
    mirror.write("nvd/nvdcve-2.0-2026.json.gz", gzip.compress(data))
    assert mirror.matches(python("a", "1.0"))[0].vulnerability.severity == "high"
    mirror.write("nvd/pages/1.json", page(item(V40=[metric(V40)])))
    assert mirror.matches(python("a", "1.0"))[0].vulnerability.severity == "critical"


def test_the_publishers_own_word_counts_before_nvds(mirror: Mirror) -> None:
    record = osv_record(
        "GHSA-x",
        "PyPI",
        "a",
        ("introduced", "0"),
        aliases=["CVE-2026-0001"],
        database_specific={"severity": "LOW"},
    )
    mirror.osv("PyPI", record)
    mirror.write("nvd/pages/1.json", page(item(V31=[metric(V31)])))
    assert mirror.matches(python("a", "1.0"))[0].vulnerability.severity == "low"


def test_a_rejected_number_is_no_vulnerability(mirror: Mirror) -> None:
    mirror.osv("PyPI", osv_record("PYSEC-1", "PyPI", "a", ("introduced", "0"), aliases=["CVE-2026-0001"]))
    assert mirror.ids(python("a", "1.0")) == ["CVE-2026-0001"]
    mirror.write("nvd/pages/1.json", page(item(status="Rejected")))
    assert mirror.ids(python("a", "1.0")) == []


def test_an_unrated_cve_is_unknown_not_harmless(mirror: Mirror) -> None:
    path = mirror.write(
        "nvd/pages/1.json", page(item(status="Awaiting Analysis"), item("CVE-2026-0002", V31=[metric("x")]))
    )
    found, log = records(nvd, path)
    assert (found, log.entries, log.skipped["not rated"]) == ([], 2, 2)
    assert log.date == "2026-05-31T03:00:00"


def test_an_invalid_entry_costs_only_itself(mirror: Mirror) -> None:
    found, log = records(
        nvd, mirror.write("nvd/pages/1.json", page({"cve": {"id": 7}}, item(V31=[metric(V31)])))
    )
    assert (len(found), log.skipped["invalid"]) == (1, 1)


def test_entries_are_read_one_by_one_whatever_their_texts_hold(mirror: Mirror) -> None:
    hostile = item("CVE-2026-0002", V31=[metric(V31)])
    hostile["cve"]["descriptions"] = [
        {"lang": "en", "value": 'x},{"cve":{"id":"CVE-2026-9999"}}]},  {"cve" :'}
    ]
    items = [item("CVE-2026-0001", V31=[metric(V31)]), hostile, item("CVE-2026-0003", V31=[metric(V31)])]
    for indent in (None, 2):
        path = mirror.write("nvd/pages/1.json", json.dumps(page(*items), indent=indent))
        found, log = records(nvd, path)
        assert [record.cve for record in found if isinstance(record, Enrichment)] == [
            "CVE-2026-0001",
            "CVE-2026-0002",
            "CVE-2026-0003",
        ]
        assert (log.entries, log.skipped.total()) == (3, 0)


def test_a_year_is_read_in_bounded_memory(mirror: Mirror) -> None:
    entry = item(V31=[metric(V31)])
    entry["cve"]["descriptions"] = [{"lang": "en", "value": "x" * 4000}]
    text = json.dumps(entry)
    count = 10_000
    body = json.dumps(page()).removesuffix("]}") + ",".join([text] * count) + "]}"
    path = mirror.write("nvd/nvdcve-2.0-2026.json.gz", gzip.compress(body.encode(), 1))
    del body
    log = Reading()
    tracemalloc.start()
    try:
        assert sum(1 for _ in nvd.read(path, log)) == count
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert log.entries == count
    assert peak < 12 * 1024 * 1024 < count * len(text)


@pytest.mark.parametrize("cut", [1, 2, 3, 40, 150])
def test_a_document_that_is_cut_off_is_refused(mirror: Mirror, cut: int) -> None:
    whole = json.dumps(page(item(V31=[metric(V31)]), item("CVE-2026-0002")))
    with pytest.raises(FeedInvalid):
        records(nvd, mirror.write("nvd/pages/1.json", whole[:-cut]))


@pytest.mark.parametrize("data", ["", "[]", '{"format": "NVD_CVE"}', '{"CVE_Items": []}'])
def test_another_schema_is_refused(mirror: Mirror, data: str) -> None:
    with pytest.raises(FeedInvalid):
        records(nvd, mirror.write("nvd/pages/1.json", data))


def test_every_year_has_its_file() -> None:
    paths = [document.path for document in nvd.documents()]
    assert paths[:2] == ["nvd/nvdcve-2.0-2002.json.gz", "nvd/nvdcve-2.0-2003.json.gz"]
    assert [document.optional for document in nvd.documents()].count(True) == 1
