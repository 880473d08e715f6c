import gzip
import io
import threading
import tracemalloc
from collections.abc import Iterator
from contextlib import suppress

import msgspec
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from fakes.images import Compression, FakeLayer, compress, layer
from hullwatch.errors import (
    BudgetExceeded,
    DigestMismatch,
    HullwatchError,
    LayerCorrupt,
    SourceUnavailable,
    UnsupportedImage,
)
from hullwatch.images.image import Descriptor, Layer
from hullwatch.indexing.budget import MIB, Budget
from hullwatch.indexing.stream import PIECE, LayerStream

CONTENT = layer({f"file-{number}": f"content {number} " * 500 for number in range(300)}).tar
COMPRESSIONS: tuple[Compression, ...] = ("gzip", "zstd", "none")


def described(fake: FakeLayer) -> Layer:
    return Layer(
        descriptor=Descriptor(digest=fake.digest, size=len(fake.blob), media_type=""), diff_id=fake.diff_id
    )


def read(blob: bytes, expected: Layer, budget: Budget | None = None) -> bytes:
    return b"".join(LayerStream(io.BytesIO(blob), expected, budget or Budget()))


def packed(blob: bytes, content: bytes = CONTENT) -> tuple[bytes, Layer]:
    return blob, described(FakeLayer(blob, content))


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    yield
    assert [thread.name for thread in threading.enumerate() if thread.name in ("inflate", "hash")] == []


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_a_layer_is_inflated_counted_and_verified(compression: Compression) -> None:
    blob, expected = packed(compress(CONTENT, compression))
    stream = LayerStream(io.BytesIO(blob), expected, Budget())
    assert b"".join(stream) == CONTENT
    assert (stream.compressed_bytes, stream.uncompressed_bytes) == (len(blob), len(CONTENT))


@given(st.binary(max_size=3 * PIECE), st.sampled_from(COMPRESSIONS))
@settings(max_examples=25, deadline=None)
def test_any_content_comes_back(content: bytes, compression: Compression) -> None:
    # A plain layer that begins like a compressed one would be taken for it, as every runtime does.
    content = b"\0" + content
    assert read(*packed(compress(content, compression), content)) == content


@pytest.mark.parametrize(
    "blob",
    [
        gzip.compress(CONTENT[:70_000], mtime=0) + gzip.compress(CONTENT[70_000:], mtime=0),
        gzip.compress(CONTENT[:1], mtime=0)
        + gzip.compress(b"", mtime=0)
        + gzip.compress(CONTENT[1:], mtime=0)
        + bytes(1000),
        zstandard.compress(CONTENT[:70_000]) + zstandard.compress(CONTENT[70_000:]),
        b"\x50\x2a\x4d\x18\x04\0\0\0skip" + zstandard.compress(CONTENT) + b"\x5f\x2a\x4d\x18\x01\0\0\0x",
    ],
    ids=["gzip members", "gzip members and padding", "zstd frames", "zstd with frames to skip"],
)
def test_a_layer_may_consist_of_several_members(blob: bytes) -> None:
    assert read(*packed(blob)) == CONTENT


