"""Two versions of a small image for the demo: real package databases, with versions known to be vulnerable.

The second version upgrades some packages, deletes one, and leaves one as it was.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"

_OS_RELEASE = """\
PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"
NAME="Debian GNU/Linux"
VERSION_ID="12"
VERSION_CODENAME=bookworm
ID=debian
"""


@dataclass(frozen=True)
class BuiltImage:
    """An image as a registry takes it: its manifest, and every blob by digest."""

    manifest: bytes
    blobs: Mapping[str, bytes]


def build(*layers: Mapping[str, str]) -> BuiltImage:
    """An image of layers, each a mapping of path to text; a path whose name begins with ``.wh.`` deletes."""
    packed = [_tar(layer) for layer in layers]
    compressed = [gzip.compress(content, 6, mtime=0) for content in packed]
    config = json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": {"Cmd": ["python3", "-m", "shop"], "User": "shop"},
            "rootfs": {"type": "layers", "diff_ids": [digest(content) for content in packed]},
        }
    ).encode()
    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": _descriptor(CONFIG, config),
            "layers": [_descriptor(LAYER, content) for content in compressed],
        }
    ).encode()
    return BuiltImage(manifest, {digest(content): content for content in (config, *compressed)})


def first() -> BuiltImage:
    """What the shop ships at first."""
    return build(
        _base(libwebp="1.2.4-0.2", openssl="3.0.9-1"),
        _dependencies(django="2.2.0", lodash="4.17.15") | _node_package("minimist", "1.2.0"),
        {"srv/shop/__init__.py": "greeting = 'hello'\n"},
    )


def second() -> BuiltImage:
    """What it ships after an upgrade: a new base, a new Django, minimist gone, lodash forgotten."""
    return build(
        _base(libwebp="1.2.4-0.2+deb12u1", openssl="3.0.11-1~deb12u2"),
        _dependencies(django="2.2.28", lodash="4.17.15") | _node_package("minimist", "1.2.0"),
        {
            "srv/shop/__init__.py": "greeting = 'hello again'\n",
            "srv/shop/node_modules/.wh.minimist": "",
        },
    )


def digest(content: bytes) -> str:
    """``sha256:`` and the hash of some bytes."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _base(*, libwebp: str, openssl: str) -> dict[str, str]:
    installed = [
        ("libc6", "glibc", "2.36-9+deb12u4"),
        ("libssl3", "openssl", openssl),
        ("libwebp7", "libwebp", libwebp),
        ("openssl", "", openssl),
        ("zlib1g", "zlib", "1:1.2.13.dfsg-1"),
    ]
    status = "\n".join(
        f"Package: {name}\nStatus: install ok installed\nArchitecture: amd64\n"
        + (f"Source: {source}\n" if source else "")
        + f"Version: {version}\nDescription: part of the demo\n"
        for name, source, version in installed
    )
    return {"etc/os-release": _OS_RELEASE, "var/lib/dpkg/status": status}


def _dependencies(*, django: str, lodash: str) -> dict[str, str]:
    metadata = f"Metadata-Version: 2.1\nName: Django\nVersion: {django}\nLicense: BSD\n"
    path = f"usr/local/lib/python3.11/site-packages/Django-{django}.dist-info/METADATA"
    return {path: metadata} | _node_package("lodash", lodash)


def _node_package(name: str, version: str) -> dict[str, str]:
    content = json.dumps({"name": name, "version": version, "license": "MIT"})
    return {f"srv/shop/node_modules/{name}/package.json": content}


def _tar(files: Mapping[str, str]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path, text in sorted(files.items()):
            entry = tarfile.TarInfo(path)
            entry.size = len(text.encode())
            archive.addfile(entry, io.BytesIO(text.encode()))
    return buffer.getvalue()


def _descriptor(media_type: str, content: bytes) -> dict[str, object]:
    return {"mediaType": media_type, "digest": digest(content), "size": len(content)}
