"""Red Hat's VEX files: products, modules and the states that have no fix."""

from __future__ import annotations

import io
import json
import tarfile
from typing import Any

import pytest
import zstandard

from fakes.feeds import Mirror, records, rpm
from fakes.vex import packed, vex
from hullwatch.advisories.feeds import redhat
from hullwatch.advisories.record import Advisory
from hullwatch.errors import FeedInvalid
from hullwatch.inventory.package import Package

PATH = "redhat/csaf_vex.tar.zst"


def rhel(name: str, version: str, source: str = "", module: str = "", release: int = 9) -> Package:
    return Package(
        type="rpm",
        name=name,
        version=version,
        source_name=source or name,
        source_version=version.rpartition(":")[2],
        module=module,
        ecosystem=f"Red Hat:{release}",
    )


def test_a_fix_is_compared_by_binary_package_with_its_epoch(mirror: Mirror) -> None:
    mirror.write(PATH, packed(vex()))
    (match,) = mirror.matches(rhel("openssl-libs", "1:3.0.7-27.el9", source="openssl"))
    assert (match.vulnerability.id, match.fixed, match.status) == (
        "CVE-2026-0001",
        "1:3.0.7-28.el9_4",
        "affected",
    )
    assert match.vulnerability.severity == "medium"
    assert match.vulnerability.cvss[0].source == "redhat"
    assert mirror.ids(rhel("openssl-libs", "1:3.0.7-28.el9_4", source="openssl")) == []
    assert mirror.ids(rhel("openssl-libs", "1:3.0.7-27.el8", source="openssl", release=8)) == []


@pytest.mark.parametrize(
    "cpe",
    [
        "cpe:/o:redhat:enterprise_linux:9",
        "cpe:/a:redhat:enterprise_linux:9::appstream",
        "cpe:/a:redhat:enterprise_linux:9::crb",
        "cpe:/o:redhat:enterprise_linux:9.6",
    ],
)
def test_the_repositories_of_the_main_stream_count(mirror: Mirror, cpe: str) -> None:
    mirror.write(PATH, packed(vex(cpe=cpe)))
    assert mirror.ids(rhel("openssl-libs", "1:3.0.7-27.el9")) == ["CVE-2026-0001"]


@pytest.mark.parametrize(
    "cpe",
    [
        "cpe:/a:redhat:openshift:4.16::el9",
        "cpe:/a:redhat:rhel_software_collections:3::el7",
        "cpe:/a:redhat:rhel_extras:7",
        "cpe:/o:redhat:rhel_eus",
        "cpe:/o:redhat:rhel_eus:9.2/../x",
        # No image of that age names its repositories.
        "cpe:/o:redhat:rhel_aus:6.6::server",
        "",
    ],
)
def test_layered_products_are_other_builds(mirror: Mirror, cpe: str) -> None:
    found, log = records(redhat, mirror.write(PATH, packed(vex(cpe=cpe))))
    assert (found, log.skipped["affects no package here"]) == ([], 1)


@pytest.mark.parametrize(
    ("remedy", "status"),
    [
        (("no_fix_planned", "Will not fix"), "will_not_fix"),
        (("no_fix_planned", "Out of support scope"), "will_not_fix"),
        (("no_fix_planned", "A wording of next year"), "will_not_fix"),
        (("none_available", "Affected"), "affected"),
        (("none_available", "Fix deferred"), "deferred"),
        (("none_available", "Under investigation"), "under_investigation"),
        (("workaround", "Unplug it"), "affected"),
        (None, "affected"),
    ],
)
def test_states_without_a_fix_hold_for_every_binary_of_the_source_package(
    mirror: Mirror, remedy: tuple[str, str] | None, status: str
) -> None:
    file = vex(purl="pkg:rpm/redhat/openssl?arch=src", status="known_affected", remedy=remedy)
    mirror.write(PATH, packed(file))
    (match,) = mirror.matches(rhel("openssl-libs", "1:3.0.7-27.el9", source="openssl"))
    assert (match.status, match.fixed) == (status, "")
    assert mirror.ids(rhel("openssl", "1:3.0.7-27.el9")) == ["CVE-2026-0001"]
    assert mirror.ids(rhel("compat-openssl11", "1:1.1.1k-1.el9")) == []


def test_under_investigation_is_a_state_of_its_own(mirror: Mirror) -> None:
    file = vex(purl="pkg:rpm/redhat/openssl?arch=src", status="under_investigation")
    mirror.write(PATH, packed(file))
    assert [match.status for match in mirror.matches(rhel("openssl", "1:3.0.7-27.el9"))] == [
        "under_investigation"
    ]


def test_the_fix_of_a_source_packages_namesake_is_not_its_binaries_fix(mirror: Mirror) -> None:
    # perl and perl-Errno are built from one source, with versions of their own.
    mirror.write(PATH, packed(vex(purl="pkg:rpm/redhat/perl@5.32.1-481.el9?arch=x86_64&epoch=4")))
    assert mirror.ids(rhel("perl-Errno", "1.30-480.el9", source="perl")) == []


