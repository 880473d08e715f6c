from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from fakes.feeds import NOW, Mirror, apk, deb, osv_record, python
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


def test_one_document_grows_stale_while_the_others_of_its_feed_are_fresh(built: Mirror) -> None:
    fresh = osv_record("GHSA-1", "npm", "a", ("introduced", "0"), modified="2026-06-30T00:00:00Z")
    later = NOW + timedelta(days=30)
    built.osv("npm", fresh)
    built.write("osv/PyPI/all.zip", "<html>")
    built.build(now=later)
    osv = next(feed for feed in status_of(built.output, later).feeds if feed.name == "osv")
    assert (osv.age, osv.stale, osv.condition) == (1, ("osv/PyPI/all.zip",), "stale")


def test_a_document_that_cannot_be_fetched_for_long_is_stale_and_a_quiet_one_is_not(built: Mirror) -> None:
    def stale(days: int, *failures: str) -> tuple[str, ...]:
        later = NOW + timedelta(days=days)
        built.build(now=later, failures={"osv": failures})
        return next(feed for feed in status_of(built.output, later).feeds if feed.name == "osv").stale

    # Found to be the newest, day after day, however old its records are.
    assert stale(20) == ()
    failure = "osv/PyPI/all.zip: answered 503"
    assert stale(21, failure) == ()
    assert stale(23, failure) == ()
    assert stale(24, failure) == ("osv/PyPI/all.zip",)
    assert stale(25) == ()


def test_every_answer_says_of_when_it_is(built: Mirror) -> None:
    built.debian({"musl": {"CVE-2025-0001": {"releases": {"bookworm": {"status": "open"}}}}})
    built.kev({"cveID": "CVE-2025-0001", "dateAdded": "2026-05-20"})
    built.epss("CVE-2025-0001,0.5,0.9")
    built.build(now=NOW + timedelta(days=2))
    with built.open() as advisories:
        found = advisories.match(
            [apk("musl", "1.2.3-r0"), deb("musl", "1.2.3-1"), python("a", "1.0")],
        )
        dates = advisories.manifest.dates()
    # OSV dates its records; of secdb and of Debian's tracker it is known when they came.
    assert [match.statements[0].modified[:10] for match in found] == [
        "2026-06-01",
        "2026-06-03",
        "2026-05-01",
    ]
    assert {feed: date[:10] for feed, date in dates.items()} == {
        "alpine": "2026-06-01",
        "debian": "2026-06-03",
        "epss": "2026-05-31",
        "kev": "2026-05-30",
        "osv": "2026-05-01",
    }
