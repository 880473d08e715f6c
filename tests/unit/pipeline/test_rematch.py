"""Which images are matched again, and what of."""

from __future__ import annotations

import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
import zstandard

from fakes.feeds import Mirror, osv_record
from fakes.matches import deb, pypi
from fakes.vex import merged, packed, repositories, vex
from hullwatch.advisories.match import Advisories
from hullwatch.aws.image_records import ImageRecord
from hullwatch.inventory.package import Inventory, OsRelease, Package, Problem
from hullwatch.pipeline import keys
from hullwatch.pipeline.assess_image import assessment_of, says
from hullwatch.pipeline.rematch import Difference, Fleet, Matcher, Rematch, plan

DJANGO, FLASK = pypi("django", "2.2"), pypi("flask", "1.0")


@pytest.fixture
def advisories(tmp_path: Path) -> Advisories:
    mirror = Mirror(tmp_path)
    mirror.osv("PyPI", osv_record("GHSA-d", "PyPI", "django", ("introduced", "0"), ("fixed", "3.0")))
    mirror.build()
    return mirror.open()


def inventory(*packages: Package, problems: tuple[Problem, ...] = ()) -> Inventory:
    return Inventory(digest="sha256:a", packages=packages, problems=problems)


def stored(document: Inventory) -> bytes:
    return zstandard.compress(msgspec.json.encode(document))


def changed(shard: str, *names: str) -> Difference:
    return Difference(packages={shard: frozenset(names)})


@pytest.mark.parametrize(
    "document",
    [
        inventory(),
        inventory(DJANGO, FLASK, deb()),
        inventory(FLASK, DJANGO, problems=(Problem(reason="UNREADABLE", detail="x", path="a"),)),
    ],
)
def test_the_answer_is_that_of_a_scan(advisories: Advisories, document: Inventory) -> None:
    matcher = Matcher(Difference(everything=True), advisories)
    plain = assessment_of(document, advisories)
    # The second time, every package is known.
    for _ in range(2):
        assert matcher.assess(matcher.read(stored(document)), "") == plain
        assert matcher.assess(matcher.read(stored(document)), says(plain)) is None


@pytest.mark.parametrize(
    ("difference", "package", "touched"),
    [
        (changed("pypi", "django"), DJANGO, True),
        (changed("pypi", "django"), FLASK, False),
        (changed("npm", "django"), DJANGO, False),
        (changed("pypi", "zope-interface"), pypi("Zope.Interface", "1"), True),
        (changed("debian-12", "openssl"), deb(name="libssl3", source="openssl"), True),
        (changed("debian-11", "openssl"), deb(name="libssl3", source="openssl"), False),
        (Difference(shards=frozenset({"pypi"})), FLASK, True),
        (Difference(everything=True), FLASK, True),
    ],
)
def test_only_what_is_touched_is_asked_about(
    advisories: Advisories, difference: Difference, package: Package, touched: bool
) -> None:
    matcher = Matcher(difference, advisories)
    listed = matcher.read(stored(inventory(package)))
    assert (matcher.assess(listed, "what the old ones said") is not None) == touched
    # Where nothing is known of what was said, the question is not whether something has changed.
    assert matcher.assess(listed, "") is not None


EUS = "red-hat-rhel-eus-8.8"
OPENSSL = Package(
    type="rpm", name="openssl-libs", version="1:1.1.1k-8.el8_8", source_name="openssl", ecosystem="Red Hat:8"
)


def of_rhel(*content_sets: str) -> Inventory:
    os = OsRelease(id="rhel", version_id="8.8", content_sets=content_sets)
    return Inventory(digest="sha256:a", os=os, packages=(OPENSSL, DJANGO))


@pytest.fixture
def with_streams(tmp_path: Path) -> Advisories:
    """Of one CVE, the main stream has no fix, and extended support has."""
    mirror = Mirror(tmp_path)
    main = vex(cpe="cpe:/o:redhat:enterprise_linux:8", purl="pkg:rpm/redhat/openssl", status="known_affected")
    purl = "pkg:rpm/redhat/openssl-libs@1.1.1k-8.el8_8?arch=x86_64&epoch=1"
    eus = vex(cpe="cpe:/o:redhat:rhel_eus:8.8::baseos", purl=purl)
    mirror.write("redhat/csaf_vex.tar.zst", packed(merged(main, eus)))
    mirror.write(
        "redhat/repositories/repository-to-cpe.json",
        repositories({"eus": ["cpe:/o:redhat:rhel_eus:8.8::baseos"]}),
    )
    mirror.build()
    return mirror.open()


