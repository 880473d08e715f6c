"""The feeds of ``HULLWATCH_SHARED``, compiled once for all tests of a run."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from functools import cache
from pathlib import Path

import pytest

from hullwatch.advisories.build import BuildReport, build
from hullwatch.advisories.match import Advisories
from hullwatch.advisories.store import DirectorySource

SHARED = Path(os.environ.get("HULLWATCH_SHARED") or Path(__file__).resolve().parents[3] / "shared")
FEEDS = SHARED / "feeds"

needs_feeds = pytest.mark.skipif(
    not FEEDS.is_dir(), reason=f"{FEEDS} is not there; HULLWATCH_SHARED names where the shared data lies"
)


@cache
def compiled() -> tuple[BuildReport, Path]:
    """What all of the feeds compile to, and where it lies; removed when the run ends."""
    root = Path(tempfile.mkdtemp(prefix="hullwatch-conformance-"))
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    return build(FEEDS, root / "advisories"), root


@cache
def advisories() -> Advisories:
    """The same, open for questions."""
    _, root = compiled()
    return Advisories(DirectorySource(root / "advisories", cache=root / "cache"))
