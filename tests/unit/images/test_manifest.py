import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes.images import (
    DOCKER_LIST,
    DOCKER_MANIFEST,
    OCI_CONFIG,
    OCI_INDEX,
    OCI_MANIFEST,
    FakeArtifact,
    FakeImage,
    FakeIndex,
    digest_of,
    layer,
)
from hullwatch.errors import HullwatchError, ManifestInvalid, UnsupportedImage
from hullwatch.images.image import Platform
from hullwatch.images.manifest import ParsedManifest, parse_manifest, read_image
from hullwatch.images.sources import Manifest

BASE = layer({"etc/hostname": "base"})
APP = layer({"app": "app"}, compression="zstd")


def parse(document: Any, media_type: str = "") -> ParsedManifest:
    content = document if isinstance(document, bytes) else json.dumps(document).encode()
    return parse_manifest(Manifest(digest=digest_of(content), media_type=media_type, content=content))


def image_document(image: FakeImage, **changes: Any) -> dict[str, Any]:
    document = json.loads(image.manifest) | changes
    return {key: value for key, value in document.items() if value is not ...}


@pytest.mark.parametrize("docker", [False, True])
def test_an_image(docker: bool) -> None:
    image = FakeImage([BASE, APP], docker=docker)
    parsed = parse(image.manifest)
    assert parsed.kind == "image"
    assert parsed.digest == image.digest
    assert [item.digest for item in parsed.layers] == [BASE.digest, APP.digest]
    assert parsed.config is not None
    assert parsed.config.digest == digest_of(image.config_blob)


@pytest.mark.parametrize("header", ["", OCI_MANIFEST, DOCKER_MANIFEST, f"{OCI_MANIFEST}; charset=utf-8"])
def test_an_image_manifest_need_not_name_its_media_type(header: str) -> None:
    parsed = parse(image_document(FakeImage([BASE]), mediaType=...), header)
    assert (parsed.kind, parsed.media_type) == ("image", header.partition(";")[0] or OCI_MANIFEST)


def test_an_index_lists_its_images_and_leaves_attestations_out() -> None:
    images = [FakeImage([BASE]), FakeImage([APP], platform="linux/arm64/v8")]
    parsed = parse(FakeIndex(images, attestations=True).manifest)
    assert parsed.kind == "index"
    assert [child.descriptor.digest for child in parsed.children] == [image.digest for image in images]
    assert [str(child.platform) for child in parsed.children] == ["linux/amd64", "linux/arm64/v8"]


def test_an_index_without_a_media_type_is_told_by_its_list() -> None:
    document = json.loads(FakeIndex([FakeImage([BASE])]).manifest)
    del document["mediaType"]
    assert parse(document).kind == "index"
    assert parse(FakeIndex([FakeImage([BASE])], docker=True).manifest).media_type == DOCKER_LIST


ARTIFACTS = {
    "sbom": (FakeArtifact(), "application/vnd.example.sbom.v1+json"),
    # cosign before referrers: an image's configuration, and layers that are signatures
    "cosign": (
        FakeArtifact("", OCI_CONFIG, "application/vnd.dev.cosign.simplesigning.v1+json"),
        "application/vnd.dev.cosign.simplesigning.v1+json",
    ),
    "notation": (
        FakeArtifact("", "application/vnd.cncf.notary.signature", "application/jose+json"),
        "application/vnd.cncf.notary.signature",
    ),
    "soci": (
        FakeArtifact("", "application/vnd.amazon.soci.index.v1+json", "application/octet-stream"),
        "application/vnd.amazon.soci.index.v1+json",
    ),
    "buildkit attestation": (FakeArtifact("", OCI_CONFIG), "application/vnd.in-toto+json"),
    "helm chart": (
        FakeArtifact(
            "",
            "application/vnd.cncf.helm.config.v1+json",
            "application/vnd.cncf.helm.chart.content.v1.tar+gzip",
        ),
        "application/vnd.cncf.helm.config.v1+json",
    ),
    "wasm": (FakeArtifact("", OCI_CONFIG, "application/wasm"), "application/wasm"),
}


@pytest.mark.parametrize("name", ARTIFACTS)
def test_artifacts_are_no_images(name: str) -> None:
    artifact, artifact_type = ARTIFACTS[name]
    parsed = parse(artifact.manifest)
    assert (parsed.kind, parsed.artifact_type) == ("artifact", artifact_type)


def test_an_image_of_layers_that_nobody_knows_is_refused_and_not_passed_over() -> None:
    with pytest.raises(UnsupportedImage, match="application/x-unheard-of"):
        parse(FakeImage([replace(BASE, media_type="application/x-unheard-of")]).manifest)


def test_an_artifact_names_its_subject() -> None:
    image = FakeImage([BASE])
    assert parse(FakeArtifact(subject=image).manifest).subject == image.digest


def test_an_index_of_artifacts_only_is_an_artifact() -> None:
    entries = [FakeArtifact().descriptor() | {"artifactType": "application/vnd.example.sbom.v1+json"}]
    parsed = parse({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries})
    assert (parsed.kind, parsed.artifact_type) == ("artifact", "application/vnd.example.sbom.v1+json")


def test_an_artifact_manifest_of_the_release_candidates_is_an_artifact() -> None:
    document = {
        "mediaType": "application/vnd.oci.artifact.manifest.v1+json",
        "artifactType": "application/vnd.example",
        "blobs": [],
    }
    assert parse(document).kind == "artifact"


@pytest.mark.parametrize(
    "document", [{"schemaVersion": 1, "fsLayers": []}, {"schemaVersion": 1, "name": "app", "tag": "v1"}]
)
def test_schema_1_is_refused_with_advice(document: dict[str, Any]) -> None:
    with pytest.raises(UnsupportedImage, match="push the image"):
        parse(document)


