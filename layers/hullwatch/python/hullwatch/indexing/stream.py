"""A layer's bytes: verified, inflated and counted while they pass by, and never held as a whole.

Inflating and hashing are C code that lets other threads run. One thread inflates and one per digest hashes,
while the caller looks at the bytes that are ready. The queues between them are what bounds memory.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Iterator
from queue import Empty, Queue
from typing import IO, cast

import zstandard
from isal import igzip_lib

from hullwatch.errors import BudgetExceeded, DigestMismatch, LayerCorrupt, UnsupportedImage
from hullwatch.images.digest import hasher
from hullwatch.images.image import Layer
from hullwatch.images.sources import Readable
from hullwatch.indexing.budget import Budget, Deadline

#: Bytes of one piece, compressed or not, and pieces that wait in one queue.
PIECE = 512 << 10
_DEPTH = 4

#: Its type information has an instance where the class is.
_IsalError = cast("type[Exception]", igzip_lib.IsalError)

_MAGIC_BYTES = 6
_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"
#: RFC 8878, 3.1.2: a frame to be passed over (0x184D2A50 to 0x184D2A5F) may come before the first with data.
_ZSTD_SKIPPABLE = b"\x2a\x4d\x18"
_OTHER_COMPRESSIONS = {
    b"BZh": "bzip2",
    b"\xfd7zXZ\0": "xz",
    b"\x04\x22\x4d\x18": "lz4",
}


class LayerStream:
    """Iterates, once, over a layer's uncompressed bytes in pieces of at most :data:`PIECE`.

    The blob's digest and the diff_id are checked when the last piece was taken: what a reader has made of the
    pieces counts only if the iteration ended without an error. The errors are
    :class:`~hullwatch.errors.DigestMismatch`, :class:`~hullwatch.errors.LayerCorrupt` (the blob breaks off or
    its compression is damaged), :class:`~hullwatch.errors.UnsupportedImage` (a compression that the OCI
    specification does not know), :class:`~hullwatch.errors.BudgetExceeded`, and whatever the source raises.
    """

    def __init__(
        self, source: Readable, layer: Layer, budget: Budget, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._layer = layer
        self._budget = budget
        self._blob = _Blob(source, layer, budget, Deadline(budget, clock))
        self.uncompressed_bytes = 0

    @property
    def compressed_bytes(self) -> int:
        """Bytes read from the source so far."""
        return self._blob.size

    def __iter__(self) -> Generator[bytes, None, None]:
        ready: Queue[bytes | BaseException | None] = Queue(_DEPTH)
        stopped = threading.Event()
        worker = threading.Thread(target=self._produce, args=(ready, stopped), name="inflate", daemon=True)
        worker.start()
        try:
            while (item := ready.get()) is not None:
                if isinstance(item, BaseException):
                    raise item
                yield item
        finally:
            stopped.set()
            # The worker may be waiting for room in the queue.
            while worker.is_alive():
                try:
                    ready.get(timeout=0.01)
                except Empty:
                    continue
            worker.join()

    def _produce(self, ready: Queue[bytes | BaseException | None], stopped: threading.Event) -> None:
        """Runs in the worker: pieces, then ``None`` or the error that ended it."""
        try:
            self._read_all(ready.put, stopped)
        except BaseException as error:  # handed to the reader, who raises it
            ready.put(error)
        else:
            ready.put(None)

    def _read_all(self, emit: Callable[[bytes], None], stopped: threading.Event) -> None:
        blob, diff = self._blob, _Hasher(self._layer.diff_id)
        with blob.hasher, diff:
            inflate = _inflater(blob.head())
            # Of a layer that is not compressed, one digest vouches for both.
            same = inflate is _plain and self._layer.diff_id == self._layer.descriptor.digest
            try:
                for piece in inflate(blob, self._budget):
                    if stopped.is_set():
                        return
                    self._count(len(piece))
                    if not same:
                        diff.update(piece)
                    emit(piece)
            except LayerCorrupt:
                # Either the bytes are the wrong ones, as their digest tells, or they were packed like that.
                blob.verify()
                raise
            blob.verify()
            if not same:
                diff.verify("uncompressed layer")

    def _count(self, size: int) -> None:
        budget = self._budget
        self.uncompressed_bytes += size
        if self.uncompressed_bytes > budget.uncompressed_bytes:
            raise BudgetExceeded(f"the layer unpacks to more than {budget.uncompressed_bytes} bytes")
        if self.uncompressed_bytes > max(budget.ratio_from, budget.ratio * self._blob.size):
            raise BudgetExceeded(
                f"the layer unpacks to more than {budget.ratio} times its size"
                f" ({self.uncompressed_bytes} bytes from {self._blob.size})"
            )
        self._blob.deadline.check()


class _Hasher:
    """Hashes in a thread of its own what is put in, in order."""

    def __init__(self, digest: str) -> None:
        self._expected = digest
        self._state = hasher(digest)
        self._queue: Queue[bytes | None] = Queue(_DEPTH)
        self._thread = threading.Thread(target=self._run, name="hash", daemon=True)

    def __enter__(self) -> _Hasher:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def update(self, piece: bytes) -> None:
        self._queue.put(piece)

    def close(self) -> None:
        """Waits until everything was hashed and ends the thread."""
        if self._thread.is_alive():
            self._queue.put(None)
            self._thread.join()

    def verify(self, what: str) -> None:
        """Raises :class:`~hullwatch.errors.DigestMismatch` unless everything put in has the digest."""
        self.close()
        actual = f"{self._state.name}:{self._state.hexdigest()}"
        if actual != self._expected:
            raise DigestMismatch(f"the {what} should have the digest {self._expected} and has {actual}")

    def _run(self) -> None:
        while (piece := self._queue.get()) is not None:
            self._state.update(piece)


class _Blob:
    """The compressed bytes: hashed and counted on their way, never more of them than the manifest says."""

    def __init__(self, source: Readable, layer: Layer, budget: Budget, deadline: Deadline) -> None:
        self._source = source
        self.deadline = deadline
        self._expected = layer.descriptor.size
        self._head = b""
        self.size = 0
        if self._expected > budget.compressed_bytes:
            raise BudgetExceeded(f"the layer has {self._expected} bytes, over {budget.compressed_bytes}")
        self.hasher = _Hasher(layer.descriptor.digest)

    def head(self) -> bytes:
        """The first bytes, for telling the compression; :meth:`read` gives them again."""
        while len(self._head) < _MAGIC_BYTES and (part := self._fetch(PIECE)):
            self._head += part
        return self._head

    def read(self, size: int = -1, /) -> bytes:
        if self._head:
            head, self._head = self._head[:size], self._head[size:]
            return head
        return self._fetch(size)

    def verify(self) -> None:
        """Reads what is left, and raises when the blob is not the one that the manifest names."""
        while self.read(PIECE):
            pass
        if self.size < self._expected:
            raise LayerCorrupt(f"the layer breaks off after {self.size} of {self._expected} bytes")
        self.hasher.verify("layer")

    def _fetch(self, size: int) -> bytes:
        self.deadline.check()
        part = self._source.read(size)
        self.size += len(part)
        if self.size > self._expected:
            raise DigestMismatch(f"the layer has more than the {self._expected} bytes that its manifest says")
        self.hasher.update(part)
        return part


def _inflater(head: bytes) -> Callable[[_Blob, Budget], Iterator[bytes]]:
    if head.startswith(_GZIP):
        return _gunzip
    if head.startswith(_ZSTD) or (head[1:4] == _ZSTD_SKIPPABLE and head[0] >> 4 == 5):
        return _unzstd
    for magic, name in _OTHER_COMPRESSIONS.items():
        if head.startswith(magic):
            raise UnsupportedImage(
                f"the layer is compressed with {name}, which the OCI specification does not know"
            )
    return _plain


def _plain(blob: _Blob, _: Budget) -> Iterator[bytes]:
    while piece := blob.read(PIECE):
        yield piece


def _gunzip(blob: _Blob, _: Budget) -> Iterator[bytes]:
    """Every member in turn (RFC 1952, 2.2); zero bytes may pad the last, anything else may not follow it."""
    rest = blob.read(PIECE)
    while rest:
        inflater = igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP)
        try:
            while not inflater.eof:
                if inflater.needs_input and not rest:
                    rest = blob.read(PIECE)
                    if not rest:
                        raise LayerCorrupt("the gzip stream breaks off")
                piece = inflater.decompress(rest, PIECE)
                rest = b""
                if piece:
                    yield piece
        except _IsalError as error:
            raise LayerCorrupt(f"the gzip stream is damaged: {error}") from None
        rest = inflater.unused_data.lstrip(b"\0")
        while not rest and (part := blob.read(PIECE)):
            rest = part.lstrip(b"\0")


def _unzstd(blob: _Blob, budget: Budget) -> Iterator[bytes]:
    """Every frame in turn. A stream that breaks off is told by its size and digests: the reader just ends."""
    decompressor = zstandard.ZstdDecompressor(max_window_size=budget.zstd_window_bytes)
    # All it needs of a file is read().
    source = cast("IO[bytes]", blob)
    with decompressor.stream_reader(source, read_size=PIECE, read_across_frames=True) as reader:
        try:
            while piece := reader.read(PIECE):
                yield piece
        except zstandard.ZstdError as error:
            if "too much memory" in str(error):
                raise BudgetExceeded(
                    f"a zstd frame of the layer asks for more than {budget.zstd_window_bytes} bytes of memory"
                ) from None
            raise LayerCorrupt(f"the zstd stream is damaged: {error}") from None
