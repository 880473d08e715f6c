"""The public JSON, and its SARIF form."""

from __future__ import annotations

import json
from typing import Any

import pytest
from jsonschema import Draft7Validator

from fakes.matches import KEV, NOW, deb, digest, match, pypi
from fakes.sarif_contract import SARIF
from hullwatch.findings.report import LookupReport, ScanReport, lookup_report, scan_report
from hullwatch.findings.sarif import to_sarif
from hullwatch.findings.standalone import findings_of_images, subject_of
from hullwatch.inventory.image_facts import BaseImage, FileFacts, ImageFacts
from hullwatch.inventory.layer_index import Paths
from hullwatch.inventory.package import Inventory, OsRelease, Package, Problem
from hullwatch.posture.engine import Result, Violation
from hullwatch.posture.model.snapshot import Resource
from hullwatch.settings import FindingSettings

OPENSSL, DJANGO = deb(), pypi()
UNKNOWN = Package(type="generic", name="thing", version="1")
INVENTORY = Inventory(
    digest=digest("image-1"),
    os=OsRelease(id="debian", version_id="12", name="Debian GNU/Linux"),
    packages=(OPENSSL, DJANGO, UNKNOWN),
    problems=(Problem(reason="BUDGET_EXCEEDED", detail="nested too deep", path="app/my lib.jar"),),
)
MATCHES = [
    match(DJANGO, "CVE-2023-0009", severity="medium", fixed="4.2.2", aliases=("GHSA-xxxx", "PYSEC-1")),
    match(OPENSSL, "CVE-2023-0001", severity="critical", exploited=KEV, epss=0.62),
    match(UNKNOWN, "CVE-2023-0001", severity="critical", exploited=KEV, epss=0.62),
]
FACTS = ImageFacts(
    digest=digest("image-1"),
    platform="linux/amd64",
    layers=3,
    compressed_bytes=1000,
    uncompressed_bytes=2500,
    created="2024-05-01T12:00:00Z",
    base=BaseImage(source="history", layers=1),
    files=FileFacts(setuid=Paths(named=("bin/su",), total=3), world_writable=Paths(total=2)),
)
CONTROLS = [
    Result(
        id="0",
        control="image.user.root",
        resource=Resource(kind="Image", name=digest("image-1")),
        verdict="FAILED",
        severity="medium",
        violations=(Violation(path="config.User"),),
    ),
    Result(
        id="1",
        control="image.age.old",
        resource=Resource(kind="Image", name=digest("image-1")),
        verdict="PASSED",
        severity="low",
    ),
]
REPORT = scan_report("oci:app", FACTS, INVENTORY, MATCHES, CONTROLS, {"read": 1.5}, {"epss": "2026-05-31"})


def test_the_report_has_the_documented_shape() -> None:
    document = json.loads(REPORT.model_dump_json())
    assert list(document) == [
        "schema",
        "image",
        "packages",
        "vulnerabilities",
        "controls",
        "issues",
        "complete",
        "feeds",
        "only_fixed",
        "timings",
    ]
    assert document["schema"] == 1
    assert document["image"] == {
        "reference": "oci:app",
        "digest": digest("image-1"),
        "platform": "linux/amd64",
        "os": {"id": "debian", "version": "12", "name": "Debian GNU/Linux"},
        "created": "2024-05-01T12:00:00Z",
        "layers": 3,
        "compressed_bytes": 1000,
        "uncompressed_bytes": 2500,
        "user": None,
        "base": {"source": "history", "name": None, "digest": None, "layers": 1},
        "files": {"setuid": 3, "setgid": 0, "world_writable": 2, "capabilities": 0},
    }
    assert document["packages"][0] == {
        "purl": "pkg:pypi/django@4.2.1",
        "name": "Django",
        "version": "4.2.1",
        "ecosystem": "PyPI",
        "locations": ["app/Django-4.2.1.dist-info/METADATA"],
        "layer": digest("app"),
        "declared_only": False,
    }
    assert document["complete"] is False
    assert document["feeds"] == {"epss": "2026-05-31"}
    assert document["issues"] == [
        {"reason": "BUDGET_EXCEEDED", "detail": "nested too deep", "path": "app/my lib.jar", "layer": None}
    ]
    assert document["timings"] == {"read": 1.5}


def test_controls_are_listed_with_what_fails_them() -> None:
    entries = json.loads(REPORT.model_dump_json())["controls"]
    assert [entry["verdict"] for entry in entries] == ["PASSED", "FAILED"]
    assert entries[1] == {
        "control": "image.user.root",
        "title": "Image runs as root by default",
        "severity": "medium",
        "verdict": "FAILED",
        "reason": None,
        "violations": [{"path": "config.User", "value": None}],
    }


