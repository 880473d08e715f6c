"""Manifests and indexes: what they are, and what they point to.

OCI image specification 1.1 (manifest.md, image-index.md, config.md) and Docker image manifest version 2,
schema 2. Registries hold a good deal that predates or ignores either, so every optional member may be
missing, ``null`` or of a wrong type; only what the layers cannot be read without is insisted on.
"""

from __future__ import annotations

from typing import Any

import msgspec

from hullwatch.errors import ManifestInvalid, UnsupportedImage
from hullwatch.images.digest import is_digest
from hullwatch.images.image import (
    Child,
    Descriptor,
    HistoryEntry,
    Image,
    ImageConfig,
    Kind,
    Layer,
    Platform,
)
from hullwatch.images.sources import Manifest

#: Bytes. Registries refuse larger manifests (distribution specification, "Pushing Manifests": 4 MiB).
MAX_MANIFEST = 4 << 20
#: Bytes. An image configuration is small; the largest seen in the wild are well under one MiB.
MAX_CONFIG = 8 << 20
#: More layers than any runtime mounts (overlayfs stops at 500), and more children than any index has.
_MAX_LAYERS = 1024
_MAX_CHILDREN = 4096

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar"

#: What a client sends in ``Accept``, best first.
ACCEPTED = (OCI_INDEX, OCI_MANIFEST, DOCKER_LIST, DOCKER_MANIFEST)

_INDEXES = {OCI_INDEX, DOCKER_LIST}
_MANIFESTS = {OCI_MANIFEST, DOCKER_MANIFEST}
# Some early tools pushed configurations as plain bytes.
_IMAGE_CONFIGS = {OCI_CONFIG, DOCKER_CONFIG, "application/octet-stream", ""}
_LAYER_PREFIXES = (
    "application/vnd.oci.image.layer.v1.tar",
    "application/vnd.oci.image.layer.nondistributable.v1.tar",
    "application/vnd.docker.image.rootfs.diff.tar",
    "application/vnd.docker.image.rootfs.foreign.diff.tar",
)
#: What artifacts keep under an image's configuration: attestations, signatures, bills of materials, modules.
_ARTIFACT_LAYERS = (
    "application/vnd.in-toto",
    "application/vnd.dsse.",
    "application/vnd.dev.cosign.",
    "application/vnd.dev.sigstore.",
    "application/vnd.cncf.",
    "application/vnd.cyclonedx",
    "application/vnd.wasm.",
    "application/wasm",
    "application/spdx",
    "application/json",
    "text/",
)
_FOREIGN_PREFIXES = (
    "application/vnd.oci.image.layer.nondistributable.",
    "application/vnd.docker.image.rootfs.foreign.",
)
#: Set by BuildKit on the entries of an index that describe another entry.
_REFERENCE_TYPE = "vnd.docker.reference.type"


