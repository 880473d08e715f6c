"""The evidence bucket: layer indexes, inventories, assessments and advisory shards, as compressed documents.

Keys are by content, so that writing one twice is harmless:
``layers/<analyzer>/<digest>.json.zst``, ``images/<digest>.json.zst``, ``inventories/<digest>.json.zst``,
``reports/<digest>/<generation>.json.zst``, ``advisories/...``.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import msgspec
import zstandard
from botocore.exceptions import ClientError

from hullwatch.aws.errors import error_code, translated

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

T = TypeVar("T", bound=msgspec.Struct)

#: Size and time of the last change: enough to see whether this process has written a file again.
FileState = tuple[int, int]

#: A stored document may inflate to this much and no more, in bytes.
_MAX_DOCUMENT = 256 << 20


class Evidence:
    """One bucket. Everything in it was written by this pipeline, and is still read within a limit."""

    def __init__(self, client: S3Client, bucket: str) -> None:
        self._client = client
        self.bucket = bucket

    def put(self, key: str, content: bytes) -> None:
        """Store bytes under a key."""
        with translated(f"writing {key}"):
            self._client.put_object(Bucket=self.bucket, Key=key, Body=content)

    def get(self, key: str) -> bytes | None:
        """The bytes under a key; ``None`` when there are none."""
        return self.get_with_etag(key)[0]

    def get_with_etag(self, key: str) -> tuple[bytes | None, str]:
        """Bytes and entity tag, for a later :meth:`replace`; ``(None, "")`` when there is no such key."""
        with translated(f"reading {key}"):
            try:
                answer = self._client.get_object(Bucket=self.bucket, Key=key)
            except ClientError as error:
                if error_code(error) in {"NoSuchKey", "404"}:
                    return None, ""
                raise
            return answer["Body"].read(), answer["ETag"]

    def replace(self, key: str, content: bytes, etag: str) -> bool:
        """Write only if the key still has this entity tag (empty: does not exist). Says whether it did."""
        with translated(f"replacing {key}"):
            try:
                if etag:
                    self._client.put_object(Bucket=self.bucket, Key=key, Body=content, IfMatch=etag)
                else:
                    self._client.put_object(Bucket=self.bucket, Key=key, Body=content, IfNoneMatch="*")
            except ClientError as error:
                if error_code(error) in {"PreconditionFailed", "ConditionalRequestConflict"}:
                    return False
                raise
        return True

    def upload(self, path: Path, key: str) -> None:
        """Store a file, in parts when it is large."""
        with translated(f"writing {key}"):
            self._client.upload_file(str(path), self.bucket, key)

    def download(self, key: str, path: Path) -> None:
        """Fetch a key into a file."""
        with translated(f"reading {key}"):
            self._client.download_file(self.bucket, key, str(path))

    def download_all(self, prefix: str, directory: Path) -> dict[str, FileState]:
        """Bring everything below a prefix into a directory; what is there is what the bucket has."""
        found: dict[str, FileState] = {}
        with translated(f"listing {prefix}"):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self.bucket, Prefix=f"{prefix}/"
            )
            names = [
                entry["Key"].removeprefix(f"{prefix}/")
                for page in pages
                for entry in page.get("Contents", [])
            ]
        for name in names:
            path = directory / name
            path.parent.mkdir(parents=True, exist_ok=True)
            self.download(f"{prefix}/{name}", path)
            found[name] = _state(path)
        return found

    def upload_all(
        self,
        directory: Path,
        prefix: str,
        *,
        unless: Mapping[str, FileState],
        leave_out: Collection[str] = (),
    ) -> None:
        """Store every file of a directory that is not as :meth:`download_all` brought it."""
        for path in sorted(directory.rglob("*")):
            name = path.relative_to(directory).as_posix()
            if path.is_file() and name not in leave_out and unless.get(name) != _state(path):
                self.upload(path, f"{prefix}/{name}")

    def put_document(self, key: str, document: msgspec.Struct) -> None:
        """Store a record as compressed JSON."""
        self.put_compressed(key, msgspec.json.encode(document))

    def put_compressed(self, key: str, content: bytes) -> None:
        """Store bytes in one zstd frame, which names its size."""
        self.put(key, zstandard.ZstdCompressor(level=3).compress(content))

    def get_document(self, key: str, kind: type[T]) -> T | None:
        """The record under a key, checked against its type; ``None`` when there is none."""
        content = self.get(key)
        if content is None:
            return None
        return msgspec.json.decode(
            zstandard.ZstdDecompressor().decompress(content, max_output_size=_MAX_DOCUMENT), type=kind
        )


def _state(path: Path) -> FileState:
    status = path.stat()
    return status.st_size, status.st_mtime_ns
