"""Both bills of materials, read and checked by the reference tools of their formats."""

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cyclonedx.spdx import is_supported_id
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from license_expression import get_spdx_licensing
from packageurl import PackageURL

from fakes.bills_of_materials import check_cyclonedx, check_spdx
from hullwatch.images.image import Image, Platform
from hullwatch.inventory import sbom
from hullwatch.inventory.ecosystems import with_names
from hullwatch.inventory.package import Inventory, OsRelease, Package, Problem
from hullwatch.inventory.sbom.licenses import combined, expression

DIGEST = "sha256:" + "ab" * 32
LAYER = "sha256:" + "cd" * 32
FOREIGN = "sha256:" + "ef" * 32
NOON = datetime(2024, 5, 1, 12, 0, 0, 999, tzinfo=UTC)
DEBIAN = OsRelease(id="debian", version_id="12", name="Debian GNU/Linux")
OPENSSL = Package(
    type="deb",
    name="libssl3",
    version="3.0.11-1~deb12u2",
    arch="amd64",
    source_name="openssl",
    source_version="3.0.11-1~deb12u2",
    vendor="Debian OpenSSL Team",
    licenses=("Apache-2.0",),
    locations=("var/lib/dpkg/status",),
    layer=LAYER,
)


def image(*foreign: str) -> Image:
    return Image(
        digest=DIGEST,
        media_type="application/vnd.oci.image.manifest.v1+json",
        platform=Platform(os="linux", architecture="arm64"),
        config_digest=LAYER,
        layers=(),
        foreign_layers=foreign,
    )


def inventory(*packages: Package, os: OsRelease = DEBIAN, problems: tuple[Problem, ...] = ()) -> Inventory:
    return Inventory(
        digest=DIGEST,
        os=os,
        packages=tuple(with_names(packages, os)),
        problems=problems,
        layers=(LAYER,),
        analyzer="1-abc",
    )


def npm(name: str, *licenses: str, **fields: Any) -> Package:
    return Package(type="npm", name=name, version="1.0.0", licenses=licenses, **fields)


def cyclonedx(made_of: Inventory, of: Image | None = None) -> dict[str, Any]:
    content = sbom.cyclonedx(of or image(), made_of, created=NOON)
    check_cyclonedx(content)
    document: dict[str, Any] = json.loads(content)
    return document


def spdx(made_of: Inventory, of: Image | None = None) -> dict[str, Any]:
    content = sbom.spdx(of or image(), made_of, created=NOON)
    check_spdx(content)
    document: dict[str, Any] = json.loads(content)
    return document


def component(document: dict[str, Any], name: str) -> dict[str, Any]:
    (found,) = [part for part in document["components"] if part["name"] == name]
    return dict(found)


def element(document: dict[str, Any], name: str) -> dict[str, Any]:
    (found,) = [part for part in document["packages"] if part["name"] == name]
    return dict(found)


def properties(part: dict[str, Any]) -> dict[str, str]:
    return {entry["name"].removeprefix("hullwatch:"): entry["value"] for entry in part["properties"]}


def test_a_package_in_cyclonedx() -> None:
    part = component(cyclonedx(inventory(OPENSSL)), "libssl3")

    assert part["type"] == "library"
    assert part["version"] == "3.0.11-1~deb12u2"
    assert part["purl"] == (
        "pkg:deb/debian/libssl3@3.0.11-1~deb12u2?arch=amd64&distro=debian-12&upstream=openssl"
    )
    assert part["licenses"] == [{"license": {"id": "Apache-2.0"}}]
    assert part["publisher"] == "Debian OpenSSL Team"
    assert part["evidence"]["occurrences"] == [{"location": "var/lib/dpkg/status"}]
    assert properties(part) == {
        "package:type": "deb",
        "package:ecosystem": "Debian:12",
        "package:arch": "amd64",
        "package:source-name": "openssl",
        "package:source-version": "3.0.11-1~deb12u2",
        "package:layer": LAYER,
    }


