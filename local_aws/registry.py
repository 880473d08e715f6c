"""ECR's images and layers: content-addressed, with downloads, tag moves and events.

moto keeps the repositories. Its images have made-up digests and its layers no bytes, so both are ours:
https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_Operations.html
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import secrets
import time
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from moto.ecr.models import ecr_backends

from local_aws.endpoint import ApiError

if TYPE_CHECKING:
    from local_aws.cloud import LocalCloud

#: Where presigned layer addresses point to on the endpoint.
DOWNLOADS = "/-/layers/"
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_MANIFEST_BYTES = 4_194_304
_EXPIRES = 3600
_CHUNK = 1 << 20


@dataclass
class _Image:
    manifest: str
    media_type: str
    artifact_type: str
    size: int
    #: Digests of the children of an index.
    children: tuple[str, ...]
    tags: list[str] = field(default_factory=list)
    pushed_at: float = field(default_factory=time.time)
    status: str = "ACTIVE"


@dataclass
class _Repository:
    images: dict[str, _Image] = field(default_factory=dict)
    #: Layer digest to size in bytes.
    layers: dict[str, int] = field(default_factory=dict)
    uploads: dict[str, Path] = field(default_factory=dict)

    def tagged(self, tag: str) -> str | None:
        return next((digest for digest, image in self.images.items() if tag in image.tags), None)


class Registry:
    """The ECR registry of one cloud. The public methods, by their API names, are what the endpoint calls."""

    def __init__(self, cloud: LocalCloud) -> None:
        self._cloud = cloud
        self._repositories: dict[str, _Repository] = {}
        self._blobs = cloud.directory / "blobs"
        self._blobs.mkdir()
        self._signatures: dict[str, tuple[str, float]] = {}

    def operations(self) -> dict[str, Any]:
        return {
            "InitiateLayerUpload": self._initiate_upload,
            "UploadLayerPart": self._upload_part,
            "CompleteLayerUpload": self._complete_upload,
            "BatchCheckLayerAvailability": self._check_layers,
            "GetDownloadUrlForLayer": self._download_url,
            "PutImage": self._put_image,
            "BatchGetImage": self._get_images,
            "BatchDeleteImage": self._delete_images,
            "DescribeImages": self._describe_images,
            "ListImages": self._list_images,
            "UpdateImageStorageClass": self._update_storage_class,
        }

    # -- for tests: what the real registry never does to an image, and may do all the same

    def lose(self, repository: str, digest: str) -> None:
        """Lose a layer or a configuration that images still name."""
        del self._repository({"repositoryName": repository}).layers[digest]

    def swap(self, repository: str, digest: str, manifest: bytes) -> None:
        """Give another manifest for a digest than the one that it was made of."""
        self._repository({"repositoryName": repository}).images[digest].manifest = manifest.decode()

    # -- layers

    def _initiate_upload(self, parameters: dict[str, Any]) -> dict[str, Any]:
        upload = str(uuid.uuid4())
        path = self._blobs / f"upload-{upload}"
        path.touch()
        self._repository(parameters).uploads[upload] = path
        return {"uploadId": upload, "partSize": 10 * 1024 * 1024}

    def _upload_part(self, parameters: dict[str, Any]) -> dict[str, Any]:
        path = self._upload(parameters)
        size = path.stat().st_size
        if parameters["partFirstByte"] != size:
            raise ApiError("InvalidLayerPartException", f"The last byte received is {size - 1}")
        with path.open("ab") as file:
            file.write(base64.b64decode(parameters["layerPartBlob"]))
        return {"uploadId": parameters["uploadId"], "lastByteReceived": path.stat().st_size - 1}

    def _complete_upload(self, parameters: dict[str, Any]) -> dict[str, Any]:
        repository, path = self._repository(parameters), self._upload(parameters)
        size = path.stat().st_size
        if not size:
            raise ApiError("EmptyUploadException", "The upload has no parts")
        with path.open("rb") as file:
            digest = f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
        if digest not in parameters["layerDigests"]:
            raise ApiError("InvalidLayerException", f"The digest of the uploaded bytes is {digest}")
        if digest in repository.layers:
            raise ApiError("LayerAlreadyExistsException", f"Layer {digest} exists already")
        path.replace(self._blobs / digest)
        repository.layers[digest] = size
        del repository.uploads[parameters["uploadId"]]
        return {"uploadId": parameters["uploadId"], "layerDigest": digest}

    def _check_layers(self, parameters: dict[str, Any]) -> dict[str, Any]:
        known = self._repository(parameters).layers
        layers, failures = [], []
        for digest in parameters["layerDigests"]:
            if digest in known:
                layers.append(
                    {"layerDigest": digest, "layerAvailability": "AVAILABLE", "layerSize": known[digest]}
                )
            else:
                code = "MissingLayerDigest" if _DIGEST.fullmatch(digest) else "InvalidLayerDigest"
                failures.append({"layerDigest": digest, "failureCode": code, "failureReason": code})
        return {"layers": layers, "failures": failures}

    def _download_url(self, parameters: dict[str, Any]) -> dict[str, Any]:
        repository, digest = self._repository(parameters), parameters["layerDigest"]
        if digest not in repository.layers:
            raise ApiError("LayersNotFoundException", f"The layer {digest} does not exist")
        holders = [image for image in repository.images.values() if digest in image.manifest]
        if holders and all(image.status != "ACTIVE" for image in holders):
            raise ApiError(
                "LayerInaccessibleException", f"The layer {digest} belongs to archived images only"
            )
        signature = secrets.token_hex(32)
        self._signatures[signature] = (digest, time.time() + _EXPIRES)
        query = f"X-Amz-Expires={_EXPIRES}&X-Amz-Signature={signature}"
        return {"downloadUrl": f"{self._cloud.endpoint}{DOWNLOADS}{digest}?{query}", "layerDigest": digest}

    def download(
        self, path: str, query: str, range_header: str
    ) -> tuple[HTTPStatus, int, str, Iterable[bytes]]:
        """Answer a presigned address as S3 does: status, length, ``Content-Range`` and the bytes."""
        digest = path.removeprefix(DOWNLOADS)
        signature = parse_qs(query).get("X-Amz-Signature", [""])[0]
        signed, expires = self._signatures.get(signature, ("", 0.0))
        if signed != digest or expires < time.time():
            return HTTPStatus.FORBIDDEN, 0, "", []
        file = self._blobs / digest
        size = file.stat().st_size
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", range_header)
        if not asked:
            return HTTPStatus.OK, size, "", _read(file, 0, size)
        first, last = int(asked[1]), min(int(asked[2] or size - 1), size - 1)
        if first > last:
            return HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, 0, f"bytes */{size}", []
        length = last - first + 1
        return HTTPStatus.PARTIAL_CONTENT, length, f"bytes {first}-{last}/{size}", _read(file, first, length)

    # -- images

    def _put_image(self, parameters: dict[str, Any]) -> dict[str, Any]:
        repository, text = self._repository(parameters), parameters["imageManifest"]
        digest = f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
        if parameters.get("imageDigest", digest) != digest:
            raise ApiError("ImageDigestDoesNotMatchException", f"The digest of the manifest is {digest}")
        tag = parameters.get("imageTag")
        known = repository.images.get(digest)
        if known and (tag is None or tag in known.tags):
            raise ApiError("ImageAlreadyExistsException", f"Image {digest} with tag {tag} exists already")
        holder = repository.tagged(tag) if tag else None
        if holder and self._settings(parameters["repositoryName"]).is_tag_immutable():
            raise ApiError("ImageTagAlreadyExistsException", f"The tag {tag} is immutable")
        image = known or self._new_image(repository, text, parameters.get("imageManifestMediaType"))
        repository.images[digest] = image
        if tag:
            if holder:
                repository.images[holder].tags.remove(tag)
            image.tags.append(tag)
        self._event("PUSH", parameters["repositoryName"], digest, image, tag)
        return {"image": self._described(parameters, digest, image, tag)}

    def _new_image(self, repository: _Repository, text: str, media_type: str | None) -> _Image:
        try:
            manifest = json.loads(text)
            media_type = media_type or manifest["mediaType"]
            children = tuple(child["digest"] for child in manifest.get("manifests", []))
            parts = [*manifest.get("layers", []), *filter(None, [manifest.get("config")])]
            # Non-distributable layers stay where they are.
            needed = {part["digest"]: part["size"] for part in parts if not part.get("urls")}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ApiError("InvalidParameterException", f"Invalid image manifest: {error!r}") from None
        if len(text.encode()) > _MANIFEST_BYTES:
            raise ApiError("InvalidParameterException", f"The manifest is over {_MANIFEST_BYTES} bytes")
        if missing := [child for child in children if child not in repository.images]:
            raise ApiError("ReferencedImagesNotFoundException", f"Images not found: {missing}")
        if missing := [layer for layer in needed if layer not in repository.layers]:
            raise ApiError("LayersNotFoundException", f"Layers not found: {missing}")
        artifact = manifest.get("artifactType") or (manifest.get("config") or {}).get("mediaType", "")
        sizes = [repository.images[child].size for child in children]
        size = max(sizes) if sizes else sum(needed.values())
        return _Image(text, str(media_type), artifact, size, children)

    def _get_images(self, parameters: dict[str, Any]) -> dict[str, Any]:
        accepted = parameters.get("acceptedMediaTypes")
        found, failures = [], []
        for image_id in parameters["imageIds"]:
            digest, code = self._find(self._repository(parameters), image_id)
            image = self._repository(parameters).images.get(digest)
            if image and image.status != "ACTIVE":
                code = "ImageInaccessible"
            if image and accepted and image.media_type not in accepted:
                code = "ImageNotFound"
            if code or image is None:
                failures.append({"imageId": image_id, "failureCode": code, "failureReason": code})
            else:
                found.append(self._described(parameters, digest, image, image_id.get("imageTag")))
        return {"images": found, "failures": failures}

    def _delete_images(self, parameters: dict[str, Any]) -> dict[str, Any]:
        repository = self._repository(parameters)
        deleted, failures = [], []
        for image_id in parameters["imageIds"]:
            digest, code = self._find(repository, image_id)
            tag = image_id.get("imageTag")
            image = repository.images.get(digest)
            last = image is not None and (tag is None or image.tags == [tag])
            if last and any(digest in other.children for other in repository.images.values()):
                code = "ImageReferencedByManifestList"
            if code or image is None:
                failures.append({"imageId": image_id, "failureCode": code, "failureReason": code})
                continue
            for gone in [tag] if tag else [*image.tags] or [""]:
                if gone:
                    image.tags.remove(gone)
                deleted.append({"imageDigest": digest, **({"imageTag": gone} if gone else {})})
                self._event("DELETE", parameters["repositoryName"], digest, image, gone)
            if not image.tags:
                del repository.images[digest]
        return {"imageIds": deleted, "failures": failures}

    def _describe_images(self, parameters: dict[str, Any]) -> dict[str, Any]:
        repository = self._repository(parameters)
        chosen = list(repository.images)
        if parameters.get("imageIds"):
            chosen = []
            for image_id in parameters["imageIds"]:
                digest, code = self._find(repository, image_id)
                if code:
                    raise ApiError("ImageNotFoundException", f"The image {image_id} does not exist")
                chosen.append(digest)
        details = []
        for digest in chosen:
            image = repository.images[digest]
            if not _selected(image, parameters.get("filter") or {}):
                continue
            detail = {
                "registryId": self._cloud.account,
                "repositoryName": parameters["repositoryName"],
                "imageDigest": digest,
                "imageSizeInBytes": image.size,
                "imagePushedAt": image.pushed_at,
                "imageManifestMediaType": image.media_type,
                "imageStatus": image.status,
            }
            if image.tags:
                detail["imageTags"] = list(image.tags)
            if image.artifact_type:
                detail["artifactMediaType"] = image.artifact_type
            details.append(detail)
        return _page("imageDetails", details, parameters)

    def _list_images(self, parameters: dict[str, Any]) -> dict[str, Any]:
        listed: list[dict[str, str]] = []
        for digest, image in self._repository(parameters).images.items():
            if _selected(image, parameters.get("filter") or {}):
                listed += [{"imageDigest": digest, "imageTag": tag} for tag in image.tags] or [
                    {"imageDigest": digest}
                ]
        return _page("imageIds", listed, parameters)

    def _update_storage_class(self, parameters: dict[str, Any]) -> dict[str, Any]:
        digest, code = self._find(self._repository(parameters), parameters["imageId"])
        if code:
            raise ApiError("ImageNotFoundException", f"The image {parameters['imageId']} does not exist")
        image = self._repository(parameters).images[digest]
        target = parameters["targetStorageClass"]
        image.status = "ARCHIVED" if target == "ARCHIVE" else "ACTIVE"
        more = {"target-storage-class": target}
        self._event("UPDATE_STORAGE_CLASS", parameters["repositoryName"], digest, image, None, **more)
        return {"imageId": {"imageDigest": digest}, "imageStatus": image.status}

    # -- common

    def _settings(self, name: str) -> Any:
        repositories = ecr_backends[self._cloud.account][self._cloud.region].repositories
        if name not in repositories:
            message = f"The repository with name '{name}' does not exist in the registry"
            raise ApiError("RepositoryNotFoundException", message)
        return repositories[name]

    def _repository(self, parameters: dict[str, Any]) -> _Repository:
        # A repository that was deleted and made again is another one, and empty.
        name = parameters["repositoryName"]
        return self._repositories.setdefault(f"{name} {self._settings(name).created_at}", _Repository())

    def _upload(self, parameters: dict[str, Any]) -> Path:
        path = self._repository(parameters).uploads.get(parameters["uploadId"])
        if path is None:
            raise ApiError("UploadNotFoundException", f"There is no upload {parameters['uploadId']}")
        return path

    @staticmethod
    def _find(repository: _Repository, image_id: dict[str, str]) -> tuple[str, str]:
        """The digest of an image identifier, and the failure code when it names nothing."""
        digest, tag = image_id.get("imageDigest"), image_id.get("imageTag")
        if digest is None and tag is None:
            return "", "MissingDigestAndTag"
        if digest is not None and not _DIGEST.fullmatch(digest):
            return "", "InvalidImageDigest"
        tagged = repository.tagged(tag) if tag else None
        if (digest is not None and digest not in repository.images) or (tag and not tagged):
            return "", "ImageNotFound"
        if digest and tagged and digest != tagged:
            return "", "ImageTagDoesNotMatchDigest"
        return digest or tagged or "", ""

    def _described(
        self, parameters: dict[str, Any], digest: str, image: _Image, tag: str | None
    ) -> dict[str, Any]:
        return {
            "registryId": self._cloud.account,
            "repositoryName": parameters["repositoryName"],
            "imageId": {"imageDigest": digest, **({"imageTag": tag} if tag else {})},
            "imageManifest": image.manifest,
            "imageManifestMediaType": image.media_type,
        }

    def _event(
        self, action: str, repository: str, digest: str, image: _Image, tag: str | None, **more: str
    ) -> None:
        """Without ``resources``: https://docs.aws.amazon.com/AmazonECR/latest/userguide/ecr-eventbridge.html"""
        detail = {
            "result": "SUCCESS",
            "repository-name": repository,
            "image-digest": digest,
            "action-type": action,
            **({"image-tag": tag} if tag else {}),
            "manifest-media-type": image.media_type,
            **({"artifact-media-type": image.artifact_type} if image.artifact_type else {}),
            **more,
        }
        self._cloud.push_event(detail)


def _selected(image: _Image, wanted: dict[str, str]) -> bool:
    tag_status, status = wanted.get("tagStatus", "ANY"), wanted.get("imageStatus", "ANY")
    tagged = "TAGGED" if image.tags else "UNTAGGED"
    return tag_status in ("ANY", tagged) and status in ("ANY", image.status)


def _page(key: str, items: list[Any], parameters: dict[str, Any]) -> dict[str, Any]:
    start, size = int(parameters.get("nextToken") or 0), int(parameters.get("maxResults") or 100)
    page: dict[str, Any] = {key: items[start : start + size]}
    if start + size < len(items):
        page["nextToken"] = str(start + size)
    return page


def _read(file: Path, first: int, length: int) -> Iterator[bytes]:
    with file.open("rb") as source:
        source.seek(first)
        while length and (chunk := source.read(min(_CHUNK, length))):
            length -= len(chunk)
            yield chunk