def test_encrypted_layers_are_refused() -> None:
    image = FakeImage([BASE])
    entry = BASE.descriptor() | {"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip+encrypted"}
    with pytest.raises(UnsupportedImage, match="encrypted"):
        parse(image_document(image, layers=[entry]))


def test_an_image_with_one_odd_layer_is_refused_not_half_read() -> None:
    odd = APP.descriptor() | {"mediaType": "application/vnd.example.layer"}
    with pytest.raises(UnsupportedImage, match=r"vnd\.example\.layer"):
        parse(image_document(FakeImage([BASE, APP]), layers=[BASE.descriptor(), odd]))


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"not json",
        b"[]",
        b"\xff\xfe",
        {},
        {"config": None, "layers": []},
        image_document(FakeImage([BASE]), config={"digest": "sha256:../../etc/passwd", "size": 1}),
        image_document(FakeImage([BASE]), layers=[{"digest": digest_of(b""), "size": -1}]),
        image_document(FakeImage([BASE]), layers=[{"digest": digest_of(b""), "size": True}]),
        image_document(FakeImage([BASE]), layers=[BASE.descriptor()] * 2000),
        b"[" * 100_000,
        b" " * (5 << 20),
    ],
)
def test_what_is_no_manifest_is_invalid(document: Any) -> None:
    with pytest.raises(ManifestInvalid):
        parse(document)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda children: (
        st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=8), children, max_size=3)
    ),
    max_leaves=10,
)
members = st.sampled_from(
    ["mediaType", "schemaVersion", "config", "layers", "manifests", "subject", "artifactType"]
)


@given(st.dictionaries(members, json_values))
def test_members_of_any_type_give_an_answer_or_a_named_error(changes: dict[str, Any]) -> None:
    try:
        parsed = parse(json.loads(FakeImage([BASE, APP]).manifest) | changes)
    except HullwatchError:
        return
    assert parsed.kind in ("image", "index", "artifact")


def test_a_configuration_becomes_the_image() -> None:
    image = FakeImage(
        [BASE, APP],
        config={
            "User": "1000:1000",
            "Env": ["PATH=/bin", 3],
            "Entrypoint": ["/app"],
            "Cmd": "serve",
            "ExposedPorts": {"22/tcp": {}},
            "Volumes": None,
            "Labels": {"a": "b", "c": 1},
            "Healthcheck": {"Test": ["CMD", "true"]},
        },
        platform="linux/arm64/v8",
    )
    read = read_image(parse(image.manifest), image.config_blob)
    assert read.platform == Platform(os="linux", architecture="arm64", variant="v8")
    assert [(item.descriptor.digest, item.diff_id) for item in read.layers] == [
        (BASE.digest, BASE.diff_id),
        (APP.digest, APP.diff_id),
    ]
    config = read.config
    assert (config.user, config.env, config.entrypoint) == ("1000:1000", ("PATH=/bin",), ("/app",))
    assert (config.command, config.exposed_ports, config.volumes) == (("serve",), ("22/tcp",), ())
    assert (config.labels, config.healthcheck) == ({"a": "b"}, ("CMD", "true"))


@pytest.mark.parametrize(
    ("history", "layers"),
    [
        (
            [{"created_by": "ADD"}, {"created_by": "ENV", "empty_layer": True}, {"created_by": "RUN"}],
            [BASE.digest, "", APP.digest],
        ),
        # Squashed: more steps than layers. Nobody can tell which made what.
        ([{"created_by": "ADD"}, {"created_by": "RUN"}, {"created_by": "RUN"}], ["", "", ""]),
        ([{"created_by": "ADD"}], [""]),
        ([], []),
    ],
)
def test_history_is_matched_to_layers_or_left_alone(history: list[dict[str, Any]], layers: list[str]) -> None:
    image = FakeImage([BASE, APP], history=history)
    read = read_image(parse(image.manifest), image.config_blob)
    assert [entry.layer for entry in read.config.history] == layers


def test_foreign_layers_are_named_and_keep_the_others_aligned() -> None:
    image = FakeImage([BASE, APP])
    foreign = BASE.descriptor() | {
        "mediaType": "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
        "urls": ["https://example.com/base"],
    }
    read = read_image(
        parse(image_document(image, layers=[foreign, APP.descriptor()])),
        image.config_blob,
    )
    assert read.foreign_layers == (BASE.digest,)
    assert [(item.descriptor.digest, item.diff_id) for item in read.layers] == [(APP.digest, APP.diff_id)]


@pytest.mark.parametrize(
    "rootfs", [None, {}, {"diff_ids": []}, {"diff_ids": [BASE.diff_id] * 2}, {"diff_ids": ["sha256:x"]}]
)
def test_a_configuration_that_does_not_fit_its_layers_is_invalid(rootfs: Any) -> None:
    image = FakeImage([BASE])
    config = json.loads(image.config_blob) | {"rootfs": rootfs}
    with pytest.raises(ManifestInvalid):
        read_image(parse(image.manifest), json.dumps(config).encode())


@given(st.dictionaries(st.sampled_from(["config", "history", "os", "created", "variant"]), json_values))
def test_a_strange_configuration_still_gives_its_layers(changes: dict[str, Any]) -> None:
    image = FakeImage([BASE, APP])
    config = json.loads(image.config_blob) | changes
    read = read_image(parse(image.manifest), json.dumps(config).encode())
    assert [item.diff_id for item in read.layers] == [BASE.diff_id, APP.diff_id]
