"""From a push to Security Hub: the synthesised stacks, the real handlers, and every way a push may go."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from fakes.images import (
    FakeArtifact,
    FakeContent,
    FakeImage,
    FakeIndex,
    FakeLayer,
    compress,
    digest_of,
    layer,
)
from local_aws.pushing import create_repository, upload_missing
from tests.e2e.rematch_cloud import RematchCloud, deployed

DEBIAN = "ID=debian\nVERSION_ID=12\n"


@pytest.fixture(scope="module")
def it(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RematchCloud]:
    """A deployment with the demo's advisories, shared by the tests of this module: one repository each."""
    with deployed(tmp_path_factory.mktemp("mirror")) as cloud:
        assert cloud.refresh() == "SUCCEEDED"
        yield cloud


def base(openssl: str = "3.0.9-1", comment: str = "") -> FakeLayer:
    status = (
        f"Package: libssl3\nStatus: install ok installed\nSource: openssl\nVersion: {openssl}\n"
        f"Architecture: amd64\nDescription: {comment or 'a library'}\n"
    )
    return layer({"etc/os-release": DEBIAN.encode(), "var/lib/dpkg/status": status.encode()})


def django(version: str = "2.2.0") -> FakeLayer:
    path = f"usr/local/lib/python3.11/site-packages/Django-{version}.dist-info/METADATA"
    return layer({path: f"Metadata-Version: 2.1\nName: Django\nVersion: {version}\n".encode()})


def lodash(version: str = "4.17.15") -> FakeLayer:
    content = json.dumps({"name": "lodash", "version": version}).encode()
    return layer({"srv/app/node_modules/lodash/package.json": content})


VULNERABLE = FakeImage(layers=[base(), django()])
MENDED = FakeImage(layers=[base("3.0.11-1~deb12u2"), django()])


def push(it: RematchCloud, repository: str, content: FakeContent, tag: str = "", *, wait: bool = True) -> str:
    """Push an image, an index with its children, or an artifact, as a client does."""
    ecr = it.cloud.client("ecr")
    create_repository(ecr, repository)
    upload_missing(ecr, repository, {digest: [blob] for digest, blob in content.blobs().items()})
    if isinstance(content, FakeIndex):
        for image in content.images:
            put(it, repository, image.manifest)
        if content.attestations:
            for image in content.images:
                put(it, repository, content._attestation(image).manifest)
    put(it, repository, content.manifest, tag)
    if wait:
        it.cloud.wait_idle(60)
    return content.digest


def put(it: RematchCloud, repository: str, manifest: bytes, tag: str = "") -> None:
    tagged = {"imageTag": tag} if tag else {}
    document = json.loads(manifest)
    it.cloud.client("ecr").put_image(
        repositoryName=repository,
        imageManifest=manifest.decode(),
        imageManifestMediaType=document["mediaType"],
        **tagged,
    )


def delete(it: RematchCloud, repository: str, digest: str) -> None:
    it.cloud.client("ecr").batch_delete_image(repositoryName=repository, imageIds=[{"imageDigest": digest}])
    it.cloud.wait_idle(60)


def event(it: RematchCloud, repository: str, digest: str, action: str = "PUSH") -> None:
    """One more event, as ECR may send it: again, late, or out of order."""
    it.cloud.push_event(
        {"result": "SUCCESS", "repository-name": repository, "image-digest": digest, "action-type": action}
    )
    it.cloud.wait_idle(60)


def findings(it: RematchCloud, repository: str) -> dict[str, tuple[str, str]]:
    """Package (or control, or reason) -> record state and time of the last update, of one repository."""
    found = it.cloud.client("securityhub").get_findings()["Findings"]
    stored = {
        item["id"]: item.get("package") or item.get("control") or item["reason"]
        for item in it._items()
        if item["sk"].startswith("FND#") and item["repository"] == repository
    }
    return {
        stored[entry["Id"]]: (entry["RecordState"], entry["UpdatedAt"])
        for entry in found
        if entry["Id"] in stored
    }


def severities(it: RematchCloud, repository: str) -> list[str]:
    """What Security Hub shows of one repository's findings."""
    ids = {i["id"] for i in it._items() if i["sk"].startswith("FND#") and i["repository"] == repository}
    found = it.cloud.client("securityhub").get_findings()["Findings"]
    return [entry["FindingProviderFields"]["Severity"]["Label"] for entry in found if entry["Id"] in ids]


def states(it: RematchCloud, repository: str) -> dict[str, str]:
    return {package: state for package, (state, _) in findings(it, repository).items()}


