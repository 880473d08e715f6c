"""The AWS Security Finding Format as Security Hub documents it, checked field by field.

Types, required members, enumerations and patterns come from botocore's service model, lengths and counts from
the documentation inside that model (``Maximum length of 512``), the few rules that stand elsewhere from
https://docs.aws.amazon.com/securityhub/latest/userguide/securityhub-findings-format.html. botocore's own
validation covers only types and required members.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import botocore.session

#: Bytes of one finding, https://docs.aws.amazon.com/securityhub/1.0/APIReference/API_BatchImportFindings.html
FINDING_BYTES = 240 * 1000
#: What only the customer sets, with BatchUpdateFindings.
CUSTOMER_FIELDS = ("Note", "UserDefinedFields", "VerificationState", "Workflow", "WorkflowState")

_REQUIRED = (
    "SchemaVersion",
    "Id",
    "ProductArn",
    "GeneratorId",
    "AwsAccountId",
    "CreatedAt",
    "UpdatedAt",
    "Title",
    "Description",
    "Resources",
)
_NAMESPACES = (
    "Software and Configuration Checks",
    "TTPs",
    "Effects",
    "Unusual Behaviors",
    "Sensitive Data Identifications",
)
_TIMESTAMP = re.compile(
    r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])T([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,9})?"
    r"(Z|[+-]([01]\d|2[0-3])(:?[0-5]\d)?)"
)
_SCALARS: dict[str, tuple[str, tuple[type, ...]]] = {
    "boolean": ("a boolean", (bool,)),
    "integer": ("an integer", (int,)),
    "long": ("an integer", (int,)),
    "float": ("a number", (int, float)),
    "double": ("a number", (int, float)),
}
_MAX_LENGTH = re.compile(r"Maximum (?:length )?of (\d+)(?: length)?\.")
_MIN_LENGTH = re.compile(r"Minimum length of (\d+)\.")
_EXACT_LENGTH = re.compile(r"Length Constraints: (\d+)\.")
_MAX_ITEMS = re.compile(r"Maximum number of (\d+) items?")
_MIN_ITEMS = re.compile(r"Minimum number of (\d+) items?")
_MAP = re.compile(r"up to (\d+) key-value pairs.*key can contain up to (\d+) .*value can contain up to (\d+)")


@cache
def shape() -> Any:
    return botocore.session.get_session().get_service_model("securityhub").shape_for("AwsSecurityFinding")


def violations(finding: Mapping[str, Any], *, account: str) -> list[str]:
    """Everything that is wrong with a finding that a provider in ``account`` imports, as ``path: reason``."""
    found = [f"{field}: required" for field in _REQUIRED if finding.get(field) in (None, "", [])]
    found += [f"{field}: cannot be set by a provider" for field in CUSTOMER_FIELDS if field in finding]
    found += _check(shape(), finding, "")
    if len(json.dumps(finding, separators=(",", ":")).encode()) > FINDING_BYTES:
        found.append(f"(finding): over {FINDING_BYTES} bytes")
    if finding.get("SchemaVersion") != "2018-10-08":
        found.append("SchemaVersion: must be 2018-10-08")
    if finding.get("AwsAccountId") != account:
        found.append(f"AwsAccountId: must be the importing account {account}")
    found += _check_details(finding.get("Resources") or [])
    return found + list(_check_provided(finding, finding.get("FindingProviderFields") or {}))


def _check_details(resources: Any) -> Iterator[str]:
    """Details are those of the resource's type, or ``Other`` for what that type has no field for."""
    for index, resource in enumerate(resources if isinstance(resources, list) else []):
        details = resource.get("Details") if isinstance(resource, Mapping) else None
        for name in details if isinstance(details, Mapping) else ():
            if name not in (resource.get("Type"), "Other"):
                yield f"Resources[{index}].Details: {name} does not fit the type {resource.get('Type')}"