def test_known_not_affected_is_no_match(mirror: Mirror) -> None:
    file = vex(purl="pkg:rpm/redhat/openssl?arch=src", status="known_not_affected")
    mirror.write(PATH, packed(file, vex("CVE-2026-0002")))
    assert mirror.ids(rhel("openssl", "1:3.0.7-27.el9")) == []


def test_modules_are_compared_inside_their_stream(mirror: Mirror) -> None:
    purl = (
        "pkg:rpm/redhat/nodejs@18.20.2-1.module%2Bel8.9.0%2B1?arch=x86_64&epoch=1&rpmmod=nodejs:18:8090:abc"
    )
    mirror.write(PATH, packed(vex(cpe="cpe:/a:redhat:enterprise_linux:8::appstream", purl=purl)))

    def found(version: str, module: str) -> list[str]:
        return mirror.ids(rhel("nodejs", version, module=module, release=8))

    assert found("1:18.1.0-1.module+el8.9.0+1", "nodejs:18:8090:abc") == ["CVE-2026-0001"]
    assert found("1:16.1.0-1.module+el8.9.0+1", "nodejs:16:8090:abc") == []
    assert found("1:10.1.0-1.el8", "") == []


def test_a_module_that_is_none_costs_its_component_only(mirror: Mirror) -> None:
    bad = vex(purl="pkg:rpm/redhat/firefox-flatpak@128.0-1.el9?arch=x86_64&rpmmod=rhel9")
    found, log = records(redhat, mirror.write(PATH, packed(bad, vex("CVE-2026-0002"))))
    assert [record.id for record in found if isinstance(record, Advisory)] == ["CVE-2026-0002"]
    assert log.skipped["invalid"] == 0


@pytest.mark.parametrize(
    "purl",
    [
        "pkg:rpm/redhat/openssl@3.0.7-28.el9_4?arch=src&epoch=1",
        "pkg:rpm/redhat/openssl-debuginfo@3.0.7-28.el9_4?arch=x86_64",
        "pkg:rpm/redhat/kpatch-patch-5_14_0@1-4.el9_4?arch=x86_64",
        "pkg:oci/openssl@sha256:00",
    ],
)
def test_sources_symbols_live_patches_and_images_have_no_fix_here(mirror: Mirror, purl: str) -> None:
    assert records(redhat, mirror.write(PATH, packed(vex(purl=purl))))[0] == []


def test_centos_is_read_with_red_hats_data(mirror: Mirror) -> None:
    purl = "pkg:rpm/redhat/httpd@2.4.6-99.el7_9.1?arch=x86_64"
    mirror.write(PATH, packed(vex(cpe="cpe:/o:redhat:enterprise_linux:7", purl=purl)))
    assert mirror.ids(rhel("httpd", "2.4.6-97.el7.centos.5", release=7)) == ["CVE-2026-0001"]
    assert mirror.ids(rhel("httpd", "2.4.6-99.el7.centos.1", release=7)) == ["CVE-2026-0001"]
    assert mirror.ids(rhel("httpd", "2.4.6-99.el7_9.1.centos", release=7)) == []


@pytest.mark.parametrize("harm", [lambda data: data[:-20], lambda data: b"x" + data, lambda _: b""])
def test_a_damaged_archive_is_refused(mirror: Mirror, harm: Any) -> None:
    path = mirror.write(PATH, harm(packed(*(vex(f"CVE-2026-{n:04}") for n in range(50)))))
    with pytest.raises(FeedInvalid):
        records(redhat, path)


def test_a_file_beyond_the_limit_is_refused_before_it_is_read(mirror: Mirror) -> None:
    entry = tarfile.TarInfo("2026/cve-2026-0001.json")
    entry.size = 1 << 40
    with pytest.raises(FeedInvalid, match="larger than the limit"):
        records(redhat, mirror.write(PATH, zstandard.compress(entry.tobuf())))


def test_the_archive_is_named_by_a_text_beside_it() -> None:
    document = redhat.documents()[0]
    assert document.locate is not None
    there = document.locate(document.url, lambda *_: b"csaf_vex_2026-05-20.tar.zst\n")
    assert there == "https://security.access.redhat.com/data/csaf/v2/vex/csaf_vex_2026-05-20.tar.zst"
    for answer in (b"", b"../secret.tar.zst", b"https://evil.example/a.tar.zst", b"<html>"):
        with pytest.raises(FeedInvalid, match="names no archive"):
            document.locate(document.url, lambda *_, answer=answer: answer)


def test_rebuilds_of_red_hats_sources_have_their_own_advisories(mirror: Mirror) -> None:
    mirror.write(PATH, packed(vex()))
    assert mirror.ids(rpm("openssl-libs", "1:3.0.7-27.el9", ecosystem="Rocky Linux:9")) == []


CHANGES = "redhat/changes/csaf_vex.tar.zst"
DELETIONS = "redhat/deletions/deletions.csv"
LIBS = rhel("openssl-libs", "1:3.0.7-27.el9", source="openssl")