def test_vulnerabilities_are_sorted_by_severity_and_complete() -> None:
    entries = json.loads(REPORT.model_dump_json())["vulnerabilities"]
    assert [entry["severity"] for entry in entries] == ["critical", "critical", "medium"]
    assert entries[0] == {
        "id": "CVE-2023-0001",
        "aliases": [],
        "package": "openssl",
        "version": "3.0.9-1",
        "purl": "pkg:deb/debian/openssl@3.0.9-1",
        "fixed": None,
        "severity": "critical",
        "cvss": [{"version": "3.1", "vector": "CVSS:3.1/AV:N", "score": 7.5, "source": "nvd"}],
        "epss": 0.62,
        "kev": {"added": "2023-05-01", "due": "2023-05-22", "ransomware": False},
        "status": "affected",
        "layer": digest("base"),
        "sources": [
            {
                "advisory": "ADV-CVE-2023-0001",
                "source": "debian",
                "fixed": None,
                "severity": "critical",
                "modified": "2023-06-01",
                "url": "https://security.example/CVE-2023-0001",
            }
        ],
    }
    assert entries[2]["fixed"] == "4.2.2"
    assert entries[2]["kev"] is None


def test_what_is_not_known_is_null_and_never_empty() -> None:
    def strings(value: Any) -> list[str]:
        if isinstance(value, dict):
            return [text for entry in value.values() for text in strings(entry)]
        if isinstance(value, list):
            return [text for entry in value for text in strings(entry)]
        return [value] if isinstance(value, str) else []

    assert "" not in strings(json.loads(REPORT.model_dump_json()))


def test_a_distribution_whose_unfixed_vulnerabilities_nobody_lists_is_named() -> None:
    packages = (
        Package(type="apk", name="musl", version="1.2.3-r0", ecosystem="Alpine:v3.16"),
        Package(type="apk", name="curl", version="8.0-r0", ecosystem="Alpine:v3.16"),
        Package(type="pypi", name="a", version="1", ecosystem="PyPI"),
    )
    inventory = Inventory(digest=digest("x"), packages=packages)
    assert scan_report("oci:a", FACTS, inventory, [], [], {}).only_fixed == ["Alpine:v3.16"]
    assert REPORT.only_fixed == []


def test_an_image_without_a_distribution() -> None:
    report = scan_report("oci:scratch", FACTS, Inventory(digest=digest("x")), [], [], {})
    assert report.image.os is None
    assert report.feeds is None
    assert report.complete is True


@pytest.mark.parametrize("model", [ScanReport, LookupReport])
def test_a_report_fits_its_own_schema_and_reads_back(model: type[ScanReport] | type[LookupReport]) -> None:
    report = REPORT if model is ScanReport else lookup_report(DJANGO.purl, MATCHES[:1])
    document = json.loads(report.model_dump_json())
    Draft7Validator(model.model_json_schema(mode="serialization")).validate(document)
    assert model.model_validate(document) == report


def test_lookup_names_the_advisories_of_each_vulnerability() -> None:
    matches = [MATCHES[0], match(DJANGO, "CVE-2024-1", severity="critical")]
    assert json.loads(lookup_report("pkg:pypi/django@4.2.1", matches).model_dump_json()) == {
        "purl": "pkg:pypi/django@4.2.1",
        "vulnerabilities": [
            {
                "id": "CVE-2024-1",
                "aliases": [],
                "advisories": ["ADV-CVE-2024-1"],
                "fixed": None,
                "severity": "critical",
            },
            {
                "id": "CVE-2023-0009",
                "aliases": ["GHSA-xxxx", "PYSEC-1"],
                "advisories": ["ADV-CVE-2023-0009"],
                "fixed": "4.2.2",
                "severity": "medium",
            },
        ],
    }


def test_sarif_is_sarif() -> None:
    Draft7Validator(SARIF).validate(to_sarif(REPORT, "1.0"))


def test_sarif_has_a_rule_per_vulnerability_and_control() -> None:
    (run,) = to_sarif(REPORT, "1.0")["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == ["CVE-2023-0001", "CVE-2023-0009", "image.user.root"]
    assert [rules[result["ruleIndex"]]["id"] for result in run["results"]] == [
        result["ruleId"] for result in run["results"]
    ]
    assert [result["level"] for result in run["results"]] == ["error", "error", "warning", "warning"]
    assert len({result["partialFingerprints"]["hullwatch/v1"] for result in run["results"]}) == 4
    assert run["results"][2]["message"]["text"] == (
        "Django 4.2.1 is affected by CVE-2023-0009 (medium); fixed in 4.2.2."
    )


def test_sarif_points_at_the_witness_or_else_at_the_image() -> None:
    (run,) = to_sarif(REPORT, "1.0")["runs"]
    uris = [
        location["physicalLocation"]["artifactLocation"]["uri"]
        for result in run["results"]
        for location in result["locations"]
    ]
    assert uris == ["var/lib/dpkg/status", "oci%3Aapp", "app/Django-4.2.1.dist-info/METADATA", "oci%3Aapp"]
    (notification,) = run["invocations"][0]["toolExecutionNotifications"]
    assert notification["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "app/my%20lib.jar"


def test_one_image_by_itself_has_findings_too() -> None:
    subject = subject_of("linux/amd64", INVENTORY, MATCHES)
    findings = findings_of_images("app", [subject], settings=FindingSettings(), now=NOW)
    assert sorted((finding.kind, finding.package) for finding in findings) == [
        ("package", "Django"),
        ("package", "openssl"),
        ("package", "thing"),
        ("unscannable", ""),
    ]
    assert {finding.first_seen for finding in findings} == {NOW}
