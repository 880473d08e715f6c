import gzip
import io
import json
import tarfile
from pathlib import Path

import pytest

from fakes.images import (
    OCI_INDEX,
    FakeArtifact,
    FakeImage,
    FakeIndex,
    MemorySource,
    canonical_json,
    digest_of,
    docker_archive,
    layer,
    layout_files,
    tar_of,
    write_docker_archive,
    write_oci_layout,
)
from hullwatch.errors import (
    DigestMismatch,
    HullwatchError,
    ImageGone,
    ManifestInvalid,
    UnsupportedImage,
    UserError,
)
from hullwatch.images.image import Descriptor, Platform
from hullwatch.images.opening import load_image, load_images, load_index, matches, open_source, parse_platform
from hullwatch.images.reference import Target, parse_target
from hullwatch.images.sources import Source
from hullwatch.images.sources.files import ArchiveFiles
from hullwatch.images.sources.seekable_gzip import SeekableGzip

BASE = layer({"etc/hostname": "base"})
APP = layer({"app": "app" * 1000}, compression="zstd")
IMAGE = FakeImage([BASE, APP])
ARM = FakeImage([APP], platform="linux/arm64")


def blob(source: Source, digest: str) -> bytes:
    with source.open_blob(Descriptor(digest=digest, size=0, media_type="")) as stream:
        return stream.read()


def opened(path: Path) -> Source:
    return open_source(parse_target(str(path)))


def test_a_layout_by_tag_by_digest_and_by_itself(tmp_path: Path) -> None:
    source = opened(write_oci_layout(tmp_path, {"v1": IMAGE}))
    for reference in ("v1", IMAGE.digest, ""):
        assert source.manifest(reference).digest == IMAGE.digest
    assert blob(source, APP.digest) == APP.blob


def test_a_layout_with_several_images_wants_a_tag(tmp_path: Path) -> None:
    source = opened(write_oci_layout(tmp_path, {"v1": IMAGE, "v2": ARM}))
    with pytest.raises(UserError, match="v1, v2"):
        source.manifest()
    with pytest.raises(ImageGone, match="v1, v2"):
        source.manifest("v3")
    assert source.manifest("v2").digest == ARM.digest


def test_untagged_platforms_of_a_layout_are_one_image(tmp_path: Path) -> None:
    write_oci_layout(tmp_path, {"": IMAGE})
    write_oci_layout(tmp_path, {"": ARM})
    entries = [IMAGE.index_entry(), ARM.index_entry()]
    (tmp_path / "index.json").write_bytes(canonical_json({"schemaVersion": 2, "manifests": entries}))
    assert (
        load_image(opened(tmp_path), platform=Platform(os="linux", architecture="arm64")).digest == ARM.digest
    )


def test_a_layout_whose_content_was_changed(tmp_path: Path) -> None:
    write_oci_layout(tmp_path, {"v1": IMAGE})
    (tmp_path / "blobs" / IMAGE.digest.replace(":", "/")).write_bytes(ARM.manifest)
    with pytest.raises(DigestMismatch):
        opened(tmp_path).manifest("v1")


def test_a_layout_that_lacks_content(tmp_path: Path) -> None:
    write_oci_layout(tmp_path, {"v1": IMAGE})
    for digest in (IMAGE.digest, BASE.digest):
        (tmp_path / "blobs" / digest.replace(":", "/")).unlink()
    source = opened(tmp_path)
    with pytest.raises(ImageGone):
        source.manifest("v1")
    with pytest.raises(ImageGone):
        blob(source, BASE.digest)


@pytest.mark.parametrize(
    "index", [None, b"", b"[1]", b'{"manifests": null}', b'{"manifests": [{"digest": 1}]}']
)
def test_a_directory_that_is_no_layout(tmp_path: Path, index: bytes | None) -> None:
    if index is not None:
        (tmp_path / "index.json").write_bytes(index)
    with pytest.raises((UserError, ImageGone)):
        opened(tmp_path).manifest()