def numbered(number: int, **said: Any) -> dict[str, Any]:
    return vex(f"CVE-2026-{number:04}", **said)


def test_a_changed_file_counts_instead_of_the_archives(mirror: Mirror) -> None:
    mirror.write(PATH, packed(numbered(0), numbered(1)))
    assert mirror.ids(LIBS) == ["CVE-2026-0000", "CVE-2026-0001"]
    mirror.write(CHANGES, packed(numbered(0, status="known_not_affected"), changed="2026-05-21T08:00:00"))
    assert mirror.ids(LIBS) == ["CVE-2026-0001"]


def test_a_change_that_the_archive_has_already_is_of_no_account(mirror: Mirror) -> None:
    mirror.write(PATH, packed(numbered(0)))
    mirror.write(CHANGES, packed(numbered(0, status="known_not_affected"), changed="2026-05-19T08:00:00"))
    assert mirror.ids(LIBS) == ["CVE-2026-0000"]


def test_a_change_costs_the_reading_of_no_archive(mirror: Mirror) -> None:
    mirror.write(PATH, packed(numbered(0), numbered(1)))
    mirror.build()
    mirror.write(CHANGES, packed(numbered(0), changed="2026-05-21T08:00:00"))
    assert mirror.build().read == (CHANGES,)


def test_fewer_changes_than_before_are_no_loss(mirror: Mirror) -> None:
    mirror.write(PATH, packed(*(numbered(number) for number in range(40))))
    mirror.write(CHANGES, packed(*(numbered(n) for n in range(30)), changed="2026-05-21T08:00:00"))
    mirror.build()
    mirror.write(CHANGES, packed())
    assert mirror.build().failures == {}


def test_what_a_deleted_file_said_is_gone(mirror: Mirror) -> None:
    mirror.write(PATH, packed(numbered(0), numbered(1)))
    mirror.write(DELETIONS, '"2026/cve-2026-0000.json","2026-05-22T10:00:00+00:00"\n')
    assert mirror.ids(LIBS) == ["CVE-2026-0001"]
    # The last one may go as well.
    mirror.write(
        DELETIONS,
        '"2026/cve-2026-0000.json","2026-05-22T10:00:00+00:00"\n'
        '"2026/cve-2026-0001.json","2026-05-22T12:00:00+02:00"\n',
    )
    assert mirror.ids(LIBS) == []


def test_a_file_that_came_back_after_its_deletion_counts(mirror: Mirror) -> None:
    mirror.write(PATH, packed(numbered(0)))
    mirror.write(DELETIONS, '"2026/cve-2026-0000.json","2024-05-22T10:00:00+00:00"\n')
    assert mirror.ids(LIBS) == ["CVE-2026-0000"]


def test_a_file_that_calls_itself_deleted_says_nothing(mirror: Mirror) -> None:
    gone = numbered(0)
    gone["document"]["tracking"]["status"] = "deleted"
    mirror.write(PATH, packed(gone, numbered(1)))
    assert mirror.ids(LIBS) == ["CVE-2026-0001"]


def test_lines_that_name_no_file_are_counted(mirror: Mirror) -> None:
    path = mirror.write(
        DELETIONS,
        '"2026/cve-2026-0000.json","2026-05-22T10:00:00+00:00"\n"../../etc/passwd","2026-05-22T10:00:00Z"\n'
        '"2026/cve-2026-0001.json","yesterday"\nhello\n',
    )
    found, log = records(redhat, path)
    assert (found, log.entries, log.skipped["invalid"]) == ([], 4, 3)
    assert log.replaced == {"CVE-2026-0000": "2026-05-22T10:00:00"}


def test_what_has_changed_since_the_archive_is_put_together(mirror: Mirror) -> None:
    listing = (
        b'"2026/cve-2026-0000.json","2026-05-21T08:00:00+00:00"\n'
        b'"2026/../../key","2026-05-21T08:00:00+00:00"\n'
        b'"2026/cve-2026-0002.json","2026-05-20T10:00:00+00:00"\n'
        b'"2026/cve-2026-0001.json","2026-05-19T08:00:00+00:00"\n'
    )
    asked = []

    def ask(url: str, limit: int) -> bytes:
        asked.append(url)
        return json.dumps(vex(url[-18:-5].upper())).encode()

    collect = redhat.documents()[1].collect
    assert collect is not None
    out = io.BytesIO()
    collect(listing, "Wed, 20 May 2026 09:00:00 GMT", ask, out)
    assert [url.rpartition("/vex/")[2] for url in asked] == [
        "2026/cve-2026-0000.json",
        "2026/cve-2026-0002.json",
    ]
    found, log = records(redhat, mirror.write(CHANGES, out.getvalue()))
    assert len(found) == 2
    assert log.replaced == {
        "CVE-2026-0000": "2026-05-21T08:00:00",
        "CVE-2026-0002": "2026-05-20T10:00:00",
    }
    with pytest.raises(FeedInvalid, match="of no date"):
        collect(listing, "yesterday", ask, out)
