from __future__ import annotations

import sqlite3
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from hullwatch.advisories.model import Cvss, Exploited
from hullwatch.advisories.record import Advisory, Affected, Enrichment
from hullwatch.advisories.shards import Shard, compile_advisories, compile_enrichment


def advisory(identifier: str, name: str = "a", **fields: object) -> Advisory:
    affected = Affected(ecosystem="PyPI", name=name, ranges=((("introduced", "0"), ("fixed", "1.5")),))
    return Advisory(id=identifier, source="osv", authority="pypa", affected=(affected,), **fields)  # type: ignore[arg-type]


RECORDS = [
    advisory("PYSEC-1", aliases=("CVE-2026-0001",)),
    advisory("PYSEC-2", name="b", aliases=("GHSA-x",)),
    advisory("GHSA-x", name="b", aliases=("CVE-2026-0002",)),
    advisory("PYSEC-3", name="b"),
    advisory("PYSEC-3", name="c"),
]


@settings(max_examples=20)
@given(order=st.permutations(RECORDS))
def test_the_bytes_do_not_depend_on_the_order_of_the_records(
    order: list[Advisory], tmp_path_factory: object
) -> None:
    folder = tmp_path_factory.mktemp("shards")  # type: ignore[attr-defined]
    compile_advisories("PyPI", RECORDS, folder / "one.sqlite")
    compile_advisories("PyPI", order, folder / "other.sqlite")
    assert (folder / "one.sqlite").read_bytes() == (folder / "other.sqlite").read_bytes()


def test_the_bytes_do_not_name_the_library_that_wrote_them(tmp_path: Path) -> None:
    compile_advisories("PyPI", RECORDS, tmp_path / "one.sqlite")
    assert (tmp_path / "one.sqlite").read_bytes()[96:100] == bytes(4)
    with sqlite3.connect(tmp_path / "one.sqlite") as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_package_is_one_row(tmp_path: Path) -> None:
    counts = compile_advisories("PyPI", RECORDS, tmp_path / "one.sqlite")
    assert (counts.packages, counts.advisories, counts.vulnerabilities) == (3, 4, 3)
    shard = Shard(tmp_path / "one.sqlite")
    assert [shard.source(rule.advisory).id for rule in shard.rules("b")] == ["GHSA-x", "PYSEC-2", "PYSEC-3"]
    assert shard.rules("nothing") == []


def test_enumerated_versions_inside_a_range_are_not_kept_twice(tmp_path: Path) -> None:
    affected = Affected(
        ecosystem="PyPI",
        name="a",
        ranges=((("introduced", "1.0"), ("fixed", "1.5")),),
        versions=("1.0", "1.1", "1.4", "0.9"),
    )
    compile_advisories(
        "PyPI", [Advisory(id="P", source="osv", authority="pypa", affected=(affected,))], tmp_path / "s"
    )
    (rule,) = Shard(tmp_path / "s").rules("a")
    assert (len(rule.intervals), len(rule.versions)) == (1, 1)


def test_what_feeds_know_of_a_cve_is_put_together(tmp_path: Path) -> None:
    rating = Cvss(version="3.1", vector="V", score=9.8, source="cna")
    compile_enrichment(
        [
            Enrichment(cve="CVE-2026-0001", epss=0.5),
            Enrichment(cve="CVE-2026-0001", exploited=Exploited(added="2026-05-01")),
            Enrichment(cve="CVE-2026-0001", cvss=(rating,)),
            Enrichment(cve="not one", epss=0.5),
        ],
        tmp_path / "s",
    )
    found = Shard(tmp_path / "s").enrichment("CVE-2026-0001")
    assert found is not None
    assert (found.epss, found.exploited, found.cvss) == (0.5, Exploited(added="2026-05-01"), (rating,))
    assert Shard(tmp_path / "s").enrichment("CVE-2026-0002") is None


def test_what_clears_a_package_of_nothing_is_left_out(tmp_path: Path) -> None:
    def says(identifier: str, *affected: Affected) -> Advisory:
        return Advisory(
            id=identifier,
            source=identifier,
            authority="ubuntu",
            covers=("CVE-2026-0001",),
            affected=affected,
        )

    clear = Affected(ecosystem="Ubuntu:22.04", name="a", status="not_affected")
    other = Affected(ecosystem="Ubuntu:22.04", name="b", status="not_affected")
    open_ = Affected(ecosystem="Ubuntu:22.04", name="a", ranges=((("introduced", "0"),),))
    counts = compile_advisories("Ubuntu:22.04", [says("V", clear, other)], tmp_path / "alone.sqlite")
    assert counts.packages == 0
    counts = compile_advisories(
        "Ubuntu:22.04", [says("V", clear, other), says("O", open_)], tmp_path / "both.sqlite"
    )
    assert counts.packages == 1
    assert [rule.status for rule in Shard(tmp_path / "both.sqlite").rules("a")] == [
        "affected",
        "not_affected",
    ]
