"""An OCI image layout (OCI image specification, image-layout.md), in a directory or inside an archive."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec

from hullwatch.errors import ImageGone, UserError
from hullwatch.images.digest import is_digest, sha256_digest, verify
from hullwatch.images.image import Descriptor
from hullwatch.images.manifest import MAX_MANIFEST, OCI_INDEX
from hullwatch.images.sources import Manifest, Readable
from hullwatch.images.sources.files import Files, read_file

_TAG = "org.opencontainers.image.ref.name"
_NAME = "io.containerd.image.name"


class OciLayout:
    """A layout as a :class:`~hullwatch.images.sources.Source`."""

    def __init__(self, files: Files) -> None:
        self._files = files
        try:
            self._index = read_file(files, "index.json", MAX_MANIFEST)
            document = msgspec.json.decode(self._index)
        except OSError as error:
            raise UserError(f"{files} is not an OCI layout: index.json: {error.strerror or error}") from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise UserError(f"{files}: index.json is not JSON: {error}") from None
        entries = document.get("manifests") if isinstance(document, dict) else None
        self._entries: list[dict[str, Any]] = [
            entry
            for entry in (entries if isinstance(entries, list) else [])
            if isinstance(entry, dict) and isinstance(entry.get("digest"), str) and is_digest(entry["digest"])
        ]

    @property
    def empty(self) -> bool:
        """Whether the layout names no manifest at all."""
        return not self._entries

    def tags(self) -> list[str]:
        """The names that its manifests carry, sorted."""
        return sorted({name for entry in self._entries for name in _names(entry)})

    def manifest(self, reference: str = "") -> Manifest:
        """The manifest under a tag or digest; with neither, the only one.

        Manifests of several platforms that nobody tagged are one image: the layout's own index.
        """
        if is_digest(reference):
            return self._read(reference, self._media_type(reference))
        named = [entry for entry in self._entries if not reference or reference in _names(entry)]
        digests = sorted({entry["digest"] for entry in named})
        if len(digests) == 1:
            return self._read(digests[0], self._media_type(digests[0]))
        if not digests:
            what = f"no manifest with the tag {reference!r}" if reference else "no manifest"
            raise ImageGone(f"{self._files} has {what}{self._known_tags()}")
        if reference or len({tuple(_names(entry)) for entry in named}) == 1:
            return Manifest(digest=sha256_digest(self._index), media_type=OCI_INDEX, content=self._index)
        raise UserError(f"{self._files} holds {len(digests)} images: name one{self._known_tags()}")

    @contextmanager
    def open_blob(self, descriptor: Descriptor) -> Iterator[Readable]:
        """The blob as it is stored. Raises :class:`~hullwatch.errors.ImageGone` when it is not there."""
        path = _blob_path(descriptor.digest)
        try:
            self._files.size(path)
        except FileNotFoundError:
            raise ImageGone(f"{self._files} has no blob {descriptor.digest}") from None
        with self._files.open(path) as stream:
            yield stream

    def _read(self, digest: str, media_type: str) -> Manifest:
        try:
            content = read_file(self._files, _blob_path(digest), MAX_MANIFEST)
        except FileNotFoundError:
            raise ImageGone(f"{self._files} has no manifest {digest}") from None
        except OSError as error:
            raise UserError(f"{self._files}: {digest}: {error.strerror or error}") from None
        verify(content, digest)
        return Manifest(digest=digest, media_type=media_type, content=content)

    def _media_type(self, digest: str) -> str:
        types = (entry.get("mediaType") for entry in self._entries if entry["digest"] == digest)
        return next((media_type for media_type in types if isinstance(media_type, str)), "")

    def _known_tags(self) -> str:
        tags = self.tags()
        return f" (tags: {', '.join(tags[:20])}{', ...' if len(tags) > 20 else ''})" if tags else ""


def _names(entry: dict[str, Any]) -> list[str]:
    """What a manifest may be called by: its tag, and the full name that docker adds."""
    annotations = entry.get("annotations")
    if not isinstance(annotations, dict):
        return []
    names = (annotations.get(_TAG), annotations.get(_NAME))
    return [name for name in names if isinstance(name, str) and name]


def _blob_path(digest: str) -> str:
    """Only ever called with a validated digest, which is what keeps hostile manifests inside the layout."""
    if not is_digest(digest):
        raise ImageGone(f"{digest[:80]!r} is not a digest")
    algorithm, _, encoded = digest.partition(":")
    return f"blobs/{algorithm}/{encoded}"
