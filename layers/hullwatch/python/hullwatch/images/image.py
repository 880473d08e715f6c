"""The parts of an image that a manifest and its configuration describe, once they were read and checked."""

from __future__ import annotations

from typing import Literal

import msgspec

#: What a manifest turned out to be. ``artifact`` is anything that is not a runnable image: a signature, an
#: attestation, an SBOM, a chart.
Kind = Literal["image", "index", "artifact"]


class Descriptor(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A pointer to content (OCI image specification, descriptor.md). ``size`` in bytes."""

    digest: str
    size: int
    media_type: str


class Platform(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """``os/architecture[/variant]`` in Go's spelling (``linux/amd64``, ``linux/arm64/v8``)."""

    os: str = ""
    architecture: str = ""
    variant: str = ""

    def __str__(self) -> str:
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part) or "unknown"


class Child(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One entry of an index that is an image (attestations and signatures are left out)."""

    descriptor: Descriptor
    platform: Platform = Platform()


class Layer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A compressed layer, and the digest its uncompressed bytes must have."""

    descriptor: Descriptor
    #: From the configuration's ``rootfs.diff_ids``, in the same order as the layers.
    diff_id: str


class HistoryEntry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of the image's history; ``layer`` is empty for a step that made none."""

    created_by: str = ""
    created: str = ""
    comment: str = ""
    layer: str = ""


class ImageConfig(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the image says about how it runs (OCI image specification, config.md)."""

    user: str = ""
    env: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    working_dir: str = ""
    exposed_ports: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    labels: dict[str, str] = {}
    healthcheck: tuple[str, ...] = ()
    created: str = ""
    history: tuple[HistoryEntry, ...] = ()


class Image(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One platform's image: everything needed to read its layers."""

    digest: str
    media_type: str
    platform: Platform
    config_digest: str
    layers: tuple[Layer, ...]
    config: ImageConfig = ImageConfig()
    #: Base layers that licences or policy keep out of registries; named, never fetched.
    foreign_layers: tuple[str, ...] = ()
