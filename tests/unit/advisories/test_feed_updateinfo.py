"""Amazon Linux and Bottlerocket: which builds their errata speak of, and which not."""

from __future__ import annotations

import gzip

import pytest

from fakes.feeds import Mirror, records, rpm
from hullwatch.advisories.feeds import amazon, bottlerocket
from hullwatch.advisories.record import Advisory
from hullwatch.errors import FeedInvalid

CORE = "amazon/2/core/updateinfo.xml.gz"


def update(
    identifier: str,
    name: str,
    evr: str,
    *,
    cve: str = "CVE-2026-0001",
    severity: str = "Important",
    arch: str = "x86_64",
    date: str = "2026-05-20 20:41:00",
    kind: str = "security",
) -> str:
    epoch, _, rest = evr.rpartition(":")
    version, release = rest.split("-")
    package = (
        f'<package name="{name}" epoch="{epoch or 0}" version="{version}" release="{release}" arch="{arch}"/>'
    )
    return (
        f'<update type="{kind}"><id>{identifier}</id><title>{identifier}: {name}</title>'
        f'<issued date="{date}"/><updated date="{date}"/><severity>{severity}</severity>'
        f'<references><reference id="{cve}" type="cve" href="https://example.org/{cve}"/></references>'
        f"<pkglist><collection>{package}</collection></pkglist></update>"
    )


def updates(*items: str) -> bytes:
    return gzip.compress(f'<?xml version="1.0"?><updates>{"".join(items)}</updates>'.encode())


def advisories(mirror: Mirror, *items: str, path: str = CORE) -> list[Advisory]:
    found, _ = records(amazon, mirror.write(path, updates(*items)))
    return [record for record in found if isinstance(record, Advisory)]


@pytest.mark.parametrize("severity", ["Important", "important"])
def test_severities_are_written_in_either_case(mirror: Mirror, severity: str) -> None:
    (advisory,) = advisories(mirror, update("ALAS2-2026-1", "curl", "8.3.0-1.amzn2", severity=severity))
    assert advisory.severity == "high"


@pytest.mark.parametrize(
    ("date", "iso"),
    [
        ("2023-02-17 20:41:00", "2023-02-17T20:41:00Z"),
        ("2011-09-27 22:46", "2011-09-27T22:46:00Z"),
        ("2025-06-11T19:52:52Z", "2025-06-11T19:52:52Z"),
        ("2025-06-11", "2025-06-11"),
        ("soon", ""),
    ],
)
def test_dates_come_in_several_layouts(mirror: Mirror, date: str, iso: str) -> None:
    (advisory,) = advisories(mirror, update("ALAS2-2026-1", "curl", "8.3.0-1.amzn2", date=date))
    assert advisory.modified == iso


@pytest.mark.parametrize(
    ("release", "identifier", "page"),
    [
        ("1", "ALAS-2011-1", "https://alas.aws.amazon.com/ALAS-2011-1.html"),
        ("2", "ALAS2-2018-939", "https://alas.aws.amazon.com/AL2/ALAS-2018-939.html"),
        (
            "2",
            "ALAS2KERNEL-5.15-2022-001",
            "https://alas.aws.amazon.com/AL2/ALASKERNEL-5.15-2022-001.html",
        ),
        ("2023", "ALAS2023-2023-001", "https://alas.aws.amazon.com/AL2023/ALAS-2023-001.html"),
        (
            "2023",
            "ALAS2023LIVEPATCH-2023-001",
            "https://alas.aws.amazon.com/AL2023/ALASLIVEPATCH-2023-001.html",
        ),
    ],
)
def test_every_kind_of_identifier_has_its_page(
    mirror: Mirror, release: str, identifier: str, page: str
) -> None:
    path = f"amazon/{release}/core/updateinfo.xml.gz"
    (advisory,) = advisories(mirror, update(identifier, "curl", "8.3.0-1"), path=path)
    assert (advisory.id, advisory.url) == (identifier, page)


