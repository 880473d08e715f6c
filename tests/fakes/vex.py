"""Red Hat's VEX files for tests, and archives of them."""

from __future__ import annotations

import io
import json
import re
import tarfile
from datetime import UTC, datetime
from typing import Any

import zstandard

BASEOS = "cpe:/o:redhat:enterprise_linux:9::baseos"


def vex(
    cve: str = "CVE-2026-0001",
    *,
    cpe: str = BASEOS,
    purl: str = "pkg:rpm/redhat/openssl-libs@3.0.7-28.el9_4?arch=x86_64&epoch=1",
    status: str = "fixed",
    remedy: tuple[str, str] | None = None,
) -> dict[str, Any]:
    """A file that says one thing of one component of one product."""
    return {
        "document": {
            "title": "openssl: a mistake",
            "aggregate_severity": {"text": "Moderate"},
            "tracking": {"id": cve, "current_release_date": "2026-05-20T00:00:00+00:00"},
        },
        "product_tree": {
            "branches": [
                {
                    "category": "vendor",
                    "branches": [
                        {"product": {"product_id": "P", "product_identification_helper": {"cpe": cpe}}},
                        {"product": {"product_id": "C", "product_identification_helper": {"purl": purl}}},
                    ],
                }
            ],
            "relationships": [
                {
                    "full_product_name": {"product_id": "P:C"},
                    "product_reference": "C",
                    "relates_to_product_reference": "P",
                }
            ],
        },
        "vulnerabilities": [
            {
                "cve": cve,
                "product_status": {status: ["P:C"]},
                "remediations": [{"category": remedy[0], "details": remedy[1], "product_ids": ["P:C"]}]
                if remedy
                else [],
                "scores": [{"cvss_v3": {"vectorString": "CVSS:3.1/AV:N/AC:H/PR:N/UI:N/S:U/C:N/I:N/A:H"}}],
            }
        ],
    }


def merged(*files: dict[str, Any]) -> dict[str, Any]:
    """One file that says of one CVE what all of them say, each of a product and a component of its own."""
    parts: list[dict[str, Any]] = [
        json.loads(re.sub(r'"([PC]|P:C)"', rf'"{number}.\1"', json.dumps(file)))
        for number, file in enumerate(files)
    ]
    first = parts[0]
    for part in parts[1:]:
        for key in ("branches", "relationships"):
            first["product_tree"][key] += part["product_tree"][key]
        said, more = first["vulnerabilities"][0], part["vulnerabilities"][0]
        for status, products in more["product_status"].items():
            said["product_status"].setdefault(status, []).extend(products)
        said["remediations"] += more["remediations"]
    return first


def packed(*files: dict[str, Any] | bytes, changed: str = "2026-05-20T00:00:00") -> bytes:
    """An archive of files, each changed at the given moment."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for number, file in enumerate(files):
            data = file if isinstance(file, bytes) else json.dumps(file).encode()
            entry = tarfile.TarInfo(f"2026/cve-2026-{number:04}.json")
            entry.size = len(data)
            entry.mtime = int(datetime.fromisoformat(changed).replace(tzinfo=UTC).timestamp())
            archive.addfile(entry, io.BytesIO(data))
    return zstandard.compress(out.getvalue())


def repositories(served: dict[str, list[str]]) -> bytes:
    """The list of what repositories serve: name -> CPEs."""
    return json.dumps({"data": {name: {"cpes": cpes} for name, cpes in served.items()}}).encode()
