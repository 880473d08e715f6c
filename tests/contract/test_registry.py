"""ECR: digests are of the content, tags move, layers can be read, and every change is an event."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

import pytest
from botocore.exceptions import ClientError

from contract.ecr import INDEX, MANIFEST, digest_of, manifest, push, upload
from contract.template import arn, queue, ref, template
from local_aws.cloud import LocalCloud


@pytest.fixture
def ecr(cloud: LocalCloud) -> Any:
    client = cloud.client("ecr")
    client.create_repository(repositoryName="team/app")
    return client


def refused(code: str) -> Any:
    return pytest.raises(ClientError, match=f"\\({code}\\)")


def put_index(ecr: Any, *children: str, tag: str) -> str:
    index = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": INDEX,
            "manifests": [{"mediaType": MANIFEST, "digest": child, "size": 1} for child in children],
        }
    )
    image = ecr.put_image(repositoryName="team/app", imageManifest=index, imageTag=tag)["image"]
    assert image["imageId"]["imageDigest"] == digest_of(index.encode())
    return str(image["imageId"]["imageDigest"])


def tags(ecr: Any) -> dict[str, list[str]]:
    details = ecr.describe_images(repositoryName="team/app")["imageDetails"]
    return {detail["imageDigest"]: detail.get("imageTags", []) for detail in details}


def test_an_image_is_named_by_its_manifest(ecr: Any) -> None:
    digest = push(ecr, "team/app", b"layer", "v1")

    (image,) = ecr.batch_get_image(repositoryName="team/app", imageIds=[{"imageTag": "v1"}])["images"]
    assert digest == digest_of(image["imageManifest"].encode())
    assert image["imageId"] == {"imageDigest": digest, "imageTag": "v1"}
    assert image["imageManifestMediaType"] == MANIFEST


def test_describing_an_image(ecr: Any) -> None:
    digest = push(ecr, "team/app", b"layer", "v1")
    untagged = push(ecr, "team/app", b"other")
    index = put_index(ecr, digest, tag="all")

    described = {
        detail["imageDigest"]: detail
        for detail in ecr.describe_images(repositoryName="team/app")["imageDetails"]
    }
    assert described[digest]["artifactMediaType"] == "application/vnd.oci.image.config.v1+json"
    assert described[digest]["imageSizeInBytes"] == described[index]["imageSizeInBytes"] > 0
    assert "imageTags" not in described[untagged]
    assert described[index]["imageManifestMediaType"] == INDEX


def test_a_tag_moves_and_leaves_the_old_image(ecr: Any) -> None:
    old = push(ecr, "team/app", b"old", "latest")
    new = push(ecr, "team/app", b"new", "latest")

    assert tags(ecr) == {old: [], new: ["latest"]}


def test_pushing_the_same_again(ecr: Any) -> None:
    digest = push(ecr, "team/app", b"layer", "v1")

    with refused("ImageAlreadyExistsException"):
        push(ecr, "team/app", b"layer", "v1")
    assert push(ecr, "team/app", b"layer", "v2") == digest
    assert tags(ecr) == {digest: ["v1", "v2"]}


def test_immutable_tags(ecr: Any) -> None:
    ecr.put_image_tag_mutability(repositoryName="team/app", imageTagMutability="IMMUTABLE")
    push(ecr, "team/app", b"old", "v1")

    with refused("ImageTagAlreadyExistsException"):
        push(ecr, "team/app", b"new", "v1")


def test_images_that_are_refused(ecr: Any) -> None:
    body = manifest(b"{}", b"absent")
    with refused("LayersNotFoundException"):
        ecr.put_image(repositoryName="team/app", imageManifest=body)
    with refused("ReferencedImagesNotFoundException"):
        put_index(ecr, digest_of(b"absent"), tag="all")
    with refused("ImageDigestDoesNotMatchException"):
        ecr.put_image(repositoryName="team/app", imageManifest=body, imageDigest=digest_of(b""))
    with refused("InvalidParameterException"):
        ecr.put_image(repositoryName="team/app", imageManifest="no JSON")
    with refused("RepositoryNotFoundException"):
        ecr.put_image(repositoryName="team/other", imageManifest=body)


def test_what_batch_get_image_cannot_find(ecr: Any) -> None:
    digest = push(ecr, "team/app", b"layer", "v1")
    other = push(ecr, "team/app", b"other", "v2")

    def code(**image_id: str) -> str:
        answer = ecr.batch_get_image(repositoryName="team/app", imageIds=[image_id])
        assert not answer["images"]
        assert answer["failures"][0]["imageId"] == image_id
        return str(answer["failures"][0]["failureCode"])

    assert code(imageTag="v9") == "ImageNotFound"
    assert code(imageDigest=digest_of(b"")) == "ImageNotFound"
    assert code(imageDigest="sha256:12") == "InvalidImageDigest"
    assert code(imageDigest=other, imageTag="v1") == "ImageTagDoesNotMatchDigest"
    accepted = ecr.batch_get_image(
        repositoryName="team/app", imageIds=[{"imageDigest": digest}], acceptedMediaTypes=[INDEX]
    )
    assert accepted["failures"][0]["failureCode"] == "ImageNotFound"


def test_uploads_that_are_refused(ecr: Any) -> None:
    def start() -> dict[str, str]:
        return {
            "repositoryName": "team/app",
            "uploadId": ecr.initiate_layer_upload(repositoryName="team/app")["uploadId"],
        }

    with refused("InvalidLayerPartException"):
        ecr.upload_layer_part(**start(), partFirstByte=5, partLastByte=6, layerPartBlob=b"ab")
    with refused("EmptyUploadException"):
        ecr.complete_layer_upload(**start(), layerDigests=[digest_of(b"")])
    upload(ecr, "team/app", b"once")
    with refused("LayerAlreadyExistsException"):
        upload(ecr, "team/app", b"once")
    unequal = start()
    ecr.upload_layer_part(**unequal, partFirstByte=0, partLastByte=1, layerPartBlob=b"ab")
    with refused("InvalidLayerException"):
        ecr.complete_layer_upload(**unequal, layerDigests=[digest_of(b"cd")])


def fetch(url: str, **headers: str) -> tuple[int, bytes, str]:
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers)) as answer:
        return answer.status, answer.read(), answer.headers.get("Content-Range", "")


def test_a_layer_is_read_whole_or_in_part(ecr: Any) -> None:
    content = bytes(range(256)) * 9000
    digest = upload(ecr, "team/app", content)
    url = ecr.get_download_url_for_layer(repositoryName="team/app", layerDigest=digest)["downloadUrl"]

    assert fetch(url) == (200, content, "")
    assert fetch(url, Range="bytes=10-19") == (206, content[10:20], f"bytes 10-19/{len(content)}")
    assert fetch(url, Range="bytes=2303990-") == (206, content[-10:], f"bytes 2303990-2303999/{len(content)}")
    with pytest.raises(urllib.error.HTTPError, match="416"):
        fetch(url, Range="bytes=9999999-")
    with pytest.raises(urllib.error.HTTPError, match="403"):
        fetch(url.replace("Signature=", "Signature=0"))
    with refused("LayersNotFoundException"):
        ecr.get_download_url_for_layer(repositoryName="team/app", layerDigest=digest_of(b""))


def test_archived_images_cannot_be_read(ecr: Any) -> None:
    digest = push(ecr, "team/app", b"layer", "v1")
    image = {"imageDigest": digest}

    ecr.update_image_storage_class(repositoryName="team/app", imageId=image, targetStorageClass="ARCHIVE")

    (detail,) = ecr.describe_images(repositoryName="team/app")["imageDetails"]
    assert detail["imageStatus"] == "ARCHIVED"
    (failure,) = ecr.batch_get_image(repositoryName="team/app", imageIds=[image])["failures"]
    assert failure["failureCode"] == "ImageInaccessible"
    with refused("LayerInaccessibleException"):
        ecr.get_download_url_for_layer(repositoryName="team/app", layerDigest=digest_of(b"layer"))


def test_deleting_by_tag_and_by_digest(ecr: Any) -> None:
    digest = push(ecr, "team/app", b"layer", "v1")
    push(ecr, "team/app", b"layer", "v2")
    index = put_index(ecr, digest, tag="all")

    def delete(**image_id: str) -> dict[str, Any]:
        answer: dict[str, Any] = ecr.batch_delete_image(repositoryName="team/app", imageIds=[image_id])
        return answer

    assert delete(imageTag="v1")["imageIds"] == [{"imageDigest": digest, "imageTag": "v1"}]
    assert tags(ecr) == {digest: ["v2"], index: ["all"]}
    assert delete(imageDigest=digest)["failures"][0]["failureCode"] == "ImageReferencedByManifestList"
    assert not delete(imageDigest=index)["failures"]
    assert not delete(imageDigest=digest)["failures"]
    assert tags(ecr) == {}
    assert delete(imageDigest=digest)["failures"][0]["failureCode"] == "ImageNotFound"


def test_listings_come_in_pages(ecr: Any) -> None:
    digests = {push(ecr, "team/app", str(number).encode(), f"v{number}") for number in range(7)}
    push(ecr, "team/app", b"untagged")

    for operation, key in (("describe_images", "imageDetails"), ("list_images", "imageIds")):
        pages = list(
            ecr.get_paginator(operation).paginate(
                repositoryName="team/app", filter={"tagStatus": "TAGGED"}, PaginationConfig={"PageSize": 3}
            )
        )
        assert [len(page[key]) for page in pages] == [3, 3, 1]
        assert {entry["imageDigest"] for page in pages for entry in page[key]} == digests


def test_a_repository_made_again_is_empty(ecr: Any) -> None:
    push(ecr, "team/app", b"layer", "v1")
    ecr.delete_repository(repositoryName="team/app", force=True)
    ecr.create_repository(repositoryName="team/app")

    assert tags(ecr) == {}


def test_every_change_is_an_event(cloud: LocalCloud, ecr: Any) -> None:
    rule = {
        "Type": "AWS::Events::Rule",
        "Properties": {
            "EventPattern": {"source": ["aws.ecr"]},
            "Targets": [{"Id": "queue", "Arn": arn("Queue")}],
        },
    }
    url = cloud.create_stack("events", template({"Queue": queue(), "Rule": rule}, {"Queue": ref("Queue")}))
    tagged = push(ecr, "team/app", b"layer", "v1")
    untagged = push(ecr, "team/app", b"other")
    ecr.batch_delete_image(repositoryName="team/app", imageIds=[{"imageTag": "v1"}])

    received = cloud.client("sqs").receive_message(QueueUrl=url["Queue"], MaxNumberOfMessages=10)["Messages"]
    events = [json.loads(message["Body"]) for message in received]
    assert [
        (event["detail"]["action-type"], event["detail"]["image-digest"], event["detail"].get("image-tag"))
        for event in events
    ] == [("PUSH", tagged, "v1"), ("PUSH", untagged, None), ("DELETE", tagged, "v1")]
    first = events[0]
    assert first.keys() == {
        "version",
        "id",
        "detail-type",
        "source",
        "account",
        "time",
        "region",
        "resources",
        "detail",
    }
    assert (first["detail-type"], first["source"], first["resources"]) == ("ECR Image Action", "aws.ecr", [])
    assert first["detail"]["repository-name"] == "team/app"
    assert first["detail"]["manifest-media-type"] == MANIFEST
    assert first["detail"]["result"] == "SUCCESS"
