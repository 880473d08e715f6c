"""What changes the generation in use, and what never does."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from fakes.feeds import NOW, Mirror, apk, osv_record, python
from hullwatch.advisories import build as building
from hullwatch.advisories import store
from hullwatch.advisories.match import Advisories
from hullwatch.errors import ConfigurationError, FeedInvalid
from hullwatch.inventory.package import Package

RECORDS = [
    osv_record(f"PYSEC-{n}", "PyPI", f"package-{n}", ("introduced", "0"), ("fixed", "2.0")) for n in range(40)
]


@pytest.fixture
def built(mirror: Mirror) -> Mirror:
    """A mirror of two feeds, compiled."""
    mirror.osv("PyPI", *RECORDS)
    mirror.osv("npm", osv_record("GHSA-1", "npm", "left", ("introduced", "0")))
    mirror.kev({"cveID": "CVE-2026-0001", "dateAdded": "2026-05-20"})
    mirror.build()
    return mirror


def test_a_second_build_of_the_same_feeds_does_nothing(built: Mirror) -> None:
    report = built.build(now=NOW + timedelta(days=1))
    assert (report.changed, report.read, report.compiled) == (False, (), ())
    assert report.manifest.built == "2026-06-01T00:00:00+00:00"
    assert report.manifest.checked == "2026-06-02T00:00:00+00:00"


def test_only_what_changed_is_read_and_compiled(built: Mirror) -> None:
    built.osv("npm", osv_record("GHSA-2", "npm", "left", ("introduced", "0")))
    report = built.build()
    assert report.changed
    assert (report.read, report.compiled) == (("osv/npm/all.zip",), ("npm",))


def test_equal_feeds_give_equal_generations_in_one_process_or_in_several(
    built: Mirror, tmp_path: Path
) -> None:
    one = store.read_manifest(built.output)
    assert one is not None
    other = building.build(built.feeds, tmp_path / "other", workers=2)
    assert other.generation == one.generation
    names = sorted(path.name for path in (built.output / "shards").iterdir())
    assert names == sorted(path.name for path in (tmp_path / "other" / "shards").iterdir())
    for name in names:
        ours, theirs = built.output / "shards" / name, tmp_path / "other" / "shards" / name
        assert ours.read_bytes() == theirs.read_bytes()


def test_a_reordered_feed_is_the_same_generation(built: Mirror) -> None:
    shuffled = RECORDS.copy()
    random.Random(7).shuffle(shuffled)
    built.osv("PyPI", *shuffled)
    report = built.build()
    assert (report.changed, report.failures) == (False, {})


def test_a_withdrawn_record_leaves(built: Mirror) -> None:
    built.osv("PyPI", {**RECORDS[0], "withdrawn": "2026-05-31T00:00:00Z"}, *RECORDS[1:])
    assert built.ids(python("package-0", "1.0"), python("package-1", "1.0")) == ["PYSEC-1"]


def test_a_vulnerability_has_one_name_over_all_feeds(mirror: Mirror) -> None:
    everything = ("introduced", "0")
    mirror.osv("npm", osv_record("GHSA-aaaa-bbbb-cccc", "npm", "left", everything))
    mirror.osv(
        "PyPI",
        osv_record("PYSEC-1", "PyPI", "left", everything, aliases=["GHSA-aaaa-bbbb-cccc", "CVE-2026-0001"]),
    )
    mirror.osv("Go", osv_record("GO-1", "Go", "example.com/left", everything, aliases=["CVE-2026-0002"]))
    mirror.alpine("v3.16", {"left": {"9-r0": ["GHSA-aaaa-bbbb-cccc"]}})
    assert (
        mirror.ids(
            Package(type="npm", name="left", version="1.0.0", ecosystem="npm"),
            python("left", "1.0"),
            apk("left", "1-r0"),
        )
        == ["CVE-2026-0001"] * 3
    )

    # A feed that learns of another name changes the shards that speak of it, and no others.
    mirror.osv("Go", osv_record("GO-1", "Go", "example.com/left", everything, aliases=["CVE-2026-0003"]))
    assert mirror.build().compiled == ("go",)
    mirror.osv(
        "PyPI",
        osv_record("PYSEC-1", "PyPI", "left", everything, aliases=["GHSA-aaaa-bbbb-cccc", "CVE-2026-0004"]),
    )
    assert set(mirror.build().compiled) == {"npm", "pypi", "alpine-v3.16"}


def test_an_advisory_for_two_cves_is_two_vulnerabilities(mirror: Mirror) -> None:
    mirror.osv(
        "PyPI",
        osv_record(
            "PYSEC-1", "PyPI", "left", ("introduced", "0"), aliases=["CVE-2026-0001", "CVE-2026-0002"]
        ),
        osv_record("GHSA-bbbb", "PyPI", "left", ("introduced", "0"), aliases=["CVE-2026-0002"]),
    )
    one, two = mirror.matches(python("left", "1.0"))
    assert (one.vulnerability.id, one.vulnerability.aliases) == ("CVE-2026-0001", ())
    assert (two.vulnerability.id, two.vulnerability.aliases) == ("CVE-2026-0002", ("GHSA-bbbb",))
    assert [[s.advisory for s in match.statements] for match in (one, two)] == [
        ["PYSEC-1"],
        ["GHSA-bbbb", "PYSEC-1"],
    ]


def truncated(mirror: Mirror) -> None:
    path = mirror.feeds / "osv/PyPI/all.zip"
    path.write_bytes(path.read_bytes()[:-50])


def empty(mirror: Mirror) -> None:
    mirror.osv("PyPI")


def no_bytes(mirror: Mirror) -> None:
    mirror.write("osv/PyPI/all.zip", b"")


def html(mirror: Mirror) -> None:
    mirror.write("osv/PyPI/all.zip", "<html>We will be back soon.</html>")


def shrunken(mirror: Mirror) -> None:
    mirror.osv("PyPI", *RECORDS[:20])


def poisoned(mirror: Mirror) -> None:
    path = mirror.osv("PyPI", *RECORDS)
    with zipfile.ZipFile(path, "a") as archive:
        for number in range(10):
            archive.writestr(f"{number}.json", '{"id": ["not", "an", "identifier"]}')


def stale(mirror: Mirror) -> None:
    mirror.osv("PyPI", *({**record, "modified": "2026-04-30T00:00:00Z"} for record in RECORDS))


def vanished(mirror: Mirror) -> None:
    (mirror.feeds / "osv/PyPI/all.zip").unlink()


def unreadable(mirror: Mirror) -> None:
    path = mirror.feeds / "osv/PyPI/all.zip"
    path.unlink()
    path.symlink_to("nowhere")


@pytest.mark.parametrize(
    "harm", [truncated, empty, no_bytes, html, shrunken, poisoned, stale, vanished, unreadable]
)
def test_a_harmed_document_costs_only_itself_and_is_reported(
    built: Mirror, harm: Callable[[Mirror], None]
) -> None:
    before = store.read_manifest(built.output)
    assert before is not None
    harm(built)
    report = built.build()
    assert report.generation == before.generation
    assert list(report.failures) == ["osv"]
    assert "osv/PyPI/all.zip" in report.failures["osv"][0]
    with built.open() as advisories:
        assert [m.vulnerability.id for m in advisories.match([python("package-7", "1.0")])] == ["PYSEC-7"]

    # The rest of the feed, and other feeds, go on.
    built.osv("npm", osv_record("GHSA-2", "npm", "left", ("introduced", "0")))
    report = built.build()
    assert report.compiled == ("npm",)
    assert report.manifest.shards["pypi"] == before.shards["pypi"]

    # And it mends itself.
    built.feeds.joinpath("osv/PyPI/all.zip").unlink(missing_ok=True)
    built.osv("PyPI", *RECORDS)
    assert built.build().failures == {}


def test_a_feed_that_never_was_good_is_reported_and_left_out(mirror: Mirror) -> None:
    mirror.osv("PyPI", *RECORDS)
    mirror.write("kev/known_exploited_vulnerabilities.json", "{")
    report = mirror.build()
    assert list(report.manifest.shards) == ["pypi"]
    assert list(report.failures) == ["kev"]


def test_a_change_that_somebody_vouches_for_is_taken(built: Mirror) -> None:
    shrunken(built)
    report = built.build(accept={"osv"})
    assert report.failures == {}
    assert report.manifest.shards["pypi"].packages == 20


def test_a_few_entries_less_are_ordinary(built: Mirror) -> None:
    built.osv("PyPI", *RECORDS[:35])
    assert built.build().failures == {}


def test_what_went_wrong_in_fetching_is_in_the_report(built: Mirror) -> None:
    report = built.build(failures={"kev": ["did not answer"]})
    assert report.failures == {"kev": ("did not answer",)}


@pytest.mark.parametrize("step", range(6))
def test_a_build_that_is_killed_leaves_the_old_generation_in_use(
    built: Mirror, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    class Killed(BaseException):
        pass

    calls = 0

    def killing(original: Callable[..., object]) -> Callable[..., object]:
        def call(*args: object, **options: object) -> object:
            nonlocal calls
            calls += 1
            if calls > step:
                raise Killed
            return original(*args, **options)

        return call

    # Every rename and every flush to disk is a point where the machine may stop.
    monkeypatch.setattr(Path, "replace", killing(Path.replace))
    monkeypatch.setattr(os, "fsync", killing(os.fsync))
    built.osv("npm", osv_record("GHSA-2", "npm", "left", ("introduced", "0")))
    before = store.read_manifest(built.output)
    with pytest.raises(Killed):
        built.build()
    monkeypatch.undo()
    assert store.read_manifest(built.output) == before
    with built.open() as advisories:
        assert [m.vulnerability.id for m in advisories.lookup("pkg:npm/left@1.0.0")] == ["GHSA-1"]
    assert built.build().changed


#: For each directory a child that compiles into it and is killed at its n-th touch of the file system.
KILLED = """
import os, signal, sys
from pathlib import Path
from hullwatch.advisories.build import build
EVENTS = {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir"}
for step, output in enumerate(sys.argv[2:]):
    child = os.fork()
    if child == 0:
        left = step
        def count(event, arguments):
            global left
            if event in EVENTS and str(arguments[0]).startswith(output):
                left -= 1
                if left < 0:
                    os.kill(os.getpid(), signal.SIGKILL)
        sys.addaudithook(count)
        build(Path(sys.argv[1]), Path(output), workers=1)
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_a_process_that_is_killed_anywhere_leaves_the_old_generation_or_the_new_one(built: Mirror) -> None:
    before = store.read_manifest(built.output)
    assert before is not None
    built.osv("npm", osv_record("GHSA-2", "npm", "left", ("introduced", "0")))
    outputs = [built.output.with_name(f"killed-{step}") for step in range(40)]
    for output in outputs:
        shutil.copytree(built.output, output)
    expected = built.build().generation
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(built.feeds), *map(str, outputs)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        check=True,
        capture_output=True,
        timeout=120,
    )
    codes = [int(line) for line in done.stdout.split()]
    killed = codes.count(-signal.SIGKILL)
    # All the way: everyone before the first that came to its end was killed.
    assert killed > 15
    assert codes == [-signal.SIGKILL] * killed + [0] * (len(codes) - killed)
    for output, code in zip(outputs, codes, strict=True):
        now = store.read_manifest(output)
        assert now is not None
        assert now.generation in ({before.generation, expected} if code else {expected})
        with Advisories.open(store.DirectorySource(output, cache=output / "cache")) as advisories:
            (match,) = advisories.lookup("pkg:npm/left@1.0.0")
        assert match.vulnerability.id == ("GHSA-1" if now.generation == before.generation else "GHSA-2")
        again = building.build(built.feeds, output, workers=1, now=NOW)
        assert (again.generation, again.failures) == (expected, {})


def test_two_generations_are_kept_and_no_more(built: Mirror) -> None:
    for number in range(2, 6):
        built.osv("npm", osv_record(f"GHSA-{number}", "npm", "left", ("introduced", "0")))
        built.build()
    assert len(list((built.output / "generations").iterdir())) == 2
    assert len(list((built.output / "shards").glob("npm-*"))) == 2
    assert not list(built.output.glob(".compile.*"))


def test_nothing_to_build_from_is_said(mirror: Mirror, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no readable document"):
        mirror.build()
    with pytest.raises(ConfigurationError, match="not a directory"):
        building.build(tmp_path / "nowhere", tmp_path / "out")
    assert store.read_manifest(mirror.output) is None


def test_a_damaged_pointer_is_said(built: Mirror) -> None:
    (built.output / "current.json").write_text('{"generation": "../../etc"}')
    with pytest.raises(FeedInvalid):
        store.read_manifest(built.output)
