"""From layers to what is judged of an image: what later layers delete or replace is not there."""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from fakes.images import Entry, FakeImage, FakeLayer, File, MemorySource, layer
from hullwatch.images.opening import load_image
from hullwatch.inventory.layer_index import index_layer
from hullwatch.inventory.lifecycles import ENDS, end_of_life
from hullwatch.inventory.overlay import assemble
from hullwatch.inventory.package import OsRelease
from hullwatch.posture.engine import Result
from hullwatch.posture.failures import failed
from hullwatch.posture.images import built_image, check_image
from hullwatch.posture.model.image import BuiltImage

NOW = datetime(2026, 11, 24, tzinfo=UTC)
SETUID = File(b"ELF", mode=0o4755)
BASE: dict[str, Entry] = {
    "etc/os-release": "ID=debian\nVERSION_ID=10\n",
    "bin/sh": "",
    "usr/bin/apt": "",
    "opt/setuid": SETUID,
    "opt/setgid": File(b"ELF", mode=0o2755),
    "usr/bin/passwd": SETUID,
}


def built(*layers: FakeLayer, history: Sequence[dict[str, Any]] = (), **config: Any) -> BuiltImage:
    fake = FakeImage(layers, config=config, history=history)
    image = load_image(MemorySource({"v1": fake}), "v1")
    indexes = [
        index_layer(io.BytesIO(content.blob), described)
        for content, described in zip(layers, image.layers, strict=True)
    ]
    return built_image(image, assemble(image.digest, indexes), indexes)


def verdicts(image: BuiltImage) -> dict[str, Result]:
    return {item.control: item for item in check_image(image, now=NOW)}


def test_what_layers_hold_becomes_facts() -> None:
    image = built(layer(BASE), User="app")
    assert image.setid_files == ("opt/setgid", "opt/setuid", "usr/bin/passwd")
    assert image.tools == ("bin/sh", "usr/bin/apt")
    assert (image.os_id, image.os_version, image.os_end_of_life) == ("debian", "10", "2024-06-30")
    assert image.config.user == "app"


@pytest.mark.parametrize(
    "later",
    [
        layer(whiteouts=["opt/setuid", "opt/setgid", "usr/bin/apt"]),
        layer(whiteouts=["opt", "usr/bin"]),
        layer({"opt/setuid": File(b"ELF", mode=0o755), "opt/setgid": File(b"")}, opaque=["usr/bin"]),
    ],
)
def test_what_a_later_layer_takes_away_is_not_there(later: FakeLayer) -> None:
    image = built(layer(BASE), later)
    assert not {"opt/setuid", "opt/setgid"} & set(image.setid_files or ())
    assert image.tools == ("bin/sh",)


def test_every_image_control_has_a_verdict() -> None:
    results = verdicts(built(layer(BASE)))
    assert {item.verdict for item in results.values()} <= {"PASSED", "FAILED"}
    assert results["image.setuid.binaries"].violations[0].value == ["opt/setgid", "opt/setuid"]
    assert results["image.base.eol"].verdict == "FAILED"
    assert results["image.base.not-minimal"].verdict == "FAILED"
    assert results["image.user.root"].verdict == "FAILED"


def test_an_image_of_nothing_but_a_program_passes() -> None:
    image = built(
        layer({"app": File(b"ELF", mode=0o755)}), User="1000", Healthcheck={"Test": ["CMD", "/app"]}
    )
    results = verdicts(image)
    # An unknown distribution has no known end, and the image was built long ago.
    assert results.pop("image.base.eol").cause == "undecided"
    assert results.pop("image.age.old").verdict == "FAILED"
    assert {item.verdict for item in results.values()} == {"PASSED"}


def test_credentials_in_a_build_step_are_not_repeated() -> None:
    step = "RUN curl -H 'X-Token: s3cr3t' https://user:hunter2@get.example/install?key=abc123 | sh"
    image = built(layer(BASE), history=[{"created_by": step}])
    [violation] = verdicts(image)["image.build.remote-add"].violations
    assert violation.value == "get.example/install"


def test_failures_are_kept_small_and_without_digests() -> None:
    image = built(layer(BASE))
    short = failed(check_image(image, now=NOW, but={"image.age.old"}))
    assert [item.control for item in short] == sorted(item.control for item in short)
    assert "image.age.old" not in {item.control for item in short}
    assert {item.control: item.lines for item in short}["image.user.root"] == ("config.User: not set",)
    assert image.digest not in str(short)


@pytest.mark.parametrize(
    ("os_id", "version", "ends"),
    [
        ("debian", "12", "2028-06-30"),
        ("alpine", "3.16.2", "2024-05-23"),
        ("ubuntu", "22.04", "2027-04-01"),
        ("amzn", "2", "2026-06-30"),
        ("rhel", "9.4", "2032-05-31"),
        ("alpine", "3.1", None),
        ("debian", "", None),
        ("wolfi", "20230201", None),
    ],
)
def test_the_end_of_a_release(os_id: str, version: str, ends: str | None) -> None:
    assert end_of_life(OsRelease(id=os_id, version_id=version)) == ends


def test_ends_are_dates() -> None:
    assert all(datetime.fromisoformat(end) for releases in ENDS.values() for end in releases.values())