def image(it: RematchCloud, repository: str, digest: str) -> dict[str, Any]:
    (found,) = (i for i in it.images() if (i["repository"], i["digest"]) == (repository, digest))
    return found


def executions(it: RematchCloud) -> int:
    return it.scans()


def dead_letters(it: RematchCloud) -> int:
    sqs = it.cloud.client("sqs")
    return sum(
        int(
            sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"])[
                "Attributes"
            ]["ApproximateNumberOfMessages"]
        )
        for url in sqs.list_queues()["QueueUrls"]
    )


def imports(it: RematchCloud) -> int:
    return it.cloud.faults.calls["securityhub:BatchImportFindings"]


def test_a_fix_archives_exactly_what_it_mends(it: RematchCloud) -> None:
    first = push(it, "fix", VULNERABLE, "v1.0.0")
    before = findings(it, "fix")
    assert {package: state for package, (state, _) in before.items()} == {
        "Django": "ACTIVE",
        "openssl": "ACTIVE",
    }

    second = push(it, "fix", MENDED, "v1.0.1")
    after = findings(it, "fix")
    assert after["openssl"][0] == "ARCHIVED"
    assert after["Django"] == before["Django"]

    (openssl,) = (i for i in it._items() if i.get("package") == "openssl" and i["sk"].startswith("FND#"))
    assert openssl["introduced_by"] == first
    assert openssl["resolved_by"] == second
    (resource,) = it.cloud.client("securityhub").get_findings(
        Filters={"Id": [{"Value": openssl["id"], "Comparison": "EQUALS"}]}
    )["Findings"][0]["Resources"]
    assert resource["Type"] == "AwsEcrContainerImage"
    assert resource["Details"]["AwsEcrContainerImage"]["ImageDigest"] == first


def test_a_failed_control_of_an_image_is_kept_by_a_rebuild_and_archived_by_a_fix(it: RematchCloud) -> None:
    push(it, "root", FakeImage(layers=[base("3.0.11-1~deb12u2")], config={"User": "root"}), "v1.0.0")
    before, sent = findings(it, "root"), imports(it)
    assert states(it, "root") == {"image.user.root": "ACTIVE"}

    push(it, "root", FakeImage(layers=[base("3.0.11-1~deb12u2", "again")], config={"User": "root"}), "v1.0.1")
    assert (findings(it, "root"), imports(it)) == (before, sent)

    push(it, "root", FakeImage(layers=[base("3.0.11-1~deb12u2")]), "v1.0.2")
    assert states(it, "root") == {"image.user.root": "ARCHIVED"}


def test_a_rebuild_that_mends_nothing_sends_nothing(it: RematchCloud) -> None:
    push(it, "rebuild", VULNERABLE, "main-1")
    before, sent = findings(it, "rebuild"), imports(it)

    digest = push(it, "rebuild", FakeImage(layers=[base(comment="built again"), django()]), "main-2")

    assert findings(it, "rebuild") == before
    assert imports(it) == sent
    (finding,) = (
        i
        for i in it._items()
        if i["sk"].startswith("FND#") and i["repository"] == "rebuild" and i["package"] == "Django"
    )
    assert [entry["digest"] for entry in finding["images"]] == [digest]


def test_pushed_twice_is_scanned_once(it: RematchCloud) -> None:
    content = FakeImage(layers=[base(), lodash()])
    digest = push(it, "twice", content, "v1")
    before = findings(it, "twice"), executions(it), imports(it), it.cloud.faults.calls["ecr:DownloadLayer"]

    event(it, "twice", digest)
    event(it, "twice", digest)

    after = findings(it, "twice"), executions(it), imports(it), it.cloud.faults.calls["ecr:DownloadLayer"]
    assert after == before


def test_a_layer_that_was_read_is_not_read_again(it: RematchCloud) -> None:
    push(it, "layers", VULNERABLE, "v1")
    pulled = it.cloud.faults.calls["ecr:DownloadLayer"]

    push(it, "layers", FakeImage(layers=[*VULNERABLE.layers, lodash("4.17.20")]), "v2")

    # The configuration and the one new layer.
    assert it.cloud.faults.calls["ecr:DownloadLayer"] == pulled + 2


def test_another_tag_of_the_same_image_needs_no_scan(it: RematchCloud) -> None:
    push(it, "tags", VULNERABLE, "v1.0.0")
    scans = executions(it)

    put(it, "tags", VULNERABLE.manifest, "latest")
    it.cloud.wait_idle(60)

    assert executions(it) == scans
    tracks = {i["lineage"] for i in it._items() if i["sk"].startswith("FND#") and i["repository"] == "tags"}
    assert tracks == {"v*", "latest"}


