"""Bills of materials of a real image, valid and with every package.

HULLWATCH_IMAGES names a directory with ``small.oci``; without it these tests are skipped.
"""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import pytest

from fakes.bills_of_materials import check_cyclonedx, check_spdx
from hullwatch.cli.reading import Reading, read_image
from hullwatch.images.reference import parse_target
from hullwatch.inventory import sbom

IMAGES = Path(os.environ.get("HULLWATCH_IMAGES", ""))
pytestmark = pytest.mark.skipif(
    not os.environ.get("HULLWATCH_IMAGES"), reason="HULLWATCH_IMAGES names no directory with test images"
)
NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)


@cache
def read() -> Reading:
    if not (IMAGES / "small.oci").exists():
        pytest.skip(f"{IMAGES} has no small.oci")
    return read_image(parse_target(str(IMAGES / "small.oci")), None, jobs=1)


def purls() -> list[str]:
    return sorted(package.purl for package in read().inventory.packages)


def test_cyclonedx() -> None:
    content = sbom.cyclonedx(read().image, read().inventory, created=NOON)

    check_cyclonedx(content)
    components = json.loads(content)["components"]
    assert sorted(part["purl"] for part in components if "purl" in part) == purls()
    (system,) = [part for part in components if part["type"] == "operating-system"]
    assert system["name"] == read().inventory.os.id


def test_spdx() -> None:
    content = sbom.spdx(read().image, read().inventory, created=NOON)

    check_spdx(content)
    elements = json.loads(content)["packages"]
    found = [reference["referenceLocator"] for part in elements for reference in part.get("externalRefs", [])]
    assert sorted(found) == purls()
