"""ECR as an image source, through the service's own API: no registry token, and least privilege.

Manifests come from ``BatchGetImage``, layers from the presigned address that ``GetDownloadUrlForLayer``
gives. A transfer that breaks off goes on by range. What ECR says about an image *now* (its tags, when it was
pushed, whether it is archived) comes from ``DescribeImages``: events are only hints.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

import msgspec
import urllib3
from botocore.exceptions import ClientError

from hullwatch.aws.errors import error_code, translate, translated
from hullwatch.errors import DigestMismatch, ImageGone, SourceUnavailable
from hullwatch.images.image import Descriptor
from hullwatch.images.manifest import ACCEPTED
from hullwatch.images.sources import Manifest, Readable
from hullwatch.images.sources.resume import ResumedDownload

if TYPE_CHECKING:
    from mypy_boto3_ecr import ECRClient


#: Asked for as well, so that an image of these is refused for what it is, and does not seem to be gone.
_REFUSED_LATER = (
    "application/vnd.docker.distribution.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v1+prettyjws",
)


class ImageState(msgspec.Struct, frozen=True, kw_only=True):
    """What ECR says about an image at this moment."""

    digest: str
    tags: tuple[str, ...]
    #: ISO 8601, UTC.
    pushed_at: str
    media_type: str = ""
    archived: bool = False


class Repository:
    """One ECR repository: a :class:`~hullwatch.images.sources.Source` that also says what it has now."""

    def __init__(self, client: ECRClient, http: urllib3.PoolManager, name: str) -> None:
        self._client = client
        self._http = http
        self.name = name

    def states(self, digests: Sequence[str]) -> dict[str, ImageState]:
        """What ECR says about these digests, by digest; those that are gone are missing."""
        found: dict[str, ImageState] = {}
        for start in range(0, len(digests), 100):
            found |= self._states(digests[start : start + 100])
        return found

    def _states(self, digests: Sequence[str]) -> dict[str, ImageState]:
        with translated(f"describing images of {self.name}"):
            try:
                answer = self._client.describe_images(
                    repositoryName=self.name, imageIds=[{"imageDigest": digest} for digest in digests]
                )
            except ClientError as error:
                if error_code(error) == "RepositoryNotFoundException":
                    return {}
                # One missing digest fails the whole call, and the answer does not say which it was.
                if error_code(error) == "ImageNotFoundException":
                    if len(digests) == 1:
                        return {}
                    middle = len(digests) // 2
                    return self._states(digests[:middle]) | self._states(digests[middle:])
                raise
        return {
            detail["imageDigest"]: ImageState(
                digest=detail["imageDigest"],
                tags=tuple(sorted(detail.get("imageTags", ()))),
                pushed_at=_timestamp(detail["imagePushedAt"]),
                media_type=detail.get("imageManifestMediaType", ""),
                archived=detail.get("imageStatus", "ACTIVE") != "ACTIVE",
            )
            for detail in answer["imageDetails"]
        }

    def manifest(self, reference: str = "") -> Manifest:
        """The manifest under a digest or tag (``latest`` when empty)."""
        by_digest = reference.startswith("sha256:")
        with translated(f"reading the manifest of {self.name}"):
            answer = self._client.batch_get_image(
                repositoryName=self.name,
                imageIds=[{"imageDigest": reference} if by_digest else {"imageTag": reference or "latest"}],
                acceptedMediaTypes=[*ACCEPTED, *_REFUSED_LATER],
            )
        for image in answer["images"]:
            content, digest = image["imageManifest"].encode(), image["imageId"]["imageDigest"]
            if digest != f"sha256:{hashlib.sha256(content).hexdigest()}":
                raise DigestMismatch(f"the registry's manifest does not have the digest {digest}")
            return Manifest(
                digest=digest, media_type=image.get("imageManifestMediaType", ""), content=content
            )
        for failure in answer["failures"]:
            code, message = failure["failureCode"], failure.get("failureReason", "")
            raise translate(code, message) or SourceUnavailable(f"{code}: {message}")
        raise ImageGone(f"{self.name} has no image {reference}")

    @contextmanager
    def open_blob(self, descriptor: Descriptor) -> Iterator[Readable]:
        """The blob as a stream; its address is asked for again when a transfer has to go on."""
        download = ResumedDownload(partial(self._request, descriptor.digest), descriptor)
        try:
            yield download
        finally:
            download.close()

    def _request(self, digest: str, headers: dict[str, str]) -> urllib3.BaseHTTPResponse:
        with translated(f"asking where layer {digest} of {self.name} is"):
            url = self._client.get_download_url_for_layer(repositoryName=self.name, layerDigest=digest)[
                "downloadUrl"
            ]
        return self._http.request("GET", url, headers=headers, preload_content=False)


def _timestamp(moment: datetime) -> str:
    """ISO 8601 in UTC, as fine as ECR says it: what was pushed last is the head of its track."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
