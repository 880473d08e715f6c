"""Where image bytes come from. Every source answers the same two questions."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol

import msgspec

from hullwatch.images.image import Descriptor


class Readable(Protocol):
    """The least a stream of bytes can do."""

    def read(self, size: int = -1, /) -> bytes: ...


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """A manifest or index as the source holds it, byte for byte, with its digest verified by the source."""

    digest: str
    media_type: str
    content: bytes


class Source(Protocol):
    """One repository, layout or archive.

    Both methods raise :class:`~hullwatch.errors.ImageGone` when there is no such content,
    :class:`~hullwatch.errors.UserError` when the place itself cannot be read, and
    :class:`~hullwatch.errors.TransientError` when it may answer later.
    """

    def manifest(self, reference: str = "") -> Manifest:
        """The manifest under a tag or ``sha256:`` digest; empty means the only (or default) one."""
        ...

    def open_blob(self, descriptor: Descriptor) -> AbstractContextManager[Readable]:
        """The blob's bytes as stored (compressed), from the start, as a stream. The reader verifies them."""
        ...
