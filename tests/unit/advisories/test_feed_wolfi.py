"""Wolfi and Chainguard: read when somebody asks for them, and only then."""

from __future__ import annotations

import pytest

from fakes.feeds import Mirror, records
from hullwatch.advisories.feeds import FEEDS, OPT_IN, wolfi
from hullwatch.advisories.fetch import fetch
from hullwatch.errors import FeedInvalid
from hullwatch.inventory.package import Package

DATABASE = {
    "reponame": "os",
    "packages": [
        {"pkg": {"name": "openssl", "secfixes": {"3.3.1-r0": ["CVE-2026-0001"], "0": ["CVE-2026-0002"]}}}
    ],
}


def libssl(version: str, ecosystem: str) -> Package:
    return Package(
        type="apk",
        name="libssl3",
        version=version,
        source_name="openssl",
        source_version=version,
        ecosystem=ecosystem,
    )


@pytest.mark.parametrize(("folder", "ecosystem"), [("wolfi", "Wolfi"), ("chainguard", "Chainguard")])
def test_packages_are_joined_by_origin_and_distributions_kept_apart(
    mirror: Mirror, folder: str, ecosystem: str
) -> None:
    mirror.write(f"wolfi/{folder}/security.json", DATABASE)
    assert mirror.ids(libssl("3.3.0-r0", ecosystem)) == ["CVE-2026-0001"]
    assert mirror.ids(libssl("3.3.1-r0", ecosystem)) == []
    assert mirror.ids(libssl("3.3.0-r0", "Alpine:v3.20")) == []


def test_it_is_fetched_only_when_it_is_named(mirror: Mirror) -> None:
    mirror.write("wolfi/wolfi/security.json", DATABASE)
    mirror.kev({"cveID": "CVE-2026-0001", "dateAdded": "2026-05-20"})
    local = str(mirror.feeds)
    assert [item.feed for item in fetch(mirror.output / "all", base=local)] == ["kev"]
    assert [item.feed for item in fetch(mirror.output / "some", base=local, only=["wolfi"])] == ["wolfi"]


def test_what_is_opt_in_says_why() -> None:
    assert wolfi.NAME in OPT_IN
    assert all("opt-in" in FEEDS[name].LICENCE for name in OPT_IN)


def test_another_distribution_is_refused(mirror: Mirror) -> None:
    with pytest.raises(FeedInvalid, match="neither"):
        records(wolfi, mirror.write("wolfi/other/security.json", DATABASE))
