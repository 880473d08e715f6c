"""Where compiled advisories lie, and which set of them is in use.

A directory (or a bucket) holds::

    current.json                       which generation is in use: the only file that is ever replaced
    generations/<generation>.json      its manifest: feeds, documents, shards
    shards/<shard>-<digest>.sqlite.zst content-addressed, shared by the generations
    parts/<digest>.zst                 what the feeds' documents say, read but not compiled

Everything is written under a temporary name and renamed, ``current.json`` last: whoever reads sees the old
generation or the new one, whole.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
import time
from pathlib import Path
from typing import Protocol

import msgspec
import zstandard

from hullwatch.errors import ConfigurationError, FeedInvalid

#: Of the manifest and the pointer.
SCHEMA = 1

_CHUNK = 1024 * 1024
_MAX_SHARD = 4 * 1024**3
_KEEP_UNPACKED = 7 * 24 * 3600


class DocumentState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One document of a feed, as it was last read without fault."""

    feed: str
    #: Version of the reader, and of how its records are divided into parts.
    reader: int
    sha256: str
    bytes: int
    #: Entries of the document, those left out included.
    entries: int
    #: The document's own date; empty when it carries none.
    date: str = ""
    #: When these bytes were first read, ISO 8601.
    read: str = ""
    skipped: dict[str, int] = {}
    layout: int = 0
    #: Shard -> digest of the part that goes into it.
    parts: dict[str, str] = {}
    #: Digest of the list of what it replaces in the feed's other documents; empty when that is nothing.
    replaced: str = ""
    #: Why the newest copy is not the one in use; empty when it is.
    failure: str = ""
    #: When the copy in use was last found to be the newest.
    checked: str = ""


class ShardState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One compiled shard."""

    #: SHA-256 of the uncompressed file.
    digest: str
    #: What it was compiled from: equal inputs need no compiling.
    inputs: str
    bytes: int
    compressed: int
    packages: int = 0
    advisories: int = 0
    vulnerabilities: int = 0
    skipped: dict[str, int] = {}
    #: The feeds whose records it holds.
    feeds: tuple[str, ...] = ()

    def file_name(self, shard: str) -> str:
        """Of the compressed file."""
        return f"{shard}-{self.digest[:32]}.sqlite.zst"


class Manifest(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A generation: one consistent set of shards, and where they come from."""

    generation: str
    schema: int = SCHEMA
    #: When it was first built, and when the feeds were last looked at; ISO 8601, UTC.
    built: str = ""
    checked: str = ""
    #: By path in the mirror.
    documents: dict[str, DocumentState] = {}
    shards: dict[str, ShardState] = {}
    #: Feed -> what went wrong the last time.
    failures: dict[str, tuple[str, ...]] = {}

    def dates(self, shard: str = "") -> dict[str, str]:
        """Feed -> of when its data is, in one shard or in all of them.

        The newest date that its documents carry or, where they carry none, when they came.
        """
        found: dict[str, str] = {}
        for state in self.documents.values():
            if not shard or shard in state.parts:
                found[state.feed] = max(found.get(state.feed, ""), state.date or state.read)
        return dict(sorted(found.items()))


class _Pointer(msgspec.Struct, frozen=True, kw_only=True):
    generation: str
    schema: int = SCHEMA


class ShardSource(Protocol):
    """Where a scan gets its shards from: a directory, or an object store."""

    def manifest(self) -> Manifest:
        """The generation in use."""

    def fetch(self, shard: str) -> Path:
        """The uncompressed SQLite file of a shard of :meth:`manifest`, on this machine."""


def generation_of(shards: dict[str, ShardState]) -> str:
    """The name of a set of shards: equal shards, equal name."""
    lines = "".join(f"{name} {shards[name].digest}\n" for name in sorted(shards))
    return hashlib.sha256(f"{SCHEMA}\n{lines}".encode()).hexdigest()[:16]


def read_manifest(directory: Path) -> Manifest | None:
    """The manifest of the generation in use; ``None`` where nothing was ever built.

    :raises FeedInvalid: the pointer or the manifest is damaged.
    """
    pointer_file = directory / "current.json"
    try:
        pointer = msgspec.json.decode(pointer_file.read_bytes(), type=_Pointer)
        return msgspec.json.decode(
            (directory / "generations" / f"{_plain(pointer.generation)}.json").read_bytes(), type=Manifest
        )
    except FileNotFoundError as error:
        if not pointer_file.exists():
            return None
        raise FeedInvalid(f"{directory}: the generation in use has no manifest") from error
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise FeedInvalid(f"{directory}: damaged advisories: {error}") from error


