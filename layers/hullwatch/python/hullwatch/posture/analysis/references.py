"""Image references as container runtimes read them: ``docker.io`` and ``library/`` filled in."""

from __future__ import annotations

from functools import lru_cache

import msgspec

from hullwatch.images.reference import parse_ecr_host


class Reference(msgspec.Struct, frozen=True):
    """``host/repository:tag@digest``; ``tag`` and ``digest`` are empty when they were not written."""

    host: str
    repository: str
    tag: str
    digest: str

    @property
    def name(self) -> str:
        """Host and repository."""
        return f"{self.host}/{self.repository}"

    @property
    def account(self) -> str:
        """The account of a private ECR registry; empty for any other."""
        ecr = parse_ecr_host(self.host)
        return ecr.account if ecr else ""


@lru_cache(maxsize=4096)
def parse_reference(image: str) -> Reference:
    """Splits an image reference (distribution project, reference grammar); never raises."""
    name, _, digest = image.partition("@")
    first, slash, rest = name.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        host, path = first, rest
    else:
        host, path = "docker.io", name
    repository, colon, tag = path.rpartition(":")
    if not colon or "/" in tag:
        repository, tag = path, ""
    if host in ("docker.io", "index.docker.io", "registry-1.docker.io"):
        host = "docker.io"
        repository = repository if "/" in repository else f"library/{repository}"
    return Reference(host, repository, tag, digest)