def test_a_tag_that_goes_back_takes_its_findings_along(it: RematchCloud) -> None:
    push(it, "rollback", VULNERABLE, "latest")
    push(it, "rollback", MENDED, "latest")
    assert states(it, "rollback") == {"Django": "ACTIVE", "openssl": "ARCHIVED"}

    put(it, "rollback", VULNERABLE.manifest, "latest")
    it.cloud.wait_idle(60)

    assert states(it, "rollback") == {"Django": "ACTIVE", "openssl": "ACTIVE"}


def test_a_deleted_image_archives_and_the_same_image_comes_back(it: RematchCloud) -> None:
    digest = push(it, "deleted", VULNERABLE, "v1")
    delete(it, "deleted", digest)
    assert set(states(it, "deleted").values()) == {"ARCHIVED"}
    assert image(it, "deleted", digest)["status"] == "GONE"

    push(it, "deleted", VULNERABLE, "v1")
    assert set(states(it, "deleted").values()) == {"ACTIVE"}


def test_a_delete_that_arrives_before_its_push_changes_nothing(it: RematchCloud) -> None:
    push(it, "early", VULNERABLE, "v1", wait=False)
    event(it, "early", VULNERABLE.digest, "DELETE")
    event(it, "early", VULNERABLE.digest)

    assert states(it, "early") == {"Django": "ACTIVE", "openssl": "ACTIVE"}


def test_an_event_about_an_image_that_never_was(it: RematchCloud) -> None:
    push(it, "never", VULNERABLE, "v1")
    event(it, "never", "sha256:" + "0" * 64)

    assert image(it, "never", "sha256:" + "0" * 64)["status"] == "GONE"
    assert states(it, "never") == {"Django": "ACTIVE", "openssl": "ACTIVE"}
    assert dead_letters(it) == 0


PLATFORMS = FakeIndex(
    images=[
        FakeImage(layers=[base(), django()], platform="linux/amd64"),
        FakeImage(layers=[base(), lodash()], platform="linux/arm64"),
    ],
    attestations=True,
)


@contextmanager
def without_events(it: RematchCloud) -> Iterator[None]:
    """Push without ECR telling anybody: a test sends the events itself."""
    events = it.cloud.client("events")
    rules = [rule["Name"] for rule in events.list_rules()["Rules"] if "ImageAction" in rule["Name"]]
    for rule in rules:
        events.disable_rule(Name=rule)
    yield
    for rule in rules:
        events.enable_rule(Name=rule)


def in_any_order(it: RematchCloud, repository: str, order: str) -> None:
    """Push an index and its children: told in order, the index first, or all of it again at the end."""
    digests = [child.digest for child in PLATFORMS.images]
    if order == "index first":
        with without_events(it):
            push(it, repository, PLATFORMS, "v1")
        assert findings(it, repository) == {}
        for digest in (PLATFORMS.digest, *digests):
            event(it, repository, digest)
        return
    push(it, repository, PLATFORMS, "v1")
    if order == "again and reversed":
        for digest in (PLATFORMS.digest, *reversed(digests)):
            event(it, repository, digest)


@pytest.mark.parametrize("order", ["children first", "index first", "again and reversed"])
def test_every_platform_of_an_index_is_one_track_in_any_order(it: RematchCloud, order: str) -> None:
    repository = f"index-{order.replace(' ', '-')}"
    in_any_order(it, repository, order)

    assert states(it, repository) == {"Django": "ACTIVE", "lodash": "ACTIVE", "openssl": "ACTIVE"}
    images = {
        i["package"]: sorted(entry["platform"] for entry in i["images"])
        for i in it._items()
        if i["sk"].startswith("FND#") and i["repository"] == repository
    }
    assert images == {
        "Django": ["linux/amd64"],
        "lodash": ["linux/arm64"],
        "openssl": ["linux/amd64", "linux/arm64"],
    }


def test_signatures_and_attestations_are_no_images(it: RematchCloud) -> None:
    push(it, "signed", VULNERABLE, "v1")
    before, sent = findings(it, "signed"), imports(it)
    read = it.cloud.faults.calls["worker:hullwatch-index-layer"]

    signature = FakeArtifact(
        artifact_type="application/vnd.dev.cosign.artifact.sig.v1+json", subject=VULNERABLE
    )
    digest = push(it, "signed", signature, VULNERABLE.digest.replace(":", "-") + ".sig")

    assert image(it, "signed", digest)["status"] == "SKIPPED"
    assert findings(it, "signed") == before
    assert imports(it) == sent
    assert it.cloud.faults.calls["worker:hullwatch-index-layer"] == read


