"""Random access to a gzip file, for archives whose members are wanted in another order than they lie in."""

from __future__ import annotations

import io
import zlib
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

_INPUT = 256 << 10
_OUTPUT = 1 << 20
#: First distance between checkpoints, in uncompressed bytes; doubled whenever there are too many.
_SPACING = 32 << 20
_MAX_CHECKPOINTS = 512
_WITH_GZIP_HEADER = 16 + zlib.MAX_WBITS


class _Checkpoint:
    """The state of inflation at one uncompressed offset: some 40 KB, mostly the 32 KB window."""

    __slots__ = ("compressed", "inflater", "pending", "uncompressed")

    def __init__(
        self, uncompressed: int, compressed: int, inflater: zlib._Decompress, pending: bytes
    ) -> None:
        self.uncompressed = uncompressed
        self.compressed = compressed
        self.inflater = inflater
        self.pending = pending


class SeekableGzip:
    """A gzip file that is inflated once from the start and later from the nearest checkpoint.

    Readers share the checkpoints and may be used one after another or nested, not from several threads.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._spacing = _SPACING
        self._checkpoints = [_Checkpoint(0, 0, zlib.decompressobj(_WITH_GZIP_HEADER), b"")]

    def reader(self) -> IO[bytes]:
        """A new stream over the uncompressed bytes, at their start.

        Reading raises :class:`EOFError` for a file that breaks off and :class:`OSError` for a damaged one.
        """
        return io.BufferedReader(_Reader(self, self._path.open("rb", buffering=0)), buffer_size=_OUTPUT)

    def before(self, offset: int) -> _Checkpoint:
        """The last checkpoint at or before an uncompressed offset."""
        return max((c for c in self._checkpoints if c.uncompressed <= offset), key=lambda c: c.uncompressed)

    def remember(
        self, uncompressed: int, compressed: int, inflater: zlib._Decompress, pending: bytes
    ) -> None:
        """Keeps the state when it is far enough from the last one."""
        if uncompressed < self._checkpoints[-1].uncompressed + self._spacing:
            return
        self._checkpoints.append(_Checkpoint(uncompressed, compressed, inflater.copy(), pending))
        if len(self._checkpoints) > _MAX_CHECKPOINTS:
            self._checkpoints = self._checkpoints[::2]
            self._spacing *= 2


class _Reader(io.RawIOBase):
    def __init__(self, gzip: SeekableGzip, stream: io.FileIO) -> None:
        super().__init__()
        self._gzip = gzip
        self._stream = stream
        self._restore(gzip.before(0))

    def _restore(self, checkpoint: _Checkpoint) -> None:
        self._position = checkpoint.uncompressed
        self._compressed = checkpoint.compressed
        self._inflater = checkpoint.inflater.copy()
        self._pending = checkpoint.pending
        self._ended = False
        self._stream.seek(checkpoint.compressed)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        if whence == io.SEEK_CUR:
            offset += self._position
        elif whence != io.SEEK_SET:
            raise io.UnsupportedOperation("the uncompressed size is not known")
        checkpoint = self._gzip.before(offset)
        if offset < self._position or checkpoint.uncompressed > self._position:
            self._restore(checkpoint)
        while self._position < offset:
            if not self._inflate(min(_OUTPUT, offset - self._position)):
                break
        return self._position

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        view = memoryview(buffer).cast("B")
        content = self._inflate(min(len(view), _OUTPUT))
        view[: len(content)] = content
        return len(content)

    def write(self, content: ReadableBuffer, /) -> int:
        raise io.UnsupportedOperation("read only")

    def close(self) -> None:
        self._stream.close()
        super().close()

    def _inflate(self, limit: int) -> bytes:
        """Up to ``limit`` bytes, at least one unless the file has ended."""
        while not self._ended and limit:
            if self._inflater.eof and not self._next_member():
                break
            if not self._pending:
                self._pending = self._stream.read(_INPUT) or b""
                self._compressed += len(self._pending)
                if not self._pending:
                    raise EOFError("the gzip file breaks off")
            try:
                content = self._inflater.decompress(self._pending, limit)
            except zlib.error as error:
                raise OSError(f"the gzip file is damaged: {error}") from None
            self._pending = (
                self._inflater.unused_data if self._inflater.eof else self._inflater.unconsumed_tail
            )
            if content:
                self._position += len(content)
                self._gzip.remember(self._position, self._compressed, self._inflater, self._pending)
                return content
        return b""

    def _next_member(self) -> bool:
        """Begins the next gzip member, past the zero bytes that may pad the last one."""
        while not self._pending.lstrip(b"\0"):
            self._pending = self._stream.read(_INPUT) or b""
            self._compressed += len(self._pending)
            if not self._pending:
                self._ended = True
                return False
        self._pending = self._pending.lstrip(b"\0")
        self._inflater = zlib.decompressobj(_WITH_GZIP_HEADER)
        return True
