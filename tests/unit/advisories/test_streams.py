"""Extended support of Red Hat's minor releases: which images are of it, and whose word counts for them."""

from __future__ import annotations

from typing import Any

import pytest

from fakes.feeds import Mirror, records
from fakes.vex import merged, packed, repositories, vex
from hullwatch.advisories import streams
from hullwatch.advisories.feeds import redhat
from hullwatch.advisories.record import Advisory, Repository
from hullwatch.errors import FeedInvalid
from hullwatch.inventory.package import OsRelease, Package

VEX = "redhat/csaf_vex.tar.zst"
REPOSITORIES = "redhat/repositories/repository-to-cpe.json"
MAIN, EUS, TUS = "Red Hat:8", "Red Hat:rhel_eus:8.8", "Red Hat:rhel_tus:8.8"
MAIN_CPE = "cpe:/o:redhat:enterprise_linux:8::baseos"
EUS_CPE = "cpe:/o:redhat:rhel_eus:8.8::baseos"
#: As Red Hat names them: without a release at its end, a name serves every minor release.
OF_MAIN = "rhel-8-for-x86_64-baseos-rpms"
OF_EVERY_EUS = "rhel-8-for-x86_64-baseos-eus-rpms"
OF_EUS = f"{OF_EVERY_EUS}__8_DOT_8"
OF_TUS = "rhel-8-for-x86_64-nfv-tus-rpms__8_DOT_8"
OF_A_PRODUCT = "fast-datapath-for-rhel-8-x86_64-rpms"
KNOWN = {
    OF_MAIN: [MAIN_CPE],
    OF_EVERY_EUS: [f"cpe:/o:redhat:rhel_eus:8.{minor}::baseos" for minor in (4, 6, 8)],
    OF_EUS: [EUS_CPE],
    OF_TUS: ["cpe:/a:redhat:rhel_tus:8.8::nfv"],
    OF_A_PRODUCT: ["cpe:/a:redhat:openshift:4.12::el8"],
}


def rhel(*content_sets: str, version_id: str = "8.8", id_: str = "rhel") -> OsRelease:
    return OsRelease(id=id_, version_id=version_id, content_sets=content_sets)


def openssl(version: str, module: str = "") -> Package:
    return Package(
        type="rpm",
        name="openssl-libs",
        version=version,
        source_name="openssl",
        source_version=version.rpartition(":")[2],
        module=module,
        ecosystem=MAIN,
    )


def fixed(version: str, cpe: str, cve: str = "CVE-2026-0001", module: str = "") -> dict[str, Any]:
    rpmmod = f"&rpmmod={module}" if module else ""
    return vex(cve, cpe=cpe, purl=f"pkg:rpm/redhat/openssl-libs@{version}?arch=x86_64&epoch=1{rpmmod}")


def found(mirror: Mirror, os: OsRelease, *packages: Package) -> list[tuple[str, str, str]]:
    """Vulnerability, status and fix of the packages of such an image."""
    mirror.write(REPOSITORIES, repositories(KNOWN))
    mirror.build()
    with mirror.open() as advisories:
        matches = advisories.match(packages, advisories.streams(os))
    return [(match.vulnerability.id, match.status, match.fixed) for match in matches]


@pytest.mark.parametrize(
    ("os", "expected"),
    [
        (rhel(), ()),
        (rhel(OF_MAIN, OF_A_PRODUCT, "unknown"), ()),
        (rhel(OF_EUS), (EUS,)),
        # Those of every layer are named, whatever the layer below was made from.
        (rhel(OF_MAIN, OF_EUS, "unknown"), (EUS,)),
        (rhel(OF_EVERY_EUS), (EUS,)),
        (rhel(OF_EVERY_EUS, version_id="8.6"), ("Red Hat:rhel_eus:8.6",)),
        (rhel(OF_EVERY_EUS, version_id="8.10"), ()),
        (rhel(OF_EVERY_EUS, version_id=""), ()),
        (rhel(OF_EUS, version_id="8.6"), ()),
        (rhel(OF_TUS, OF_EUS), (EUS, TUS)),
        (rhel(OF_EUS, id_="rocky"), ()),
    ],
)
def test_the_streams_of_an_image(mirror: Mirror, os: OsRelease, expected: tuple[str, ...]) -> None:
    mirror.write(REPOSITORIES, repositories(KNOWN))
    mirror.build()
    with mirror.open() as advisories:
        assert advisories.streams(os) == expected