def write_manifest(directory: Path, manifest: Manifest) -> None:
    """Put a generation, whose shards are in place already, into use."""
    encode = msgspec.json.Encoder(order="deterministic").encode
    write_atomically(directory / "generations" / f"{manifest.generation}.json", encode(manifest))
    write_atomically(directory / "current.json", encode(_Pointer(generation=manifest.generation)))


def write_atomically(path: Path, data: bytes) -> None:
    """Replace a file: readers see the old bytes or the new ones, even when the machine stops in between."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            Path(temporary).unlink()
        raise


class DirectorySource:
    """Shards in a directory. Unpacked copies are kept beside the user's other caches, by digest."""

    def __init__(self, directory: Path, cache: Path | None = None) -> None:
        """``cache``: where unpacked shards go; by default ``$XDG_CACHE_HOME/hullwatch/shards``.

        :raises ConfigurationError: the directory holds no compiled advisories.
        :raises FeedInvalid: they are damaged.
        """
        self.directory = directory
        manifest = read_manifest(directory)
        if manifest is None:
            raise ConfigurationError(
                f"{directory} holds no compiled advisories: run 'hullwatch advisories build' first"
            )
        if manifest.schema != SCHEMA:
            raise ConfigurationError(f"{directory} was compiled by another version of hullwatch: build again")
        self._manifest = manifest
        self._cache = cache or _default_cache()

    def manifest(self) -> Manifest:
        """The generation that was in use when the source was opened."""
        return self._manifest

    def fetch(self, shard: str) -> Path:
        """Unpack a shard unless that was done before.

        :raises FeedInvalid: the file is missing, damaged or not what the manifest vouches for.
        """
        state = self._manifest.shards[shard]
        unpacked = self._cache / f"{shard}-{state.digest[:32]}.sqlite"
        try:
            if unpacked.stat().st_size == state.bytes:
                return unpacked
        except FileNotFoundError:
            pass
        packed = self.directory / "shards" / state.file_name(shard)
        try:
            return unpack(packed, unpacked, state)
        except PermissionError:
            # A read-only home: the copy lives as long as this process.
            self._cache = Path(tempfile.mkdtemp(prefix="hullwatch-shards-"))
            return unpack(packed, self._cache / unpacked.name, state)


def unpack(packed: Path, target: Path, state: ShardState) -> Path:
    """Decompress and verify a shard, in bounded memory, and remove copies that nobody used for a week.

    :raises FeedInvalid: missing, damaged or not what the manifest vouches for.
    """
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    digest = hashlib.sha256()
    handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "wb") as out, packed.open("rb") as source:
            size = 0
            reader = zstandard.ZstdDecompressor(max_window_size=2**27).stream_reader(source)
            while size <= min(state.bytes, _MAX_SHARD) and (chunk := reader.read(_CHUNK)):
                size += len(chunk)
                digest.update(chunk)
                out.write(chunk)
        if size != state.bytes or digest.hexdigest() != state.digest:
            raise FeedInvalid(f"{packed.name}: not the shard that the manifest vouches for")
        Path(temporary).replace(target)
    except (zstandard.ZstdError, FileNotFoundError) as error:
        raise FeedInvalid(f"{packed.name}: not a readable shard: {error}") from error
    finally:
        with contextlib.suppress(FileNotFoundError):
            Path(temporary).unlink()
    _forget_unused(target.parent)
    return target


def _forget_unused(cache: Path) -> None:
    before = time.time() - _KEEP_UNPACKED
    for path in cache.glob("*.sqlite"):
        with contextlib.suppress(OSError):
            status = path.stat()
            if max(status.st_atime, status.st_mtime) < before:
                path.unlink()


def _default_cache() -> Path:
    root = os.environ.get("XDG_CACHE_HOME")
    return (Path(root) if root else Path.home() / ".cache") / "hullwatch" / "shards"


def _plain(generation: str) -> str:
    if not generation.isalnum():
        raise FeedInvalid("the pointer does not name a generation")
    return generation