def _check_provided(finding: Mapping[str, Any], provided: Mapping[str, Any]) -> Iterator[str]:
    """What FindingProviderFields shares with the top level, where alone the documentation has its limits."""
    for name in provided.keys() & {"RelatedFindings", "Types"}:
        yield from _check(shape().members[name], provided[name], f"FindingProviderFields.{name}")
    severity = provided.get("Severity") or finding.get("Severity") or {}
    if not severity.keys() & {"Label", "Normalized"}:
        yield "FindingProviderFields.Severity: a label is required"
    for values in (finding, provided):
        for name in ("Confidence", "Criticality"):
            if not 0 <= values.get(name, 0) <= 100:
                yield f"{name}: must be 0 to 100"
        for kind in values.get("Types", []):
            namespace, *rest = kind.split("/")
            if namespace not in _NAMESPACES or len(rest) > 2:
                yield f"Types: {kind!r} is not namespace/category/classifier"


def _check(shape: Any, value: Any, path: str) -> Iterator[str]:
    if shape.type_name in _SCALARS:
        name, types = _SCALARS[shape.type_name]
        # In Python a boolean is an integer too.
        if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
            yield f"{path}: must be {name}"
        return
    check = {
        "structure": _check_structure,
        "list": _check_list,
        "map": _check_map,
        "string": _check_string,
    }[shape.type_name]
    yield from check(shape, value, path)


def _check_structure(shape: Any, value: Any, path: str) -> Iterator[str]:
    if not isinstance(value, Mapping):
        yield f"{path}: must be an object"
        return
    prefix = f"{path}." if path else ""
    # The top level's list in the model is shorter than the documented one, see _REQUIRED.
    for name in shape.metadata.get("required", []) if path else []:
        if name not in value:
            yield f"{prefix}{name}: required"
    for name, member in value.items():
        if name not in shape.members:
            yield f"{prefix}{name}: unknown field"
        else:
            yield from _check(shape.members[name], member, f"{prefix}{name}")


def _check_list(shape: Any, value: Any, path: str) -> Iterator[str]:
    if not isinstance(value, list):
        yield f"{path}: must be a list"
        return
    if (most := _number(_MAX_ITEMS, shape)) is not None and len(value) > most:
        yield f"{path}: at most {most} items"
    if (least := _number(_MIN_ITEMS, shape)) is not None and len(value) < least:
        yield f"{path}: at least {least} items"
    for index, item in enumerate(value):
        yield from _check(shape.member, item, f"{path}[{index}]")


def _check_map(shape: Any, value: Any, path: str) -> Iterator[str]:
    if not isinstance(value, Mapping):
        yield f"{path}: must be an object"
        return
    if limits := _MAP.search(shape.documentation or ""):
        pairs, key_length, value_length = map(int, limits.groups())
        if len(value) > pairs:
            yield f"{path}: at most {pairs} pairs"
        for key, item in value.items():
            if not 1 <= len(key) <= key_length:
                yield f"{path}: the key {key[:20]!r} must have 1 to {key_length} characters"
            if isinstance(item, str) and len(item) > value_length:
                yield f"{path}.{key}: at most {value_length} characters"
    for key, item in value.items():
        yield from _check(shape.value, item, f"{path}.{key}")


def _check_string(shape: Any, value: Any, path: str) -> Iterator[str]:
    if not isinstance(value, str):
        yield f"{path}: must be a string"
        return
    documentation = shape.documentation or ""
    if (most := _number(_MAX_LENGTH, shape)) is not None and len(value) > most:
        yield f"{path}: at most {most} characters"
    if (least := _number(_MIN_LENGTH, shape)) is not None and len(value) < least:
        yield f"{path}: at least {least} characters"
    if (exact := _number(_EXACT_LENGTH, shape)) is not None and len(value) != exact:
        yield f"{path}: exactly {exact} characters"
    if (pattern := shape.metadata.get("pattern")) and not re.search(pattern, value):
        yield f"{path}: must match {pattern}"
    if (allowed := shape.metadata.get("enum")) and value not in allowed:
        yield f"{path}: {value!r} is none of {', '.join(allowed)}"
    if "Welcome.html#timestamps" in documentation and not _TIMESTAMP.fullmatch(value):
        yield f"{path}: {value!r} is no RFC 3339 time stamp"


def _number(pattern: re.Pattern[str], shape: Any) -> int | None:
    found = pattern.search(shape.documentation or "")
    return int(found[1]) if found else None
