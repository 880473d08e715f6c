from __future__ import annotations

import io
import json
import lzma
import tarfile
from pathlib import Path
from typing import Any

import pytest

from fakes.feeds import Mirror, deb, osv_record, records
from fakes.openvex import openvex, packed
from hullwatch.advisories.feeds import ubuntu
from hullwatch.advisories.record import Advisory
from hullwatch.errors import FeedInvalid
from hullwatch.inventory.package import Package

PATH = "ubuntu/vex-all.tar.xz"
CVE = "CVE-2026-0001"
OLD, FIX, ESM = "3.0.2-0ubuntu1.1", "3.0.2-0ubuntu1.2", "3.0.2-0ubuntu1.1+esm1"


def libssl(version: str, release: str = "Ubuntu:22.04:LTS") -> Package:
    return deb("libssl3", version, release, source="openssl")


def says(mirror: Mirror, *documents: dict[str, Any] | bytes) -> Path:
    return mirror.write(PATH, packed(*documents))


def osv_says(mirror: Mirror, **fixes: str) -> None:
    """OSV's record: what is affected, by release (``pro`` in front of it), and from when on not any more."""
    mirror.osv(
        "Ubuntu",
        osv_record(
            f"UBUNTU-{CVE}",
            "",
            "",
            upstream=[CVE],
            affected=[
                {
                    "package": {
                        "ecosystem": f"Ubuntu:{'Pro:' if where.startswith('pro') else ''}22.04:LTS",
                        "name": "openssl",
                    },
                    "ranges": [
                        {
                            "type": "ECOSYSTEM",
                            "events": [{"introduced": "0"}, *([{"fixed": fix}] if fix else [])],
                        }
                    ],
                }
                for where, fix in fixes.items()
            ],
        ),
    )


@pytest.mark.parametrize(
    ("state", "status"),
    [
        ("needed", "affected"),
        ("noted", "affected"),
        ("ignored", "will_not_fix"),
        ("end of life", "will_not_fix"),
        ("deferred", "deferred"),
        ("needs-triage", "under_investigation"),
    ],
)
def test_states_are_kept_apart_with_osvs_word_and_without(mirror: Mirror, state: str, status: str) -> None:
    says(mirror, openvex(jammy=state))
    (match,) = mirror.matches(libssl(OLD))
    assert (match.vulnerability.id, match.status, match.fixed) == (CVE, status, "")
    assert [s.source for s in match.statements] == ["ubuntu"]
    osv_says(mirror, release="")
    (match,) = mirror.matches(libssl(OLD))
    assert (match.status, match.fixed) == (status, "")
    assert [s.source for s in match.statements] == ["ubuntu", "osv"]


def test_not_affected_overrules_osv_and_a_fix_of_osvs_too(mirror: Mirror) -> None:
    osv_says(mirror, release="")
    assert mirror.ids(libssl(OLD)) == [CVE]
    says(mirror, openvex(jammy="not-affected"))
    assert mirror.ids(libssl(OLD)) == []
    # "Not affected since" looks like a fix in OSV.
    osv_says(mirror, release=FIX)
    assert mirror.ids(libssl(OLD)) == []


def test_not_affected_is_said_of_one_vulnerability_and_one_release(mirror: Mirror) -> None:
    says(mirror, openvex(noble="not-affected"))
    notice = osv_record(
        "USN-1-1",
        "Ubuntu:22.04:LTS",
        "openssl",
        ("introduced", "0"),
        ("fixed", FIX),
        upstream=[CVE, "CVE-2026-0002"],
    )
    mirror.osv("Ubuntu", notice)
    assert mirror.ids(libssl(OLD)) == [CVE, "CVE-2026-0002"]
    says(mirror, openvex(jammy="not-affected"))
    assert mirror.ids(libssl(OLD)) == ["CVE-2026-0002"]


def test_a_package_that_the_release_does_not_have_is_no_news(mirror: Mirror) -> None:
    says(mirror, openvex(jammy="DNE"), openvex("CVE-2026-0002", jammy="needed"))
    osv_says(mirror, release="")
    assert mirror.ids(libssl(OLD)) == [CVE, "CVE-2026-0002"]


@pytest.mark.parametrize("state", ["needed", "ignored", "end of life", "deferred", "needs-triage"])
def test_versions_are_osvs_to_say(mirror: Mirror, state: str) -> None:
    # VEX lags behind: the version in its product is the newest one, and no fix.
    says(mirror, openvex(jammy=state))
    osv_says(mirror, release=FIX)
    (match,) = mirror.matches(libssl(OLD))
    assert (match.status, match.fixed) == ("affected", FIX)
    assert mirror.ids(libssl(FIX)) == []


def test_a_fix_in_vex_alone_says_nothing(mirror: Mirror) -> None:
    says(mirror, openvex(jammy="released"), openvex("CVE-2026-0002", jammy="needed"))
    assert mirror.ids(libssl(OLD)) == ["CVE-2026-0002"]


