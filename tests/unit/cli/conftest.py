"""A small image on disk, and a few compiled advisories."""

from __future__ import annotations

from pathlib import Path

import pytest

from hullwatch.advisories.build import build
from local_aws import demo_advisories, demo_image


@pytest.fixture(scope="session")
def advisories(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("advisories")
    demo_advisories.write(root / "feeds")
    build(root / "feeds", root / "compiled", workers=1)
    return root / "compiled"


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's first image as an OCI layout."""
    return write_layout(demo_image.first(), tmp_path_factory.mktemp("image"))


def write_layout(image: demo_image.BuiltImage, directory: Path) -> Path:
    import json

    blobs = directory / "blobs/sha256"
    blobs.mkdir(parents=True)
    contents = [*image.blobs.values(), image.manifest]
    for content in contents:
        (blobs / demo_image.digest(content).removeprefix("sha256:")).write_bytes(content)
    entry = {
        "mediaType": demo_image.MANIFEST,
        "digest": demo_image.digest(image.manifest),
        "size": len(image.manifest),
        "annotations": {"org.opencontainers.image.ref.name": "v1"},
    }
    (directory / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    (directory / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
    return directory