class ParsedManifest(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A manifest or index that was read and classified.

    ``children`` are the images and nested indexes of an index; ``config`` and ``layers`` belong to a
    manifest. For an artifact, ``artifact_type`` says what it is.
    """

    kind: Kind
    digest: str
    media_type: str
    artifact_type: str = ""
    config: Descriptor | None = None
    layers: tuple[Descriptor, ...] = ()
    foreign: frozenset[str] = frozenset()
    children: tuple[Child, ...] = ()
    subject: str = ""


def is_schema1(media_type: str) -> bool:
    """Whether this is the type of a Docker manifest of schema 1, with or without a signature."""
    return media_type.startswith("application/vnd.docker.distribution.manifest.v1+")


def parse_manifest(manifest: Manifest) -> ParsedManifest:
    """Reads and classifies a manifest or index.

    Raises :class:`~hullwatch.errors.UnsupportedImage` for schema 1 and encrypted layers and
    :class:`~hullwatch.errors.ManifestInvalid` for what is no manifest at all.
    """
    if len(manifest.content) > MAX_MANIFEST:
        size = len(manifest.content)
        raise ManifestInvalid(f"manifest {manifest.digest} has {size} bytes, over {MAX_MANIFEST}")
    document = _decode(manifest.content, f"manifest {manifest.digest}")
    media_type = _text(document.get("mediaType")) or manifest.media_type.partition(";")[0].strip()
    if document.get("schemaVersion") == 1 or "fsLayers" in document:
        raise UnsupportedImage(
            "Docker image manifest schema 1 is not read: push the image again with a current client"
        )
    looks_like_index = media_type not in _MANIFESTS and isinstance(document.get("manifests"), list)
    if media_type in _INDEXES or looks_like_index:
        return _parse_index(document, manifest.digest, media_type or OCI_INDEX)
    if "blobs" in document and "config" not in document:
        # The artifact manifest of the 1.1 release candidates, still found in registries.
        return ParsedManifest(
            kind="artifact",
            digest=manifest.digest,
            media_type=media_type,
            artifact_type=_text(document.get("artifactType")),
        )
    return _parse_image_manifest(document, manifest.digest, media_type or OCI_MANIFEST)


def read_image(parsed: ParsedManifest, config: bytes) -> Image:
    """Joins an image's manifest with its configuration (whose digest the caller has verified).

    Raises :class:`~hullwatch.errors.ManifestInvalid` when the two do not fit together.
    """
    if parsed.kind != "image" or parsed.config is None:
        raise UnsupportedImage(f"{parsed.digest} is an {parsed.kind}, not an image")
    document = _decode(config, f"configuration {parsed.config.digest}")
    rootfs = document.get("rootfs")
    diff_ids = _strings(rootfs.get("diff_ids")) if isinstance(rootfs, dict) else ()
    if len(diff_ids) != len(parsed.layers) or not all(map(is_digest, diff_ids)):
        raise ManifestInvalid(
            f"configuration {parsed.config.digest} has {len(diff_ids)} diff_ids, not {len(parsed.layers)}"
        )
    layers = tuple(
        Layer(descriptor=descriptor, diff_id=diff_id)
        for descriptor, diff_id in zip(parsed.layers, diff_ids, strict=True)
    )
    return Image(
        digest=parsed.digest,
        media_type=parsed.media_type,
        platform=_platform(document),
        config_digest=parsed.config.digest,
        layers=tuple(layer for layer in layers if layer.descriptor.digest not in parsed.foreign),
        config=_read_config(document, parsed.layers),
        foreign_layers=tuple(item.digest for item in parsed.layers if item.digest in parsed.foreign),
    )


def _parse_image_manifest(document: dict[str, Any], digest: str, media_type: str) -> ParsedManifest:
    config = _descriptor(document.get("config"), f"config of {digest}")
    entries = _objects(document.get("layers"))
    if len(entries) > _MAX_LAYERS:
        raise ManifestInvalid(f"manifest {digest} lists {len(entries)} layers, over {_MAX_LAYERS}")
    layers = tuple(_descriptor(entry, f"layer of {digest}") for entry in entries)
    readable = [layer.media_type.startswith(_LAYER_PREFIXES) for layer in layers]
    declared, subject = _text(document.get("artifactType")), document.get("subject")
    # An image's configuration over layers that nobody knows is an image that cannot be read, unless something
    # says that it is none.
    described = bool(declared or subject) or any(
        layer.media_type.startswith(_ARTIFACT_LAYERS) for layer in layers
    )
    unknown = config.media_type in (OCI_CONFIG, DOCKER_CONFIG) and not described
    is_image = config.media_type in _IMAGE_CONFIGS and (any(readable) or not layers or unknown)
    if is_image:
        for layer in layers:
            if "encrypted" in layer.media_type:
                raise UnsupportedImage(f"layer {layer.digest} is encrypted")
        if not all(readable):
            odd = layers[readable.index(False)]
            raise UnsupportedImage(f"layer {odd.digest} has the media type {odd.media_type[:120]!r}")
    return ParsedManifest(
        kind="image" if is_image else "artifact",
        digest=digest,
        media_type=media_type,
        artifact_type="" if is_image else declared or _artifact_type(config, layers),
        config=config,
        layers=layers,
        foreign=frozenset(layer.digest for layer in layers if layer.media_type.startswith(_FOREIGN_PREFIXES)),
        subject=_text(subject.get("digest")) if isinstance(subject, dict) else "",
    )


def _artifact_type(config: Descriptor, layers: tuple[Descriptor, ...]) -> str:
    """Before 1.1 the configuration's media type was the artifact's type; cosign and BuildKit left that at an
    image's and say what they are in their layers."""
    if config.media_type not in _IMAGE_CONFIGS or not layers:
        return config.media_type
    return layers[0].media_type


def _parse_index(document: dict[str, Any], digest: str, media_type: str) -> ParsedManifest:
    entries = _objects(document.get("manifests"))
    if len(entries) > _MAX_CHILDREN:
        raise ManifestInvalid(f"index {digest} lists {len(entries)} manifests, over {_MAX_CHILDREN}")
    children = tuple(
        Child(descriptor=_descriptor(entry, f"entry of {digest}"), platform=_platform(entry.get("platform")))
        for entry in entries
        if _may_be_image(entry)
    )
    artifact_type = _text(document.get("artifactType"))
    # An index of nothing but signatures is how referrers are listed where the registry has no API for them.
    only_artifacts = bool(entries) and not children
    return ParsedManifest(
        kind="artifact" if artifact_type or only_artifacts else "index",
        digest=digest,
        media_type=media_type,
        artifact_type=artifact_type or (_text(entries[0].get("artifactType")) if only_artifacts else ""),
        children=children,
    )


def _may_be_image(entry: dict[str, Any]) -> bool:
    """Whether an index entry may be an image: attestations and artifacts are told by their descriptor."""
    annotations = entry.get("annotations")
    if isinstance(annotations, dict) and _REFERENCE_TYPE in annotations:
        return False
    if _platform(entry.get("platform")) == Platform(os="unknown", architecture="unknown"):
        return False
    if _text(entry.get("artifactType")) not in _IMAGE_CONFIGS:
        return False
    return _text(entry.get("mediaType")) in _INDEXES | _MANIFESTS | {""}


def _read_config(document: dict[str, Any], layers: tuple[Descriptor, ...]) -> ImageConfig:
    run = document.get("config")
    if not isinstance(run, dict):
        run = {}
    labels = run.get("Labels")
    healthcheck = run.get("Healthcheck")
    return ImageConfig(
        user=_text(run.get("User")),
        env=_strings(run.get("Env")),
        entrypoint=_command(run.get("Entrypoint")),
        command=_command(run.get("Cmd")),
        working_dir=_text(run.get("WorkingDir")),
        exposed_ports=_keys(run.get("ExposedPorts")),
        volumes=_keys(run.get("Volumes")),
        labels={key: value for key, value in labels.items() if isinstance(value, str)}
        if isinstance(labels, dict)
        else {},
        healthcheck=_command(healthcheck.get("Test")) if isinstance(healthcheck, dict) else (),
        created=_text(document.get("created")),
        history=_read_history(_objects(document.get("history")), layers),
    )


def _read_history(entries: list[dict[str, Any]], layers: tuple[Descriptor, ...]) -> tuple[HistoryEntry, ...]:
    """The history, each step that made a layer with that layer's digest.

    A history that counts other than the layers do (squashed and hand-made images) is kept without digests: a
    wrong attribution is worse than none.
    """
    makes_layer = [entry.get("empty_layer") is not True for entry in entries]
    digests = iter([layer.digest for layer in layers] if sum(makes_layer) == len(layers) else ())
    return tuple(
        HistoryEntry(
            created_by=_text(entry.get("created_by")),
            created=_text(entry.get("created")),
            comment=_text(entry.get("comment")),
            layer=next(digests, "") if has_layer else "",
        )
        for entry, has_layer in zip(entries, makes_layer, strict=True)
    )


def _decode(content: bytes, what: str) -> dict[str, Any]:
    try:
        document = msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ManifestInvalid(f"{what} is not JSON: {error}") from None
    if not isinstance(document, dict):
        raise ManifestInvalid(f"{what} is not a JSON object")
    return document


def _descriptor(value: object, what: str) -> Descriptor:
    if not isinstance(value, dict):
        raise ManifestInvalid(f"{what} is missing")
    digest, size = value.get("digest"), value.get("size")
    if not isinstance(digest, str) or not is_digest(digest):
        raise ManifestInvalid(f"{what} has no valid digest")
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise ManifestInvalid(f"{what} ({digest}) has no valid size")
    return Descriptor(digest=digest, size=size, media_type=_text(value.get("mediaType")))


def _platform(value: object) -> Platform:
    if not isinstance(value, dict):
        return Platform()
    return Platform(
        os=_text(value.get("os")),
        architecture=_text(value.get("architecture")),
        variant=_text(value.get("variant")),
    )


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _strings(value: object) -> tuple[str, ...]:
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()


def _command(value: object) -> tuple[str, ...]:
    """A command: a list of arguments, or one string in what old builders wrote."""
    return (value,) if isinstance(value, str) and value else _strings(value)


def _keys(value: object) -> tuple[str, ...]:
    """The members of a JSON object that serves as a set."""
    return tuple(value) if isinstance(value, dict) else ()


def _objects(value: object) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
