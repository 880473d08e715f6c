"""Where documents stand in the evidence bucket. Digests become two path segments (``sha256/<hex>``)."""

from __future__ import annotations

import hashlib


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


def packages(kind: str, repository: str, digest: str) -> str:
    """The packages of an image as rows for questions: of one kind, one JSON line each."""
    return f"questions/packages/{kind}/{_row_file(repository, digest)}"


def matches(repository: str, digest: str) -> str:
    """The vulnerabilities of an image's packages as rows for questions, one JSON line each."""
    return f"questions/matches/{_row_file(repository, digest)}"


def _row_file(repository: str, digest: str) -> str:
    # Equal images in two repositories have rows of their own: a row names the repository.
    encoded = digest.partition(":")[2]
    return f"{encoded[0]}/{encoded}-{hashlib.sha256(repository.encode()).hexdigest()[:16]}.jsonl.zst"


#: The generation that the whole fleet was last matched with.
FLEET = "rematch/fleet.json.zst"


def difference(before: str, after: str) -> str:
    """What differs between two generations, for those who match images again."""
    return f"rematch/{before or 'none'}-{after}/difference.json.zst"


def batches(before: str, after: str) -> str:
    """The images to match again: a JSON array, as a Distributed Map reads it."""
    return f"rematch/{before or 'none'}-{after}/batches.json"