def test_a_package_in_spdx() -> None:
    part = element(spdx(inventory(OPENSSL)), "libssl3")

    assert part["versionInfo"] == "3.0.11-1~deb12u2"
    assert part["licenseDeclared"] == "Apache-2.0"
    assert part["supplier"] == "Organization: Debian OpenSSL Team"
    assert part["sourceInfo"].splitlines() == [
        "built from source package: openssl 3.0.11-1~deb12u2",
        "found at: var/lib/dpkg/status",
        f"found in layer: {LAYER}",
    ]
    assert part["externalRefs"] == [
        {
            "referenceCategory": "PACKAGE-MANAGER",
            "referenceType": "purl",
            "referenceLocator": inventory(OPENSSL).packages[0].purl,
        }
    ]


def test_the_image_and_its_distribution_in_cyclonedx() -> None:
    document = cyclonedx(inventory(OPENSSL))
    root = document["metadata"]["component"]

    assert (root["type"], root["version"]) == ("container", DIGEST)
    assert root["hashes"] == [{"alg": "SHA-256", "content": "ab" * 32}]
    assert properties(root)["image:platform"] == "linux/arm64"
    assert properties(root)["image:layer:0"] == LAYER
    assert component(document, "debian")["type"] == "operating-system"
    depends = {entry["ref"]: entry.get("dependsOn", []) for entry in document["dependencies"]}
    assert set(depends[root["bom-ref"]]) == {part["bom-ref"] for part in document["components"]}
    assert document["metadata"]["timestamp"] == "2024-05-01T12:00:00Z"


def test_the_image_and_its_distribution_in_spdx() -> None:
    document = spdx(inventory(OPENSSL))
    root = element(document, DIGEST)

    assert root["checksums"] == [{"algorithm": "SHA256", "checksumValue": "ab" * 32}]
    assert f"layer 0: {LAYER}" in root["comment"]
    assert element(document, "debian")["primaryPackagePurpose"] == "OPERATING_SYSTEM"
    related = {
        (entry["spdxElementId"], entry["relationshipType"], entry["relatedSpdxElement"])
        for entry in document["relationships"]
    }
    contained = [part["SPDXID"] for part in document["packages"] if part["name"] != DIGEST]
    assert related == {
        ("SPDXRef-DOCUMENT", "DESCRIBES", root["SPDXID"]),
        *((root["SPDXID"], "CONTAINS", identifier) for identifier in contained),
    }
    assert document["creationInfo"]["created"] == "2024-05-01T12:00:00Z"


@pytest.mark.parametrize(
    ("repository", "purl"),
    [
        (
            "registry.example/team/Shop",
            f"pkg:oci/shop@{DIGEST}?arch=arm64&os=linux&repository_url=registry.example/team/Shop",
        ),
        ("shop.oci", f"pkg:oci/shop.oci@{DIGEST}?arch=arm64&os=linux"),
    ],
)
def test_the_image_is_named_by_its_repository(repository: str, purl: str) -> None:
    made_of = inventory(OPENSSL)
    content = sbom.cyclonedx(image(), made_of, name="the shop", repository=repository, created=NOON)
    check_cyclonedx(content)
    root = json.loads(content)["metadata"]["component"]
    assert (root["name"], PackageURL.from_string(root["purl"])) == ("the shop", PackageURL.from_string(purl))

    content = sbom.spdx(image(), made_of, name="the shop", repository=repository, created=NOON)
    check_spdx(content)
    (reference,) = element(json.loads(content), "the shop")["externalRefs"]
    assert reference["referenceLocator"] == root["purl"]


def test_what_a_distribution_owns_is_said_but_no_part() -> None:
    owned = with_names([npm("left-pad", locations=("usr/share/nodejs/left-pad/package.json",))], DEBIAN)
    made_of = msgspec.structs.replace(inventory(OPENSSL), evidence=tuple(owned))
    line = "pkg:npm/left-pad@1.0.0 at usr/share/nodejs/left-pad/package.json"

    document = cyclonedx(made_of)
    assert properties(document["metadata"]["component"])["image:owned-by-distribution"] == line
    assert {part["name"] for part in document["components"]} == {"debian", "libssl3"}
    assert f"owned by a package of the distribution: {line}" in element(spdx(made_of), DIGEST)["comment"]