def test_a_source_may_give_a_few_bytes_at_a_time() -> None:
    class Trickle(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            return super().read(min(size or 3, 3))

    blob, expected = packed(gzip.compress(CONTENT[:30_000]), CONTENT[:30_000])
    assert b"".join(LayerStream(Trickle(blob), expected, Budget())) == CONTENT[:30_000]


def test_an_empty_layer() -> None:
    assert read(*packed(b"", b"")) == b""


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_other_bytes_than_the_manifest_names(compression: Compression) -> None:
    blob, expected = packed(compress(CONTENT, compression))
    for at in (0, len(blob) // 2, len(blob) - 1):
        damaged = blob[:at] + bytes([blob[at] ^ 0x55]) + blob[at + 1 :]
        with pytest.raises(DigestMismatch, match=expected.descriptor.digest):
            read(damaged, expected)


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_a_blob_that_breaks_off(compression: Compression) -> None:
    blob, expected = packed(compress(CONTENT, compression))
    for size in (0, 1, 10, len(blob) // 2, len(blob) - 1):
        with pytest.raises(LayerCorrupt, match=f"breaks off after {size} of {len(blob)} bytes"):
            read(blob[:size], expected)


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_a_blob_that_is_too_long(compression: Compression) -> None:
    blob, expected = packed(compress(CONTENT, compression))
    with pytest.raises(DigestMismatch, match="more than"):
        read(blob + bytes(PIECE), expected)


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_content_that_the_configuration_does_not_vouch_for(compression: Compression) -> None:
    blob = compress(CONTENT, compression)
    expected = described(FakeLayer(blob, b"something else"))
    with pytest.raises(DigestMismatch, match="uncompressed"):
        read(blob, expected)


@pytest.mark.parametrize(
    "blob",
    [
        gzip.compress(CONTENT, mtime=0)[:-9],
        gzip.compress(CONTENT, mtime=0) + b"garbage",
        gzip.compress(CONTENT, mtime=0)[:-8] + bytes(8),
        zstandard.compress(CONTENT) + b"garbage",
        b"\x1f\x8b\xff\xff damaged from the start",
        b"\x28\xb5\x2f\xfd" + b"\xff" * 100,
    ],
)
def test_a_layer_that_was_pushed_damaged(blob: bytes) -> None:
    """The blob is the one that the manifest names, so only its compression is wrong."""
    with pytest.raises(LayerCorrupt):
        read(*packed(blob))


def test_a_zstd_layer_that_was_pushed_cut_off() -> None:
    with pytest.raises((LayerCorrupt, DigestMismatch)):
        read(*packed(zstandard.compress(CONTENT)[:-20]))


@pytest.mark.parametrize("magic", [b"BZh91AY&SY", b"\xfd7zXZ\0\0\x04", b"\x04\x22\x4d\x18\x64"])
def test_other_compressions_are_named(magic: bytes) -> None:
    with pytest.raises(UnsupportedImage, match=r"bzip2|xz|lz4"):
        read(*packed(magic + bytes(100)))


@given(
    st.binary(max_size=2000),
    st.sampled_from([b"", b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd", b"\x50\x2a\x4d\x18"]),
)
@settings(deadline=None)
def test_arbitrary_bytes_give_a_named_error_or_content(content: bytes, magic: bytes) -> None:
    blob, expected = packed(magic + content)
    with suppress(HullwatchError):
        read(blob, expected)


BOMB = 300 * MIB


def bomb(kind: str) -> bytes:
    piece = bytes(MIB)
    if kind == "gzip":
        out = io.BytesIO()
        with gzip.GzipFile(fileobj=out, mode="wb", mtime=0) as packing:
            for _ in range(BOMB // MIB):
                packing.write(piece)
        return out.getvalue()
    compressor = zstandard.ZstdCompressor(level=3).compressobj()
    return b"".join([compressor.compress(piece) for _ in range(BOMB // MIB)] + [compressor.flush()])


@pytest.mark.parametrize("kind", ["gzip", "zstd"])
def test_a_bomb_is_stopped_in_bounded_memory(kind: str) -> None:
    blob, expected = packed(bomb(kind), b"")
    stream = LayerStream(io.BytesIO(blob), expected, Budget())
    tracemalloc.start()
    try:
        with pytest.raises(BudgetExceeded, match="200 times"):
            sum(map(len, stream))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 40 * MIB
    assert stream.uncompressed_bytes <= 257 * MIB


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"compressed_bytes": 100}, "over 100"),
        ({"uncompressed_bytes": 1000}, "more than 1000 bytes"),
        ({"ratio": 2, "ratio_from": 1000}, "2 times"),
    ],
)
def test_limits(limits: dict[str, int], message: str) -> None:
    budget = msgspec.structs.replace(Budget(), **limits)
    with pytest.raises(BudgetExceeded, match=message):
        read(*packed(gzip.compress(CONTENT)), budget)


def test_the_ratio_does_not_count_for_a_small_layer() -> None:
    content = bytes(8 * MIB)
    assert len(read(*packed(gzip.compress(content), content))) == len(content)


def test_time_is_limited() -> None:
    blob, expected = packed(gzip.compress(CONTENT))
    ticks = iter(range(0, 10_000, 50))
    stream = LayerStream(io.BytesIO(blob), expected, Budget(seconds=100), clock=lambda: next(ticks))
    with pytest.raises(BudgetExceeded, match="more than 100 seconds"):
        list(stream)


def test_a_zstd_frame_may_not_ask_for_any_memory() -> None:
    parameters = zstandard.ZstdCompressionParameters.from_level(3, window_log=28)
    # Without a content size, the frame's header asks for its whole window.
    compressor = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    blob = compressor.compress(CONTENT) + compressor.flush()
    with pytest.raises(BudgetExceeded, match="zstd frame"):
        read(*packed(blob))


def test_errors_of_the_source_arrive_as_they_are() -> None:
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            if self.tell():
                raise SourceUnavailable("connection reset")
            return super().read(100)

    blob, expected = packed(gzip.compress(CONTENT))
    with pytest.raises(SourceUnavailable):
        list(LayerStream(Broken(blob), expected, Budget()))


def test_a_reader_may_stop_early() -> None:
    content = bytes(40 * PIECE)
    blob, expected = packed(gzip.compress(content), content)
    pieces = iter(LayerStream(io.BytesIO(blob), expected, Budget()))
    next(pieces)
    pieces.close()


def test_members_without_content_take_time_that_counts() -> None:
    blob, expected = packed(gzip.compress(b"") * 60_000, b"")
    ticks = iter(range(0, 10_000, 50))
    stream = LayerStream(io.BytesIO(blob), expected, Budget(seconds=100), clock=lambda: next(ticks))
    with pytest.raises(BudgetExceeded, match="more than 100 seconds"):
        list(stream)


def test_a_stream_that_nobody_reads_costs_nothing() -> None:
    blob, expected = packed(gzip.compress(CONTENT))
    iter(LayerStream(io.BytesIO(blob), expected, Budget())).close()
