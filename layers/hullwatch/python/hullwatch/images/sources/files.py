"""Named files of a local place: a directory, or a tar archive that is read where it lies."""

from __future__ import annotations

import io
import posixpath
import tarfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import IO, Protocol

from hullwatch.errors import UserError
from hullwatch.images.sources import Readable
from hullwatch.images.sources.seekable_gzip import SeekableGzip

#: An image archive holds three files per layer and a few more.
_MAX_MEMBERS = 100_000
#: Bytes that the header of one member may take, its long name and extended attributes included.
_MAX_HEADER = 1 << 20
_MAX_LINKS = 8
_GZIP_MAGIC = b"\x1f\x8b"


class Files(Protocol):
    """Files by their path relative to one root. One that is not there raises :class:`FileNotFoundError`."""

    def open(self, path: str) -> AbstractContextManager[Readable]:
        """The file's bytes, as a stream from the start."""
        ...

    def size(self, path: str) -> int:
        """The file's size in bytes."""
        ...


def read_file(files: Files, path: str, limit: int) -> bytes:
    """The whole file. Raises :class:`~hullwatch.errors.UserError` when it has more than ``limit`` bytes."""
    with files.open(path) as stream:
        content = stream.read(limit + 1)
    if len(content) > limit:
        raise UserError(f"{path} has more than {limit} bytes")
    return content


class DirectoryFiles:
    """A directory of the local file system."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def __str__(self) -> str:
        return str(self._root)

    @contextmanager
    def open(self, path: str) -> Iterator[Readable]:
        with (self._root / path).open("rb") as stream:
            yield stream

    def size(self, path: str) -> int:
        return (self._root / path).stat().st_size


class ArchiveFiles:
    """A tar archive, plain or gzipped. Nothing is extracted: members are read where they lie.

    Raises :class:`~hullwatch.errors.UserError` when the file cannot be read or is no such archive.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._members: dict[str, tuple[int, int]] = {}
        self._links: dict[str, str] = {}
        try:
            with path.open("rb") as stream:
                self._gzip = SeekableGzip(path) if stream.read(2) == _GZIP_MAGIC else None
            self._read_directory()
        except OSError as error:
            raise UserError(f"{path} cannot be read: {error.strerror or error}") from None
        except (tarfile.TarError, EOFError) as error:
            raise UserError(f"{path} is not a tar archive: {error}") from None

    def __str__(self) -> str:
        return str(self._path)

    def __contains__(self, path: str) -> bool:
        return self._resolve(path) in self._members

    @contextmanager
    def open(self, path: str) -> Iterator[Readable]:
        offset, size = self._member(path)
        with self._handle() as stream:
            stream.seek(offset)
            yield _Slice(stream, size)

    def size(self, path: str) -> int:
        return self._member(path)[1]

    def _handle(self) -> IO[bytes]:
        return self._gzip.reader() if self._gzip else self._path.open("rb")

    def _member(self, path: str) -> tuple[int, int]:
        try:
            return self._members[self._resolve(path)]
        except KeyError:
            raise FileNotFoundError(f"{self._path} has no {path}") from None

    def _resolve(self, path: str) -> str:
        path = posixpath.normpath(path)
        for _ in range(_MAX_LINKS):
            if path not in self._links:
                break
            path = self._links[path]
        return path

    def _read_directory(self) -> None:
        with self._handle() as stream, tarfile.open(fileobj=_HeaderReader(stream), mode="r:") as archive:
            for number, member in enumerate(archive):
                if number >= _MAX_MEMBERS:
                    raise UserError(f"{self._path} has more than {_MAX_MEMBERS} members")
                name = posixpath.normpath(member.name)
                self._links.pop(name, None)
                self._members.pop(name, None)
                if member.issym():
                    self._links[name] = posixpath.normpath(
                        posixpath.join(posixpath.dirname(name), member.linkname)
                    )
                elif member.islnk():
                    self._links[name] = posixpath.normpath(member.linkname)
                elif member.isreg() and not member.issparse():
                    self._members[name] = (member.offset_data, member.size)


class _HeaderReader(io.BufferedIOBase):
    """What :mod:`tarfile` reads headers through: it trusts the sizes they give, this does not."""

    def __init__(self, stream: IO[bytes]) -> None:
        super().__init__()
        self._stream = stream

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        return self._stream.tell()

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or not 0 <= size <= _MAX_HEADER:
            raise UserError(f"a header of the archive claims {size} bytes")
        return self._stream.read(size)


class _Slice:
    """The next ``size`` bytes of a stream."""

    def __init__(self, stream: IO[bytes], size: int) -> None:
        self._stream = stream
        self._left = size

    def read(self, size: int = -1, /) -> bytes:
        wanted = self._left if size < 0 else min(size, self._left)
        content = self._stream.read(wanted)
        self._left -= len(content)
        return content
