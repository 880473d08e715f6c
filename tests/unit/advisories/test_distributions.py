"""From os-release to the answer: every distribution's packages meet their own advisories and no others."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
import zstandard

from fakes.feeds import Mirror, osv_record
from hullwatch.inventory.ecosystems import distribution_ecosystem
from hullwatch.inventory.package import OsRelease, Package

CVE = "CVE-2026-0001"
OLD, FIX = "1.0-1", "1.0-2"


def osv(ecosystem: str, identifier: str, name: str = "demo", **fields: Any) -> Callable[[Mirror], None]:
    record = osv_record(identifier, ecosystem, name, ("introduced", "0"), ("fixed", FIX), **fields)
    return lambda mirror: mirror.osv(ecosystem.partition(":")[0], record) and None


def debian(mirror: Mirror) -> None:
    release = {"bookworm": {"status": "resolved", "fixed_version": FIX}}
    mirror.debian({"demo-source": {CVE: {"releases": release}}})


def alpine(mirror: Mirror) -> None:
    mirror.alpine("v3.20", {"demo-source": {"1.0-r2": [CVE]}})


def wolfi(mirror: Mirror) -> None:
    packages = [{"pkg": {"name": "demo-source", "secfixes": {"1.0-r2": [CVE]}}}]
    mirror.write("wolfi/wolfi/security.json", {"reponame": "os", "packages": packages})


def updateinfo(path: str) -> Callable[[Mirror], None]:
    text = (
        f'<updates><update type="security"><id>X-1</id><references><reference id="{CVE}"/></references>'
        '<pkglist><collection><package name="demo" epoch="0" version="1.0" release="2" arch="x86_64"/>'
        "</collection></pkglist></update></updates>"
    )
    return lambda mirror: mirror.write(path, gzip.compress(text.encode())) and None


def photon(mirror: Mirror) -> None:
    issue = {"cve_id": CVE, "pkg": "demo", "res_ver": FIX, "status": "Fixed"}
    mirror.write("photon/5.0/cve_data.json", json.dumps([issue]))


def oracle(mirror: Mirror) -> None:
    mirror.write(
        "oracle/com.oracle.elsa-all.xml.bz2",
        "<oval_definitions><definition><metadata><title>ELSA-2026-0001: update</title>"
        f'<advisory><cve>{CVE}</cve></advisory></metadata><criteria operator="AND">'
        '<criterion comment="Oracle Linux 9 is installed"/>'
        f'<criterion comment="demo is earlier than 0:{FIX}"/>'
        "</criteria></definition></oval_definitions>",
    )


def azure(mirror: Mirror) -> None:
    mirror.write(
        "azure-linux/3/oval.xml",
        f'<oval_definitions><definition id="d"><metadata><reference ref_id="{CVE}"/></metadata>'
        '<criteria><criterion test_ref="t"/></criteria></definition><rpminfo_test id="t">'
        '<object object_ref="o"/><state state_ref="s"/></rpminfo_test>'
        '<rpminfo_object id="o"><name>demo</name></rpminfo_object>'
        f'<rpminfo_state id="s"><evr operation="less than">0:{FIX}</evr></rpminfo_state></oval_definitions>',
    )


def redhat(mirror: Mirror) -> None:
    def helper(**fields: str) -> dict[str, Any]:
        return {"product_identification_helper": fields}

    file = {
        "document": {"tracking": {"id": CVE, "current_release_date": "2026-05-20T00:00:00Z"}},
        "product_tree": {
            "branches": [
                {"product": {"product_id": "P", **helper(cpe="cpe:/o:redhat:enterprise_linux:9::baseos")}},
                {"product": {"product_id": "C", **helper(purl=f"pkg:rpm/redhat/demo@{FIX}?arch=x86_64")}},
            ],
            "relationships": [
                {
                    "full_product_name": {"product_id": "P:C"},
                    "product_reference": "C",
                    "relates_to_product_reference": "P",
                }
            ],
        },
        "vulnerabilities": [{"cve": CVE, "product_status": {"fixed": ["P:C"]}}],
    }
    data, out = json.dumps(file).encode(), io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        entry = tarfile.TarInfo("2026/cve-2026-0001.json")
        entry.size = len(data)
        archive.addfile(entry, io.BytesIO(data))
    mirror.write("redhat/csaf_vex.tar.zst", zstandard.compress(out.getvalue()))


SUSE_MODULE = "SUSE:Linux Enterprise Module for Basesystem 15 SP5"
LEAP = "openSUSE:Leap 15.5"
UBUNTU = osv("Ubuntu:22.04:LTS", f"UBUNTU-{CVE}", "demo-source", upstream=[CVE])

#: Type of the packages, ID and VERSION_ID of os-release, another release of it, and the feed.
DISTRIBUTIONS: dict[str, tuple[str, str, str, str, Callable[[Mirror], None]]] = {
    "alma": ("rpm", "almalinux", "9.4", "8.9", osv("AlmaLinux:9", "ALSA-1", related=[CVE])),
    "alpine": ("apk", "alpine", "3.20.3", "3.19.1", alpine),
    "amazon 1": ("rpm", "amzn", "2018.03", "2", updateinfo("amazon/1/core/updateinfo.xml.gz")),
    "amazon 2": ("rpm", "amzn", "2", "2023", updateinfo("amazon/2/core/updateinfo.xml.gz")),
    "amazon 2023": ("rpm", "amzn", "2023", "2", updateinfo("amazon/2023/core/updateinfo.xml.gz")),
    "azure": ("rpm", "azurelinux", "3.0", "2.0", azure),
    "bottlerocket": ("rpm", "bottlerocket", "1.20", "", updateinfo("bottlerocket/updateinfo.xml.gz")),
    "centos": ("rpm", "centos", "9", "8", redhat),
    "debian": ("deb", "debian", "12", "11", debian),
    "leap": ("rpm", "opensuse-leap", "15.5", "15.4", osv(LEAP, "openSUSE-1", "demo-source", related=[CVE])),
    "oracle": ("rpm", "ol", "9.4", "8.9", oracle),
    "photon": ("rpm", "photon", "5.0", "4.0", photon),
    "red hat": ("rpm", "rhel", "9.4", "8.9", redhat),
    "rocky": ("rpm", "rocky", "9.4", "8.9", osv("Rocky Linux:9", "RLSA-1", related=[CVE])),
    "suse": ("rpm", "sles", "15.5", "15.4", osv(SUSE_MODULE, "SUSE-SU-1", "demo-source", upstream=[CVE])),
    "ubuntu": ("deb", "ubuntu", "22.04", "24.04", UBUNTU),
    "wolfi": ("apk", "wolfi", "20230201", "", wolfi),
}


def installed(kind: str, version: str, os: OsRelease) -> Package:
    """As the inventory has it: a binary package of another name than its source, in the image's ecosystem."""
    version = version.replace("-", "-r") if kind == "apk" else version
    return Package(
        type=kind,
        name="demo",
        version=version,
        source_name="demo-source",
        source_version=version,
        ecosystem=distribution_ecosystem(os),
    )


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_a_package_meets_its_own_releases_advisories_only(mirror: Mirror, distribution: str) -> None:
    kind, identifier, version, other, write = DISTRIBUTIONS[distribution]
    write(mirror)
    here = OsRelease(id=identifier, version_id=version)
    old = installed(kind, OLD, here)
    assert mirror.ids(old) == [CVE]
    assert mirror.matches(old)[0].fixed == (FIX if kind != "apk" else "1.0-r2")
    assert mirror.ids(installed(kind, FIX, here)) == []
    assert mirror.ids(msgspec.structs.replace(old, name="another", source_name="another")) == []
    if other:
        assert mirror.ids(installed(kind, OLD, OsRelease(id=identifier, version_id=other))) == []


