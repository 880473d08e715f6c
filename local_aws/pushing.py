"""Pushing to a registry through ECR's API, as a client does: blobs that are not there yet, then manifests."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


def create_repository(ecr: Any, repository: str) -> None:
    """Create a repository, unless it is there."""
    if repository not in {known["repositoryName"] for known in ecr.describe_repositories()["repositories"]}:
        ecr.create_repository(repositoryName=repository)


def upload_missing(ecr: Any, repository: str, blobs: Mapping[str, Iterable[bytes]]) -> None:
    """Upload those of the blobs, parts by digest, that the repository does not have."""
    for digest, parts in blobs.items():
        there = ecr.batch_check_layer_availability(repositoryName=repository, layerDigests=[digest])["layers"]
        if not any(layer["layerAvailability"] == "AVAILABLE" for layer in there):
            upload(ecr, repository, digest, parts)


def upload(ecr: Any, repository: str, digest: str, parts: Iterable[bytes]) -> None:
    """Upload a blob in parts of at most 20 MiB each, as ECR takes them."""
    identifier = ecr.initiate_layer_upload(repositoryName=repository)["uploadId"]
    first = 0
    for part in parts:
        ecr.upload_layer_part(
            repositoryName=repository,
            uploadId=identifier,
            partFirstByte=first,
            partLastByte=first + len(part) - 1,
            layerPartBlob=part,
        )
        first += len(part)
    ecr.complete_layer_upload(repositoryName=repository, uploadId=identifier, layerDigests=[digest])
