"""Real documents of every feed, as publishers wrote them, read as a mirror would have them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from fakes.compiled import FEEDS as SHARED_FEEDS
from fakes.compiled import needs_feeds
from fakes.feeds import records
from hullwatch.advisories import ecosystems
from hullwatch.advisories.feeds import FEEDS
from hullwatch.advisories.record import Advisory, Enrichment, Reading, Record
from hullwatch.advisories.streams import is_build_of
from hullwatch.errors import FeedInvalid

pytestmark = needs_feeds
SAMPLES = SHARED_FEEDS / "samples"


def read(tmp_path: Path, feed: str, sample: str, document: str) -> tuple[list[Record], Reading]:
    path = tmp_path / document
    path.parent.mkdir(parents=True)
    shutil.copyfile(SAMPLES / sample, path)
    assert FEEDS[feed].find(tmp_path) == {document: document}, "a mirror's layout"
    return records(FEEDS[feed], path)


UPDATEINFO = "updateinfo.xml.gz"
ELSA = "oracle/com.oracle.elsa-all.xml.bz2"

#: Feed, sample, its place in a mirror, records yielded, entries seen.
DOCUMENTS = [
    ("amazon", "amazon/updateinfo_1.xml.gz", f"amazon/1/core/{UPDATEINFO}", 1, 1),
    ("amazon", "amazon/updateinfo_2_items.xml.gz", f"amazon/2/core/{UPDATEINFO}", 2, 2),
    ("amazon", "amazon/updateinfo_2023.xml.gz", f"amazon/2023/core/{UPDATEINFO}", 1, 1),
    ("amazon", "amazon/updateinfo_2023_nvidia.xml.gz", f"amazon/2023/nvidia/{UPDATEINFO}", 1, 1),
    ("azure-linux", "mariner/azure-linux-truncated-3.0-oval.xml", "azure-linux/3/oval.xml", 3, 3),
    ("azure-linux", "mariner/mariner-truncated-2.0-oval.xml", "azure-linux/2/oval.xml", 4, 5),
    ("bottlerocket", "bottlerocket/updateinfo.xml.gz", f"bottlerocket/{UPDATEINFO}", 2, 2),
    ("nvd", "nvd/full-page.json", "nvd/pages/1.json", 35, 38),
    ("nvd", "nvd/single-entry.json", "nvd/pages/1.json", 1, 1),
    ("oracle", "oracle/mock_data", ELSA, 2, 2),
    ("oracle", "oracle/mock_per_arch_data", ELSA, 3, 3),
    # Ksplice builds only.
    ("oracle", "oracle/mock_ksplice_data", ELSA, 0, 1),
    ("photon", "photon/cve_data_photon4.0.json", "photon/4.0/cve_data.json", 6, 7),
    ("redhat", "redhat/vex/v2/vex-archive.tar.zst", "redhat/csaf_vex.tar.zst", 4, 5),
    # One of two CVEs is in no release of Ubuntu's; a notice beside them is not read.
    ("ubuntu", "ubuntu/vex/vex-all.tar.xz", "ubuntu/vex-all.tar.xz", 1, 2),
]


@pytest.mark.parametrize(("feed", "sample", "document", "yielded", "entries"), DOCUMENTS)
def test_a_real_document_is_read_whole(
    tmp_path: Path, feed: str, sample: str, document: str, yielded: int, entries: int
) -> None:
    found, log = read(tmp_path, feed, sample, document)
    assert (len(found), log.entries, log.skipped["invalid"]) == (yielded, entries, 0)
    for record in found:
        assert isinstance(record, Enrichment) or (record.affected and record.source == feed)


@pytest.mark.parametrize(
    ("feed", "sample", "document"),
    [
        ("amazon", "amazon/updateinfo_invalid_xml.xml.gz", f"amazon/2/core/{UPDATEINFO}"),
        ("bottlerocket", "bottlerocket/invalid_xml.gz", f"bottlerocket/{UPDATEINFO}"),
        ("bottlerocket", "bottlerocket/updateinfo_invalid.xml.gz", f"bottlerocket/{UPDATEINFO}"),
    ],
)
def test_a_damaged_document_is_refused(tmp_path: Path, feed: str, sample: str, document: str) -> None:
    with pytest.raises(FeedInvalid):
        read(tmp_path, feed, sample, document)


def test_ubuntus_states_are_those_of_the_document(tmp_path: Path) -> None:
    # CVE-2025-0167 in curl: the code is in none of the ESM pockets up to 20.04; to be fixed from 22.04 on.
    found, _ = read(tmp_path, "ubuntu", "ubuntu/vex/vex-all.tar.xz", "ubuntu/vex-all.tar.xz")
    (curl,) = (record for record in found if isinstance(record, Advisory))
    assert {(entry.ecosystem, entry.name): entry.status for entry in curl.affected} == {
        **{(f"Ubuntu:{r}", "curl"): "not_affected" for r in ("14.04", "16.04", "18.04", "20.04")},
        **{(f"Ubuntu:{r}", "curl"): "affected" for r in ("22.04", "24.04", "24.10")},
    }


def test_red_hats_states_are_those_of_the_file(tmp_path: Path) -> None:
    # CVE-2023-6228 in libtiff: fixed in 9 by 4.4.0-12.el9; "Affected" in 8; "Out of support scope" in 6 and
    # 7; compat-libtiff3 of 8 "Will not fix".
    found, _ = read(tmp_path, "redhat", "redhat/vex/v2/vex-archive.tar.zst", "redhat/csaf_vex.tar.zst")
    (libtiff,) = (r for r in found if isinstance(r, Advisory) and r.id == "CVE-2023-6228")
    states = {(entry.ecosystem, entry.name): entry.status for entry in libtiff.affected}
    assert states["Red Hat:8", "libtiff"] == "affected"
    assert states["Red Hat:6", "libtiff"] == states["Red Hat:7", "libtiff"] == "will_not_fix"
    assert states["Red Hat:8", "compat-libtiff3"] == "will_not_fix"
    fixes = {entry.ranges[0][1] for entry in libtiff.affected if entry.ecosystem == "Red Hat:9"}
    assert fixes == {("fixed", "4.4.0-12.el9")}


def test_red_hats_extended_support_mends_in_builds_of_its_own(tmp_path: Path) -> None:
    # CVE-2023-6212 in Firefox: one version for all but 6, built once for each minor release.
    found, _ = read(tmp_path, "redhat", "redhat/vex/v2/vex-archive.tar.zst", "redhat/csaf_vex.tar.zst")
    (firefox,) = (r for r in found if isinstance(r, Advisory) and r.id == "CVE-2023-6212")
    fixes = {
        entry.ecosystem.removeprefix("Red Hat:"): entry.ranges[0][1][1]
        for entry in firefox.affected
        if entry.name == "firefox" and entry.ecosystem != "Red Hat:6"
    }
    assert fixes == {
        "7": "115.5.0-1.el7_9",
        "8": "115.5.0-1.el8_9",
        "9": "115.5.0-1.el9_3",
        **{f"rhel_e4s:8.{n}": f"115.5.0-1.el8_{n}" for n in (1, 2, 4)},
        **{f"rhel_{kind}:8.{n}": f"115.5.0-1.el8_{n}" for kind in ("aus", "tus") for n in (2, 4)},
        **{f"rhel_eus:{n}": f"115.5.0-1.el{n.replace('.', '_')}" for n in ("8.6", "8.8", "9.0", "9.2")},
    }
    streams = {name for name in fixes if ecosystems.is_stream(name)}
    assert all(is_build_of(f"Red Hat:{name}", fixes[name]) for name in streams)
    assert len(streams) == len(fixes) - 3
