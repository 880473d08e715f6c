"""A scan report as SARIF 2.1.0 (OASIS, errata 01), as code scanning services read it.

One rule per vulnerability and per control that the image fails, one result per affected package and control.
An image is no source tree: a result points at the file in the image that bears witness to the package, or at
the image where there is none, and always at its first line, because a line is required where results are
shown. ``security-severity`` and ``tags`` are properties that GitHub reads (*SARIF support for code
scanning*).
"""

from __future__ import annotations

import hashlib
from typing import Any
from urllib.parse import quote

from hullwatch.findings.report import ControlEntry, Issue, ScanReport, VulnerabilityEntry
from hullwatch.posture.catalogue import catalogue
from hullwatch.posture.sarif import LEVELS, SCORES, control_rule, sarif_log

#: What a service may show of one result; GitHub keeps no more than ten.
_MAX_LOCATIONS = 10

# What vulnerabilities have besides the severities of controls.
_LEVELS = LEVELS | {"negligible": "note", "unknown": "warning"}
_SCORES = SCORES | {"negligible": 0.1, "unknown": 5.5}


def to_sarif(report: ScanReport, tool_version: str) -> dict[str, Any]:
    """One SARIF log with one run."""
    first_of: dict[str, VulnerabilityEntry] = {}
    for entry in report.vulnerabilities:
        first_of.setdefault(entry.id, entry)
    indexes = {identifier: index for index, identifier in enumerate(first_of)}
    failing = [entry for entry in report.controls if entry.verdict == "FAILED"]
    paths: dict[str | None, list[str]] = {}
    for package in report.packages:
        if package.purl:
            paths.setdefault(package.purl, []).extend(package.locations)
    return sarif_log(
        tool_version,
        rules=[
            *(_rule(entry) for entry in first_of.values()),
            *(control_rule(catalogue()[entry.control]) for entry in failing),
        ],
        results=[
            *(
                _result(entry, indexes[entry.id], paths.get(entry.purl, []), report.image.reference)
                for entry in report.vulnerabilities
            ),
            *(
                _control_result(entry, len(indexes) + place, report.image.reference)
                for place, entry in enumerate(failing)
            ),
        ],
        # The tool ran to its end; what it could not read are its notifications.
        invocations=[
            {
                "executionSuccessful": True,
                "toolExecutionNotifications": [_notification(issue) for issue in report.issues],
            }
        ],
        properties={
            "image": report.image.reference,
            "digest": report.image.digest,
            "platform": report.image.platform,
            "complete": report.complete,
        },
    )


def _rule(entry: VulnerabilityEntry) -> dict[str, Any]:
    names = ", ".join((entry.id, *entry.aliases))
    rule: dict[str, Any] = {
        "id": entry.id,
        "shortDescription": {"text": f"{entry.id} in {entry.package}"},
        "fullDescription": {"text": f"{names}: {entry.severity} severity."},
        "defaultConfiguration": {"level": _LEVELS[entry.severity]},
        "properties": {
            "tags": ["security", "vulnerability", entry.severity],
            "precision": "very-high",
            "security-severity": f"{_score(entry):.1f}",
        },
    }
    address = next((source.url for source in entry.sources if source.url), None)
    if address:
        rule["helpUri"] = quote(address, safe=_URI_CHARACTERS)
    return rule


def _score(entry: VulnerabilityEntry) -> float:
    return max((rating.score for rating in entry.cvss), default=_SCORES[entry.severity])


def _result(entry: VulnerabilityEntry, rule_index: int, paths: list[str], image: str) -> dict[str, Any]:
    name = entry.purl or f"{entry.package}@{entry.version}"
    where = list(dict.fromkeys(paths))[:_MAX_LOCATIONS] or [image]
    mend = f"fixed in {entry.fixed}" if entry.fixed else "no fix yet"
    identity = f"{entry.id}\n{entry.purl or entry.package}\n{entry.version}"
    return {
        "ruleId": entry.id,
        "ruleIndex": rule_index,
        "level": _LEVELS[entry.severity],
        "message": {
            "text": f"{entry.package} {entry.version} is affected by {entry.id} ({entry.severity}); {mend}."
        },
        "locations": [_location(path, name) for path in where],
        "partialFingerprints": {"hullwatch/v1": hashlib.sha256(identity.encode()).hexdigest()},
    }


def _control_result(entry: ControlEntry, rule_index: int, image: str) -> dict[str, Any]:
    found = "; ".join(f"{item.path}: {item.value}" for item in entry.violations)
    return {
        "ruleId": entry.control,
        "ruleIndex": rule_index,
        "level": LEVELS[entry.severity],
        "message": {"text": f"{entry.title} ({found})"},
        "locations": [_location(image, image)],
        "partialFingerprints": {
            "hullwatch/v1": hashlib.sha256(f"{entry.control}\n{image}".encode()).hexdigest()
        },
    }


def _location(path: str, name: str) -> dict[str, Any]:
    return {
        "physicalLocation": {
            "artifactLocation": {"uri": quote(path, safe="/")},
            "region": {"startLine": 1},
        },
        "logicalLocations": [{"fullyQualifiedName": name}],
    }


def _notification(issue: Issue) -> dict[str, Any]:
    notification: dict[str, Any] = {
        "level": "error",
        "descriptor": {"id": issue.reason},
        "message": {"text": issue.detail or issue.reason},
    }
    if issue.path:
        notification["locations"] = [
            {"physicalLocation": {"artifactLocation": {"uri": quote(issue.path, safe="/")}}}
        ]
    return notification


#: RFC 3986, reserved characters and the percent sign: an address stays what it was.
_URI_CHARACTERS = ":/?#[]@!$&'()*+,;=%"