def test_without_a_list_of_repositories_every_image_is_of_the_main_stream(mirror: Mirror) -> None:
    mirror.write(VEX, packed(vex()))
    mirror.build()
    with mirror.open() as advisories:
        assert advisories.streams(rhel(OF_EUS)) == ()


@pytest.mark.parametrize(
    ("cpe", "stream"),
    [
        ("cpe:/o:redhat:rhel_eus:8.8::baseos", "Red Hat:rhel_eus:8.8"),
        ("cpe:/a:redhat:rhel_e4s:9.0::sap_hana", "Red Hat:rhel_e4s:9.0"),
        ("cpe:/a:redhat:rhel_eus_long_life:8.4", "Red Hat:rhel_eus_long_life:8.4"),
        ("cpe:/o:redhat:rhel_els:7", "Red Hat:rhel_els:7"),
        ("cpe:/o:redhat:enterprise_linux_eus:10.0", "Red Hat:enterprise_linux_eus:10.0"),
    ],
)
def test_every_form_of_extended_support_is_a_stream(mirror: Mirror, cpe: str, stream: str) -> None:
    path = mirror.write(REPOSITORIES, repositories({"a": [cpe, MAIN_CPE], "b": [MAIN_CPE], "c": []}))
    read, log = records(redhat, path)
    assert read == [Repository("a", (stream,))]
    assert (log.entries, log.skipped["serves no stream"]) == (3, 2)
    (advisory,) = records(redhat, mirror.write(VEX, packed(vex(cpe=cpe))))[0]
    assert isinstance(advisory, Advisory)
    assert [entry.ecosystem for entry in advisory.affected] == [stream]


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"data": []}', '{"data": {"a": {"cpes": "b"}}}', '{"data": {}}']
)
def test_a_list_that_is_none_is_refused(mirror: Mirror, text: str) -> None:
    mirror.write(REPOSITORIES, repositories(KNOWN))
    mirror.build()
    path = mirror.write(REPOSITORIES, text)
    assert "redhat" in mirror.build().failures
    if text != '{"data": {}}':
        with pytest.raises(FeedInvalid):
            records(redhat, path)
    with mirror.open() as advisories:
        assert advisories.streams(rhel(OF_EUS)) == (EUS,)


@pytest.mark.parametrize(
    ("stream", "version", "own"),
    [
        (EUS, "1:1.1.1k-9.el8_8", True),
        (EUS, "1.1.1k-9.el8_8.4", True),
        (EUS, "18.0-1.module+el8.8.0+19857+6d2a104d", True),
        (EUS, "1.1.1k-9.el8_6", False),
        (EUS, "1.1.1k-9.el8_10", False),
        (EUS, "1.1.1k-9.el8", False),
        ("Red Hat:rhel_eus:8.1", "1.1.1k-9.el8_10", False),
        ("Red Hat:rhel_els:7", "1.0.2k-26.el7_9", True),
        ("Red Hat:rhel_els:7", "1.0.2k-26.el7", True),
        ("Red Hat:rhel_els:7", "1.0.2k-26.el78", False),
        ("Red Hat:enterprise_linux_eus:10.0", "3.2.2-16.el10_0.1", True),
    ],
)
def test_builds_tell_which_release_they_were_made_for(stream: str, version: str, own: bool) -> None:
    assert streams.is_build_of(stream, version) is own


BOTH = merged(fixed("1.1.1k-9.el8_8", EUS_CPE), fixed("1.1.1k-12.el8_10", MAIN_CPE))


@pytest.mark.parametrize(
    ("version", "in_main", "in_eus"),
    [
        # Extended support has its own fix, below the one of the main stream.
        ("1:1.1.1k-8.el8_8", "1:1.1.1k-12.el8_10", "1:1.1.1k-9.el8_8"),
        ("1:1.1.1k-9.el8_8", "1:1.1.1k-12.el8_10", ""),
        # Later builds came from the main stream, whichever repositories the image names.
        ("1:1.1.1k-11.el8_10", "1:1.1.1k-12.el8_10", "1:1.1.1k-12.el8_10"),
        ("1:1.1.1k-11.el8", "1:1.1.1k-12.el8_10", "1:1.1.1k-12.el8_10"),
        ("1:1.1.1k-12.el8_10", "", ""),
        ("1:1.1.1k-7.el8_6", "1:1.1.1k-12.el8_10", "1:1.1.1k-9.el8_8"),
    ],
)
@pytest.mark.parametrize("of_eus", [(OF_EUS,), (OF_MAIN, OF_EVERY_EUS)])
def test_a_fix_in_extended_support(
    mirror: Mirror, version: str, in_main: str, in_eus: str, of_eus: tuple[str, ...]
) -> None:
    mirror.write(VEX, packed(BOTH))

    def expected(fix: str) -> list[tuple[str, str, str]]:
        return [("CVE-2026-0001", "affected", fix)] if fix else []

    for os in (rhel(), rhel(OF_MAIN), rhel("unknown"), rhel(OF_EUS, version_id="8.10")):
        assert found(mirror, os, openssl(version)) == expected(in_main)
    assert found(mirror, rhel(*of_eus), openssl(version)) == expected(in_eus)


