from __future__ import annotations

from itertools import permutations

from hullwatch.advisories import aliases
from hullwatch.advisories.aliases import Spoken


def names(*statements: tuple[str, list[str]]) -> dict[str, tuple[str, ...]]:
    """Of the statements, which must not depend on their order."""
    found = []
    for order in permutations(statements):
        groups = aliases.Groups()
        for identifier, others in order:
            groups.join(identifier, others)
        found.append(groups.names())
    assert all(other == found[0] for other in found)
    return found[0]


def test_a_group_is_shown_under_its_lowest_cve_by_number() -> None:
    assert aliases.shown(["PYSEC-2019-1", "GHSA-a", "CVE-2019-10000", "CVE-2019-9999"]) == "CVE-2019-9999"
    assert aliases.shown(["PYSEC-2019-1", "GHSA-a"]) == "GHSA-a"
    assert aliases.shown(["RUSTSEC-2020-1"]) == "RUSTSEC-2020-1"


def test_the_closure_is_transitive() -> None:
    found = names(("PYSEC-1", ["GHSA-a"]), ("GHSA-a", ["CVE-2020-0001"]), ("GO-1", ["GHSA-b"]))
    assert found == {
        **dict.fromkeys(["CVE-2020-0001", "GHSA-a", "PYSEC-1"], ("CVE-2020-0001",)),
        **dict.fromkeys(["GHSA-b", "GO-1"], ("GHSA-b",)),
    }


def test_an_advisory_for_two_cves_names_both_and_joins_neither() -> None:
    one, two = "CVE-2020-0001", "CVE-2020-0002"
    found = names(
        ("PYSEC-1", [one, "GHSA-a", two]), ("GHSA-a", [one]), ("GHSA-b", [two]), ("GO-1", ["GHSA-b"])
    )
    assert found == {
        one: (one,),
        two: (two,),
        "PYSEC-1": (one, two),
        "GHSA-a": (one,),
        "GHSA-b": (two,),
        "GO-1": (two,),
    }


def test_a_chain_between_two_cves_is_cut_in_the_middle() -> None:
    one, two = "CVE-2020-0001", "CVE-2020-0002"
    assert names(("A", [one]), ("A", ["B"]), ("B", [two])) == {
        one: (one,),
        "A": (one,),
        "B": (two,),
        two: (two,),
    }
    assert names(("A", [one]), ("A", ["B"]), ("B", ["C"]), ("C", [two]))["B"] == (one, two)


def test_a_shard_hears_only_what_others_say_of_its_own_groups() -> None:
    npm, pypi, go, alpine = "npm", "pypi", "go", "alpine-v3.20"
    spoken = [
        Spoken(npm, "GHSA-a"),
        Spoken(pypi, "PYSEC-1", ("GHSA-a", "CVE-2020-0001")),
        Spoken(pypi, "PYSEC-2", ("CVE-2020-0002",)),
        Spoken(go, "GO-1", ("CVE-2020-0003",)),
        Spoken(npm, "GHSA-c"),
        Spoken(alpine, "GHSA-a"),
    ]
    told = (("PYSEC-1", ("GHSA-a", "CVE-2020-0001")),)
    for order in permutations(spoken):
        assert aliases.said_elsewhere(order) == {npm: told, alpine: told}


def test_what_two_shards_say_alike_neither_has_to_hear() -> None:
    same = ("GHSA-a", ("CVE-2020-0001",))
    assert aliases.said_elsewhere([Spoken("npm", *same), Spoken("maven", *same)]) == {}


def test_cve_numbers_sort_by_year_then_number() -> None:
    numbered = ["CVE-2019-10000", "CVE-2019-9999", "CVE-2018-1000001"]
    assert sorted(numbered, key=lambda name: aliases.cve_number(name) or 0) == numbered[::-1]
    assert [aliases.cve_of(aliases.cve_number(name) or 0) for name in numbered] == numbered
    assert aliases.cve_of(aliases.cve_number("CVE-1999-0001") or 0) == "CVE-1999-0001"
    for junk in ("CVE-2020-1", "CVE_2020_0001", "cve-2020-0001", "CVE-2020-0001 ", "GHSA-a"):
        assert aliases.cve_number(junk) is None