@pytest.mark.parametrize("pocket", ["esm_infra__jammy", "esm_apps__jammy"])
def test_a_fix_in_a_pocket_needs_pro(mirror: Mirror, pocket: str) -> None:
    says(mirror, openvex(jammy="needed", **{pocket: "released"}))
    (match,) = mirror.matches(libssl(OLD))
    assert (match.status, match.fixed) == ("fixed_in_pro", "")
    # OSV knows which version has it.
    osv_says(mirror, release="", pro=ESM)
    (match,) = mirror.matches(libssl(OLD))
    assert (match.status, match.fixed) == ("fixed_in_pro", "")
    assert {s.source: s.fixed for s in match.statements} == {"ubuntu": "", "osv": ESM}
    assert mirror.ids(libssl(ESM)) == []


def test_a_fix_of_pro_counts_for_more_than_a_state_of_the_release(mirror: Mirror) -> None:
    says(mirror, openvex(jammy="ignored"))
    osv_says(mirror, release="", pro=ESM)
    (match,) = mirror.matches(libssl(OLD))
    assert match.status == "fixed_in_pro"


@pytest.mark.parametrize(
    ("own", "pocket", "status"),
    [
        # What the release itself got is for everybody, and OSV says from when on.
        ("released", "not-affected", None),
        ("released", "needed", None),
        ("not-affected", "released", "not_affected"),
        # Somebody has looked, on behalf of those who pay: the same package.
        ("end of life", "not-affected", "not_affected"),
        ("needs-triage", "not-affected", "not_affected"),
        # The pocket may have been built later than the release.
        ("needed", "not-affected", "affected"),
        ("ignored", "not-affected", "will_not_fix"),
        ("deferred", "not-affected", "deferred"),
        ("needs-triage", "ignored", "under_investigation"),
        ("needed", "released", "fixed_in_pro"),
        ("", "released", "fixed_in_pro"),
        ("", "not-affected", "not_affected"),
        ("", "ignored", "will_not_fix"),
        ("", "needed", "affected"),
    ],
)
def test_a_release_and_its_pocket(mirror: Mirror, own: str, pocket: str, status: str | None) -> None:
    states = {"jammy": own, "esm_infra__jammy": pocket}
    document = openvex(**{place: state for place, state in states.items() if state})
    found, _ = records(ubuntu, says(mirror, document))
    said = [entry.status for record in found if isinstance(record, Advisory) for entry in record.affected]
    assert said == ([] if status is None else [status])


@pytest.mark.parametrize(
    ("place", "release"),
    [
        ("esm_infra_legacy__trusty", "Ubuntu:14.04"),
        ("trusty__esm", "Ubuntu:14.04"),
        ("esm_infra__xenial", "Ubuntu:16.04"),
        ("esm_apps__focal", "Ubuntu:20.04"),
        ("questing", "Ubuntu:25.10"),
        ("fips__jammy", None),
        ("fips_updates__jammy", None),
        ("realtime__jammy", None),
        ("ros_esm__focal", None),
        ("zebra", None),
    ],
)
def test_pockets_of_the_same_package_and_no_other_builds(
    mirror: Mirror, place: str, release: str | None
) -> None:
    found, log = records(ubuntu, says(mirror, openvex(**{place: "needed"})))
    places = [
        entry.ecosystem for record in found if isinstance(record, Advisory) for entry in record.affected
    ]
    assert places == ([release] if release else [])
    assert log.skipped["affects no package here"] == (0 if release else 1)


def test_names_are_those_of_source_packages(mirror: Mirror) -> None:
    found, _ = records(ubuntu, says(mirror, openvex(package="gcc-4.4-c%2B%2B", jammy="needed")))
    (record,) = found
    assert isinstance(record, Advisory)
    assert [entry.name for entry in record.affected] == ["gcc-4.4-c++"]
    assert (record.summary, record.url) == ("A flaw.", f"https://ubuntu.com/security/{CVE}")


def test_an_older_document_has_its_date_elsewhere(mirror: Mirror) -> None:
    document = openvex(jammy="needed")
    head = {"timestamp": "2025-07-01T05:27:56.843360", "version": 3}
    older = {"metadata": head, "statements": document["statements"]}
    (record,), log = records(ubuntu, says(mirror, older))
    assert isinstance(record, Advisory)
    assert (record.modified, log.date) == ("2025-07-01T05:27:56.843360", "2025-07-01T05:27:56")


def test_a_bad_document_is_counted_and_costs_nothing_else(mirror: Mirror) -> None:
    mixed = openvex(jammy="needed")
    mixed["statements"] += openvex("CVE-2026-0009", jammy="needed")["statements"]
    path = says(
        mirror,
        b"{",
        b'{"statements": [{"status": "fixed"}]}',
        b'{"statements": []}',
        mixed,
        openvex("NOT-A-CVE", jammy="needed"),
        openvex(jammy="needed"),
    )
    found, log = records(ubuntu, path)
    assert [record.id for record in found if isinstance(record, Advisory)] == [CVE]
    assert (log.entries, log.skipped["invalid"], log.skipped["affects no package here"]) == (6, 2, 3)


