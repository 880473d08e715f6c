"""What the table remembers of the configuration of a part."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from fakes.matches import match, pypi
from fakes.verdicts import PRIVILEGED, SHOP, THE_ACCOUNT, covered, result
from hullwatch.aws.control_records import ControlRecords
from hullwatch.aws.finding_records import FindingRecords
from hullwatch.aws.table import Table, marshal
from hullwatch.aws.track_records import TrackRecords
from hullwatch.findings.compose import Subject, findings_of
from hullwatch.findings.control import ControlFinding
from hullwatch.findings.diff import diff
from hullwatch.findings.diff_controls import diff_controls
from hullwatch.findings.finding import ImageRef
from hullwatch.posture.engine import Violation
from hullwatch.posture.model.snapshot import Resource
from hullwatch.posture.parts import Part
from hullwatch.settings import FindingSettings

NOW = 1_800_000_000
AT, LATER = "2026-11-24T10:00:00.000Z", "2026-11-24T11:00:00.000Z"


@pytest.fixture
def controls(table: Table) -> ControlRecords:
    return ControlRecords(table)


@pytest.fixture
def findings(table: Table, controls: ControlRecords) -> FindingRecords:
    return FindingRecords(table, TrackRecords(table, "111122223333", "eu-west-1"), controls)


def opened(part: Part = SHOP, **fields: Any) -> ControlFinding:
    seen = covered(part=part)
    changes = diff_controls({}, [result(scope=seen.scope, **fields)], covered=seen, now=AT)
    return changes.opened[0]


def test_a_finding_comes_back_as_it_was_saved(controls: ControlRecords, findings: FindingRecords) -> None:
    finding = opened(evidence=("Pod/shop/api-1",), witnesses=1)
    controls.save([finding], "PENDING", NOW)
    assert controls.findings("eks/shop") == {finding.id: finding}
    assert controls.unsent(finding) == finding
    assert list(findings.pending()) == [finding]
    assert list(findings.board("P1")) == [finding]


def test_parts_do_not_see_each_other(controls: ControlRecords) -> None:
    of_the_account, of_a_cluster = opened(THE_ACCOUNT), opened(Part(kind="cluster", cluster="account"))
    controls.save([of_the_account], "PENDING", NOW)
    controls.save([of_a_cluster], "PENDING", NOW)
    assert list(controls.findings("account")) == [of_the_account.id]
    assert list(controls.findings("eks/account")) == [of_a_cluster.id]
    assert controls.findings("eks/shop") == {}


def test_the_outbox_and_the_board_hold_findings_of_both_kinds(
    controls: ControlRecords, findings: FindingRecords, table: Table
) -> None:
    tracks = TrackRecords(table, "111122223333", "eu-west-1")
    track = tracks.track("shop", "v*")
    subject = Subject(
        image=ImageRef(digest="sha256:a"), matches=(match(pypi(), severity="critical", fixed="9"),)
    )
    wanted = findings_of(track, [subject], FindingSettings())
    (package,) = diff({}, wanted, head="sha256:a", now=AT, unread=()).opened
    control = msgspec.structs.replace(opened(), priority=package.priority, updated_at=LATER)
    tracks.save([package], "PENDING", NOW)
    controls.save([control], "PENDING", NOW)

    assert [finding.id for finding in findings.pending()] == [package.id, control.id]
    assert {finding.id for finding in findings.board(package.priority)} == {package.id, control.id}
    assert findings.unsent(package) == package
    for finding in (package, control):
        assert findings.mark(finding, "SENT")
    assert list(findings.pending()) == []


def test_only_the_newest_version_is_sent_and_marked(
    controls: ControlRecords, findings: FindingRecords
) -> None:
    finding = opened()
    controls.save([finding], "PENDING", NOW)
    newer = msgspec.structs.replace(finding, updated_at=LATER)
    controls.save([newer], "PENDING", NOW)
    assert controls.unsent(finding) is None
    assert not controls.mark(finding, "SENT")
    assert controls.mark(newer, "SENT")
    assert controls.unsent(newer) is None
    assert controls.findings("eks/shop")[finding.id].published


def test_a_resolved_finding_leaves_the_board_and_in_time_the_table(
    controls: ControlRecords, findings: FindingRecords, table: Table
) -> None:
    finding = opened()
    controls.save([finding], "SENT", NOW)
    seen = covered(PRIVILEGED)
    (resolved,) = diff_controls({finding.id: finding}, [], covered=seen, now=LATER).resolved
    controls.save([resolved], "PENDING", NOW)
    assert list(findings.board("P1")) == []
    assert controls.findings("eks/shop") == {finding.id: resolved}
    (item,) = table.query("POSTURE#eks/shop", "FND#")
    assert item["expires"] > NOW


def test_naming_other_witnesses_sends_nothing(controls: ControlRecords, findings: FindingRecords) -> None:
    finding = opened()
    controls.save([finding], "SENT", NOW)
    moved = msgspec.structs.replace(finding, evidence=("Pod/shop/api-9",), witnesses=4)
    controls.name_witnesses(moved)
    assert controls.findings("eks/shop") == {finding.id: moved}
    assert list(findings.pending()) == []


def test_one_worker_at_a_time_settles_a_part(controls: ControlRecords) -> None:
    first = controls.lease("eks/shop", NOW, NOW + 60)
    assert first
    assert not controls.lease("eks/shop", NOW + 1, NOW + 61)
    assert controls.lease("account", NOW + 1, NOW + 61)
    controls.release("eks/shop", first, AT, {"failed": 2})
    assert controls.verdicts("eks/shop") == {"failed": 2}
    second = controls.lease("eks/shop", NOW + 2, NOW + 62)
    assert second
    # What failed halfway leaves the counts of the last time.
    controls.release("eks/shop", second, LATER)
    assert controls.verdicts("eks/shop") == {"failed": 2}


def test_items_stay_small_whatever_a_manifest_holds(controls: ControlRecords, table: Table) -> None:
    nasty = "x" * 5_000
    violations = tuple(Violation(path=f"{n}{nasty}", value=nasty, message=nasty) for n in range(100))
    resource = Resource(kind="Deployment", namespace=nasty, name=nasty)
    finding = opened(violations=violations, resource=resource, evidence=(nasty,) * 20, witnesses=20)
    controls.save([finding], "PENDING", NOW)
    (item,) = table.query("POSTURE#eks/shop", "FND#")
    assert len(msgspec.json.encode(marshal(item))) < 8_000
