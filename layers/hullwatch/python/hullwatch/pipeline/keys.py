"""Where documents stand in the evidence bucket. Digests become two path segments (``sha256/<hex>``)."""

from __future__ import annotations


def _path(digest: str) -> str:
    return digest.replace(":", "/", 1)


def image(digest: str) -> str:
    """The parsed manifest and configuration of an image."""
    return f"images/{_path(digest)}.json.zst"


def index(digest: str) -> str:
    """The children of an index."""
    return f"indexes/{_path(digest)}.json.zst"


def layer(analyzer: str, digest: str) -> str:
    """What one version of the reader found in a layer."""
    return f"layers/{analyzer}/{_path(digest)}.json.zst"


def inventory(digest: str) -> str:
    """The packages of an image."""
    return f"inventories/{_path(digest)}.json.zst"


def report(digest: str, generation: str) -> str:
    """What one generation of advisories says about an image."""
    return f"reports/{_path(digest)}/{generation or 'none'}.json.zst"
