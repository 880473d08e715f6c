"""From a target to an image: opens the source, follows an index to one platform, reads the configuration."""

from __future__ import annotations

import os
import platform as host
from pathlib import Path

from hullwatch.errors import ManifestInvalid, UnsupportedImage, UserError
from hullwatch.images.digest import verify
from hullwatch.images.image import Child, Descriptor, Image, Platform
from hullwatch.images.manifest import MAX_CONFIG, ParsedManifest, parse_manifest, read_image
from hullwatch.images.reference import Target
from hullwatch.images.sources import Source
from hullwatch.images.sources.docker_archive import DockerArchive
from hullwatch.images.sources.files import ArchiveFiles, DirectoryFiles
from hullwatch.images.sources.oci_layout import OciLayout

#: Go's names for the machines that Python names otherwise.
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "i686": "386", "armv7l": "arm"}
#: An index of indexes is legal; more than this is a loop or a game.
_MAX_DEPTH = 4
#: Manifests below one index; official images have some thirty.
_MAX_PLATFORMS = 256


def open_source(target: Target, *, plain_http: bool = False) -> Source:
    """The source of a target. A registry is read with the user's own credentials, and without TLS only when
    it is on this machine or with ``plain_http``.

    Raises :class:`~hullwatch.errors.UserError` when a local place cannot be read.
    """
    if target.kind == "oci":
        return OciLayout(DirectoryFiles(Path(target.path)))
    if target.kind == "docker-archive":
        return _open_archive(Path(target.path))
    # Imported here: whoever reads layers that are at hand does without.
    from hullwatch.images.credentials import Credentials
    from hullwatch.images.sources.registry import Registry

    credentials = Credentials.from_environment(os.environ)
    return Registry(target.host, target.repository, credentials=credentials, plain_http=plain_http)


def load_index(source: Source, reference: str = "") -> ParsedManifest:
    """What stands under ``reference``: an image, an index with its children, or an artifact."""
    return parse_manifest(source.manifest(reference))


def load_image(source: Source, reference: str = "", platform: Platform | None = None) -> Image:
    """One platform's image, its manifest and configuration verified and joined.

    ``platform`` chooses from an index and is checked against a single image. Without one, the only image of
    an index is taken, or the one for this machine. Raises :class:`~hullwatch.errors.UserError` when the
    platform is not there and :class:`~hullwatch.errors.UnsupportedImage` for an artifact.
    """
    parsed = load_index(source, reference)
    for _ in range(_MAX_DEPTH):
        if parsed.kind != "index":
            break
        parsed = load_index(source, _choose(parsed, platform).descriptor.digest)
    else:
        raise ManifestInvalid(f"indexes are nested more than {_MAX_DEPTH} deep")
    image = _read(source, parsed)
    if platform is not None and not matches(image.platform, platform):
        raise UserError(f"the image is for {image.platform}, not for {platform}")
    return image


def load_images(source: Source, reference: str = "") -> list[Image]:
    """The images of all platforms of an index, or the one that stands there.

    Raises :class:`~hullwatch.errors.UnsupportedImage` when there is none.
    """
    top = load_index(source, reference)
    if top.kind != "index":
        return [_read(source, top)]
    images: list[Image] = []
    seen: set[str] = set()
    waiting = list(top.children)
    while waiting:
        digest = waiting.pop(0).descriptor.digest
        if digest in seen:
            continue
        seen.add(digest)
        if len(seen) > _MAX_PLATFORMS:
            raise ManifestInvalid(f"index {top.digest} leads to more than {_MAX_PLATFORMS} manifests")
        parsed = load_index(source, digest)
        waiting.extend(parsed.children)
        if parsed.kind == "image":
            images.append(_read(source, parsed))
    if not images:
        raise UnsupportedImage(f"index {top.digest} lists no image")
    return images


def _read(source: Source, parsed: ParsedManifest) -> Image:
    if parsed.kind != "image" or parsed.config is None:
        raise UnsupportedImage(
            f"{parsed.digest} is an artifact ({parsed.artifact_type or 'untyped'}), not an image"
        )
    return read_image(parsed, read_blob(source, parsed.config, MAX_CONFIG))


def read_blob(source: Source, descriptor: Descriptor, limit: int) -> bytes:
    """A small blob as a whole, its digest verified.

    Raises :class:`~hullwatch.errors.ManifestInvalid` when it has more than ``limit`` bytes.
    """
    if descriptor.size > limit:
        raise ManifestInvalid(f"blob {descriptor.digest} has {descriptor.size} bytes, over {limit}")
    parts: list[bytes] = []
    wanted = descriptor.size + 1
    with source.open_blob(descriptor) as stream:
        while wanted and (part := stream.read(wanted)):
            parts.append(part)
            wanted -= len(part)
    content = b"".join(parts)
    verify(content, descriptor.digest)
    return content


def parse_platform(text: str) -> Platform:
    """Reads ``OS/ARCH[/VARIANT]``. Raises :class:`~hullwatch.errors.UserError` for anything else."""
    parts = text.lower().split("/")
    if not 2 <= len(parts) <= 3 or not all(part.isalnum() for part in parts):
        raise UserError(f"{text!r} is not a platform: write OS/ARCH, for example linux/arm64")
    return Platform(os=parts[0], architecture=parts[1], variant=parts[2] if len(parts) == 3 else "")


def machine_platform() -> Platform:
    """What this machine runs, as containers: Linux, whatever is around it."""
    machine = host.machine().lower()
    return Platform(os="linux", architecture=_ARCHITECTURES.get(machine, machine))


def matches(offered: Platform, wanted: Platform) -> bool:
    """Whether an image for ``offered`` is one for ``wanted``.

    A missing variant stands for any, and ``arm64`` has only ``v8`` (containerd, package platforms).
    """
    if (offered.os, offered.architecture) != (wanted.os, wanted.architecture):
        return False
    return not wanted.variant or not offered.variant or offered.variant == wanted.variant


def _choose(parsed: ParsedManifest, platform: Platform | None) -> Child:
    children = parsed.children
    if not children:
        raise UnsupportedImage(f"index {parsed.digest} lists no image")
    if platform is None and len(children) == 1:
        return children[0]
    wanted = platform or machine_platform()
    for child in children:
        # A nested index may say nothing of platforms; what is in it is looked at next.
        if matches(child.platform, wanted) or child.platform == Platform():
            return child
    offered = ", ".join(sorted({str(child.platform) for child in children}))
    raise UserError(f"there is no image for {wanted}; choose one of: {offered}")


def _open_archive(path: Path) -> Source:
    """An archive of either kind. Since version 25 docker writes an OCI layout beside ``manifest.json``, which
    has the real manifests; some of its releases left that layout without entries."""
    files = ArchiveFiles(path)
    if "index.json" in files:
        layout = OciLayout(files)
        if not layout.empty or "manifest.json" not in files:
            return layout
    return DockerArchive(files)
