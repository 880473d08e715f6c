"""Sizes, files with rights of their own, and what an image was built on."""

import io

import msgspec
import pytest

from fakes.images import Directory, FakeLayer, File, layer
from hullwatch.images.image import Descriptor, HistoryEntry, Image, ImageConfig, Layer, Platform
from hullwatch.inventory.image_facts import BaseImage, FileFacts, file_facts, image_facts
from hullwatch.inventory.layer_index import LayerIndex, Paths, index_layer

LABELS = {
    "org.opencontainers.image.base.name": "debian:12",
    "org.opencontainers.image.base.digest": "sha256:b",
}
ADD, RUN, COPY = (
    HistoryEntry(created_by=text, layer=layer)
    for text, layer in (
        ("/bin/sh -c #(nop) ADD file:ab in / ", "1"),
        ("RUN apt-get update", "2"),
        ("COPY . /app", "3"),
    )
)
OLD_CMD = HistoryEntry(created_by='/bin/sh -c #(nop)  CMD ["bash"]')
CMD = HistoryEntry(created_by='CMD ["shop"]', comment="buildkit.dockerfile.v0")


def image(*history: HistoryEntry, labels: dict[str, str] | None = None) -> Image:
    return Image(
        digest="sha256:image",
        media_type="",
        platform=Platform(os="linux", architecture="amd64"),
        config_digest="",
        layers=tuple(
            Layer(descriptor=Descriptor(digest=name, size=1, media_type=""), diff_id=name) for name in "123"
        ),
        config=ImageConfig(created="2024-05-01T12:00:00Z", history=history, labels=labels or {}),
    )


def index(digest: str) -> LayerIndex:
    return LayerIndex(
        digest=digest, diff_id=digest, analyzer="", compressed_bytes=10, uncompressed_bytes=25, entries=1
    )


@pytest.mark.parametrize(
    ("of", "known", "base"),
    [
        (image(), {}, None),
        (image(labels=LABELS), {}, BaseImage(source="label", name="debian:12", digest="sha256:b")),
        (
            image(labels=LABELS),
            {"debian:12": "1"},
            BaseImage(source="label", name="debian:12", digest="sha256:b", layers=1),
        ),
        (
            image(ADD, OLD_CMD, RUN),
            {"b": "12", "a": "12", "c": "1"},
            BaseImage(source="layers", name="a", layers=2),
        ),
        # The image itself, one with other layers, and one without any are no base.
        (image(), {"same": "123", "other": "2", "longer": "1234", "scratch": ""}, None),
        (image(ADD, OLD_CMD, RUN, COPY, CMD), {}, BaseImage(source="history", layers=1)),
        (image(ADD, OLD_CMD, RUN, CMD, COPY), {}, BaseImage(source="history", layers=2)),
        (image(ADD, RUN, COPY, CMD), {}, None),
        (image(ADD, OLD_CMD), {}, None),
    ],
)
def test_the_base_of(of: Image, known: dict[str, str], base: BaseImage | None) -> None:
    facts = image_facts(of, [], {name: list(layers) for name, layers in known.items()})
    assert facts.base == base


def test_sizes_are_those_of_all_layers() -> None:
    facts = image_facts(image(), [index("1"), index("2"), index("3")])
    assert (facts.layers, facts.compressed_bytes, facts.uncompressed_bytes) == (3, 30, 75)
    assert (facts.platform, facts.created) == ("linux/amd64", "2024-05-01T12:00:00Z")


def layers(*fakes: FakeLayer) -> list[LayerIndex]:
    return [
        index_layer(
            io.BytesIO(fake.blob),
            Layer(
                descriptor=Descriptor(digest=fake.digest, size=len(fake.blob), media_type=""),
                diff_id=fake.diff_id,
            ),
        )
        for fake in fakes
    ]


LOWER = layer(
    {
        "bin/su": File(b"", mode=0o4755),
        "bin/wall": File(b"", mode=0o2755),
        "bin/both": File(b"", mode=0o6755),
        "bin/ping": File(b"", mode=0o755, capabilities="x"),
        "srv/open": File(b"", mode=0o666),
        "srv/drop": Directory(mode=0o777),
        "tmp": Directory(mode=0o1777),
    }
)


def test_files_are_those_of_the_image_not_of_its_layers() -> None:
    upper = layer(
        {
            "bin/both": File(b"", mode=0o2755),
            "srv/drop": Directory(mode=0o755),
            "srv/new": File(b"", mode=0o602),
        },
        whiteouts=["bin/su", "bin/ping"],
    )
    assert file_facts(layers(LOWER)) == FileFacts(
        setuid=Paths(named=("bin/both", "bin/su"), total=2),
        setgid=Paths(named=("bin/both", "bin/wall"), total=2),
        world_writable=Paths(named=("srv/drop", "srv/open"), total=2),
        capabilities=Paths(named=("bin/ping",), total=1),
    )
    assert file_facts(layers(LOWER, upper)) == FileFacts(
        setgid=Paths(named=("bin/both", "bin/wall"), total=2),
        world_writable=Paths(named=("srv/new", "srv/open"), total=2),
        setuid=Paths(),
    )


def test_files_beyond_what_a_layer_names_count_as_still_there() -> None:
    lower = msgspec.structs.replace(index("1"), setuid=Paths(named=("a",), total=5))
    upper = msgspec.structs.replace(index("2"), whiteouts=("a",))
    assert file_facts([lower, upper]).setuid == Paths(total=4)