@pytest.mark.parametrize("gzipped", [False, True])
@pytest.mark.parametrize("compressed_layers", [False, True])
def test_a_classic_docker_archive(tmp_path: Path, gzipped: bool, compressed_layers: bool) -> None:
    image = FakeImage([BASE, APP, BASE], config={"User": "app"})
    path = write_docker_archive(
        tmp_path / "image.tar", image, gzipped=gzipped, compressed_layers=compressed_layers
    )
    for reference in ("", "app:v1", "v1", digest_of(image.config_blob)):
        loaded = load_image(opened(path), reference)
        assert loaded.config_digest == digest_of(image.config_blob)
    assert [item.diff_id for item in loaded.layers] == [BASE.diff_id, APP.diff_id, BASE.diff_id]
    source = opened(path)
    for item, fake in zip(loaded.layers, image.layers, strict=True):
        content = fake.blob if compressed_layers else fake.tar
        assert item.descriptor.digest == digest_of(content)
        assert item.descriptor.size == len(content)
        assert blob(source, item.descriptor.digest) == content


def test_an_archive_gives_the_same_digest_every_time(tmp_path: Path) -> None:
    plain = write_docker_archive(tmp_path / "a.tar", IMAGE)
    gzipped = write_docker_archive(tmp_path / "a.tar.gz", IMAGE, gzipped=True, tag="other:v2")
    assert load_image(opened(plain)).digest == load_image(opened(gzipped)).digest


@pytest.mark.parametrize("gzipped", [False, True])
def test_an_archive_with_a_layout_inside_has_the_real_manifest(tmp_path: Path, gzipped: bool) -> None:
    path = write_docker_archive(tmp_path / "image.tar", IMAGE, style="oci", gzipped=gzipped)
    loaded = load_image(opened(path), "v1")
    plain = [layer_.descriptor.digest for layer_ in loaded.layers]
    assert plain == [BASE.diff_id, APP.diff_id]
    assert json.loads(opened(path).manifest("v1").content)["mediaType"].startswith("application/vnd.oci.")


def test_an_archive_whose_layout_is_empty_falls_back_to_its_list(tmp_path: Path) -> None:
    with tarfile.open(fileobj=io.BytesIO(docker_archive(IMAGE))) as archive:
        entries = {
            member.name: content.read() for member in archive if (content := archive.extractfile(member))
        }
    entries["index.json"] = b'{"schemaVersion": 2, "manifests": null}'
    path = tmp_path / "image.tar"
    path.write_bytes(tar_of(entries))
    assert load_image(opened(path)).config_digest == digest_of(IMAGE.config_blob)


def test_an_archive_of_a_layout_alone(tmp_path: Path) -> None:
    path = tmp_path / "image.tar"
    path.write_bytes(tar_of({f"./{name}": content for name, content in layout_files({"v1": IMAGE}).items()}))
    assert load_image(opened(path), "v1").digest == IMAGE.digest


