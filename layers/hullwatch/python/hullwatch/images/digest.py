"""Content digests: ``algorithm:hex`` (OCI image specification, descriptor.md)."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

from hullwatch.errors import DigestMismatch, ManifestInvalid

if TYPE_CHECKING:
    from hashlib import _Hash as Hash

#: The registered algorithms. A digest is part of paths and URLs, so nothing else may pass for one.
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}", re.ASCII)


def is_digest(text: str) -> bool:
    """Whether ``text`` is a digest of a registered algorithm."""
    return _DIGEST.fullmatch(text) is not None


def hasher(digest: str) -> Hash:
    """A hash object of the algorithm that ``digest`` names.

    Raises :class:`~hullwatch.errors.ManifestInvalid` when ``digest`` is none.
    """
    if not is_digest(digest):
        raise ManifestInvalid(f"{digest[:80]!r} is not a sha256 or sha512 digest")
    return hashlib.new(digest.partition(":")[0], usedforsecurity=False)


def verify(content: bytes, digest: str) -> None:
    """Raises :class:`~hullwatch.errors.DigestMismatch` unless ``content`` has ``digest``."""
    state = hasher(digest)
    state.update(content)
    actual = f"{state.name}:{state.hexdigest()}"
    if actual != digest:
        raise DigestMismatch(f"content of {digest} has the digest {actual}")


def sha256_digest(content: bytes) -> str:
    """The sha256 digest of ``content``."""
    return "sha256:" + hashlib.sha256(content).hexdigest()
