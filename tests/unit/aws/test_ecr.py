"""ECR as a source: what it says now, manifests, and transfers that break."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

from hullwatch.aws.ecr import Repository
from hullwatch.errors import (
    AccessRefused,
    DigestMismatch,
    ImageArchived,
    ImageGone,
    SourceUnavailable,
    Throttled,
)

MANIFEST = '{"schemaVersion": 2}'
DIGEST = f"sha256:{hashlib.sha256(MANIFEST.encode()).hexdigest()}"
PUSHED = datetime(2026, 11, 24, 10, 0, 0, tzinfo=UTC)


class Client:
    """An ECR client with prepared answers, by operation."""

    def __init__(self, **answers: Callable[..., Any]) -> None:
        self.__dict__.update(answers)


def refusal(code: str, status: int = 400) -> ClientError:
    return ClientError(
        {"Error": {"Code": code, "Message": "m"}, "ResponseMetadata": {"HTTPStatusCode": status}},  # type: ignore[typeddict-item]
        "Operation",
    )


def repository(**answers: Callable[..., Any]) -> Repository:
    return Repository(Client(**answers), None, "shop")  # type: ignore[arg-type]


def test_images_that_are_gone_are_left_out_although_one_spoils_the_whole_answer() -> None:
    there = {f"sha256:{number}" for number in range(7)} - {"sha256:2", "sha256:5"}

    def describe_images(repositoryName: str, imageIds: list[dict[str, str]]) -> dict[str, Any]:
        wanted = [entry["imageDigest"] for entry in imageIds]
        if not there.issuperset(wanted):
            raise refusal("ImageNotFoundException")
        return {"imageDetails": [{"imageDigest": digest, "imagePushedAt": PUSHED} for digest in wanted]}

    found = repository(describe_images=describe_images).states([f"sha256:{n}" for n in range(7)])

    assert set(found) == there
    assert found["sha256:0"].pushed_at == "2026-11-24T10:00:00.000Z"
    assert found["sha256:0"].tags == ()


def test_a_repository_that_is_gone_has_no_images() -> None:
    def describe_images(**_: Any) -> Any:
        raise refusal("RepositoryNotFoundException")

    assert repository(describe_images=describe_images).states(["sha256:a"]) == {}


@pytest.mark.parametrize(
    ("code", "status", "error"),
    [
        ("ThrottlingException", 400, Throttled),
        ("AccessDeniedException", 400, AccessRefused),
        ("ServerException", 500, SourceUnavailable),
        ("SomethingNew", 400, ClientError),
    ],
)
def test_what_the_service_answers_becomes_our_errors(code: str, status: int, error: type[Exception]) -> None:
    def describe_images(**_: Any) -> Any:
        raise refusal(code, status)

    with pytest.raises(error):
        repository(describe_images=describe_images).states(["sha256:a"])


def images(*found: dict[str, Any], failures: tuple[dict[str, Any], ...] = ()) -> Callable[..., Any]:
    return lambda **_: {"images": list(found), "failures": list(failures)}


def test_a_manifest_is_what_its_digest_vouches_for() -> None:
    answer = {"imageId": {"imageDigest": DIGEST}, "imageManifest": MANIFEST}
    found = repository(batch_get_image=images(answer)).manifest(DIGEST)
    assert found.content == MANIFEST.encode()

    other = {"imageId": {"imageDigest": "sha256:" + "0" * 64}, "imageManifest": MANIFEST}
    with pytest.raises(DigestMismatch):
        repository(batch_get_image=images(other)).manifest(DIGEST)


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("ImageNotFound", ImageGone),
        ("ImageInaccessible", ImageArchived),
        ("KmsError", AccessRefused),
        ("UpstreamTooManyRequests", Throttled),
        ("UpstreamUnavailable", SourceUnavailable),
    ],
)
def test_a_failure_code_of_a_manifest_becomes_our_error(code: str, error: type[Exception]) -> None:
    failing = images(failures=({"failureCode": code, "failureReason": "because"},))

    with pytest.raises(error):
        repository(batch_get_image=failing).manifest(DIGEST)