def test_one_package_in_images_of_different_streams(with_streams: Advisories) -> None:
    matcher = Matcher(Difference(everything=True), with_streams)
    for content_sets, vulnerable in (("main",), True), (("eus", "main"), False), ((), True):
        plain = assessment_of(of_rhel(*content_sets), with_streams)
        assert [match.package for match in plain.matches] == ([OPENSSL] if vulnerable else [])
        assert matcher.assess(matcher.read(stored(of_rhel(*content_sets))), "") == plain


@pytest.mark.parametrize(
    ("difference", "content_sets", "touched"),
    [
        (changed("red-hat-8", "openssl-libs"), ("eus",), True),
        (changed("red-hat-8", "openssl"), (), True),
        (changed(EUS, "openssl-libs"), ("eus",), True),
        (changed(EUS, "openssl-libs"), ("main",), False),
        (changed(EUS, "curl"), ("eus",), False),
        (Difference(shards=frozenset({EUS})), ("eus",), True),
        (Difference(shards=frozenset({EUS})), (), False),
        # Nothing is said of packages, but that other packages are meant.
        (Difference(repositories=frozenset({"eus"})), ("eus", "main"), True),
        (Difference(repositories=frozenset({"gone"})), ("gone",), True),
        (Difference(repositories=frozenset({"eus"})), ("main",), False),
    ],
)
def test_an_image_is_touched_by_what_its_streams_say(
    with_streams: Advisories, difference: Difference, content_sets: tuple[str, ...], touched: bool
) -> None:
    matcher = Matcher(difference, with_streams)
    listed = matcher.read(stored(of_rhel(*content_sets)))
    assert (matcher.assess(listed, "what the old ones said") is not None) == touched


def test_a_plan_says_which_repositories_serve_other_streams(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    mirror = Mirror(tmp_path)
    mirror.write("redhat/csaf_vex.tar.zst", packed(vex()))
    generations = []
    for minor in (6, 8):
        served = {"eus": [f"cpe:/o:redhat:rhel_eus:8.{minor}::baseos"], "other": ["cpe:/o:redhat:rhel_els:7"]}
        mirror.write("redhat/repositories/repository-to-cpe.json", repositories(served))
        generations.append(mirror.build().generation)
    before, after = generations
    written: dict[str, Any] = {}
    evidence = SimpleNamespace(
        get_document=lambda key, kind: Fleet(before),
        get=lambda key: (mirror.output / key.removeprefix("advisories/")).read_bytes(),
        download=lambda key, path: path.write_bytes(evidence.get(key)),
        put_document=written.__setitem__,
        upload=lambda path, key: None,
    )
    services: Any = SimpleNamespace(evidence=evidence, images=SimpleNamespace(with_status=lambda status: ()))
    plan(services, after)
    assert written[keys.difference(before, after)] == Difference(repositories=frozenset({"eus"}))


@pytest.mark.parametrize("content", [b"", b"nothing of ours", zstandard.compress(b'{"digest": 1}')])
def test_a_damaged_inventory_is_an_error_of_its_own(advisories: Advisories, content: bytes) -> None:
    with pytest.raises((msgspec.DecodeError, zstandard.ZstdError)):
        Matcher(Difference(), advisories).read(content)


def test_an_inventory_that_is_gone_or_damaged_costs_only_itself(advisories: Advisories) -> None:
    known = {
        name: ImageRecord(repository="shop", digest=name, status="ASSESSED", generation="before", says="x")
        for name in ("good", "gone", "bad")
    }
    confirmed: list[str] = []
    objects = {keys.inventory("good"): stored(inventory(FLASK)), keys.inventory("bad"): b"bad"}

    def confirm(record: ImageRecord, generation: str) -> bool:
        confirmed.append(record.digest)
        return True

    services: Any = SimpleNamespace(
        advisories=lambda generation: advisories,
        evidence=SimpleNamespace(get=objects.get, get_document=lambda key, kind: changed("pypi", "django")),
        images=SimpleNamespace(get_many=lambda repository, digests: known, confirm=confirm),
    )
    assert Rematch(services).batch("before", "after", [("shop", name) for name in known]) == 0
    assert confirmed == ["good"]
