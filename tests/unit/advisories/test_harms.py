"""Poisoned, truncated, shrunken, reordered and stale documents of every form, through a whole build."""

from __future__ import annotations

import gzip
import json
import random
import tracemalloc
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from fakes import openvex as canonical
from fakes.feeds import Mirror, osv_record
from fakes.vex import packed, vex
from hullwatch.advisories import store
from hullwatch.advisories.feeds import redhat
from hullwatch.advisories.feeds.feed import content
from hullwatch.advisories.record import Reading
from hullwatch.errors import FeedInvalid

COUNT = 40
TODAY, YESTERDAY = "2026-05-20", "2026-05-19"
#: Puts a document of the records of these numbers, in their order and of one day, into a mirror; what is
#: poisoned holds as many more that are no records.
Writer = Callable[[Mirror, Sequence[int], str, bool], Path]


def cve(number: int) -> str:
    return f"CVE-2026-{1000 + number}"


def osv(mirror: Mirror, numbers: Sequence[int], day: str, poisoned: bool) -> Path:
    records = [
        osv_record(
            f"PYSEC-{n}",
            "PyPI",
            f"package-{n % 7}",
            ("introduced", "0"),
            ("fixed", f"{n}.1"),
            aliases=[cve(n)],
            modified=f"{day}T00:00:00Z",
        )
        for n in numbers
    ]
    path = mirror.osv("PyPI", *records)
    if poisoned:
        with zipfile.ZipFile(path, "a") as archive:
            for n in numbers:
                archive.writestr(f"X-{n}.json", json.dumps({"id": f"X-{n}", "affected": "everything"}))
    return path


def debian(mirror: Mirror, numbers: Sequence[int], day: str, poisoned: bool) -> Path:
    tracker: dict[str, Any] = {}
    for n in numbers:
        release = {"bookworm": {"status": "resolved", "fixed_version": f"1.0-{n}"}, "sid": {"status": "open"}}
        tracker.setdefault(f"source-{n % 7}", {})[cve(n)] = {"releases": release}
    if poisoned:
        tracker["evil"] = {cve(n): {"releases": {"bookworm": "open"}} for n in numbers}
    return mirror.debian(tracker)


def secdb(mirror: Mirror, numbers: Sequence[int], day: str, poisoned: bool) -> Path:
    packages: dict[str, dict[str, list[str]]] = {}
    for n in numbers:
        packages.setdefault(f"origin-{n % 7}", {})[f"1.{n}-r0"] = [cve(n)]
    if poisoned:
        packages["evil"] = {f"2.{n}-r0": ["everything is well"] for n in numbers}
    return mirror.alpine("v3.16", packages)


def updateinfo(mirror: Mirror, numbers: Sequence[int], day: str, poisoned: bool) -> Path:
    def update(n: int, package: str) -> str:
        return (
            f'<update type="security"><id>ALAS2-2026-{n}</id><updated date="{day} 10:00:00"/>'
            f'<references><reference id="{cve(n)}"/></references><pkglist><collection>{package}'
            "</collection></pkglist></update>"
        )

    items = [
        update(n, f'<package name="demo-{n % 7}" epoch="0" version="1.{n}" release="2" arch="x86_64"/>')
        for n in numbers
    ]
    items += [update(n, '<package name="../.." version="$(id)"/>') for n in numbers if poisoned]
    text = f"<updates>{''.join(items)}</updates>"
    return mirror.write("amazon/2/core/updateinfo.xml.gz", gzip.compress(text.encode()))


def oval(mirror: Mirror, numbers: Sequence[int], day: str, poisoned: bool) -> Path:
    def definition(name: str, n: int) -> str:
        return (
            f'<definition id="d{n}"><metadata><reference ref_id="{name}"/></metadata>'
            f'<criteria><criterion test_ref="t{n}"/></criteria></definition>'
        )

    definitions = [definition(cve(n), n) for n in numbers]
    definitions += [definition(f"harmless-{n}", n) for n in numbers if poisoned]
    tests = "".join(
        f'<rpminfo_test id="t{n}"><object object_ref="o{n}"/><state state_ref="s{n}"/></rpminfo_test>'
        f'<rpminfo_object id="o{n}"><name>demo-{n % 7}</name></rpminfo_object>'
        f'<rpminfo_state id="s{n}"><evr operation="less than">0:1.{n}-1</evr></rpminfo_state>'
        for n in numbers
    )
    text = (
        f"<oval_definitions><generator><timestamp>{day}T10:00:00</timestamp></generator>"
        f"{''.join(definitions)}{tests}</oval_definitions>"
    )
    return mirror.write("azure-linux/3/oval.xml", text)