def broken(what: str) -> FakeImage:
    """An image with one thing wrong."""
    good = django("2.2.1")
    match what:
        case "truncated":
            return FakeImage(layers=[replace(good, blob=good.blob[:-30])])
        case "wrong contents":
            return FakeImage(layers=[replace(good, tar=b"something else")])
        case "not a tar":
            text = b"this is no archive " * 400
            return FakeImage(layers=[FakeLayer(compress(text, "gzip"), text)])
        case "bomb":
            zeros = layer({"zeros": b"\0" * (600 << 20)})
            return FakeImage(layers=[zeros])
        case _:
            return FakeImage(layers=[replace(good, media_type="application/x-unheard-of")])


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        ("truncated", "LAYER_CORRUPT"),
        ("wrong contents", "DIGEST_MISMATCH"),
        ("not a tar", "LAYER_CORRUPT"),
        ("bomb", "BUDGET_EXCEEDED"),
        ("unheard of", "UNSUPPORTED"),
    ],
)
def test_what_cannot_be_read_is_a_finding_with_its_reason(it: RematchCloud, what: str, reason: str) -> None:
    repository = f"broken-{what.replace(' ', '-')}"
    digest = push(it, repository, broken(what), "v1")

    assert image(it, repository, digest)["status"] == "UNSCANNABLE"
    assert image(it, repository, digest)["reason"] == reason
    assert states(it, repository) == {reason: "ACTIVE"}
    assert severities(it, repository) == ["INFORMATIONAL"]
    assert dead_letters(it) == 0

    # The next good push of the track resolves it, and says what is really there.
    push(it, repository, VULNERABLE, "v2")
    assert states(it, repository) == {reason: "ARCHIVED", "Django": "ACTIVE", "openssl": "ACTIVE"}


@pytest.mark.parametrize(
    ("what", "status", "reason"),
    [
        ("layer", "GONE", "GONE"),
        ("configuration", "GONE", "GONE"),
        ("manifest", "UNSCANNABLE", "DIGEST_MISMATCH"),
    ],
)
def test_what_the_registry_lost_or_swapped_is_a_finding_with_its_reason(
    it: RematchCloud, what: str, status: str, reason: str
) -> None:
    repository = f"lost-{what}"
    content = FakeImage(layers=[base(comment=f"without its {what}"), lodash("4.17.16")])
    with without_events(it):
        push(it, repository, content, "v1")
    match what:
        case "layer":
            it.cloud.registry.lose(repository, content.layers[0].digest)
        case "configuration":
            it.cloud.registry.lose(repository, digest_of(content.config_blob))
        case _:
            it.cloud.registry.swap(repository, content.digest, VULNERABLE.manifest)
    event(it, repository, content.digest)

    assert image(it, repository, content.digest)["status"] == status
    assert image(it, repository, content.digest)["reason"] == reason
    assert states(it, repository) == {reason: "ACTIVE"}
    assert severities(it, repository) == ["INFORMATIONAL"]
    assert dead_letters(it) == 0

    push(it, repository, VULNERABLE, "v2")
    assert states(it, repository) == {reason: "ARCHIVED", "Django": "ACTIVE", "openssl": "ACTIVE"}


def test_a_manifest_that_nobody_reads_is_recorded(it: RematchCloud) -> None:
    schema1 = json.dumps(
        {
            "schemaVersion": 1,
            "mediaType": "application/vnd.docker.distribution.manifest.v1+json",
            "name": "old",
            "tag": "v1",
            "fsLayers": [],
            "history": [],
        }
    ).encode()
    it.cloud.client("ecr").create_repository(repositoryName="old")
    put(it, "old", schema1, "v1")
    it.cloud.wait_idle(60)

    record = image(it, "old", digest_of(schema1))
    assert (record["status"], record["reason"]) == ("UNSCANNABLE", "UNSUPPORTED")
    assert states(it, "old") == {"UNSUPPORTED": "ACTIVE"}
    assert dead_letters(it) == 0


def test_nonsense_on_the_queue_is_dropped(it: RematchCloud) -> None:
    outputs = it.cloud.client("cloudformation").describe_stacks(StackName="hullwatch-scan")["Stacks"][0][
        "Outputs"
    ]
    (url,) = (output["OutputValue"] for output in outputs if output["OutputKey"] == "IntakeQueueUrl")
    it.cloud.client("sqs").send_message(QueueUrl=url, MessageBody="nonsense")
    it.cloud.wait_idle(60)

    assert dead_letters(it) == 0


def test_an_untagged_image_has_no_findings(it: RematchCloud) -> None:
    digest = push(it, "untagged", VULNERABLE)

    assert image(it, "untagged", digest)["status"] == "ASSESSED"
    assert findings(it, "untagged") == {}
