"""All of the shared feeds, compiled: what they cost and hold, and single answers traced to their records."""

from __future__ import annotations

import shutil
import time
from contextlib import closing
from pathlib import Path

import pytest

from fakes.compiled import FEEDS, advisories, compiled, needs_feeds
from hullwatch.advisories import ecosystems, store
from hullwatch.advisories.build import build
from hullwatch.advisories.match import Advisories
from hullwatch.advisories.model import Match
from hullwatch.advisories.shards import Shard
from hullwatch.advisories.store import DirectorySource
from hullwatch.inventory.package import Package

pytestmark = needs_feeds


def lookup(purl: str) -> dict[str, Match]:
    return {match.vulnerability.id: match for match in advisories().lookup(purl)}


def test_every_document_of_every_feed_is_read() -> None:
    report, _ = compiled()
    assert report.failures == {}
    feeds = {state.feed for state in report.manifest.documents.values()}
    assert feeds == {"osv", "debian", "alpine", "kev", "epss", "vulnrichment"}
    assert len(report.read) == len(report.manifest.documents)
    unread = sum(sum(shard.skipped.values()) for shard in report.manifest.shards.values())
    assert unread < 100, "versions that their scheme cannot read"


def test_the_shards_are_small_and_the_build_is_quick() -> None:
    report, _ = compiled()
    assert sum(shard.compressed for shard in report.manifest.shards.values()) < 60 * 1024 * 1024
    assert report.seconds < 60


def test_building_again_costs_nothing() -> None:
    first, root = compiled()
    second = build(FEEDS, root / "advisories", workers=1)
    assert (second.generation, second.read, second.compiled) == (first.generation, (), ())
    assert second.seconds < 5


