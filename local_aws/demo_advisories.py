"""A small set of advisories for the demo's image, in the layout of a feed mirror.

Facts only (identifiers, versions, scores, dates), from public advisories; an installation reads the feeds.
"""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from pathlib import Path
from typing import Any

#: Ecosystem, package, GHSA, CVE, first fixed version, CVSS vector, summary.
_OSV = [
    (
        "PyPI",
        "django",
        "GHSA-6r97-cj55-9hrq",
        "CVE-2019-14234",
        "2.2.4",
        "CVSS:3.0/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H",
        "SQL injection in key and index lookups of JSONField and HStoreField",
    ),
    (
        "npm",
        "lodash",
        "GHSA-35jh-r3h4-6jhm",
        "CVE-2021-23337",
        "4.17.21",
        "CVSS:3.1/AV:N/AC:L/PR:H/UI:N/S:U/C:H/I:H/A:H",
        "Command injection through template",
    ),
    (
        "npm",
        "minimist",
        "GHSA-xvch-5gv4-984h",
        "CVE-2021-44906",
        "1.2.6",
        "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H",
        "Prototype pollution",
    ),
]

#: Source package, CVE, first fixed version in bookworm (empty: none), urgency, description.
_DEBIAN = [
    ("libwebp", "CVE-2023-4863", "1.2.4-0.2+deb12u1", "not yet assigned", "Heap buffer overflow"),
    ("openssl", "CVE-2023-5363", "3.0.11-1~deb12u2", "not yet assigned", "Key and IV length handling"),
    ("zlib", "CVE-2023-45853", "", "not yet assigned", "Integer overflow in MiniZip"),
]

#: CVE, date added, due date.
_EXPLOITED = [("CVE-2023-4863", "2023-09-13", "2023-10-04")]

#: CVE, EPSS probability.
_EPSS = [("CVE-2023-4863", 0.94), ("CVE-2019-14234", 0.62), ("CVE-2021-23337", 0.01)]


def write(mirror: Path) -> None:
    """Write the set below a directory."""
    for ecosystem in sorted({row[0] for row in _OSV}):
        path = mirror / "osv" / ecosystem / "all.zip"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(_zip([_osv_record(row) for row in _OSV if row[0] == ecosystem]))
    _write(mirror / "debian" / "tracker-data.json", json.dumps(_tracker()).encode())
    _write(mirror / "kev" / "known_exploited_vulnerabilities.json", json.dumps(_catalogue()).encode())
    _write(mirror / "epss" / "epss_scores-current.csv.gz", gzip.compress(_scores().encode(), mtime=0))


def _osv_record(row: tuple[str, ...]) -> dict[str, Any]:
    ecosystem, package, identifier, cve, fixed, vector, summary = row
    return {
        "schema_version": "1.6.0",
        "id": identifier,
        "aliases": [cve],
        "summary": summary,
        "modified": "2024-01-01T00:00:00Z",
        "severity": [{"type": "CVSS_V3", "score": vector}],
        "affected": [
            {
                "package": {"ecosystem": ecosystem, "name": package},
                "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": fixed}]}],
            }
        ],
    }


def _tracker() -> dict[str, Any]:
    tracker: dict[str, Any] = {}
    for package, cve, fixed, urgency, description in _DEBIAN:
        state = (
            {"status": "resolved", "fixed_version": fixed} if fixed else {"status": "open", "nodsa": "Minor"}
        )
        tracker.setdefault(package, {})[cve] = {
            "description": description,
            "releases": {"bookworm": {**state, "urgency": urgency, "repositories": {}}},
        }
    return tracker


def _catalogue() -> dict[str, Any]:
    return {
        "title": "CISA Catalog of Known Exploited Vulnerabilities",
        "catalogVersion": "2024.01.01",
        "dateReleased": "2024-01-01T00:00:00.0000Z",
        "count": len(_EXPLOITED),
        "vulnerabilities": [
            {"cveID": cve, "dateAdded": added, "dueDate": due, "knownRansomwareCampaignUse": "Unknown"}
            for cve, added, due in _EXPLOITED
        ],
    }


def _scores() -> str:
    lines = ["#model_version:v2025.03.14,score_date:2024-01-01T00:00:00+0000", "cve,epss,percentile"]
    lines += [f"{cve},{score},{score}" for cve, score in _EPSS]
    return "\n".join(lines) + "\n"


def _zip(records: list[dict[str, Any]]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for record in records:
            archive.writestr(f"{record['id']}.json", json.dumps(record))
    return buffer.getvalue()


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
