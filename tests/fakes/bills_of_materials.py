"""The reference tools of both formats as judges of a document."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from spdx_tools.spdx.jsonschema.document_converter import DocumentConverter
from spdx_tools.spdx.parser.jsonlikedict.json_like_dict_parser import JsonLikeDictParser
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document


def check_cyclonedx(content: bytes) -> None:
    """Against the official schema in its strict form, and every reference to something that is there."""
    error = _cyclonedx_validator().validate_str(content.decode())
    assert error is None, error
    document = json.loads(content)
    root = document["metadata"]["component"]["bom-ref"]
    known = [root, *(part["bom-ref"] for part in document.get("components", []))]
    assert len(set(known)) == len(known)
    for entry in document["dependencies"]:
        assert {entry["ref"], *entry.get("dependsOn", [])} <= set(known)


def check_spdx(content: bytes) -> None:
    """Against the rules of the specification; and nothing in it that the reference library does not know."""
    document = json.loads(content)
    parsed = JsonLikeDictParser().parse(json.loads(content))  # type: ignore[no-untyped-call]
    assert validate_full_spdx_document(parsed) == []
    written = DocumentConverter().convert(parsed)  # type: ignore[no-untyped-call]
    for reference in (found for package in written["packages"] for found in package.get("externalRefs", [])):
        # The library still writes the spelling of 2.2; the schema of 2.3 has the hyphen.
        reference["referenceCategory"] = reference["referenceCategory"].replace("_", "-")
    assert _sorted(written) == _sorted(document)


@cache
def _cyclonedx_validator() -> JsonStrictValidator:
    return JsonStrictValidator(SchemaVersion.V1_6)


def _sorted(value: Any) -> Any:
    """The same document whatever the order of its lists and keys."""
    if isinstance(value, dict):
        return {key: _sorted(child) for key, child in sorted(value.items())}
    if isinstance(value, list):
        return sorted((_sorted(child) for child in value), key=json.dumps)
    return value