def test_what_was_not_read_makes_the_document_incomplete() -> None:
    problem = Problem(reason="UNREADABLE", detail="no database", path="var/lib/rpm/Packages", layer=LAYER)
    made_of, of = inventory(OPENSSL, problems=(problem,)), image(FOREIGN)
    sentence = f"UNREADABLE: var/lib/rpm/Packages in {LAYER}: no database"

    document = cyclonedx(made_of, of)
    (composition,) = document["compositions"]
    assert composition == {"aggregate": "incomplete", "assemblies": [f"image:{DIGEST}"]}
    root = document["metadata"]["component"]
    omitted = [entry["value"] for entry in root["properties"] if entry["name"] == "hullwatch:omission"]
    assert sorted(omitted) == sorted([sentence, f"layer not read, it is kept out of registries: {FOREIGN}"])

    other = spdx(made_of, of)
    assert sentence in other["comment"]
    assert FOREIGN in other["comment"]
    assert "NOASSERTION" in {entry["relatedSpdxElement"] for entry in other["relationships"]}


def test_a_scanner_claims_no_more_than_best_effort() -> None:
    assert cyclonedx(inventory(OPENSSL))["compositions"][0]["aggregate"] == "unknown"
    document = spdx(inventory(OPENSSL))
    assert "comment" not in document
    assert "NOASSERTION" not in {entry["relatedSpdxElement"] for entry in document["relationships"]}


def test_licenses_in_cyclonedx() -> None:
    document = cyclonedx(
        inventory(
            npm("one", "MIT"),
            npm("choice", "mit or apache-2.0"),
            npm("both", "MIT", "BSD-3-Clause OR GPL-2.0"),
            npm("text", "See the file", "MIT OR ISC"),
            npm("none"),
        )
    )

    assert component(document, "one")["licenses"] == [{"license": {"id": "MIT"}}]
    assert component(document, "choice")["licenses"] == [{"expression": "MIT OR Apache-2.0"}]
    assert component(document, "both")["licenses"] == [
        {"expression": "MIT AND (BSD-3-Clause OR GPL-2.0-only)"}
    ]
    names = [entry["license"]["name"] for entry in component(document, "text")["licenses"]]
    assert sorted(names) == ["MIT OR ISC", "See the file"]
    assert "licenses" not in component(document, "none")


def test_licenses_in_spdx() -> None:
    document = spdx(inventory(npm("choice", "MIT/X11", "MIT OR ISC"), npm("none")))

    (extracted,) = document["hasExtractedLicensingInfos"]
    assert extracted["extractedText"] == "MIT/X11"
    assert element(document, "choice")["licenseDeclared"] == f"{extracted['licenseId']} AND (MIT OR ISC)"
    assert element(document, "none")["licenseDeclared"] == "NOASSERTION"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("MIT", "MIT"),
        ("GPL-2.0+ WITH Classpath-exception-2.0", "GPL-2.0-or-later WITH Classpath-exception-2.0"),
        ("GPLv2+", ""),
        ("MIT AND", ""),
        ("(MIT", ""),
        ("MIT WITH MIT", ""),
        ("LicenseRef-scancode-public-domain", ""),
        ("", ""),
        ("(" * 5000 + "MIT" + ")" * 5000, ""),
        (" OR ".join(["MIT"] * 5000), ""),
    ],
)
def test_which_texts_are_expressions(text: str, expected: str) -> None:
    assert expression(text) == expected


def test_every_listed_license_may_be_named_by_its_id() -> None:
    listed = [
        key
        for key, symbol in get_spdx_licensing().known_symbols.items()
        if not symbol.is_exception and "Ref-" not in key
    ]

    assert len(listed) > 600
    assert [key for key in listed if not is_supported_id(key)] == []


def test_licenses_that_repeat_are_named_once() -> None:
    assert combined(("MIT", "mit")) == "MIT"
    assert combined(()) == ""