def test_the_epoch_counts_and_an_absent_one_is_0(mirror: Mirror) -> None:
    mirror.write(CORE, updates(update("ALAS2-2026-1", "openssl", "1:1.0.2k-24.amzn2")))
    assert mirror.ids(rpm("openssl", "1:1.0.2k-23.amzn2", ecosystem="Amazon Linux:2")) == ["CVE-2026-0001"]
    assert mirror.ids(rpm("openssl", "1.0.2k-25.amzn2", ecosystem="Amazon Linux:2")) == ["CVE-2026-0001"]
    assert mirror.ids(rpm("openssl", "1:1.0.2k-24.amzn2", ecosystem="Amazon Linux:2")) == []


def test_releases_are_never_mixed(mirror: Mirror) -> None:
    mirror.write(CORE, updates(update("ALAS2-2026-1", "curl", "8.3.0-1.amzn2")))
    assert mirror.ids(rpm("curl", "7.0-1.amzn2023", ecosystem="Amazon Linux:2023")) == []


def test_an_extra_holds_for_its_own_line_only(mirror: Mirror) -> None:
    mirror.write(CORE, updates(update("ALAS2-2026-1", "kernel", "4.14.355-280.amzn2")))
    for extra, fix in (("kernel-5.4", "5.4.290-200.amzn2"), ("kernel-5.10", "5.10.230-228.amzn2")):
        item = update(f"ALAS2{extra.upper()}-2026-1", "kernel", fix, cve="CVE-2026-0002")
        mirror.write(f"amazon/2/extras/{extra}/updateinfo.xml.gz", updates(item))

    def found(version: str) -> list[tuple[str, str]]:
        matches = mirror.matches(rpm("kernel", version, ecosystem="Amazon Linux:2"))
        return [(match.vulnerability.id, match.fixed) for match in matches]

    assert found("4.14.300-1.amzn2") == [("CVE-2026-0001", "4.14.355-280.amzn2")]
    assert found("5.4.100-1.amzn2") == [("CVE-2026-0002", "5.4.290-200.amzn2")]
    assert found("5.10.100-1.amzn2") == [("CVE-2026-0002", "5.10.230-228.amzn2")]
    assert found("5.10.230-228.amzn2") == []


def test_an_extra_without_a_version_begins_at_the_major_version_of_its_fix(mirror: Mirror) -> None:
    path = "amazon/2/extras/emacs/updateinfo.xml.gz"
    mirror.write(path, updates(update("ALAS2EMACS-2026-1", "emacs", "1:27.2-4.amzn2")))
    of_core = rpm("emacs", "1:24.3-22.amzn2", ecosystem="Amazon Linux:2")
    of_extra = rpm("emacs", "1:27.1-1.amzn2", ecosystem="Amazon Linux:2")
    assert mirror.ids(of_core) == []
    assert mirror.ids(of_extra) == ["CVE-2026-0001"]


def test_a_live_patch_has_its_kernels_version_in_its_name(mirror: Mirror) -> None:
    mirror.write(
        "amazon/2023/kernel-livepatch/updateinfo.xml.gz",
        updates(update("ALAS2023LIVEPATCH-2026-1", "kernel-livepatch-6.1.10-15.42", "1.0-2.amzn2023")),
    )
    of = "Amazon Linux:2023"
    assert mirror.ids(rpm("kernel-livepatch-6.1.10-15.42", "1.0-1.amzn2023", ecosystem=of)) != []
    assert mirror.ids(rpm("kernel-livepatch-6.1.11-16.43", "1.0-1.amzn2023", ecosystem=of)) == []
    assert mirror.ids(rpm("kernel", "6.1.10-15.42.amzn2023", ecosystem=of)) == []


def test_sources_and_debugging_symbols_are_left_out_and_architectures_are_one(mirror: Mirror) -> None:
    body = update("ALAS2-2026-1", "curl", "8.3.0-1.amzn2")
    more = "".join(
        f'<package name="{name}" epoch="0" version="8.3.0" release="1.amzn2" arch="{arch}"/>'
        for name, arch in (("curl", "aarch64"), ("curl", "src"), ("curl-debuginfo", "x86_64"))
    )
    (advisory,) = advisories(mirror, body.replace("</collection>", f"{more}</collection>"))
    assert [entry.name for entry in advisory.affected] == ["curl"]