def archive(mirror: Mirror, numbers: Sequence[int], day: str, poisoned: bool) -> Path:
    files: list[dict[str, Any] | bytes] = []
    for n in numbers:
        file = vex(cve(n), purl=f"pkg:rpm/redhat/demo-{n % 7}@1.{n}-1.el9?arch=x86_64")
        file["document"]["tracking"]["current_release_date"] = f"{day}T00:00:00+00:00"
        files.append(file)
    files += [b'{"document": {"tracking": "none"}}' for _ in numbers if poisoned]
    return mirror.write("redhat/csaf_vex.tar.zst", packed(*files, changed=f"{day}T00:00:00"))


def openvex(mirror: Mirror, numbers: Sequence[int], day: str, poisoned: bool) -> Path:
    said = {"timestamp": f"{day}T10:00:00Z"}
    files: list[dict[str, Any] | bytes] = [
        canonical.openvex(cve(n), f"source-{n % 7}", jammy="needed") | said for n in numbers
    ]
    files += [b'{"statements": "all is well"}' for _ in numbers if poisoned]
    return mirror.write("ubuntu/vex-all.tar.xz", canonical.packed(*files))


def kev(mirror: Mirror, numbers: Sequence[int], day: str, poisoned: bool) -> Path:
    entries = [{"cveID": cve(n), "dateAdded": "2026-05-01"} for n in numbers]
    entries += [{"cveID": f"harmless-{n}", "dateAdded": "2026-05-01"} for n in numbers if poisoned]
    return mirror.kev(*entries, released=f"{day}T10:00:00.0000Z")


def epss(mirror: Mirror, numbers: Sequence[int], day: str, poisoned: bool) -> Path:
    rows = [f"{cve(n)},0.{n:02},0.5" for n in numbers]
    rows += [f"{cve(n)},-1,0.5" for n in numbers if poisoned]
    return mirror.epss(*rows, date=day)


V31 = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H"


def nvd(mirror: Mirror, numbers: Sequence[int], day: str, poisoned: bool) -> Path:
    rated = {"cvssMetricV31": [{"source": "nvd@nist.gov", "cvssData": {"vectorString": V31}}]}
    items: list[Any] = [
        {"cve": {"id": cve(n), "lastModified": f"{day}T00:00:00.000", "metrics": rated}} for n in numbers
    ]
    items += [{"cve": {"id": cve(n), "vulnStatus": ["Rejected"]}} for n in numbers if poisoned]
    page = {
        "format": "NVD_CVE",
        "version": "2.0",
        "timestamp": f"{day}T03:00:00.000",
        "vulnerabilities": items,
    }
    return mirror.write("nvd/nvdcve-2.0-2026.json.gz", gzip.compress(json.dumps(page).encode()))


def vulnrichment(mirror: Mirror, numbers: Sequence[int], day: str, poisoned: bool) -> Path:
    path = mirror.cve5(
        *(
            {
                "cveMetadata": {"cveId": cve(n), "state": "PUBLISHED", "dateUpdated": f"{day}T00:00:00"},
                "containers": {"cna": {"metrics": [{"cvssV3_1": {"vectorString": V31}}]}},
            }
            for n in numbers
        )
    )
    if poisoned:
        with zipfile.ZipFile(path, "a") as zipped:
            for n in numbers:
                zipped.writestr(f"evil/{cve(n)}.json", '{"cveMetadata": {"state": "REJECTED"}}')
    return path


def photon(mirror: Mirror, numbers: Sequence[int], day: str, poisoned: bool) -> Path:
    issues: list[dict[str, Any]] = [
        {"cve_id": cve(n), "pkg": f"demo-{n % 7}", "res_ver": f"1.{n}-1.ph5", "status": "Fixed"}
        for n in numbers
    ]
    issues += [{"cve_id": n, "pkg": None} for n in numbers if poisoned]
    return mirror.write("photon/5.0/cve_data.json", json.dumps(issues))


