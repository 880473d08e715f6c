"""Inventories of real images, as real tools built them, against what the images themselves say.

HULLWATCH_IMAGES names a directory with ``small.oci``, ``small.oci-zstd``, ``small.docker.tar``, ``apk.oci``
and so on; without it these tests are skipped.
"""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
import tarfile
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from hullwatch.images.image import Image
from hullwatch.images.opening import load_image, open_source
from hullwatch.images.reference import parse_target
from hullwatch.inventory.layer_index import LayerIndex, index_layer
from hullwatch.inventory.overlay import assemble
from hullwatch.inventory.package import Inventory, Package

IMAGES = Path(os.environ.get("HULLWATCH_IMAGES", ""))
needs_images = pytest.mark.skipif(
    not os.environ.get("HULLWATCH_IMAGES"), reason="HULLWATCH_IMAGES names no directory with test images"
)
pytestmark = needs_images


@cache
def read(name: str) -> tuple[Image, list[LayerIndex], Inventory]:
    if not (IMAGES / name).exists():
        pytest.skip(f"{IMAGES} has no {name}")
    source = open_source(parse_target(str(IMAGES / name)))
    image = load_image(source)
    indexes = []
    for layer in image.layers:
        with source.open_blob(layer.descriptor) as stream:
            indexes.append(index_layer(stream, layer))
    return image, indexes, assemble(image.digest, indexes)


def of_type(inventory: Inventory, package_type: str) -> dict[str, Package]:
    return {package.name: package for package in inventory.packages if package.type == package_type}


def last_content(name: str, path: str) -> bytes:
    """A file of the image as its topmost layer has it, read with the standard library alone."""
    image, _, _ = read(name)
    for layer in reversed(image.layers):
        algorithm, _, encoded = layer.descriptor.digest.partition(":")
        with (
            gzip.open(IMAGES / name / "blobs" / algorithm / encoded) as stream,
            tarfile.open(fileobj=stream) as tar,
        ):
            for member in tar:
                if member.name.removeprefix("./") == path and (content := tar.extractfile(member)):
                    return content.read()
    raise AssertionError(f"{name} has no {path}")


def installed_according_to_dpkg(status: bytes, directory: Path) -> set[tuple[str, str, str]]:
    """dpkg-query's own reading of a status file."""
    (directory / "status").write_bytes(status)
    (directory / "info").mkdir(exist_ok=True)
    listing = subprocess.run(
        [
            "dpkg-query",
            f"--admindir={directory}",
            "-W",
            "-f=${db:Status-Status}\t${Package}\t${Version}\t${source:Package}\n",
        ],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    rows = [line.split("\t") for line in listing.splitlines()]
    return {(name, version, source) for state, name, version, source in rows if state == "installed"}


@pytest.mark.skipif(shutil.which("dpkg-query") is None, reason="dpkg-query is not installed")
@pytest.mark.parametrize("name", ["small.oci", "medium.oci"])
def test_debian_packages_are_those_that_dpkg_lists(name: str, tmp_path: Path) -> None:
    expected = installed_according_to_dpkg(last_content(name, "var/lib/dpkg/status"), tmp_path)
    found = of_type(read(name)[2], "deb").values()
    assert {(package.name, package.version, package.source_name) for package in found} == expected
    assert {package.ecosystem for package in found} == {"Debian:12"}


@pytest.mark.parametrize("name", ["small", "medium", "apk", "rpm-sqlite"])
def test_every_form_of_an_image_has_the_same_inventory(name: str) -> None:
    def facts(form: str) -> tuple[object, ...]:
        image, _, inventory = read(name + form)
        number = {layer.descriptor.digest: index for index, layer in enumerate(image.layers)}
        return (
            inventory.os,
            Counter((package.purl, number[package.layer]) for package in inventory.packages),
            Counter(package.purl for package in inventory.evidence),
            inventory.problems,
        )

    assert facts(".oci") == facts(".oci-zstd") == facts(".docker.tar")


def test_what_the_last_layer_of_small_deletes_is_gone() -> None:
    image, indexes, inventory = read("small.oci")
    assert "jinja2" not in {name.lower() for name in of_type(inventory, "pypi")}
    assert sorted(of_type(inventory, "pypi")) == ["Django", "idna", "requests", "urllib3"]
    assert "minimist" not in of_type(inventory, "npm")
    assert of_type(inventory, "npm")["lodash"].version == "4.17.15"
    assert "tzdata" not in of_type(inventory, "deb")
    # It was there below, and every package is of the layer that brought it.
    assert "tzdata" in {p.name for document in indexes[0].documents for p in document.packages}
    base, app, _ = (layer.descriptor.digest for layer in image.layers)
    assert {package.layer for package in of_type(inventory, "deb").values()} == {base}
    assert {package.layer for package in of_type(inventory, "npm").values()} == {app}
    assert "app/suid" in indexes[1].setuid.named
    assert "app/conf/credentials" in indexes[1].world_writable.named
    assert inventory.complete


def test_medium() -> None:
    image, _, inventory = read("medium.oci")
    npm = of_type(inventory, "npm")
    assert npm["lodash"].version == "4.17.21"
    assert npm["lodash"].layer == image.layers[-1].descriptor.digest
    # Other modules brought their own; the one of the application was deleted.
    assert "srv/app/node_modules/minimist/package.json" not in npm["minimist"].locations
    assert all(package.locations[0].startswith("srv/app/") for package in npm.values())
    # The modules of Debian's own npm belong to its packages.
    assert len(inventory.evidence) > 1000
    assert "php-cli" not in of_type(inventory, "deb")
    assert "nginx-common" not in of_type(inventory, "deb")
    assert inventory.complete


def test_alpine() -> None:
    image, _, inventory = read("apk.oci")
    base, top = (layer.descriptor.digest for layer in image.layers)
    assert {(p.name, p.version, p.source_name, p.layer) for p in inventory.packages} == {
        ("musl", "1.2.3-r0", "musl", base),
        ("busybox", "1.35.0-r17", "busybox", base),
        ("ssl_client", "1.35.0-r17", "busybox", base),
        ("zlib", "1.2.12-r3", "zlib", top),
        ("curl", "7.83.1-r2", "curl", top),
    }
    assert {package.ecosystem for package in inventory.packages} == {"Alpine:v3.16"}


def test_amazon_linux() -> None:
    image, _, inventory = read("rpm-sqlite.oci")
    base, added, _ = (layer.descriptor.digest for layer in image.layers)
    assert {(p.name, p.version, p.layer) for p in inventory.packages} == {
        ("glibc", "2.34-52.amzn2023.0.3", base),
        ("zlib", "1.2.11-33.amzn2023.0.4", base),
        ("bash", "5.2.15-1.amzn2023.0.2", base),
        ("openssl", "1:3.0.8-1.amzn2023.0.1", added),
        ("openssl-libs", "1:3.0.8-1.amzn2023.0.1", added),
        ("curl", "8.0.1-1.amzn2023", added),
        ("python3", "3.9.16-1.amzn2023.0.3", added),
    }
    assert {package.ecosystem for package in inventory.packages} == {"Amazon Linux:2023"}
