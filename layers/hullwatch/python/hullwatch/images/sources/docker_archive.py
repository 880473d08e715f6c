"""What ``docker save`` (before version 25), kaniko, Bazel and skopeo write: a tar with ``manifest.json``.

Such an archive has no image manifest. One is made from what it does have, always the same for the same
content, so that an image from an archive is read and named like any other. Moby image specification 1.2,
"Combined Image JSON + Filesystem Changeset Format".
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import msgspec

from hullwatch.errors import ImageGone, ManifestInvalid, UserError
from hullwatch.images.digest import is_digest, sha256_digest
from hullwatch.images.image import Descriptor
from hullwatch.images.manifest import DOCKER_CONFIG, DOCKER_LAYER, DOCKER_MANIFEST, MAX_CONFIG, MAX_MANIFEST
from hullwatch.images.sources import Manifest, Readable
from hullwatch.images.sources.files import Files, read_file

_CHUNK = 1 << 20
_COMPRESSIONS = {b"\x1f\x8b": ".gzip", b"\x28\xb5": ".zstd"}


class _ArchivedImage(msgspec.Struct, frozen=True, kw_only=True):
    manifest: Manifest
    config_digest: str
    tags: tuple[str, ...]
    #: Where each blob lies in the archive, by digest.
    paths: dict[str, str]


class DockerArchive:
    """An archive as a :class:`~hullwatch.images.sources.Source`."""

    def __init__(self, files: Files) -> None:
        self._files = files

    def manifest(self, reference: str = "") -> Manifest:
        """The manifest made for a tag, for an image id, or for the only image."""
        found = [image for image in self._images if not reference or _is_called(image, reference)]
        digests = {image.manifest.digest for image in found}
        if not found:
            raise ImageGone(f"{self._files} has no image {reference!r}{self._known_tags()}")
        if len(digests) > 1:
            raise UserError(f"{self._files} holds {len(digests)} images: name one{self._known_tags()}")
        return found[0].manifest

    @contextmanager
    def open_blob(self, descriptor: Descriptor) -> Iterator[Readable]:
        """The blob as it is stored. Raises :class:`~hullwatch.errors.ImageGone` when it is not there."""
        for image in self._images:
            if path := image.paths.get(descriptor.digest):
                with self._files.open(path) as stream:
                    yield stream
                return
        raise ImageGone(f"{self._files} has no blob {descriptor.digest}")

    @cached_property
    def _images(self) -> list[_ArchivedImage]:
        try:
            document = msgspec.json.decode(read_file(self._files, "manifest.json", MAX_MANIFEST))
        except FileNotFoundError:
            raise UserError(f"{self._files} is neither a docker archive nor an OCI layout") from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise UserError(f"{self._files}: manifest.json is not JSON: {error}") from None
        if not isinstance(document, list):
            raise UserError(f"{self._files}: manifest.json is not a list")
        return [self._read_image(entry) for entry in document if isinstance(entry, dict)]

    def _read_image(self, entry: dict[str, Any]) -> _ArchivedImage:
        config_path, layer_paths = entry.get("Config"), entry.get("Layers") or []
        if not isinstance(config_path, str) or not isinstance(layer_paths, list):
            raise ManifestInvalid(f"{self._files}: manifest.json names no configuration or no layers")
        try:
            config = read_file(self._files, config_path, MAX_CONFIG)
            diff_ids = _diff_ids(config)
            if len(diff_ids) != len(layer_paths):
                raise ManifestInvalid(
                    f"{self._files}: {config_path} has {len(diff_ids)} diff_ids, not {len(layer_paths)}"
                )
            layers = [
                self._describe_layer(str(path), diff_id)
                for path, diff_id in zip(layer_paths, diff_ids, strict=True)
            ]
        except FileNotFoundError as error:
            raise ImageGone(str(error)) from None
        config_digest = sha256_digest(config)
        content = msgspec.json.encode(
            {
                "schemaVersion": 2,
                "mediaType": DOCKER_MANIFEST,
                "config": {"mediaType": DOCKER_CONFIG, "size": len(config), "digest": config_digest},
                "layers": [
                    {"mediaType": layer.media_type, "size": layer.size, "digest": layer.digest}
                    for layer in layers
                ],
            }
        )
        tags = entry.get("RepoTags")
        return _ArchivedImage(
            manifest=Manifest(digest=sha256_digest(content), media_type=DOCKER_MANIFEST, content=content),
            config_digest=config_digest,
            tags=tuple(tag for tag in tags if isinstance(tag, str)) if isinstance(tags, list) else (),
            paths={layer.digest: str(path) for layer, path in zip(layers, layer_paths, strict=True)}
            | {config_digest: config_path},
        )

    def _describe_layer(self, path: str, diff_id: str) -> Descriptor:
        """A layer's descriptor. A plain tar has its diff_id for a digest; a compressed one is hashed, since
        what some builders name their files after is no promise."""
        with self._files.open(path) as stream:
            chunk = stream.read(_CHUNK)
            compression = _COMPRESSIONS.get(chunk[:2], "")
            digest = diff_id
            if compression:
                state = hashlib.sha256()
                while chunk:
                    state.update(chunk)
                    chunk = stream.read(_CHUNK)
                digest = f"sha256:{state.hexdigest()}"
        return Descriptor(digest=digest, size=self._files.size(path), media_type=DOCKER_LAYER + compression)

    def _known_tags(self) -> str:
        tags = sorted({tag for image in self._images for tag in image.tags})
        return f" (tags: {', '.join(tags[:20])}{', ...' if len(tags) > 20 else ''})" if tags else ""


def _is_called(image: _ArchivedImage, reference: str) -> bool:
    """By its full name, by its tag alone, by its image id, or by the digest of the manifest made for it."""
    if is_digest(reference):
        return reference in (image.config_digest, image.manifest.digest)
    return any(reference == tag or reference == tag.rpartition(":")[2] for tag in image.tags)


def _diff_ids(config: bytes) -> list[str]:
    try:
        document = msgspec.json.decode(config)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ManifestInvalid(f"the image configuration is not JSON: {error}") from None
    rootfs = document.get("rootfs") if isinstance(document, dict) else None
    diff_ids = rootfs.get("diff_ids") if isinstance(rootfs, dict) else None
    if not isinstance(diff_ids, list) or not all(
        isinstance(item, str) and is_digest(item) for item in diff_ids
    ):
        raise ManifestInvalid("the image configuration has no valid rootfs.diff_ids")
    return diff_ids