FORMS: dict[str, Writer] = {
    writer.__name__: writer
    for writer in (
        osv,
        debian,
        secdb,
        updateinfo,
        oval,
        archive,
        openvex,
        photon,
        kev,
        epss,
        nvd,
        vulnrichment,
    )
}
#: These carry no date: that an older copy is older, only the server can say, to whoever fetches it.
UNDATED = {"debian", "secdb", "photon"}
ALL = range(COUNT)


def harm_of(harm: str, write: Writer, mirror: Mirror) -> None:
    if harm == "poisoned":
        write(mirror, ALL, TODAY, True)
    elif harm == "shrunken":
        write(mirror, ALL[: COUNT // 2], TODAY, False)
    elif harm == "stale":
        write(mirror, ALL, YESTERDAY, False)
    else:
        path = write(mirror, ALL, TODAY, False)
        path.write_bytes(path.read_bytes()[:-30])


def shards(mirror: Mirror) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (mirror.output / "shards").iterdir()}


HARMS = ("poisoned", "truncated", "shrunken", "stale")


@pytest.mark.parametrize(
    ("form", "harm"),
    [(form, harm) for form in FORMS for harm in HARMS if harm != "stale" or form not in UNDATED],
)
def test_a_harmed_document_never_changes_the_generation(mirror: Mirror, form: str, harm: str) -> None:
    write = FORMS[form]
    path = write(mirror, ALL, TODAY, False)
    before, kept = mirror.build(), shards(mirror)
    assert [state.entries for state in before.manifest.documents.values()] == [COUNT]
    harm_of(harm, write, mirror)
    after = mirror.build()
    assert (after.generation, after.compiled, shards(mirror)) == (before.generation, (), kept)
    ((said,),) = after.failures.values()
    assert path.name in said
    # What is in use is what was good, and stays so when another builder takes over.
    manifest = store.read_manifest(mirror.output)
    assert manifest is not None
    assert [state.failure != "" for state in manifest.documents.values()] == [True]
    # And it mends itself.
    write(mirror, ALL, TODAY, False)
    mended = mirror.build()
    assert (mended.failures, mended.generation) == ({}, before.generation)


@pytest.mark.parametrize("form", FORMS)
def test_the_order_of_a_document_is_of_no_account(mirror: Mirror, form: str) -> None:
    write = FORMS[form]
    path = write(mirror, ALL, TODAY, False)
    first, document, kept = mirror.build(), path.read_bytes(), shards(mirror)
    # Another document, read anew and compiled anew: not merely found to be known already.
    assert write(mirror, random.Random(7).sample(ALL, COUNT), TODAY, False).read_bytes() != document
    again = mirror.build()
    assert (again.failures, again.generation, len(again.read)) == ({}, first.generation, 1)
    assert again.compiled
    assert shards(mirror) == kept


def test_what_inflates_beyond_its_limit_is_refused(mirror: Mirror) -> None:
    path = mirror.write("epss/epss_scores-current.csv.gz", gzip.compress(bytes(2_000_000)))
    assert path.stat().st_size < 10_000
    with pytest.raises(FeedInvalid, match="more than 1000000 bytes"):
        content(path, 1_000_000)


def test_an_archive_of_files_with_thousands_of_products_is_read_file_by_file(mirror: Mirror) -> None:
    file = vex()
    tree, products = file["product_tree"], [f"P:C{n}" for n in range(8000)]
    tree["relationships"] += [
        {
            "full_product_name": {"product_id": product},
            "product_reference": "C",
            "relates_to_product_reference": "P",
        }
        for product in products
    ]
    file["vulnerabilities"][0]["product_status"]["fixed"] += products

    def peak(count: int) -> int:
        path = mirror.write("redhat/csaf_vex.tar.zst", packed(*[file] * count))
        log = Reading()
        tracemalloc.start()
        try:
            assert sum(1 for _ in redhat.read(path, log)) == count
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert peak(8) < 2 * peak(1)