@pytest.mark.parametrize(
    "manifest",
    [
        b"",
        b"{}",
        b'[{"Config": 1, "Layers": []}]',
        b'[{"Config": "c.json", "Layers": ["a", "b"]}]',
        b'[{"Config": "gone.json", "Layers": []}]',
        b'[{"Config": "c.json", "Layers": ["../../../etc/passwd"]}]',
        b"[]",
    ],
)
def test_a_damaged_list_of_an_archive(tmp_path: Path, manifest: bytes) -> None:
    path = tmp_path / "image.tar"
    config = canonical_json({"rootfs": {"diff_ids": [BASE.diff_id]}})
    path.write_bytes(tar_of({"manifest.json": manifest, "c.json": config}))
    with pytest.raises((UserError, ManifestInvalid, ImageGone)):
        opened(path).manifest()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no archive",
        b"\x1f\x8b",
        gzip.compress(docker_archive(IMAGE), mtime=0)[:-200],
        gzip.compress(b"no archive either", mtime=0),
        b"\x1f\x8b\x08\x00 damaged",
    ],
)
def test_a_file_that_is_no_archive(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "image.tar"
    path.write_bytes(content)
    with pytest.raises(UserError):
        opened(path).manifest()


def test_a_header_that_claims_gigabytes_is_not_believed(tmp_path: Path) -> None:
    member = tarfile.TarInfo("long")
    member.type, member.size = tarfile.XHDTYPE, 1 << 32
    path = tmp_path / "image.tar"
    path.write_bytes(member.tobuf(tarfile.USTAR_FORMAT) + bytes(1024))
    with pytest.raises(UserError, match="claims"):
        ArchiveFiles(path)


def test_links_that_lead_in_a_circle(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "image.tar", "w") as archive:
        for name, target in (("a", "b"), ("b", "a")):
            member = tarfile.TarInfo(name)
            member.type, member.linkname = tarfile.SYMTYPE, target
            archive.addfile(member)
    assert "a" not in ArchiveFiles(tmp_path / "image.tar")


def test_seeking_in_gzip_gives_the_same_bytes_as_reading_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hullwatch.images.sources.seekable_gzip._SPACING", 10_000)
    monkeypatch.setattr("hullwatch.images.sources.seekable_gzip._MAX_CHECKPOINTS", 4)
    content = b"".join(b"%d," % number for number in range(500_000))
    path = tmp_path / "data.gz"
    path.write_bytes(gzip.compress(content[:1_000_000]) + gzip.compress(content[1_000_000:]) + bytes(512))
    file = SeekableGzip(path)
    with file.reader() as reader:
        assert reader.read() == content
        for offset in (0, 2_999_990, 17, 1_000_000, 999_999, 1_000_001, len(content), len(content) + 10, 5):
            reader.seek(offset)
            assert reader.read(100) == content[offset : offset + 100]


@pytest.mark.parametrize(
    ("machine", "image"), [("x86_64", IMAGE), ("AMD64", IMAGE), ("aarch64", ARM), ("arm64", ARM)]
)
def test_the_image_for_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, machine: str, image: FakeImage
) -> None:
    monkeypatch.setattr("platform.machine", lambda: machine)
    source = opened(write_oci_layout(tmp_path, {"v1": FakeIndex([ARM, IMAGE], attestations=True)}))
    assert load_image(source).digest == image.digest


def test_there_may_be_none_for_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    source = opened(write_oci_layout(tmp_path, {"v1": FakeIndex([ARM, IMAGE])}))
    with pytest.raises(
        UserError, match="no image for linux/riscv64; choose one of: linux/amd64, linux/arm64"
    ):
        load_image(source)


def test_an_image_of_one_platform_from_an_index(tmp_path: Path) -> None:
    source = opened(write_oci_layout(tmp_path, {"v1": FakeIndex([ARM, IMAGE], attestations=True)}))
    assert load_index(source).kind == "index"
    assert load_image(source, "v1", parse_platform("linux/amd64")).digest == IMAGE.digest
    assert load_image(source, "v1", parse_platform("linux/arm64")).digest == ARM.digest
    with pytest.raises(UserError, match="linux/amd64, linux/arm64"):
        load_image(source, "v1", parse_platform("linux/s390x"))


def test_the_images_of_all_platforms() -> None:
    source = MemorySource({"v1": FakeIndex([ARM, IMAGE], attestations=True), "v2": ARM, "v3": FakeIndex([])})
    assert [image.digest for image in load_images(source, "v1")] == [ARM.digest, IMAGE.digest]
    assert [image.digest for image in load_images(source, "v2")] == [ARM.digest]
    with pytest.raises(UnsupportedImage, match="lists no image"):
        load_images(source, "v3")
    with pytest.raises(UnsupportedImage, match="artifact"):
        load_images(MemorySource({"v1": FakeArtifact()}))


def nested(source: MemorySource, *children: str) -> str:
    """Adds an index of indexes; returns its digest."""
    entries = [{"mediaType": OCI_INDEX, "digest": digest, "size": 1} for digest in children]
    content = canonical_json({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries})
    source.blobs[digest_of(content)] = content
    return digest_of(content)


