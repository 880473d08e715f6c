"""Ubuntu's OpenVEX documents for tests, and archives of them."""

from __future__ import annotations

import io
import json
import lzma
import tarfile
from typing import Any

#: What the documents say word for word, by the state of Ubuntu's tracker.
STATES: dict[str, dict[str, str]] = {
    "released": {
        "status": "fixed",
        "status_notes": "This package (for the given release) was vulnerable, but an update has been "
        "uploaded and published.",
    },
    "not-affected": {
        "status": "not_affected",
        "justification": "vulnerable_code_not_present",
        "impact_statement": "This package (for the given release), while related to the CVE in some way, is "
        "not affected by the issue. CVE Notes / justification: decided to not fix upstream, deferred",
    },
    "DNE": {
        "status": "not_affected",
        "justification": "component_not_present",
        "impact_statement": "The package does not exist in the archive for this release.",
    },
    "needed": {
        "status": "affected",
        "action_statement": "This package (for the given release) is vulnerable to the CVE and needs fixing.",
    },
    "noted": {
        "status": "affected",
        "action_statement": "This package (for the given release) is vulnerable to the CVE and needs fixing. "
        "CVE Notes / justification: upstream decided to not fix it; no longer supported; deferred",
    },
    "ignored": {
        "status": "affected",
        "action_statement": "This package (for the given release) is vulnerable to the CVE, the problem is "
        "understood, but the Ubuntu Security Team decided to not fix it.",
    },
    "end of life": {
        "status": "affected",
        "action_statement": "This package (for the given release) is no longer supported. Please upgrade "
        "your system.",
    },
    "needs-triage": {
        "status": "under_investigation",
        "status_notes": "The vulnerability of this package (for the given release) is not known and needs to "
        "be evaluated.",
    },
    "deferred": {
        "status": "under_investigation",
        "status_notes": "The vulnerability is known but remediation is deferred.",
    },
}


def openvex(cve: str = "CVE-2026-0001", package: str = "openssl", **states: str) -> dict[str, Any]:
    """A document that says of one source package, and of a binary of it, what holds where.

    Places are code names, pockets with two underscores for the slash: ``jammy="needed"``,
    ``esm_infra__focal="released"``.
    """
    return {
        "@context": "https://openvex.dev/ns/v0.2.0",
        "@id": f"https://github.com/canonical/ubuntu-security-notices/blob/main/vex/cve/2026/{cve}",
        "author": "Canonical Ltd.",
        "timestamp": "2026-05-20T15:02:47.589121Z",
        "version": 1,
        "statements": [
            {
                "vulnerability": {
                    "@id": f"https://nvd.nist.gov/vuln/detail/{cve}",
                    "name": cve,
                    "description": "A flaw.",
                    "aliases": [f"https://ubuntu.com/security/{cve}"],
                },
                "timestamp": "2026-04-01T06:00:00Z",
                "products": [
                    {"@id": f"pkg:deb/ubuntu/{name}@3.0.2-0ubuntu1.99?arch={arch}&distro={where}"}
                    for name, arch in ((package, "source"), (f"lib{package}3", "amd64"))
                ],
                **STATES[state],
            }
            for place, state in states.items()
            for where in [place.replace("__", "/").replace("_", "-")]
        ],
    }


def packed(*documents: dict[str, Any] | bytes, folder: str = "vex-all/vex/cve/2026") -> bytes:
    """An archive of documents, in Canonical's layout."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for number, document in enumerate(documents):
            data = document if isinstance(document, bytes) else json.dumps(document, indent=2).encode()
            entry = tarfile.TarInfo(f"{folder}/CVE-2026-{number:04}.json")
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return lzma.compress(out.getvalue())