def test_ubuntus_builds_for_fips_and_real_time_are_never_mixed_in(mirror: Mirror) -> None:
    entries = [
        {
            "package": {"ecosystem": f"Ubuntu:{variant}22.04:LTS", "name": "demo-source"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": fix}]}],
        }
        for variant, fix in (("Pro:FIPS-updates:", "9.0"), ("Pro:Realtime:", "8.0"), ("Pro:FIPS:", "7.0"))
    ]
    mirror.osv("Ubuntu", osv_record(f"UBUNTU-{CVE}", "Ubuntu:22.04:LTS", "x", affected=entries))
    jammy = OsRelease(id="ubuntu", version_id="22.04")
    assert mirror.ids(installed("deb", OLD, jammy)) == []


def test_ubuntus_pro_fix_is_told_apart(mirror: Mirror) -> None:
    def entry(ecosystem: str, *events: dict[str, str]) -> dict[str, Any]:
        return {
            "package": {"ecosystem": ecosystem, "name": "demo-source"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, *events]}],
        }

    entries = [entry("Ubuntu:22.04:LTS"), entry("Ubuntu:Pro:22.04:LTS", {"fixed": "1.0-1+esm1"})]
    mirror.osv("Ubuntu", osv_record(f"UBUNTU-{CVE}", "Ubuntu:22.04:LTS", "x", affected=entries))
    jammy = OsRelease(id="ubuntu", version_id="22.04")
    (match,) = mirror.matches(installed("deb", OLD, jammy))
    # A version with +esm is newer than the one it mends: who has it installed has the fix.
    assert (match.status, match.fixed) == ("fixed_in_pro", "")
    assert mirror.ids(installed("deb", "1.0-1+esm1", jammy)) == []


