from __future__ import annotations

from itertools import permutations

from hullwatch.advisories import aliases


def test_a_group_is_shown_under_its_lowest_cve_by_number() -> None:
    assert aliases.shown(["PYSEC-2019-1", "GHSA-a", "CVE-2019-10000", "CVE-2019-9999"]) == "CVE-2019-9999"
    assert aliases.shown(["PYSEC-2019-1", "GHSA-a"]) == "GHSA-a"
    assert aliases.shown(["RUSTSEC-2020-1"]) == "RUSTSEC-2020-1"


def test_the_closure_is_transitive_whatever_the_order_of_the_records() -> None:
    statements = [("PYSEC-1", ["GHSA-a"]), ("GHSA-a", ["CVE-2020-0001"]), ("GO-1", ["CVE-2020-0002"])]
    for order in permutations(statements):
        groups = aliases.Groups()
        for identifier, others in order:
            groups.join(identifier, others)
        assert list(groups.members()) == [["CVE-2020-0001", "GHSA-a", "PYSEC-1"], ["CVE-2020-0002", "GO-1"]]


def test_cve_numbers_sort_by_year_then_number() -> None:
    names = ["CVE-2019-10000", "CVE-2019-9999", "CVE-2018-1000001"]
    assert sorted(names, key=lambda name: aliases.cve_number(name) or 0) == names[::-1]
    assert [aliases.cve_of(aliases.cve_number(name) or 0) for name in names] == names
    assert aliases.cve_of(aliases.cve_number("CVE-1999-0001") or 0) == "CVE-1999-0001"
    for junk in ("CVE-2020-1", "CVE_2020_0001", "cve-2020-0001", "CVE-2020-0001 ", "GHSA-a"):
        assert aliases.cve_number(junk) is None
