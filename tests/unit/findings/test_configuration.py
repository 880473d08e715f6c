"""Controls that an image fails, as findings of its track."""

from __future__ import annotations

import pytest

from fakes.matches import LATER, NOW, TRACK, digest, findings_of, subject
from hullwatch.findings.asff import to_asff
from hullwatch.findings.diff import diff
from hullwatch.findings.finding import Finding
from hullwatch.findings.wording import description, remediation, title
from hullwatch.inventory.package import Problem
from hullwatch.posture.failures import FailedControl

ROOT = FailedControl(control="image.user.root", severity="medium", lines=("config.User: not set",))
INFO = FailedControl(
    control="image.healthcheck.missing", severity="info", lines=("config.Healthcheck: not set",)
)


def opened() -> dict[str, Finding]:
    wanted = findings_of(TRACK, [subject(controls=(ROOT, INFO))])
    changes = diff({}, wanted, head=digest("image-1"), now=NOW, unread=())
    return {finding.id: finding for finding in changes.opened}


def test_one_finding_for_each_control_that_is_more_than_information() -> None:
    (finding,) = opened().values()
    assert (finding.kind, finding.control, finding.priority) == ("configuration", "image.user.root", "P3")
    assert finding.id.endswith("/configuration/image.user.root")
    assert title(finding) == "Image runs as root by default: payments/api:main-*"
    assert "config.User: not set" in description(finding)
    assert remediation(finding) == "Set USER to a number other than 0."


def test_platforms_share_it() -> None:
    arm = subject(controls=(ROOT,), image="image-arm", platform="linux/arm64")
    (finding,) = findings_of(TRACK, [subject(controls=(ROOT,)), arm])
    assert {image.platform for image in finding.images} == {"linux/amd64", "linux/arm64"}


def test_a_rebuild_that_fixes_nothing_keeps_it() -> None:
    wanted = findings_of(TRACK, [subject(controls=(ROOT,), image="image-2")])
    changes = diff(opened(), wanted, head=digest("image-2"), now=LATER, unread=())
    assert (len(changes.kept), changes.to_send) == (1, ())
    assert [image.digest for image in changes.kept[0].images] == [digest("image-2")]


@pytest.mark.parametrize(
    ("problems", "unjudged", "resolved"),
    [
        ((), False, True),
        # One file of the image does not matter: the configuration was read.
        ((Problem(reason="UNREADABLE", detail="x", path="app/a.jar"),), False, True),
        ((Problem(reason="LAYER_CORRUPT", detail="x", layer="sha256:a"),), False, False),
        ((Problem(reason="ACCESS_REFUSED", detail="x"),), False, False),
        ((), True, False),
    ],
)
def test_it_closes_only_with_proof(problems: tuple[Problem, ...], unjudged: bool, resolved: bool) -> None:
    changes = diff(opened(), [], head=digest("image-2"), now=LATER, unread=problems, unjudged=unjudged)
    assert (len(changes.resolved), len(changes.kept)) == ((1, 0) if resolved else (0, 1))


def test_what_security_hub_is_told() -> None:
    before = opened()
    (finding,) = before.values()
    document = to_asff(finding, account=TRACK.account, region=TRACK.region)
    assert document["Compliance"] == {"Status": "FAILED"}
    assert document["GeneratorId"] == "hullwatch/image-configuration"
    assert document["FindingProviderFields"]["Types"] == ["Software and Configuration Checks"]
    assert document["ProductFields"]["hullwatch/Control"] == "image.user.root"

    (resolved,) = diff(before, [], head=digest("image-2"), now=LATER, unread=()).resolved
    document = to_asff(resolved, account=TRACK.account, region=TRACK.region)
    assert (document["RecordState"], document["Compliance"]["Status"]) == ("ARCHIVED", "PASSED")
