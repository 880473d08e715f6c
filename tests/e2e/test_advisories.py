"""Before the first advisories, and when a feed turns bad: what is missing is said, what is live stays."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.rematch_cloud import RematchCloud, deployed, record
from tests.e2e.test_pipeline import VULNERABLE, dead_letters, event, image, push, states


@pytest.fixture(scope="module")
def mirror(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("mirror")


@pytest.fixture(scope="module")
def it(mirror: Path) -> Iterator[RematchCloud]:
    """A deployment that has never refreshed its advisories."""
    with deployed(mirror) as cloud:
        yield cloud


def test_an_image_pushed_before_any_advisories_says_so_until_they_come(it: RematchCloud) -> None:
    digest = push(it, "early", VULNERABLE, "v1")
    assert (image(it, "early", digest)["status"], image(it, "early", digest)["reason"]) == (
        "PARTIAL",
        "NO_ADVISORIES",
    )
    assert states(it, "early") == {"NO_ADVISORIES": "ACTIVE"}

    assert it.refresh() == "SUCCEEDED"
    event(it, "early", digest)

    assert image(it, "early", digest)["status"] == "ASSESSED"
    assert states(it, "early") == {"NO_ADVISORIES": "ARCHIVED", "Django": "ACTIVE", "openssl": "ACTIVE"}
    assert dead_letters(it) == 0


@pytest.mark.parametrize("poison", ["truncated", "shrunk", "no archive"])
def test_a_bad_feed_never_becomes_live(it: RematchCloud, mirror: Path, poison: str) -> None:
    path = mirror / "osv" / "PyPI" / "all.zip"
    small = path.read_bytes()
    whole = with_more(small, 300)
    it.replace(path, whole)
    assert it.refresh() == "SUCCEEDED"
    live = it.generation()

    bad = {"truncated": whole[: len(whole) // 2], "shrunk": small, "no archive": b"<html></html>"}[poison]
    it.replace(path, bad)
    refused = warnings(it)
    assert it.refresh() == "SUCCEEDED"

    assert warnings(it) == refused + 1
    assert it.generation() == live
    repository = f"after-{poison.replace(' ', '-')}"
    push(it, repository, VULNERABLE, "v1")
    assert states(it, repository) == {"Django": "ACTIVE", "openssl": "ACTIVE"}
    it.replace(path, small)


def warnings(it: RematchCloud) -> int:
    """How often fetching has said that a feed could not be used."""
    return it.cloud.worker_logs("hullwatch-fetch-advisories").count('"level":"WARNING"')


def with_more(content: bytes, count: int) -> bytes:
    """The same feed with so many more records."""
    grown = io.BytesIO(content)
    with zipfile.ZipFile(grown, "a") as archive:
        for number in range(count):
            identifier = f"GHSA-more-{number:04}-more"
            archive.writestr(
                f"{identifier}.json", json.dumps(record(identifier, "PyPI", f"more-{number}", "2.0"))
            )
    return grown.getvalue()