def test_security_notices_are_not_read_twice(mirror: Mirror) -> None:
    notice = packed(openvex(jammy="released"), folder="vex-all/vex/usn")
    found, log = records(ubuntu, mirror.write(PATH, notice))
    assert (found, log.entries) == ([], 0)


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[: len(data) // 2],
        # All entries are there, but not the end that says so.
        lambda data: data[:-30],
        lambda data: data[:-1],
        lambda data: data[:-12] + bytes(12),
        lambda data: b"not xz at all",
        lambda data: lzma.compress(b"not a tar at all" * 100),
        lambda data: b"",
    ],
)
def test_a_damaged_archive_is_refused(mirror: Mirror, damage: Any) -> None:
    path = mirror.write(PATH, damage(packed(openvex(jammy="needed"))))
    with pytest.raises(FeedInvalid):
        records(ubuntu, path)


def test_an_entry_larger_than_any_document_is_refused_unread(mirror: Mirror) -> None:
    entry = tarfile.TarInfo("vex/cve/2026/CVE-2026-0001.json")
    entry.size = 1 << 40
    with pytest.raises(FeedInvalid, match="larger than the limit"):
        records(ubuntu, mirror.write(PATH, lzma.compress(entry.tobuf())))


def test_an_archive_that_inflates_without_end_is_refused(
    mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ubuntu, "_MAX_INFLATED", 1 << 20)
    path = mirror.write(PATH, packed(b" " * (2 << 20)))
    with pytest.raises(FeedInvalid, match="inflates to more"):
        records(ubuntu, path)


def test_an_archive_that_needs_more_memory_than_allowed_is_refused(mirror: Mirror) -> None:
    out = io.BytesIO()
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 1 << 30}]
    with lzma.open(out, "wb", filters=filters) as file:
        file.write(lzma.decompress(packed(openvex(jammy="needed"))))
    with pytest.raises(FeedInvalid, match=r"(?i)memory"):
        records(ubuntu, mirror.write(PATH, out.getvalue()))


def test_the_last_copy_in_a_mirror_counts(mirror: Mirror) -> None:
    for name in ("vex-all-2026-05-01.tar.xz", "vex-all-2026-05-02.tar.xz"):
        mirror.write(f"ubuntu/{name}", packed(openvex(jammy="needed")))
    assert ubuntu.find(mirror.feeds) == {PATH: "ubuntu/vex-all-2026-05-02.tar.xz"}


def test_an_unchanged_document_is_json_as_published(mirror: Mirror) -> None:
    # Only what is read is asked of the form: what the specification allows beside it does no harm.
    document = openvex(jammy="needed")
    document["tooling"] = {"any": ["thing"]}
    document["statements"][0]["supplier"] = "Canonical"
    document["statements"][0]["products"][0]["identifiers"] = {"purl": "pkg:deb/ubuntu/openssl"}
    found, _ = records(ubuntu, says(mirror, json.loads(json.dumps(document))))
    assert len(found) == 1


def document_of(number: int, day: str) -> dict[str, Any]:
    return openvex(f"CVE-2026-{number:04}", jammy="needed") | {"timestamp": f"{day}T00:00:00Z"}


@pytest.mark.parametrize("harm", ["poisoned", "shrunken", "stale", "truncated"])
def test_a_harmed_archive_never_changes_the_generation(mirror: Mirror, harm: str) -> None:
    good = packed(*(document_of(number, "2026-05-20") for number in range(40)))
    harmed = {
        "poisoned": packed(*(document_of(n, "2026-05-20") for n in range(40)), *[b"{}"] * 40),
        "shrunken": packed(*(document_of(number, "2026-05-20") for number in range(20))),
        "stale": packed(*(document_of(number, "2026-05-19") for number in range(40))),
        "truncated": good[:-30],
    }
    mirror.write(PATH, good)
    before = mirror.build()
    mirror.write(PATH, harmed[harm])
    after = mirror.build()
    assert (after.generation, after.compiled) == (before.generation, ())
    assert list(after.failures) == ["ubuntu"]


def test_the_order_of_documents_and_statements_is_of_no_account(mirror: Mirror) -> None:
    documents = [
        openvex(f"CVE-2026-{number:04}", jammy="needed", noble="ignored", esm_apps__focal="released")
        for number in range(9)
    ]
    says(mirror, *documents)
    before = mirror.build()
    for document in documents:
        document["statements"].reverse()
    says(mirror, *reversed(documents))
    after = mirror.build()
    assert (after.generation, len(after.read), len(after.compiled)) == (before.generation, 1, 3)
