"""The part of SARIF 2.1.0 that we write, closed: what code scanning services require included."""

from __future__ import annotations

from typing import Any


def closed(properties: dict[str, Any], *required: str) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


MESSAGE = closed({"text": {"type": "string", "minLength": 1}}, "text")
LEVEL = {"enum": ["none", "note", "warning", "error"]}
URI = {"type": "string", "pattern": r"^[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]+$"}
PHYSICAL = closed(
    {
        "artifactLocation": closed({"uri": URI}, "uri"),
        "region": closed({"startLine": {"type": "integer", "minimum": 1}}),
    },
    "artifactLocation",
)
LOCATION = closed(
    {
        "physicalLocation": PHYSICAL,
        "logicalLocations": {"type": "array", "items": closed({"fullyQualifiedName": {"type": "string"}})},
    }
)
RULE = closed(
    {
        "id": {"type": "string"},
        "shortDescription": MESSAGE,
        "fullDescription": MESSAGE,
        "help": MESSAGE,
        "helpUri": URI,
        "defaultConfiguration": closed({"level": LEVEL}),
        "properties": {
            "type": "object",
            "required": ["tags", "precision", "security-severity"],
            "properties": {
                "tags": {"type": "array", "uniqueItems": True, "contains": {"const": "security"}},
                "precision": {"enum": ["very-high", "high", "medium", "low"]},
                "security-severity": {"type": "string", "pattern": r"^(10\.0|\d\.\d)$"},
            },
        },
    },
    "id",
)
RESULT = closed(
    {
        "ruleId": {"type": "string"},
        "ruleIndex": {"type": "integer", "minimum": 0},
        "level": LEVEL,
        "message": MESSAGE,
        "locations": {"type": "array", "minItems": 1, "maxItems": 10, "items": LOCATION},
        "partialFingerprints": {"type": "object", "additionalProperties": {"type": "string"}},
    },
    "message",
    "locations",
)
INVOCATION = closed(
    {
        "executionSuccessful": {"type": "boolean"},
        "toolExecutionNotifications": {
            "type": "array",
            "items": closed(
                {
                    "level": LEVEL,
                    "message": MESSAGE,
                    "descriptor": closed({"id": {"type": "string"}}),
                    "locations": {"type": "array", "items": LOCATION},
                },
                "message",
            ),
        },
    },
    "executionSuccessful",
)
DRIVER = closed(
    {
        "name": {"type": "string"},
        "version": {"type": "string"},
        "rules": {"type": "array", "uniqueItems": True, "items": RULE},
    },
    "name",
)
RUN = closed(
    {
        "tool": closed({"driver": DRIVER}, "driver"),
        "invocations": {"type": "array", "items": INVOCATION},
        "results": {"type": "array", "items": RESULT},
        "columnKind": {"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
        "properties": {"type": "object"},
    },
    "tool",
)
#: The part of SARIF 2.1.0 that we use, closed: a property of another name is a mistake.
SARIF = closed(
    {
        "$schema": {"type": "string", "format": "uri"},
        "version": {"const": "2.1.0"},
        "runs": {"type": "array", "items": RUN},
    },
    "version",
    "runs",
)
