"""What a user may name as TARGET: a local layout or archive, or an image in a registry."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

import msgspec

from hullwatch.errors import UserError
from hullwatch.images.digest import is_digest

TargetKind = Literal["oci", "docker-archive", "registry"]

# Distribution project, reference grammar. A host is told from a first path component by a dot, a port or
# the name localhost, as every client does.
_COMPONENT = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_REPOSITORY = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*", re.ASCII)
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}", re.ASCII)
_HOST = re.compile(
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*"
    r"|\[[0-9A-Fa-f:]+\])(?::[0-9]{1,5})?",
    re.ASCII,
)
_REPOSITORY_LENGTH = 255

# Amazon ECR user guide, "Making requests to Amazon ECR registries": IPv4-only and dual-stack names, and
# their FIPS variants.
_ECR = re.compile(
    r"(?P<account>[0-9]{12})\."
    r"(?:dkr\.ecr(?:-fips)?\.(?P<ipv4>[a-z0-9-]+)\.amazonaws\.(?:com(?:\.cn)?|eu)"
    r"|dkr-ecr(?:-fips)?\.(?P<dual>[a-z0-9-]+)\.on\.(?:aws|amazonwebservices\.com\.cn|amazonwebservices\.eu))",
    re.ASCII,
)


class EcrRegistry(msgspec.Struct, frozen=True, kw_only=True):
    """A private registry of Amazon ECR."""

    account: str
    region: str


class Target(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One place an image is read from.

    ``path`` is set for the local kinds, ``host`` and ``repository`` for a registry. ``reference`` is a tag or
    a digest; empty means the only image of a local place, or ``latest`` in a registry.
    """

    kind: TargetKind
    path: str = ""
    host: str = ""
    repository: str = ""
    reference: str = ""
    ecr: EcrRegistry | None = None

    def __str__(self) -> str:
        separator = "@" if is_digest(self.reference) else ":"
        tail = separator + self.reference if self.reference else ""
        if self.kind == "registry":
            return f"{self.host}/{self.repository}{tail}"
        return f"{self.kind}:{self.path}{tail}"


def parse_target(text: str) -> Target:
    """Reads ``oci:DIR[:TAG]``, ``docker-archive:FILE[:TAG]``, ``HOST/REPO[:TAG|@DIGEST]`` or a plain path.

    A plain path that exists is a layout when it is a directory and an archive when it is a file; it wins over
    a registry of the same spelling. Raises :class:`~hullwatch.errors.UserError` when ``text`` is none of
    these.
    """
    kind, separator, rest = text.partition(":")
    if separator and kind == "oci":
        path, reference = _split_path(rest)
        return Target(kind="oci", path=path, reference=reference)
    if separator and kind == "docker-archive":
        path, reference = _split_path(rest)
        return Target(kind="docker-archive", path=path, reference=reference)
    if text and _exists(text):
        return Target(kind="oci" if Path(text).is_dir() else "docker-archive", path=text)
    if text.startswith((".", "/", "~")):
        raise UserError(f"{text}: no such file or directory")
    return _parse_registry(text)


def parse_ecr_host(host: str) -> EcrRegistry | None:
    """The account and Region when ``host`` is a private ECR registry, otherwise ``None``."""
    match = _ECR.fullmatch(host)
    if match is None:
        return None
    return EcrRegistry(account=match["account"], region=match["ipv4"] or match["dual"])


def _split_path(text: str) -> tuple[str, str]:
    """Splits ``PATH[:TAG]`` or ``PATH@DIGEST``; a colon that belongs to an existing path stays with it."""
    if not text:
        raise UserError("a path is missing after the colon")
    path, separator, digest = text.rpartition("@")
    if separator and is_digest(digest):
        return path, digest
    if _exists(text):
        return text, ""
    path, separator, tag = text.rpartition(":")
    if separator and path and "/" not in tag:
        return path, tag
    return text, ""


def _exists(path: str) -> bool:
    try:
        return Path(path).exists()
    except OSError:  # a name too long, or a directory we may not look into
        return False


def _parse_registry(text: str) -> Target:
    name, at, digest = text.partition("@")
    if at and not is_digest(digest):
        raise UserError(f"{text}: what follows the @ is not a sha256 digest")
    host, slash, rest = name.partition("/")
    if not slash or not ("." in host or ":" in host or host == "localhost"):
        raise UserError(
            f"{text}: neither a path that exists nor HOST/REPOSITORY:TAG"
            " (also oci:DIR[:TAG] and docker-archive:FILE)"
        )
    repository, colon, tag = rest.partition(":")
    if not _HOST.fullmatch(host):
        raise UserError(f"{text}: {host} is not a host name")
    if len(repository) > _REPOSITORY_LENGTH or not _REPOSITORY.fullmatch(repository):
        raise UserError(f"{text}: {repository[:80]!r} is not a repository name (lower case, digits, . _ - /)")
    if colon and not _TAG.fullmatch(tag):
        raise UserError(f"{text}: {tag[:80]!r} is not a tag")
    return Target(
        kind="registry",
        host=host,
        repository=repository,
        # A digest is the stronger statement: the tag beside it is for people.
        reference=digest or tag or "latest",
        ecr=parse_ecr_host(host),
    )
