"""New advisories reach images that were scanned before, and nothing is pulled for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from hullwatch.inventory.dispatch import analyzer
from local_aws import demo_image
from local_aws.cloud import LocalCloud
from local_aws.faults import Faults
from tests.e2e.rematch_cloud import RematchCloud, deployed, record

#: Those of the two tracks that hold Django.
SHOPS = ("mirror/shop", "shop")
WORKER = "hullwatch-rematch-batch"


def _debian() -> dict[str, str]:
    """A small Debian with a package that is vulnerable from the start."""
    status = (
        "Package: zlib1g\nStatus: install ok installed\nArchitecture: amd64\nSource: zlib\n"
        "Version: 1:1.2.13.dfsg-1\nDescription: the only one\n"
    )
    return {"etc/os-release": "ID=debian\nVERSION_ID=12\n", "var/lib/dpkg/status": status}


def _python(name: str, version: str) -> dict[str, str]:
    path = f"usr/lib/python3/site-packages/{name}-{version}.dist-info/METADATA"
    return {path: f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"}


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RematchCloud]:
    """Three tracks, scanned with the first advisories: two of one image, and one of another."""
    with deployed(tmp_path_factory.mktemp("mirror")) as cloud:
        assert cloud.refresh() == "SUCCEEDED"
        shop = demo_image.build(_debian(), _python("Django", "2.2.28"), _python("Flask", "3.0.0"))
        for repository in SHOPS:
            cloud.push(repository, "v1.0.0", shop)
        cloud.push("plain", "v1.0.0", demo_image.build(_debian()))
        assert set(cloud.findings()) == {(repository, "zlib") for repository in (*SHOPS, "plain")}
        yield cloud


def _pulled(cloud: LocalCloud) -> int:
    return cloud.faults.calls["ecr:DownloadLayer"]


def _settled(cloud: LocalCloud) -> int:
    """How often tracks were settled: each time asks ECR for the head."""
    return cloud.faults.calls["ecr:DescribeImages"]


def test_an_advisory_opens_findings_and_its_withdrawal_archives_them(fleet: RematchCloud) -> None:
    before, pulled, scans = fleet.findings(), _pulled(fleet.cloud), fleet.scans()
    advisory = record("GHSA-2222-3333-4444", "PyPI", "django", "9.9.9")

    fleet.publish("PyPI", advisory)
    assert fleet.refresh() == "SUCCEEDED"
    opened = fleet.findings()
    new = {key: found for key, found in opened.items() if key not in before}
    assert {key: state for key, (state, _) in new.items()} == {(name, "Django"): "ACTIVE" for name in SHOPS}
    # What was said before is left alone, down to the time of the last update.
    assert {key: opened[key] for key in before} == before

    fleet.publish("PyPI", advisory | {"withdrawn": "2024-03-03T00:00:00Z"})
    assert fleet.refresh() == "SUCCEEDED"
    archived = fleet.findings()
    assert {archived[name, "Django"][0] for name in SHOPS} == {"ARCHIVED"}
    assert {key: archived[key] for key in before} == before

    assert (_pulled(fleet.cloud), fleet.scans()) == (pulled, scans)


def test_another_advisory_touches_nothing(fleet: RematchCloud) -> None:
    before, scans, settled = fleet.findings(), fleet.scans(), _settled(fleet.cloud)
    sent = fleet.cloud.faults.calls["securityhub:BatchImportFindings"]

    fleet.publish("PyPI", record("GHSA-5555-6666-7777", "PyPI", "not-in-any-image", "1.0.0"))
    assert fleet.refresh() == "SUCCEEDED"

    assert (fleet.findings(), fleet.scans(), _settled(fleet.cloud)) == (before, scans, settled)
    assert fleet.cloud.faults.calls["securityhub:BatchImportFindings"] == sent


def test_no_hint_at_an_image_starts_a_scan_afterwards(fleet: RematchCloud) -> None:
    generations = {image["generation"] for image in fleet.images()}
    assert generations == {fleet.generation()}
    assert {image["analyzer"] for image in fleet.images()} == {analyzer()}
    scans = fleet.scans()
    for image in fleet.images():
        fleet.cloud.push_event(
            {
                "result": "SUCCESS",
                "action-type": "PUSH",
                "repository-name": image["repository"],
                "image-digest": image["digest"],
                "image-tag": "v1.0.0",
            }
        )
    fleet.cloud.wait_idle(60)
    assert fleet.scans() == scans


def test_a_refresh_without_news_matches_nothing(fleet: RematchCloud) -> None:
    batches = fleet.invocations(WORKER)
    assert fleet.refresh() == "SUCCEEDED"
    assert fleet.invocations(WORKER) == batches


#: What goes wrong, and how often the worker is called then. botocore gives up after five tries, and two
#: images are written at a time.
FAULTS: dict[str, tuple[Callable[[Faults], None], int]] = {
    "the worker is killed": (lambda faults: faults.kill_worker(WORKER), 2),
    "records cannot be read": (
        lambda faults: faults.fail("dynamodb:BatchGetItem", how="server_error", times=5),
        2,
    ),
    "writing is throttled": (lambda faults: faults.fail("dynamodb:PutItem", times=10), 2),
    "tracks cannot be settled": (lambda faults: faults.fail("ecr:DescribeImages", nth=2, times=5), 2),
    "an answer is lost": (lambda faults: faults.fail("dynamodb:UpdateItem", how="lost_response"), 1),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_failure_on_the_way_ends_in_the_same_state(fleet: RematchCloud, fault: str) -> None:
    before, pulled, batches = fleet.findings(), _pulled(fleet.cloud), fleet.invocations(WORKER)
    advisory = record("GHSA-9999-9999-9999", "PyPI", "flask", "9.9.9", details=fault)
    arm, calls = FAULTS[fault]
    fleet.publish("PyPI", advisory)
    arm(fleet.cloud.faults)
    try:
        assert fleet.refresh() == "SUCCEEDED"
    finally:
        fleet.cloud.faults.clear()
    assert fleet.invocations(WORKER) == batches + calls
    after = fleet.findings()
    assert {after[name, "Flask"][0] for name in SHOPS} == {"ACTIVE"}
    assert {key for key in after if key[1] != "Flask" and after[key] != before[key]} == set()
    assert {image["generation"] for image in fleet.images()} == {fleet.generation()}
    assert _pulled(fleet.cloud) == pulled

    fleet.publish("PyPI", advisory | {"withdrawn": "2024-03-03T00:00:00Z"})
    assert fleet.refresh() == "SUCCEEDED"
    assert {fleet.findings()[name, "Flask"][0] for name in SHOPS} == {"ARCHIVED"}


def test_a_round_that_failed_is_made_up_for_by_the_next(fleet: RematchCloud) -> None:
    fleet.publish("PyPI", record("GHSA-3333-4444-5555", "PyPI", "flask", "8.8.8"))
    fleet.cloud.faults.kill_worker(WORKER, times=3)
    try:
        assert fleet.refresh() == "FAILED"
    finally:
        fleet.cloud.faults.clear()
    # Nothing is new now, but the fleet has still to hear of it.
    assert fleet.refresh() == "SUCCEEDED"
    assert {fleet.findings()[name, "Flask"][0] for name in SHOPS} == {"ACTIVE"}
    assert {image["generation"] for image in fleet.images()} == {fleet.generation()}