def inventory(count: int) -> list[Package]:
    """Packages that have advisories, a third of them of a distribution."""
    _, root = compiled()
    source = DirectorySource(root / "advisories", cache=root / "cache")
    packages: list[Package] = []
    for ecosystem, version in (("PyPI", "1.0"), ("npm", "1.0.0"), ("Ubuntu:22.04:LTS", "1.0-1")):
        with closing(Shard(source.fetch(ecosystems.shard(ecosystem)))) as shard:
            names = [name for name, _ in shard.packages()][: count // 3]
        packages += [Package(type="x", name=name, version=version, ecosystem=ecosystem) for name in names]
    return packages


def test_opening_and_matching_a_thousand_packages_is_quick(tmp_path: Path) -> None:
    _, root = compiled()
    packages = inventory(1000)

    def run(cache: Path) -> float:
        started = time.perf_counter()
        with Advisories(DirectorySource(root / "advisories", cache=cache)) as opened:
            assert opened.match(packages)
        return time.perf_counter() - started

    cold = run(tmp_path / "cache")
    warm = min(run(tmp_path / "cache") for _ in range(3))
    print(f"{len(packages)} packages: cold {cold * 1000:.0f} ms, warm {warm * 1000:.0f} ms")
    assert cold < 0.6
    assert warm < 0.15


@pytest.mark.parametrize("document", ["osv/PyPI/all.zip", "kev/known_exploited_vulnerabilities.json"])
def test_a_truncated_document_does_not_change_the_generation(tmp_path: Path, document: str) -> None:
    small = tmp_path / "feeds"
    for name in ("osv/PyPI/all.zip", "kev/known_exploited_vulnerabilities.json"):
        (small / name).parent.mkdir(parents=True)
        shutil.copyfile(FEEDS / name, small / name)
    before = build(small, tmp_path / "out")
    data = (small / document).read_bytes()
    (small / document).write_bytes(data[: len(data) * 9 // 10])
    after = build(small, tmp_path / "out")
    assert after.generation == before.generation
    assert store.read_manifest(tmp_path / "out") == after.manifest
    assert document in next(iter(after.failures.values()))[0]


def test_django_2_2_0() -> None:
    """PYSEC-2019-10: introduced 2.1, 2.2, 1.11; fixed 2.1.10, 2.2.3, 1.11.22; alias CVE-2019-12781."""
    match = lookup("pkg:pypi/Django@2.2.0")["CVE-2019-12781"]
    assert match.fixed == "2.2.3"
    assert "PYSEC-2019-10" in {statement.advisory for statement in match.statements}
    assert "CVE-2019-12781" not in lookup("pkg:pypi/django@2.2.3")


def test_lodash_4_17_11() -> None:
    """CVE-2019-10744 in npm/all.zip: introduced 0, fixed 4.17.12."""
    assert lookup("pkg:npm/lodash@4.17.11")["CVE-2019-10744"].fixed == "4.17.12"
    assert "CVE-2019-10744" not in lookup("pkg:npm/lodash@4.17.12")


def test_glibc_of_ubuntu_22_04() -> None:
    """UBUNTU-CVE-2023-4911: fixed 2.35-0ubuntu3.4 in 22.04, priority high; in KEV since 2023-11-21."""
    purl = "pkg:deb/ubuntu/libc6@2.35-0ubuntu3.1?distro=ubuntu-22.04&upstream=glibc"
    match = lookup(purl)["CVE-2023-4911"]
    assert (match.fixed, match.vulnerability.severity) == ("2.35-0ubuntu3.4", "high")
    assert match.vulnerability.exploited is not None
    assert match.vulnerability.exploited.added == "2023-11-21"
    assert match.vulnerability.epss is not None
    assert match.vulnerability.epss > 0.5


def test_busybox_of_alpine_3_16() -> None:
    """alpine/v3.16/main.json: busybox, secfixes 1.35.0-r15: CVE-2022-30065."""
    match = lookup("pkg:apk/alpine/busybox@1.35.0-r13?distro=alpine-3.16.2")["CVE-2022-30065"]
    assert match.fixed == "1.35.0-r15"


def test_squashfs_of_debian_10_and_11() -> None:
    """DSA-4987-1: CVE-2021-41072, fixed 1:4.3-12+deb10u2 in Debian:10 and 1:4.4-2+deb11u2 in Debian:11."""
    old = lookup("pkg:deb/debian/squashfs-tools@1:4.3-12?distro=debian-10")["CVE-2021-41072"]
    new = lookup("pkg:deb/debian/squashfs-tools@1:4.4-2?distro=debian-11")["CVE-2021-41072"]
    assert (old.fixed, new.fixed) == ("1:4.3-12+deb10u2", "1:4.4-2+deb11u2")


def test_nodejs_modules_of_almalinux_8() -> None:
    """ALSA-2022:0350 ("nodejs:14 ..."): fixed 1:14.18.2-2.module_el8.5.0+2618+8d46dafd on x86_64."""
    purl = "pkg:rpm/almalinux/nodejs@14.17.0-2.module_el8.4.0?distro=almalinux-8.6&epoch=1&rpmmod="
    fourteen = {s.advisory for match in lookup(f"{purl}nodejs:14:1:2").values() for s in match.statements}
    sixteen = {s.advisory for match in lookup(f"{purl}nodejs:16:1:2").values() for s in match.statements}
    assert "ALSA-2022:0350" in fourteen
    assert "ALSA-2022:0350" not in sixteen


def test_a_go_module() -> None:
    """GO-2023-1268: introduced 0, fixed 0.3.1; aliases CVE-2022-48195 and GHSA-gvfj-fxx3-j323."""
    match = lookup("pkg:golang/mellium.im/sasl@v0.3.0")["CVE-2022-48195"]
    assert match.fixed == "0.3.1"
    assert "GHSA-gvfj-fxx3-j323" in match.vulnerability.aliases


def test_a_rust_crate() -> None:
    """CVE-2015-20001 in crates.io/all.zip: std, introduced 1.0.0, fixed 1.2.0."""
    assert lookup("pkg:cargo/std@1.1.0")["CVE-2015-20001"].fixed == "1.2.0"


def test_last_affected_of_mitmproxy() -> None:
    """GHSA-22gh-3r9q-xf38: introduced 0, last_affected 7.0.2; PYSEC-2021-328: the same, fixed 7.0.3."""
    match = lookup("pkg:pypi/mitmproxy@7.0.2")["CVE-2021-39214"]
    fixes = {statement.advisory: statement.fixed for statement in match.statements}
    assert fixes["GHSA-22gh-3r9q-xf38"] == ""
    assert match.fixed == "7.0.3"
    assert "CVE-2021-39214" not in lookup("pkg:pypi/mitmproxy@7.0.3")


def test_a_package_of_bitnami() -> None:
    """BIT-activemq-2020-11998: introduced and last_affected 5.15.12."""
    assert "CVE-2020-11998" in lookup("pkg:bitnami/activemq@5.15.12")
    assert "CVE-2020-11998" not in lookup("pkg:bitnami/activemq@5.15.13")


#: A program as signatures name it, a vulnerability, its fix on the installed branch, and the record.
PROGRAMS = [
    ("python@3.11.6", "CVE-2024-9287", "3.11.11", "BIT-python-2024-9287"),
    ("node@20.9.0", "CVE-2024-36138", "20.15.1", "BIT-node-2024-36138"),
    ("postgresql@16.1", "CVE-2024-7348", "16.4.0", "BIT-postgresql-2024-7348"),
    ("redis@7.0.14", "CVE-2024-31449", "7.2.8", "BIT-redis-2024-31449"),
    ("httpd@2.4.57", "CVE-2024-43204", "2.4.64", "BIT-apache-2024-43204"),
    ("go@1.22rc1", "CVE-2024-34156", "1.22.7", "BIT-golang-2024-34156"),
    ("nginx@1.25.3", "CVE-2026-42945", "1.30.1", "BIT-nginx-2026-42945"),
    ("openjdk@1.8.0_392", "CVE-2024-47778", "8.0.451", "BIT-java-2024-47778"),
]


@pytest.mark.parametrize(("program", "cve", "fixed", "record"), PROGRAMS)
def test_a_program_without_a_package_manager(program: str, cve: str, fixed: str, record: str) -> None:
    match = lookup(f"pkg:generic/{program}")[cve]
    assert match.fixed == fixed
    assert record in {statement.advisory for statement in match.statements}


@pytest.mark.parametrize(
    ("program", "cve"),
    [
        ("python@3.11.11", "CVE-2024-9287"),
        ("postgresql@16.4", "CVE-2024-7348"),
        ("httpd@2.4.64", "CVE-2024-43204"),
        ("openjdk@1.8.0_452", "CVE-2024-47778"),
        ("openjdk@17.0.9", "CVE-2024-47778"),
    ],
)
def test_a_program_that_is_fixed_or_was_never_affected(program: str, cve: str) -> None:
    assert cve not in lookup(f"pkg:generic/{program}")


def test_a_program_that_no_feed_names_has_no_answer() -> None:
    assert lookup("pkg:generic/openssl@1.1.1k") == {}
