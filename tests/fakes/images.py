"""Builds real images in memory: layers, OCI layouts and docker archives, the same bytes on every run.

An image is made of layers, and written where a test wants it::

    base = layer({"etc/os-release": "ID=debian", "bin/su": File(b"ELF", mode=0o4755)})
    app = layer({"app/main.py": ""}, whiteouts=["etc/motd"], opaque=["app/conf"], compression="zstd")
    image = FakeImage([base, app], config={"User": "app"})
    write_oci_layout(tmp_path / "layout", {"v1": image})  # or FakeIndex([image, arm_image])
    write_docker_archive(tmp_path / "image.tar", image, tag="app:v1")
    source = MemorySource({"v1": image})  # a Source without any file
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import zstandard

from hullwatch.errors import ImageGone
from hullwatch.images.image import Descriptor
from hullwatch.images.sources import Manifest, Readable

Compression = Literal["gzip", "zstd", "none"]

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar"
EMPTY_JSON = b"{}"


@dataclass(frozen=True)
class File:
    content: bytes | str = b""
    mode: int = 0o644
    capabilities: str = ""


@dataclass(frozen=True)
class Symlink:
    target: str


@dataclass(frozen=True)
class Hardlink:
    target: str


@dataclass(frozen=True)
class Directory:
    mode: int = 0o755


#: What may stand for an entry of a layer; plain text or bytes are a file of mode 0644.
Entry = File | Symlink | Hardlink | Directory | bytes | str


def digest_of(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()


def canonical_json(document: object) -> bytes:
    return json.dumps(document, separators=(",", ":"), sort_keys=True).encode()


def tar_of(
    entries: Mapping[str, Entry] | Sequence[tuple[str, Entry]], *, tar_format: int = tarfile.PAX_FORMAT
) -> bytes:
    """An uncompressed archive of ``entries`` in their order; a sequence of pairs may name a path twice."""
    out = io.BytesIO()
    pairs = entries.items() if isinstance(entries, Mapping) else entries
    with tarfile.open(fileobj=out, mode="w", format=tar_format) as archive:
        for path, entry in pairs:
            info = tarfile.TarInfo(path)
            content = b""
            match entry:
                case File():
                    content = entry.content.encode() if isinstance(entry.content, str) else entry.content
                    info.mode = entry.mode
                    if entry.capabilities:
                        info.pax_headers = {"SCHILY.xattr.security.capability": entry.capabilities}
                case Symlink():
                    info.type, info.linkname, info.mode = tarfile.SYMTYPE, entry.target, 0o777
                case Hardlink():
                    info.type, info.linkname = tarfile.LNKTYPE, entry.target
                case Directory():
                    info.type, info.mode = tarfile.DIRTYPE, entry.mode
                case str():
                    content = entry.encode()
                case bytes():
                    content = entry
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def compress(content: bytes, compression: Compression) -> bytes:
    if compression == "gzip":
        return gzip.compress(content, compresslevel=6, mtime=0)
    if compression == "zstd":
        return zstandard.ZstdCompressor(level=3).compress(content)
    return content


@dataclass(frozen=True)
class FakeLayer:
    """``blob`` is what a registry stores, ``tar`` what is in it. Change a field to make a broken layer."""

    blob: bytes
    tar: bytes
    compression: Compression = "gzip"
    media_type: str = ""

    @property
    def digest(self) -> str:
        return digest_of(self.blob)

    @property
    def diff_id(self) -> str:
        return digest_of(self.tar)

    def descriptor(self, *, docker: bool = False) -> dict[str, Any]:
        suffix = {"gzip": ".gzip" if docker else "+gzip", "zstd": ".zstd" if docker else "+zstd", "none": ""}
        media_type = self.media_type or (DOCKER_LAYER if docker else OCI_LAYER) + suffix[self.compression]
        return {"mediaType": media_type, "digest": self.digest, "size": len(self.blob)}


def layer(
    entries: Mapping[str, Entry] | Sequence[tuple[str, Entry]] = (),
    *,
    whiteouts: Sequence[str] = (),
    opaque: Sequence[str] = (),
    compression: Compression = "gzip",
    tar_format: int = tarfile.PAX_FORMAT,
) -> FakeLayer:
    """A layer that adds ``entries``, deletes ``whiteouts`` and empties the directories ``opaque``."""
    pairs: list[tuple[str, Entry]] = list(entries.items() if isinstance(entries, Mapping) else entries)
    for path in whiteouts:
        parent, _, name = path.rpartition("/")
        pairs.append((f"{parent}/.wh.{name}" if parent else f".wh.{name}", b""))
    pairs.extend((f"{path}/.wh..wh..opq", b"") for path in opaque)
    tar = tar_of(pairs, tar_format=tar_format)
    return FakeLayer(compress(tar, compression), tar, compression)


@dataclass(frozen=True)
class FakeImage:
    """One platform's image. ``config`` is the configuration's ``config`` object (``User``, ``Env``, ...).

    Without any, the image does not run as root, so that nothing is wrong with it but its packages.
    """

    layers: Sequence[FakeLayer]
    config: Mapping[str, Any] = field(default_factory=lambda: {"User": "1000"})
    platform: str = "linux/amd64"
    history: Sequence[Mapping[str, Any]] | None = None
    docker: bool = False

    @property
    def config_blob(self) -> bytes:
        os, architecture, *variant = self.platform.split("/")
        history = self.history
        if history is None:
            history = [{"created_by": f"COPY layer-{number} /"} for number in range(len(self.layers))]
        return canonical_json(
            {
                "os": os,
                "architecture": architecture,
                **({"variant": variant[0]} if variant else {}),
                "created": "2023-11-14T22:13:20Z",
                "config": dict(self.config),
                "rootfs": {"type": "layers", "diff_ids": [item.diff_id for item in self.layers]},
                "history": list(history),
            }
        )

    @property
    def media_type(self) -> str:
        return DOCKER_MANIFEST if self.docker else OCI_MANIFEST

    @property
    def manifest(self) -> bytes:
        config = self.config_blob
        return canonical_json(
            {
                "schemaVersion": 2,
                "mediaType": self.media_type,
                "config": {
                    "mediaType": DOCKER_CONFIG if self.docker else OCI_CONFIG,
                    "digest": digest_of(config),
                    "size": len(config),
                },
                "layers": [item.descriptor(docker=self.docker) for item in self.layers],
            }
        )

    @property
    def digest(self) -> str:
        return digest_of(self.manifest)

    def blobs(self) -> dict[str, bytes]:
        """Everything the image consists of, by digest, its manifest included."""
        contents = [self.manifest, self.config_blob, *(item.blob for item in self.layers)]
        return {digest_of(content): content for content in contents}

    def descriptor(self) -> dict[str, Any]:
        return {"mediaType": self.media_type, "digest": self.digest, "size": len(self.manifest)}

    def index_entry(self) -> dict[str, Any]:
        os, architecture, *variant = self.platform.split("/")
        platform = {"os": os, "architecture": architecture} | ({"variant": variant[0]} if variant else {})
        return self.descriptor() | {"platform": platform}


@dataclass(frozen=True)
class FakeArtifact:
    """A manifest that is no image: a signature, an SBOM, an attestation, a SOCI index."""

    artifact_type: str = "application/vnd.example.sbom.v1+json"
    config_media_type: str = "application/vnd.oci.empty.v1+json"
    payload_media_type: str = "application/vnd.in-toto+json"
    payload: bytes = b'{"_type":"https://in-toto.io/Statement/v1"}'
    subject: FakeImage | None = None

    @property
    def manifest(self) -> bytes:
        document: dict[str, Any] = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": {
                "mediaType": self.config_media_type,
                "digest": digest_of(EMPTY_JSON),
                "size": len(EMPTY_JSON),
            },
            "layers": [
                {
                    "mediaType": self.payload_media_type,
                    "digest": digest_of(self.payload),
                    "size": len(self.payload),
                }
            ],
        }
        if self.artifact_type:
            document["artifactType"] = self.artifact_type
        if self.subject:
            document["subject"] = self.subject.descriptor()
        return canonical_json(document)

    @property
    def digest(self) -> str:
        return digest_of(self.manifest)

    def blobs(self) -> dict[str, bytes]:
        return {digest_of(content): content for content in (self.manifest, EMPTY_JSON, self.payload)}

    def descriptor(self) -> dict[str, Any]:
        return {"mediaType": OCI_MANIFEST, "digest": self.digest, "size": len(self.manifest)}


@dataclass(frozen=True)
class FakeIndex:
    """Several platforms under one digest; with ``attestations`` as BuildKit adds them, one per image."""

    images: Sequence[FakeImage]
    attestations: bool = False
    docker: bool = False

    def _attestation(self, image: FakeImage) -> FakeArtifact:
        return FakeArtifact(artifact_type="", config_media_type=OCI_CONFIG, payload=image.digest.encode())

    @property
    def manifest(self) -> bytes:
        entries = [image.index_entry() for image in self.images]
        if self.attestations:
            entries += [
                self._attestation(image).descriptor()
                | {
                    "platform": {"os": "unknown", "architecture": "unknown"},
                    "annotations": {
                        "vnd.docker.reference.type": "attestation-manifest",
                        "vnd.docker.reference.digest": image.digest,
                    },
                }
                for image in self.images
            ]
        media_type = DOCKER_LIST if self.docker else OCI_INDEX
        return canonical_json({"schemaVersion": 2, "mediaType": media_type, "manifests": entries})

    @property
    def digest(self) -> str:
        return digest_of(self.manifest)

    def blobs(self) -> dict[str, bytes]:
        blobs = {self.digest: self.manifest}
        for image in self.images:
            blobs |= image.blobs()
            if self.attestations:
                blobs |= self._attestation(image).blobs()
        return blobs

    def descriptor(self) -> dict[str, Any]:
        media_type = DOCKER_LIST if self.docker else OCI_INDEX
        return {"mediaType": media_type, "digest": self.digest, "size": len(self.manifest)}


FakeContent = FakeImage | FakeIndex | FakeArtifact


def layout_files(tagged: Mapping[str, FakeContent]) -> dict[str, bytes]:
    """The files of an OCI image layout by path; an empty tag stands for an untagged manifest."""
    files: dict[str, bytes] = {"oci-layout": canonical_json({"imageLayoutVersion": "1.0.0"})}
    entries = []
    for tag, content in tagged.items():
        annotations = {"annotations": {"org.opencontainers.image.ref.name": tag}} if tag else {}
        entries.append(content.descriptor() | annotations)
        for digest, blob in content.blobs().items():
            files["blobs/" + digest.replace(":", "/")] = blob
    files["index.json"] = canonical_json({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries})
    return files


def write_oci_layout(directory: Path, tagged: Mapping[str, FakeContent]) -> Path:
    for path, content in layout_files(tagged).items():
        target = directory / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    return directory


def docker_archive(
    image: FakeImage,
    *,
    tag: str = "app:v1",
    style: Literal["classic", "oci"] = "classic",
    compressed_layers: bool = False,
) -> bytes:
    """What ``docker save`` writes: ``classic`` before version 25 (a repeated layer is a symbolic link, as
    docker made it), ``oci`` since (an OCI layout beside ``manifest.json``)."""
    entries: list[tuple[str, Entry]] = []
    config = image.config_blob
    if style == "oci":
        plain = FakeImage(
            [FakeLayer(item.tar, item.tar, "none") for item in image.layers],
            image.config,
            image.platform,
            image.history,
        )
        entries += list(layout_files({tag.rpartition(":")[2]: plain}).items())
        config_name = "blobs/" + digest_of(config).replace(":", "/")
        names = ["blobs/" + item.diff_id.replace(":", "/") for item in image.layers]
    else:
        config_name = digest_of(config).removeprefix("sha256:") + ".json"
        names, first = [], dict[str, str]()
        for number, item in enumerate(image.layers):
            name = f"{hashlib.sha256(f'{number}{item.diff_id}'.encode()).hexdigest()}/layer.tar"
            names.append(name)
            if item.diff_id in first:
                entries.append((name, Symlink("../" + first[item.diff_id])))
            else:
                first[item.diff_id] = name
                entries.append((name, item.blob if compressed_layers else item.tar))
        entries.append((config_name, config))
    manifest = [{"Config": config_name, "RepoTags": [tag] if tag else None, "Layers": names}]
    entries.append(("manifest.json", canonical_json(manifest)))
    return tar_of(entries)


def write_docker_archive(
    path: Path,
    image: FakeImage,
    *,
    tag: str = "app:v1",
    style: Literal["classic", "oci"] = "classic",
    compressed_layers: bool = False,
    gzipped: bool = False,
) -> Path:
    content = docker_archive(image, tag=tag, style=style, compressed_layers=compressed_layers)
    path.write_bytes(compress(content, "gzip" if gzipped else "none"))
    return path


class MemorySource:
    """A :class:`~hullwatch.images.sources.Source` over fakes; ``blobs`` may be changed to damage them."""

    def __init__(self, tagged: Mapping[str, FakeContent]) -> None:
        self.tags = {tag: content.digest for tag, content in tagged.items()}
        self.media_types: dict[str, str] = {}
        self.blobs: dict[str, bytes] = {}
        for content in tagged.values():
            self.blobs |= content.blobs()
        #: Digests of the blobs that were opened, in order.
        self.opened: list[str] = []

    def manifest(self, reference: str = "") -> Manifest:
        digest = self.tags.get(reference, reference) if reference else next(iter(self.tags.values()))
        content = self.blobs.get(digest)
        if content is None:
            raise ImageGone(f"no manifest {reference}")
        return Manifest(digest=digest, media_type=json.loads(content).get("mediaType", ""), content=content)

    @contextmanager
    def open_blob(self, descriptor: Descriptor) -> Iterator[Readable]:
        self.opened.append(descriptor.digest)
        content = self.blobs.get(descriptor.digest)
        if content is None:
            raise ImageGone(f"no blob {descriptor.digest}")
        yield io.BytesIO(content)
