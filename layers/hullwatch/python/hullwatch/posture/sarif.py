"""Failed controls as SARIF 2.1.0 (OASIS, errata 01): one rule per control, one result per resource."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

from hullwatch.posture.catalogue import Entry, catalogue
from hullwatch.posture.engine import Result
from hullwatch.posture.readers.sources import Sources

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"

LEVELS: dict[str, str] = {
    "critical": "error",
    "high": "error",
    "medium": "warning",
    "low": "note",
    "info": "note",
}
#: Where nothing says better: the middle of GitHub's band for the severity.
SCORES: dict[str, float] = {
    "critical": 9.5,
    "high": 8.0,
    "medium": 5.5,
    "low": 2.0,
    "info": 0.1,
}


def to_sarif(results: Iterable[Result], sources: Sources, tool_version: str) -> dict[str, Any]:
    """One log with one run. A result without a file, such as one about the account, has no physical place."""
    failed = [result for result in results if result.verdict == "FAILED"]
    indexes = {name: place for place, name in enumerate(dict.fromkeys(item.control for item in failed))}
    return sarif_log(
        tool_version,
        rules=[control_rule(catalogue()[name]) for name in indexes],
        results=[_result(item, indexes[item.control], sources) for item in failed],
    )


def sarif_log(
    tool_version: str, *, rules: list[dict[str, Any]], results: list[dict[str, Any]], **more: Any
) -> dict[str, Any]:
    """A log with one run; ``more`` are other properties of the run."""
    driver = {"name": "hullwatch", "version": tool_version, "rules": rules}
    run = {"tool": {"driver": driver}, "results": results, "columnKind": "unicodeCodePoints", **more}
    return {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}


def control_rule(entry: Entry) -> dict[str, Any]:
    """What SARIF says of a control, whatever fails it."""
    return {
        "id": entry.id,
        "shortDescription": {"text": entry.title},
        "fullDescription": {"text": entry.why},
        "help": {"text": entry.fix},
        "defaultConfiguration": {"level": LEVELS[entry.severity]},
        "properties": {
            "tags": ["security", entry.scope],
            "precision": "very-high",
            "security-severity": f"{SCORES[entry.severity]:.1f}",
        },
    }


def _result(result: Result, rule_index: int, sources: Sources) -> dict[str, Any]:
    resource = str(result.resource)
    paths = ", ".join(item.path for item in result.violations)
    location: dict[str, Any] = {"logicalLocations": [{"fullyQualifiedName": resource}]}
    if place := sources.place(result.resource, result.violations[0].path if result.violations else ""):
        location["physicalLocation"] = {
            "artifactLocation": {"uri": quote(place.file)},
            "region": {"startLine": place.line},
        }
    return {
        "ruleId": result.control,
        "ruleIndex": rule_index,
        "level": LEVELS[result.severity],
        "message": {"text": f"{resource}: {catalogue()[result.control].title} ({paths})"},
        "locations": [location],
        "partialFingerprints": {"hullwatch/v1": result.id},
    }
