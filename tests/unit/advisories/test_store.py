from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from fakes.feeds import NOW, Mirror, osv_record
from hullwatch.advisories import store
from hullwatch.advisories.status import status as status_of
from hullwatch.errors import ConfigurationError, FeedInvalid


@pytest.fixture
def built(mirror: Mirror) -> Mirror:
    mirror.osv(
        "PyPI",
        osv_record("PYSEC-1", "PyPI", "a", ("introduced", "0")),
        osv_record("PYSEC-2", "PyPI", "a", ("introduced", "0"), withdrawn="2026-05-31T00:00:00Z"),
    )
    mirror.alpine("v3.16", {"musl": {"1.2.3-r1": ["CVE-2025-0001"]}})
    mirror.build()
    return mirror


def test_status_names_dates_counts_and_what_is_missing(built: Mirror) -> None:
    status = status_of(built.output, NOW)
    feeds = {feed.name: feed for feed in status.feeds}
    osv = feeds["osv"]
    assert (osv.condition, osv.date[:10], osv.entries, osv.skipped) == (
        "stale",
        "2026-05-01",
        2,
        {"withdrawn": 1},
    )
    assert osv.age == 31
    # secdb carries no date of its own: the day its bytes came counts.
    assert (feeds["alpine"].condition, feeds["alpine"].age) == ("ok", 0)
    assert feeds["kev"].condition == "absent"
    assert status.compressed == sum(shard.compressed for shard in status.shards.values()) > 0
    assert status.generation == built.build().generation


def test_a_feed_that_no_longer_comes_grows_stale(built: Mirror) -> None:
    later = status_of(built.output, NOW + timedelta(days=30))
    assert {feed.name: feed.condition for feed in later.feeds}["alpine"] == "stale"


def test_a_feed_that_fails_for_long_is_stale(built: Mirror) -> None:
    built.write("alpine/v3.16/main.json", "{")
    later = NOW + timedelta(days=30)
    built.build(now=later)
    (alpine,) = (feed for feed in status_of(built.output, later).feeds if feed.name == "alpine")
    assert (alpine.condition, alpine.age, len(alpine.failures)) == ("stale", 30, 1)


def test_failures_are_shown(built: Mirror) -> None:
    built.write("alpine/v3.16/main.json", "{")
    built.build()
    (alpine,) = (feed for feed in status_of(built.output, NOW).feeds if feed.name == "alpine")
    assert alpine.condition == "failed"
    assert "alpine/v3.16/main.json" in alpine.failures[0]


def test_a_directory_without_advisories_is_the_users_to_mend(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="advisories build"):
        status_of(tmp_path)


def test_shards_are_unpacked_once(built: Mirror) -> None:
    source = store.DirectorySource(built.output, cache=built.cache)
    path = source.fetch("pypi")
    written = path.stat().st_mtime_ns
    assert source.fetch("pypi") == path
    assert path.stat().st_mtime_ns == written
    assert path.parent.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("harm", ["flip", "truncate", "swap", "remove"])
def test_a_damaged_shard_is_never_opened(built: Mirror, harm: str) -> None:
    pypi, alpine = (next((built.output / "shards").glob(f"{name}-*")) for name in ("pypi", "alpine"))
    data = bytearray(pypi.read_bytes())
    if harm == "flip":
        data[len(data) // 2] ^= 0xFF
        pypi.write_bytes(data)
    elif harm == "truncate":
        pypi.write_bytes(data[:-20])
    elif harm == "swap":
        pypi.write_bytes(alpine.read_bytes())
    else:
        pypi.unlink()
    with pytest.raises(FeedInvalid):
        store.DirectorySource(built.output, cache=built.cache).fetch("pypi")
    assert not list(built.cache.iterdir())


def test_a_reader_keeps_its_generation_while_another_comes_into_use(built: Mirror) -> None:
    with built.open() as advisories:
        built.osv("PyPI", osv_record("PYSEC-3", "PyPI", "a", ("introduced", "0")))
        built.build(accept={"osv"})
        assert [m.vulnerability.id for m in advisories.lookup("pkg:pypi/a@1.0")] == ["PYSEC-1"]
    with built.open() as advisories:
        assert [m.vulnerability.id for m in advisories.lookup("pkg:pypi/a@1.0")] == ["PYSEC-3"]