def test_platforms_of_nested_indexes_are_read_once() -> None:
    inner = FakeIndex([ARM])
    source = MemorySource({"v1": inner, "v2": FakeIndex([IMAGE, ARM])})
    top = nested(source, nested(source, inner.digest), source.tags["v2"], inner.digest)
    assert [image.digest for image in load_images(source, top)] == [IMAGE.digest, ARM.digest]


def test_an_index_of_too_many() -> None:
    source = MemorySource({"v1": ARM})
    source.blobs |= {f"sha256:{number:064x}": ARM.manifest for number in range(300)}
    top = nested(source, *(digest for digest in source.blobs if digest.startswith("sha256:0000")))
    with pytest.raises(ManifestInvalid, match="more than 256"):
        load_images(source, top)


def test_the_only_image_of_an_index_needs_no_platform() -> None:
    assert load_image(MemorySource({"v1": FakeIndex([ARM], attestations=True)})).digest == ARM.digest


def test_a_single_image_is_checked_against_the_platform() -> None:
    with pytest.raises(UserError, match="linux/arm64"):
        load_image(MemorySource({"v1": ARM}), platform=parse_platform("linux/amd64"))


def test_an_index_that_contains_itself_ends() -> None:
    source = MemorySource({"v1": IMAGE})
    entry = FakeIndex([IMAGE]).descriptor()
    # An index cannot hold its own digest, but a source may claim anything.
    loop = canonical_json({"schemaVersion": 2, "mediaType": entry["mediaType"], "manifests": [entry]})
    source.blobs[entry["digest"]] = loop
    with pytest.raises(ManifestInvalid, match="nested"):
        load_image(source, entry["digest"])


def test_an_artifact_is_no_image() -> None:
    with pytest.raises(UnsupportedImage, match="sbom"):
        load_image(MemorySource({"v1": FakeArtifact()}))


def test_a_configuration_of_other_bytes_is_refused() -> None:
    source = MemorySource({"v1": IMAGE})
    source.blobs[digest_of(IMAGE.config_blob)] = IMAGE.config_blob.replace(b"amd64", b"arm64")
    with pytest.raises(DigestMismatch):
        load_image(source)


def test_a_registry_is_a_source_too() -> None:
    source = open_source(Target(kind="registry", host="ghcr.io", repository="app", reference="v1"))
    assert str(source) == "ghcr.io/app"


@pytest.mark.parametrize("text", ["linux", "linux/", "a/b/c/d", "linux/../etc"])
def test_what_is_no_platform(text: str) -> None:
    with pytest.raises(UserError):
        parse_platform(text)


@pytest.mark.parametrize(
    ("offered", "wanted", "fits"),
    [
        ("linux/arm64/v8", "linux/arm64", True),
        ("linux/arm64", "linux/arm64/v8", True),
        ("linux/arm/v6", "linux/arm/v7", False),
        ("linux/arm64", "linux/amd64", False),
        ("windows/amd64", "linux/amd64", False),
    ],
)
def test_platforms_match_with_or_without_a_variant(offered: str, wanted: str, fits: bool) -> None:
    assert matches(parse_platform(offered), parse_platform(wanted)) is fits


def test_every_error_is_of_the_tree(tmp_path: Path) -> None:
    with pytest.raises(HullwatchError):
        open_source(Target(kind="docker-archive", path=str(tmp_path)))


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[" * 200_000])
def test_an_index_that_is_not_json(tmp_path: Path, content: bytes) -> None:
    write_oci_layout(tmp_path, {"v1": IMAGE})
    (tmp_path / "index.json").write_bytes(content)
    with pytest.raises(UserError, match=r"index\.json is not JSON"):
        opened(tmp_path)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[" * 200_000])
def test_a_manifest_json_that_is_not_json(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "image.tar"
    with tarfile.open(path, "w") as archive:
        info = tarfile.TarInfo("manifest.json")
        info.size = len(content)
        archive.addfile(info, io.BytesIO(content))
    with pytest.raises(UserError, match=r"manifest\.json is not JSON"):
        opened(path).manifest()
