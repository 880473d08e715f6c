"""Images against all of the shared feeds: how many matches of which ecosystem, and a dozen traced by hand.

HULLWATCH_IMAGES names a directory with ``small.oci`` and ``medium.oci``, both of Debian 12 with packages of
npm and PyPI, and ``apk.oci`` of Alpine 3.16; without it these tests are skipped.
"""

from __future__ import annotations

import json
import zipfile
from collections import Counter
from functools import cache

import pytest

from fakes.compiled import FEEDS, advisories, needs_feeds
from hullwatch.advisories.model import Match
from hullwatch.inventory.package import Inventory
from tests.conformance.test_images import needs_images, read

pytestmark = [needs_feeds, needs_images]


@cache
def scanned(name: str) -> tuple[Inventory, list[Match]]:
    _, _, inventory = read(name)
    return inventory, advisories().match(inventory.packages)


@pytest.mark.parametrize(
    ("image", "packages", "matches"),
    [
        ("small.oci", {"Debian:12": 95, "npm": 52, "PyPI": 4}, {"PyPI": 50, "npm": 3}),
        ("medium.oci", {"Debian:12": 608, "npm": 398, "PyPI": 19}, {"PyPI": 138, "npm": 22}),
        ("apk.oci", {"Alpine:v3.16": 5}, {"Alpine:v3.16": 9}),
    ],
)
def test_matches_by_ecosystem(image: str, packages: dict[str, int], matches: dict[str, int]) -> None:
    inventory, found = scanned(image)
    assert Counter(package.ecosystem for package in inventory.packages) == packages
    counted = Counter(match.package.ecosystem for match in found)
    print(f"\n{image:10}  {'ecosystem':14}{'packages':>9}{'matches':>9}")
    for ecosystem, count in packages.items():
        print(f"{'':10}  {ecosystem:14}{count:9}{counted[ecosystem]:9}")
    assert counted == matches


def test_of_debian_12_the_shared_feeds_say_nothing() -> None:
    """debian/tracker-data.partial.json: jessie to bullseye; osv/Debian/all.zip: Debian:3 to Debian:11.

    That is why none of the 703 Debian packages above has a match.
    """
    assert advisories().covers("Debian:11")
    assert not advisories().covers("Debian:12")


@pytest.mark.parametrize(
    ("image", "package", "version", "vulnerability", "record", "fix"),
    [
        # osv/npm CVE-2020-8203: introduced 0, fixed 4.17.20.
        ("small.oci", "lodash", "4.17.15", "CVE-2020-8203", "npm/CVE-2020-8203", "4.17.20"),
        # osv/npm CVE-2021-23337: introduced 0, fixed 4.17.21.
        ("small.oci", "lodash", "4.17.15", "CVE-2021-23337", "npm/CVE-2021-23337", "4.17.21"),
        # osv/PyPI PYSEC-2019-10, alias CVE-2019-12781: 1.11 to 1.11.22, 2.1 to 2.1.10, 2.2 to 2.2.3.
        ("small.oci", "Django", "2.2", "CVE-2019-12781", "PyPI/PYSEC-2019-10", "2.2.3"),
        # osv/PyPI PYSEC-2019-13, alias CVE-2019-14234: 1.11 to 1.11.23, 2.1 to 2.1.11, 2.2 to 2.2.4.
        ("small.oci", "Django", "2.2", "CVE-2019-14234", "PyPI/PYSEC-2019-13", "2.2.4"),
        # osv/PyPI PYSEC-2026-2132, alias CVE-2026-7246, package "click": introduced 0, fixed 8.3.3.
        ("medium.oci", "Click", "7.0", "CVE-2026-7246", "PyPI/PYSEC-2026-2132", "8.3.3"),
        # osv/npm CVE-2021-3749: introduced 0, last_affected 0.21.1, so there is no version to recommend.
        ("medium.oci", "axios", "0.21.0", "CVE-2021-3749", "npm/CVE-2021-3749", ""),
        # osv/npm GHSA-f2jv-r9rf-7988, alias CVE-2021-23369: introduced 0, fixed 4.7.7.
        ("medium.oci", "handlebars", "4.5.3", "CVE-2021-23369", "npm/GHSA-f2jv-r9rf-7988", "4.7.7"),
        # osv/npm GHSA-gxr4-xjj5-5px2, alias CVE-2020-11022: jquery introduced 1.2, fixed 3.5.0.
        ("medium.oci", "jquery", "3.4.1", "CVE-2020-11022", "npm/GHSA-gxr4-xjj5-5px2", "3.5.0"),
        # osv/npm CVE-2020-28469: introduced 0, fixed 5.1.2; 5.1.2 is installed beside 3.1.0.
        ("medium.oci", "glob-parent", "3.1.0", "CVE-2020-28469", "npm/CVE-2020-28469", "5.1.2"),
    ],
)
def test_a_match_traced_to_its_record(
    image: str, package: str, version: str, vulnerability: str, record: str, fix: str
) -> None:
    _, found = scanned(image)
    (match,) = (
        match for match in found if (match.package.name, match.vulnerability.id) == (package, vulnerability)
    )
    ecosystem, advisory = record.split("/")
    assert (match.package.version, match.package.ecosystem, match.fixed) == (version, ecosystem, fix)
    assert advisory in [statement.advisory for statement in match.statements]
    # The record itself, read by nothing of ours: it names the package, and the fix or none.
    with zipfile.ZipFile(FEEDS / "osv" / ecosystem / "all.zip") as archive:
        written = json.loads(archive.read(f"{advisory}.json"))
    fixes = {
        event["fixed"]
        for entry in written["affected"]
        if (entry["package"]["ecosystem"], entry["package"]["name"]) == (ecosystem, package.lower())
        for span in entry["ranges"]
        for event in span["events"]
        if "fixed" in event
    }
    assert fix in fixes if fix else not fixes
    assert vulnerability in {written["id"], *written.get("aliases", ())}


def test_matches_of_alpine_traced_to_their_records() -> None:
    """alpine/v3.16/main.json, curl: 7.83.1-r2 is installed.

    Its secfixes name CVE-2022-35252 under 7.83.1-r3 and CVE-2023-23914 under 7.83.1-r6, which come after it,
    and CVE-2022-32205 under 7.83.1-r2, which is installed.
    """
    _, found = scanned("apk.oci")
    fixes = {match.vulnerability.id: match.fixed for match in found if match.package.name == "curl"}
    database = json.loads((FEEDS / "alpine/v3.16/main.json").read_bytes())
    (written,) = (
        entry["pkg"]["secfixes"] for entry in database["packages"] if entry["pkg"]["name"] == "curl"
    )
    assert "CVE-2022-35252" in written["7.83.1-r3"]
    assert "CVE-2023-23914" in written["7.83.1-r6"]
    assert "CVE-2022-32205" in written["7.83.1-r2"]
    assert (fixes["CVE-2022-35252"], fixes["CVE-2023-23914"]) == ("7.83.1-r3", "7.83.1-r6")
    assert "CVE-2022-32205" not in fixes


def test_no_match_traced_to_its_record() -> None:
    # osv/npm CVE-2021-23337 ends before 4.17.21, which medium has installed.
    inventory, found = scanned("medium.oci")
    assert "4.17.21" in [package.version for package in inventory.packages if package.name == "lodash"]
    assert "CVE-2021-23337" not in [
        match.vulnerability.id for match in found if match.package.name == "lodash"
    ]