def test_bug_fixes_are_no_vulnerabilities(mirror: Mirror) -> None:
    item = update("ALAS2-2026-1", "curl", "8.3.0-1.amzn2", cve="none", kind="bugfix")
    mirror.write(CORE, updates(item))
    assert mirror.ids(rpm("curl", "7.0-1.amzn2", ecosystem="Amazon Linux:2")) == []


def test_what_is_no_update_is_counted(mirror: Mirror) -> None:
    junk = "<update><id>ALAS2-2026-2</id></update>"
    evil = update("ALAS2-2026-3", "../etc", "1-1")
    path = mirror.write(CORE, updates(update("ALAS2-2026-1", "curl", "8.3.0-1.amzn2"), junk, evil))
    found, log = records(amazon, path)
    assert (len(found), log.entries, log.skipped["invalid"]) == (1, 3, 2)


MIRRORS = "https://cdn.example/2/core/latest/x86_64/mirror.list"
REPOMD = b'<repomd><data type="updateinfo"><location href="repodata/abc-updateinfo.xml.gz"/></data></repomd>'


def answers(
    repomd: bytes, mirrors: bytes = b"https://cdn.example/2/core/2.0/x86_64/0a1b\n"
) -> dict[str, bytes]:
    return {MIRRORS: mirrors, "https://cdn.example/2/core/2.0/x86_64/0a1b/repodata/repomd.xml": repomd}


def locate(texts: dict[str, bytes]) -> str:
    document = amazon.documents()[0]
    assert document.locate is not None
    return document.locate(MIRRORS, lambda url, _: texts[url])


def test_the_updateinfo_is_found_through_mirror_list_and_repository() -> None:
    there = "https://cdn.example/2/core/2.0/x86_64/0a1b/repodata/abc-updateinfo.xml.gz"
    assert locate(answers(REPOMD)) == there
    assert locate(answers(REPOMD, b"http://cdn.example/2/core/2.0/x86_64/0a1b/\n")) == there


@pytest.mark.parametrize(
    ("repomd", "mirrors"),
    [
        (b"<repomd/>", b"https://cdn.example/2/core/2.0/x86_64/0a1b"),
        (REPOMD, b" \n"),
        (
            REPOMD.replace(b"repodata/", b"https://evil.example/"),
            b"https://cdn.example/2/core/2.0/x86_64/0a1b",
        ),
        (REPOMD.replace(b"repodata/", b"../../"), b"https://cdn.example/2/core/2.0/x86_64/0a1b"),
        (b"<repomd>", b"https://cdn.example/2/core/2.0/x86_64/0a1b"),
    ],
)
def test_a_repository_that_leads_nowhere_or_elsewhere_is_refused(repomd: bytes, mirrors: bytes) -> None:
    with pytest.raises(FeedInvalid):
        locate(answers(repomd, mirrors))


def test_only_core_repositories_have_to_be_there() -> None:
    required = [document.path for document in amazon.documents() if not document.optional]
    assert required == ["amazon/2/core/updateinfo.xml.gz", "amazon/2023/core/updateinfo.xml.gz"]


def test_bottlerockets_packages_have_no_release(mirror: Mirror) -> None:
    item = update("BRSA-kdg8bd1th2gb", "glibc", "1:2.43-1.1773716061.e2e9d7a9.br1", severity="medium")
    path = mirror.write("bottlerocket/updateinfo.xml.gz", updates(item))
    found, log = records(bottlerocket, path)
    assert (len(found), log.date) == (1, "2026-05-20T20:41:00")
    old = rpm("glibc", "1:2.42-1.1773716061.e2e9d7a9.br1", ecosystem="Bottlerocket")
    assert mirror.ids(old) == ["CVE-2026-0001"]
    assert mirror.matches(old)[0].vulnerability.severity == "medium"
