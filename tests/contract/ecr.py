"""Pushing small made-up images through the ECR API."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from local_aws import pushing

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def upload(ecr: Any, repository: str, content: bytes) -> str:
    digest = digest_of(content)
    pushing.upload(ecr, repository, digest, [content])
    return digest


def manifest(config: bytes, *layers: bytes) -> str:
    return json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {"mediaType": CONFIG, "digest": digest_of(config), "size": len(config)},
            "layers": [
                {"mediaType": LAYER, "digest": digest_of(layer), "size": len(layer)} for layer in layers
            ],
        }
    )


def push(ecr: Any, repository: str, content: bytes, tag: str | None = None) -> str:
    """Push an image of one layer and return its digest."""
    config = b'{"layer": "' + content + b'"}'
    pushing.upload_missing(ecr, repository, {digest_of(blob): [blob] for blob in (config, content)})
    arguments = {"imageTag": tag} if tag else {}
    image = ecr.put_image(repositoryName=repository, imageManifest=manifest(config, content), **arguments)
    return str(image["image"]["imageId"]["imageDigest"])