@pytest.mark.parametrize("product", ["15 SP5-LTSS", "15 SP5-ESPOS", "LTSS Extended Security 15 SP5"])
def test_a_fix_of_suses_long_term_support_is_told_apart(mirror: Mirror, product: str) -> None:
    ecosystem = f"SUSE:Linux Enterprise Server {product}"
    fixed = ("introduced", "0"), ("fixed", FIX)
    mirror.osv("SUSE", osv_record("SUSE-SU-1", ecosystem, "demo-source", *fixed, related=[CVE]))
    here = OsRelease(id="sles", version_id="15.5")
    (match,) = mirror.matches(installed("rpm", OLD, here))
    assert (match.status, match.fixed, match.statements[0].fixed) == ("fixed_in_pro", "", FIX)
    assert mirror.ids(installed("rpm", FIX, here)) == []
    assert mirror.ids(installed("rpm", OLD, OsRelease(id="sles", version_id="15.4"))) == []


def test_a_fix_of_the_release_itself_counts_before_long_term_support(mirror: Mirror) -> None:
    entries = [
        {
            "package": {"ecosystem": f"SUSE:Linux Enterprise Server 15 SP5{product}", "name": "demo-source"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": fix}]}],
        }
        for product, fix in (("-LTSS", "1.0-9"), ("", FIX))
    ]
    mirror.osv("SUSE", osv_record("SUSE-SU-1", "SUSE:x", "x", affected=entries, related=[CVE]))
    (match,) = mirror.matches(installed("rpm", OLD, OsRelease(id="sles", version_id="15.5")))
    assert (match.status, match.fixed) == ("affected", FIX)


@pytest.mark.parametrize(
    "harm",
    [
        lambda data: data[: len(data) // 2],
        lambda data: b"<!DOCTYPE html><html><body>We will be back soon.</body></html>",
        lambda data: b"",
        lambda data: data[::-1],
    ],
    ids=["truncated", "a web page", "empty", "reversed"],
)
@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_a_harmed_document_of_any_feed_never_comes_into_use(
    mirror: Mirror, distribution: str, harm: Callable[[bytes], bytes]
) -> None:
    kind, identifier, version, _, write = DISTRIBUTIONS[distribution]
    write(mirror)
    old = installed(kind, OLD, OsRelease(id=identifier, version_id=version))
    before = mirror.build()
    for path in [path for path in mirror.feeds.rglob("*") if path.is_file()]:
        path.write_bytes(harm(path.read_bytes()))
    after = mirror.build()
    assert (after.generation, after.compiled) == (before.generation, ())
    assert sum(map(len, after.failures.values())) == len(before.manifest.documents)
    assert mirror.ids(old) == [CVE]
