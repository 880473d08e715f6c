"""What the table remembers of images, layers and tracks."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
import pytest

from fakes.matches import match, pypi
from hullwatch.aws.control_records import ControlRecords
from hullwatch.aws.finding_records import FindingRecords
from hullwatch.aws.image_records import ImageRecord, ImageRecords
from hullwatch.aws.layer_records import LayerRecords
from hullwatch.aws.table import Item, Key, Table, marshal
from hullwatch.aws.track_records import Tagged, TrackRecords
from hullwatch.findings.compose import Subject, findings_of
from hullwatch.findings.diff import diff
from hullwatch.findings.finding import Finding, ImageRef
from hullwatch.settings import FindingSettings

NOW = 1_800_000_000
AT = "2026-11-24T10:00:00.000Z"


@pytest.fixture
def images(table: Table) -> ImageRecords:
    return ImageRecords(table)


@pytest.fixture
def layers(table: Table) -> LayerRecords:
    return LayerRecords(table, "analyzer-1")


@pytest.fixture
def tracks(table: Table) -> TrackRecords:
    return TrackRecords(table, "111122223333", "eu-west-1")


@pytest.fixture
def findings(table: Table, tracks: TrackRecords) -> FindingRecords:
    return FindingRecords(table, tracks, ControlRecords(table))


def record(**changes: object) -> ImageRecord:
    known = ImageRecord(repository="shop", digest="sha256:a", status="ASSESSED", updated_at=AT)
    return msgspec.structs.replace(known, **changes)


def test_an_image_comes_back_as_it_was_put(images: ImageRecords) -> None:
    full = record(platform="linux/arm64", vulnerabilities={"high": 2}, attempts=1, unmatched=("Debian:12",))
    images.put(full)

    assert images.get("shop", "sha256:a") == full
    assert images.get("shop", "sha256:b") is None
    assert images.get_many("shop", ("sha256:a", "sha256:b")) == {"sha256:a": full}
    assert list(images.with_status("ASSESSED")) == [full]


def test_only_a_settled_image_makes_an_event(images: ImageRecords, table: Table) -> None:
    images.put(record(status="PENDING"))
    assert "outbox" not in (table.get("IMG#shop@sha256:a", "META") or {})

    images.put(record())
    assert (table.get("IMG#shop@sha256:a", "META") or {})["outbox"] == "EVENT"


def test_an_image_that_is_gone_is_forgotten_in_time(images: ImageRecords, table: Table) -> None:
    images.put(record())
    assert "expires" not in (table.get("IMG#shop@sha256:a", "META") or {})

    images.put(record(status="GONE"))
    assert (table.get("IMG#shop@sha256:a", "META") or {})["expires"] > NOW


def test_a_child_knows_its_indexes(images: ImageRecords) -> None:
    images.link("shop", "sha256:i", ("sha256:a", "sha256:b"))
    images.link("shop", "sha256:j", ("sha256:a",))

    assert images.indexes_of("shop", "sha256:a") == ("sha256:i", "sha256:j")
    assert images.indexes_of("shop", "sha256:b") == ("sha256:i",)
    assert images.indexes_of("other", "sha256:a") == ()


@pytest.mark.parametrize(
    ("status", "same", "versions"),
    [
        ("ASSESSED", True, ("analyzer", "generation")),
        ("PARTIAL", True, ("analyzer", "generation")),
        ("UNSCANNABLE", True, ("analyzer", "generation")),
        ("ASSESSED", False, ("analyzer", "older")),
        ("ASSESSED", False, ("older", "generation")),
        ("FAILED", False, ("analyzer", "generation")),
        ("GONE", False, ("analyzer", "generation")),
        ("PENDING", False, ("analyzer", "generation")),
        ("LINKED", True, ("", "")),
        ("SKIPPED", True, ("", "")),
    ],
)
def test_whether_scanning_again_would_say_the_same(
    status: str, same: bool, versions: tuple[str, str]
) -> None:
    known = record(status=status, analyzer=versions[0], generation=versions[1])

    assert known.assessed_with("analyzer", "generation") is same


def test_a_layer_is_leased_once_until_the_lease_ends(layers: LayerRecords) -> None:
    assert layers.lease("sha256:l", NOW, NOW + 60) == "held"
    assert layers.lease("sha256:l", NOW + 1, NOW + 61) == "refused"
    assert layers.lease("sha256:l", NOW + 61, NOW + 120) == "held"

    layers.done("sha256:l", size=10, packages=3, at=AT)
    assert layers.lease("sha256:l", NOW + 500, NOW + 600) == "done"
    assert layers.indexed(["sha256:l", "sha256:m"]) == {"sha256:l"}


def test_a_lease_that_was_given_back_is_free(layers: LayerRecords) -> None:
    layers.lease("sha256:l", NOW, NOW + 60)
    layers.release("sha256:l")

    assert layers.lease("sha256:l", NOW + 1, NOW + 61) == "held"


def test_another_analyzer_reads_a_layer_again(table: Table, layers: LayerRecords) -> None:
    layers.done("sha256:l", size=10, packages=3, at=AT)

    assert LayerRecords(table, "analyzer-2").indexed(["sha256:l"]) == set()


def test_members_come_newest_first_and_leave(tracks: TrackRecords) -> None:
    track = tracks.track("shop", "v*")
    older, newer = (
        Tagged(digest="sha256:z", pushed_at="2026-01-01"),
        Tagged(digest="sha256:a", pushed_at="2026-02-01"),
    )
    for member in (older, newer):
        tracks.join(track, member)

    assert list(tracks.members(track)) == [newer, older]
    assert tracks.lineages_of("shop", "sha256:a") == ("v*",)

    tracks.leave(track, newer)
    assert list(tracks.members(track)) == [older]
    assert tracks.lineages_of("shop", "sha256:a") == ()


def test_one_worker_at_a_time_holds_a_track(tracks: TrackRecords) -> None:
    track = tracks.track("shop", "v*")

    first = tracks.lease(track, NOW, NOW + 60)
    assert first
    assert not tracks.lease(track, NOW + 1, NOW + 61)
    tracks.release(track, first, "sha256:a", AT)
    assert tracks.lease(track, NOW + 2, NOW + 62)
    # A worker that comes back after its lease was taken over gives nothing away.
    tracks.release(track, first, "sha256:b", AT)
    assert not tracks.lease(track, NOW + 3, NOW + 63)
    assert tracks.lease(track, NOW + 63, NOW + 120)


def opened(tracks: TrackRecords, count: int = 2) -> Finding:
    track = tracks.track("shop", "v*")
    matches = tuple(match(pypi(), f"CVE-2026-{number:04d}") for number in range(count))
    subject = Subject(image=ImageRef(digest="sha256:a", platform="linux/amd64"), matches=matches)
    wanted = findings_of(track, [subject], FindingSettings())
    (finding,) = diff({}, wanted, head="sha256:a", now=AT, unread=()).opened
    return finding


def test_a_finding_comes_back_with_its_vulnerabilities(
    tracks: TrackRecords, findings: FindingRecords
) -> None:
    finding = opened(tracks)
    tracks.save([finding], "PENDING", NOW)

    (stored,) = tracks.findings(finding.track).values()
    assert stored == msgspec.structs.replace(finding, matches=())
    assert sorted(m.vulnerability.id for m in tracks.with_matches(stored).matches) == [
        "CVE-2026-0000",
        "CVE-2026-0001",
    ]
    assert [entry.id for entry in findings.board(finding.priority)] == [finding.id]


def test_a_vulnerability_that_a_finding_no_longer_lists_leaves_the_table(
    tracks: TrackRecords, table: Table
) -> None:
    finding = opened(tracks, 3)
    tracks.save([finding], "PENDING", NOW)
    fewer = msgspec.structs.replace(finding, matches=finding.matches[:1])
    tracks.save([fewer], "PENDING", NOW)

    assert len(list(table.query("TRACK#shop#v*", "VULN#"))) == 1


def test_findings_are_written_together_after_all_their_vulnerabilities(
    tracks: TrackRecords, table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    finding = opened(tracks, 3)
    findings = [msgspec.structs.replace(finding, id=f"{finding.id}/{number}") for number in range(30)]
    written: list[str] = []
    write = table.write

    def noted(puts: Iterable[Item] = (), deletes: Iterable[Key] = ()) -> None:
        items = list(puts)
        written.extend(item["sk"].partition("#")[0] for item in items)
        write(items, deletes)

    monkeypatch.setattr(table, "write", noted)
    tracks.save(findings, "PENDING", NOW)

    assert written == ["VULN"] * 90 + ["FND"] * 30
    assert tracks.findings(finding.track).keys() == {finding.id for finding in findings}
    assert all(len(tracks.with_matches(finding).matches) == 3 for finding in findings)


def test_only_the_newest_version_of_a_finding_is_sent_and_marked(
    tracks: TrackRecords, findings: FindingRecords
) -> None:
    finding = opened(tracks)
    tracks.save([finding], "PENDING", NOW)
    newer = msgspec.structs.replace(finding, updated_at="2026-11-24T10:00:00.001Z")
    tracks.save([newer], "PENDING", NOW)

    assert tracks.unsent(finding) is None
    assert not tracks.mark(finding, "SENT")
    assert [entry.id for entry in findings.pending()] == [finding.id]

    sent = tracks.unsent(newer)
    assert sent is not None
    assert len(sent.matches) == 2
    assert tracks.mark(newer, "SENT")
    assert tracks.unsent(newer) is None
    assert list(findings.pending()) == []
    assert tracks.findings(finding.track)[finding.id].published


def test_naming_other_images_sends_nothing(tracks: TrackRecords, findings: FindingRecords) -> None:
    finding = opened(tracks)
    tracks.save([finding], "SENT", NOW)
    tracks.name_images(msgspec.structs.replace(finding, images=(ImageRef(digest="sha256:b"),)))

    stored = tracks.findings(finding.track)[finding.id]
    assert stored.images == (ImageRef(digest="sha256:b"),)
    assert list(findings.pending()) == []


def test_a_resolved_finding_leaves_the_board_and_in_time_the_table(
    tracks: TrackRecords, findings: FindingRecords, table: Table
) -> None:
    finding = opened(tracks)
    tracks.save([finding], "SENT", NOW)
    resolved = msgspec.structs.replace(finding, state="RESOLVED", updated_at="2026-11-24T11:00:00.000Z")
    tracks.resolve([resolved], "PENDING", NOW)

    assert list(findings.board(finding.priority)) == []
    assert tracks.findings(finding.track)[finding.id].state == "RESOLVED"
    (item,) = table.query("TRACK#shop#v*", "FND#")
    assert item["expires"] > NOW


def test_items_stay_small_whatever_a_package_collects(tracks: TrackRecords, table: Table) -> None:
    finding = opened(tracks, 400)
    tracks.save([finding], "PENDING", NOW)

    sizes = [len(msgspec.json.encode(marshal(item))) for item in table.query("TRACK#shop#v*")]
    assert len(sizes) == 401
    assert max(sizes) < 4096