def test_scopes_and_groups() -> None:
    java = Package(type="maven", name="org.slf4j:slf4j-api", version="2.0.9")
    document = cyclonedx(inventory(npm("@babel/core"), java))

    assert component(document, "core")["group"] == "@babel"
    assert component(document, "slf4j-api")["group"] == "org.slf4j"


def test_packages_of_one_purl_are_told_apart() -> None:
    twice = (npm("a", layer=LAYER), npm("a", layer=FOREIGN), npm("a", layer=LAYER))

    references = [part["bom-ref"] for part in cyclonedx(inventory(*twice, os=OsRelease()))["components"]]
    assert sorted(references) == ["pkg:npm/a@1.0.0", "pkg:npm/a@1.0.0 2"]
    identifiers = [part["SPDXID"] for part in spdx(inventory(*twice, os=OsRelease()))["packages"]]
    assert len(set(identifiers)) == 3


def test_an_image_without_anything() -> None:
    empty = inventory(os=OsRelease())
    assert cyclonedx(empty).get("components", []) == []
    assert len(spdx(empty)["packages"]) == 1


@pytest.mark.parametrize("make", [sbom.cyclonedx, sbom.spdx])
def test_the_same_input_gives_the_same_bytes_but_for_the_time(make: Any) -> None:
    made_of = inventory(OPENSSL, npm("a", "MIT"), npm("b", "text"))
    noon = make(image(), made_of, created=NOON)

    assert make(image(), made_of, created=NOON) == noon
    later = make(image(), made_of, created=NOON.replace(year=2025))
    assert later != noon
    assert later.replace(b"2025-05-01T", b"2024-05-01T") == noon
    other = make(image(), msgspec.structs.replace(made_of, digest=FOREIGN), created=NOON)
    assert serial(other) != serial(noon)


def serial(content: bytes) -> str:
    document = json.loads(content)
    return str(document.get("serialNumber") or document["documentNamespace"])


@pytest.mark.parametrize("make", [sbom.cyclonedx, sbom.spdx])
def test_an_image_can_be_called_by_its_name(make: Any) -> None:
    assert b'"name": "shop/web:1.2"' in make(image(), inventory(), name="shop/web:1.2", created=NOON)


def test_nothing_is_imported_before_it_is_needed() -> None:
    program = (
        "import sys, hullwatch.inventory.sbom, hullwatch.inventory.layer_index, hullwatch.cli.main\n"
        "print([name for name in ('cyclonedx', 'license_expression', 'spdx_tools') if name in sys.modules])"
    )
    root = Path(sbom.__file__).parents[3]
    shown = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=root
    )
    assert shown.stdout.strip() == "[]"


# Names as a hostile database might have them; those that no purl can name never get past the overlay.
texts = st.text(max_size=20)
words = st.text(min_size=1, max_size=20).filter(lambda text: text.strip("/ \t\r\n") != "")
packages = st.builds(
    Package,
    type=st.sampled_from(["apk", "cargo", "conda", "deb", "gem", "npm", "pypi", "rpm"]),
    name=words,
    version=texts,
    arch=texts,
    source_name=texts,
    source_version=texts,
    licenses=st.lists(
        st.sampled_from(["MIT", "MIT OR ISC", "GPLv2+", "GPL-2.0", "(", "", "a\nb"]) | texts
    ).map(tuple),
    vendor=texts,
    module=texts,
    locations=st.lists(texts, max_size=3).map(tuple),
    declared_only=st.booleans(),
    layer=texts,
)
problems = st.builds(Problem, reason=words, detail=texts, path=texts, layer=texts)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    found=st.lists(packages, max_size=5),
    os=st.builds(OsRelease, id=st.sampled_from(["", "debian", "x y"]), version_id=texts, name=texts),
    problems=st.lists(problems, max_size=2).map(tuple),
)
def test_any_inventory_makes_valid_documents(
    found: list[Package], os: OsRelease, problems: tuple[Problem, ...]
) -> None:
    made_of = inventory(*found, os=os, problems=problems)
    distinct = len(set(made_of.packages)) + bool(os.id)

    assert len(cyclonedx(made_of).get("components", [])) == distinct
    assert len(spdx(made_of)["packages"]) == distinct + 1
