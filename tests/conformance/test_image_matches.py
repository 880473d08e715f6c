"""Two images against all of the shared feeds: how many matches of which ecosystem, and ten traced by hand.

HULLWATCH_IMAGES names a directory with ``small.oci`` and ``medium.oci``, both of Debian 12 with packages of
npm and PyPI; without it these tests are skipped.
"""

from __future__ import annotations

import os
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from fakes.compiled import advisories, needs_feeds
from hullwatch.advisories.model import Match
from hullwatch.images.opening import load_image, open_source
from hullwatch.images.reference import parse_target
from hullwatch.inventory.layer_index import index_layer
from hullwatch.inventory.overlay import assemble
from hullwatch.inventory.package import Inventory

IMAGES = Path(os.environ.get("HULLWATCH_IMAGES", ""))
pytestmark = [
    needs_feeds,
    pytest.mark.skipif(
        not os.environ.get("HULLWATCH_IMAGES"), reason="HULLWATCH_IMAGES names no directory with test images"
    ),
]


@cache
def scanned(name: str) -> tuple[Inventory, list[Match]]:
    if not (IMAGES / name).exists():
        pytest.skip(f"{IMAGES} has no {name}")
    source = open_source(parse_target(str(IMAGES / name)))
    image = load_image(source)
    indexes = []
    for layer in image.layers:
        with source.open_blob(layer.descriptor) as stream:
            indexes.append(index_layer(stream, layer))
    inventory = assemble(image.digest, indexes)
    return inventory, advisories().match(inventory.packages)


@pytest.mark.parametrize(
    ("image", "packages", "matches"),
    [
        # The shared copy of Debian's data ends before Debian 12 was released: it says nothing of what the
        # images have installed.
        ("small.oci", {"Debian:12": 95, "npm": 52, "PyPI": 4}, {"PyPI": 50, "npm": 3}),
        ("medium.oci", {"Debian:12": 608, "npm": 398, "PyPI": 19}, {"PyPI": 138, "npm": 22}),
    ],
)
def test_matches_by_ecosystem(image: str, packages: dict[str, int], matches: dict[str, int]) -> None:
    inventory, found = scanned(image)
    assert Counter(package.ecosystem for package in inventory.packages) == packages
    assert Counter(match.package.ecosystem for match in found) == matches


@pytest.mark.parametrize(
    ("image", "package", "version", "vulnerability", "advisory", "fix"),
    [
        # osv/npm CVE-2020-8203: introduced 0, fixed 4.17.20.
        ("small.oci", "lodash", "4.17.15", "CVE-2020-8203", "CVE-2020-8203", "4.17.20"),
        # osv/npm CVE-2021-23337: introduced 0, fixed 4.17.21.
        ("small.oci", "lodash", "4.17.15", "CVE-2021-23337", "CVE-2021-23337", "4.17.21"),
        # osv/PyPI PYSEC-2019-10, alias CVE-2019-12781: 1.11 to 1.11.22, 2.1 to 2.1.10, 2.2 to 2.2.3.
        ("small.oci", "Django", "2.2", "CVE-2019-12781", "PYSEC-2019-10", "2.2.3"),
        # osv/PyPI PYSEC-2019-13, alias CVE-2019-14234: 1.11 to 1.11.23, 2.1 to 2.1.11, 2.2 to 2.2.4.
        ("small.oci", "Django", "2.2", "CVE-2019-14234", "PYSEC-2019-13", "2.2.4"),
        # osv/PyPI PYSEC-2026-2132, alias CVE-2026-7246, package "click": introduced 0, fixed 8.3.3.
        ("medium.oci", "Click", "7.0", "CVE-2026-7246", "PYSEC-2026-2132", "8.3.3"),
        # osv/npm CVE-2021-3749: introduced 0, last_affected 0.21.1, so there is no version to recommend.
        ("medium.oci", "axios", "0.21.0", "CVE-2021-3749", "CVE-2021-3749", ""),
        # osv/npm GHSA-f2jv-r9rf-7988, alias CVE-2021-23369: introduced 0, fixed 4.7.7.
        ("medium.oci", "handlebars", "4.5.3", "CVE-2021-23369", "GHSA-f2jv-r9rf-7988", "4.7.7"),
        # osv/npm GHSA-gxr4-xjj5-5px2, alias CVE-2020-11022: jquery introduced 1.2, fixed 3.5.0.
        ("medium.oci", "jquery", "3.4.1", "CVE-2020-11022", "GHSA-gxr4-xjj5-5px2", "3.5.0"),
        # osv/npm CVE-2020-28469: introduced 0, fixed 5.1.2; 5.1.2 is installed beside 3.1.0.
        ("medium.oci", "glob-parent", "3.1.0", "CVE-2020-28469", "CVE-2020-28469", "5.1.2"),
    ],
)
def test_a_match_traced_to_its_record(
    image: str, package: str, version: str, vulnerability: str, advisory: str, fix: str
) -> None:
    _, found = scanned(image)
    (match,) = (
        match for match in found if (match.package.name, match.vulnerability.id) == (package, vulnerability)
    )
    assert (match.package.version, match.fixed) == (version, fix)
    assert advisory in [statement.advisory for statement in match.statements]


def test_no_match_traced_to_its_record() -> None:
    # osv/npm CVE-2021-23337 ends before 4.17.21, which medium has installed.
    inventory, found = scanned("medium.oci")
    assert "4.17.21" in [package.version for package in inventory.packages if package.name == "lodash"]
    assert "CVE-2021-23337" not in [
        match.vulnerability.id for match in found if match.package.name == "lodash"
    ]
