from __future__ import annotations

import pytest

from fakes.feeds import Mirror, osv_record
from fakes.vex import repositories
from hullwatch.advisories.changes import Changes, changes
from hullwatch.advisories.store import DirectorySource

A = osv_record("PYSEC-1", "PyPI", "a", ("introduced", "0"), aliases=["CVE-2026-0001"])
B = osv_record("PYSEC-2", "PyPI", "b", ("introduced", "0"), aliases=["CVE-2026-0002"])


@pytest.fixture
def before(mirror: Mirror) -> DirectorySource:
    mirror.osv("PyPI", A, B)
    mirror.kev({"cveID": "CVE-2026-0001", "dateAdded": "2026-05-20"})
    mirror.build()
    return DirectorySource(mirror.output, cache=mirror.cache)


def since(before: DirectorySource, mirror: Mirror) -> Changes:
    mirror.build()
    return changes(before, DirectorySource(mirror.output, cache=mirror.cache))


def test_nothing(before: DirectorySource, mirror: Mirror) -> None:
    assert since(before, mirror) == Changes(packages={}, cves=frozenset())


def test_a_new_advisory_changes_its_package_only(before: DirectorySource, mirror: Mirror) -> None:
    # It sorts first, so that every number in the shard moves.
    new = osv_record("GHSA-a", "PyPI", "c", ("introduced", "0"), aliases=["CVE-2020-0001"])
    mirror.osv("PyPI", A, B, new)
    assert since(before, mirror).packages == {"pypi": frozenset({"c"})}


@pytest.mark.parametrize(
    "changed",
    [
        {**B, "withdrawn": "2026-05-31T00:00:00Z"},
        {**B, "summary": "More is known."},
        {**B, "aliases": ["CVE-2026-0002", "GHSA-b"]},
        osv_record("PYSEC-2", "PyPI", "b", ("introduced", "0"), ("fixed", "2"), aliases=["CVE-2026-0002"]),
    ],
)
def test_any_change_of_a_record_changes_its_package(
    before: DirectorySource, mirror: Mirror, changed: dict[str, object]
) -> None:
    mirror.osv("PyPI", A, changed)
    assert since(before, mirror).packages == {"pypi": frozenset({"b"})}


def test_a_new_shard_is_new_in_all_its_packages(before: DirectorySource, mirror: Mirror) -> None:
    mirror.osv("npm", osv_record("GHSA-x", "npm", "left", ("introduced", "0")))
    assert since(before, mirror).packages == {"npm": frozenset({"left"})}


def test_a_cve_that_comes_to_be_exploited(before: DirectorySource, mirror: Mirror) -> None:
    mirror.kev(
        {"cveID": "CVE-2026-0001", "dateAdded": "2026-05-20"},
        {"cveID": "CVE-2026-0002", "dateAdded": "2026-05-31"},
    )
    found = since(before, mirror)
    assert (found.packages, found.cves) == ({}, frozenset({"CVE-2026-0002"}))


def test_a_repository_that_serves_another_stream(before: DirectorySource, mirror: Mirror) -> None:
    path = "redhat/repositories/repository-to-cpe.json"
    eus = {n: f"cpe:/o:redhat:rhel_eus:8.{n}::baseos" for n in (4, 6)}
    mirror.write(path, repositories({"a": [eus[4]], "b": [eus[4]], "main": []}))
    assert since(before, mirror) == Changes(packages={}, cves=frozenset(), repositories=frozenset({"a", "b"}))
    first = DirectorySource(mirror.output, cache=mirror.cache)
    mirror.write(path, repositories({"a": [eus[4]], "b": [eus[4], eus[6]], "other": []}))
    assert since(first, mirror).repositories == {"b"}