def test_what_a_stream_says_nothing_of_is_what_the_main_stream_says(mirror: Mirror) -> None:
    state = vex(
        "CVE-2026-0003",
        cpe="cpe:/o:redhat:enterprise_linux:8",
        purl="pkg:rpm/redhat/openssl?arch=src",
        status="known_affected",
        remedy=("no_fix_planned", "Will not fix"),
    )
    mirror.write(VEX, packed(BOTH, fixed("1.1.1k-10.el8_9", MAIN_CPE, "CVE-2026-0002"), state))
    assert found(mirror, rhel(OF_EUS), openssl("1:1.1.1k-9.el8_8")) == [
        ("CVE-2026-0002", "affected", "1:1.1.1k-10.el8_9"),
        ("CVE-2026-0003", "will_not_fix", ""),
    ]


def test_what_only_a_stream_mends_is_vulnerable_there_only(mirror: Mirror) -> None:
    mirror.write(VEX, packed(fixed("1.1.1k-9.el8_8", EUS_CPE), fixed("1-1.el8", MAIN_CPE, "CVE-2026-0002")))
    assert found(mirror, rhel(OF_EUS), openssl("1:1.1.1k-8.el8_8")) == [
        ("CVE-2026-0001", "affected", "1:1.1.1k-9.el8_8")
    ]
    assert found(mirror, rhel(OF_MAIN), openssl("1:1.1.1k-8.el8_8")) == []


def test_a_fix_in_any_stream_of_the_release_counts(mirror: Mirror) -> None:
    tus = fixed("1.1.1k-9.el8_8", "cpe:/a:redhat:rhel_tus:8.8::nfv")
    mirror.write(VEX, packed(merged(tus, fixed("1.1.1k-12.el8_10", MAIN_CPE))))
    assert found(mirror, rhel(OF_EUS, OF_TUS), openssl("1:1.1.1k-9.el8_8")) == []
    # Not in this one, which has to go on to the main stream's.
    assert len(found(mirror, rhel(OF_EUS), openssl("1:1.1.1k-9.el8_8"))) == 1


def test_a_fix_in_another_module_mends_nothing(mirror: Mirror) -> None:
    def build(module: str, number: int, release: str) -> str:
        return f"{number}.0-1.module%2Bel{release}.0%2B1"

    eus = fixed(build("a", 18, "8.8"), EUS_CPE, module="nodejs:18:1:a")
    main = fixed(build("a", 20, "8.10"), MAIN_CPE, module="nodejs:20:1:a")
    mirror.write(VEX, packed(merged(eus, main)))
    installed = openssl("1:19.0-1.module+el8.8.0+1", module="nodejs:20:1:a")
    assert [fix for *_, fix in found(mirror, rhel(OF_EUS), installed)] == ["1:20.0-1.module+el8.10.0+1"]


def test_streams_have_shards_of_their_own(mirror: Mirror) -> None:
    mirror.write(VEX, packed(fixed("1.1.1k-12.el8_10", MAIN_CPE)))
    alone = mirror.build().manifest.shards["red-hat-8"]
    mirror.write(VEX, packed(BOTH))
    mirror.write(REPOSITORIES, repositories(KNOWN))
    shards = mirror.build().manifest.shards
    assert shards["red-hat-8"].digest == alone.digest
    assert set(shards) == {"red-hat-8", "red-hat-rhel-eus-8.8", "repositories"}


def test_a_look_up_without_a_release_asks_releases_only(mirror: Mirror) -> None:
    mirror.write(VEX, packed(BOTH))
    mirror.build()
    with mirror.open() as advisories:
        found = advisories.lookup("pkg:rpm/redhat/openssl-libs@1.1.1k-8.el8_8?epoch=1")
    assert [(match.package.ecosystem, match.fixed) for match in found] == [(MAIN, "1:1.1.1k-12.el8_10")]
