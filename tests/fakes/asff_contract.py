"""What Security Hub demands of ``BatchImportFindings``, as far as it is documented.

This knows nothing of hullwatch. Shapes, enums and required members come from botocore's model. Lengths,
counts, time formats and the rules about accounts and product ARNs stand only in the documentation: the API
reference of ``AwsSecurityFinding`` and its parts, the user guide's ASFF pages and *BatchImportFindings for
finding providers*, and the partner guide.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

import botocore.session
from botocore.model import Shape
from botocore.validate import ParamValidator

MAX_FINDINGS = 100
MAX_FINDING_BYTES = 240 * 1000
MAX_CALL_BYTES = 6 * 1000 * 1000

#: Path of a string in the finding, and its longest value.
LENGTHS = {
    "Id": 512,
    "GeneratorId": 512,
    "ProductArn": 2048,
    "ProductName": 128,
    "CompanyName": 128,
    "Region": 16,
    "Title": 256,
    "Description": 1024,
    "Remediation.Recommendation.Text": 512,
    "FindingProviderFields.Severity.Original": 64,
    "Severity.Original": 64,
    "AwsAccountName": 50,
}
#: Path of a list or map, with the fewest and the most members.
COUNTS = {
    "Resources": (1, 32),
    "Types": (0, 50),
    "FindingProviderFields.Types": (0, 50),
    "ProductFields": (0, 50),
    "UserDefinedFields": (0, 50),
    "RelatedFindings": (1, 10),
    "Malware": (0, 5),
    "Compliance.RelatedRequirements": (0, 32),
}
NAMESPACES = {
    "Software and Configuration Checks",
    "TTPs",
    "Effects",
    "Unusual Behaviors",
    "Sensitive Data Identifications",
}
#: A provider may not set what the customer works with, and sets these only through FindingProviderFields.
CUSTOMERS_FIELDS = ("Note", "UserDefinedFields", "VerificationState", "Workflow", "WorkflowState")
PROVIDER_FIELDS = ("Confidence", "Criticality", "RelatedFindings", "Severity", "Types")
ARCHITECTURES = {"arm64", "i386", "x86_64"}

TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:?\d\d)")
TIMES = (
    "CreatedAt",
    "UpdatedAt",
    "FirstObservedAt",
    "LastObservedAt",
    "VendorCreatedAt",
    "VendorUpdatedAt",
    "ImagePublishedAt",
    "LastKnownExploitAt",
)


def violations_of_call(
    findings: Sequence[Mapping[str, Any]], account: str, region: str, partition: str = "aws"
) -> list[str]:
    """What is wrong with one call, findings included. Empty when the service would take all of it."""
    found = []
    if not 1 <= len(findings) <= MAX_FINDINGS:
        found.append(f"{len(findings)} findings in one call")
    if _bytes({"Findings": findings}) > MAX_CALL_BYTES:
        found.append("the call is larger than 6 MB")
    for finding in findings:
        found += violations(finding, account, region, partition)
    return found


def violations(finding: Mapping[str, Any], account: str, region: str, partition: str = "aws") -> list[str]:
    """What is wrong with one finding that this account sends. Empty when the service would take it."""
    report = ParamValidator().validate(finding, _shape())
    if report.has_errors():
        return [report.generate_report()]
    return list(_documented(finding, account, region, partition))


def _documented(finding: Mapping[str, Any], account: str, region: str, partition: str) -> Iterator[str]:
    yield from _identity(finding, account, region, partition)
    yield from _sizes(finding)
    yield from _ownership(finding)
    yield from _product_fields(finding.get("ProductFields", {}))
    yield from _compliance(finding.get("Compliance"))
    for resource in finding["Resources"]:
        yield from _resource(resource)
    for vulnerability in finding.get("Vulnerabilities", []):
        yield from _vulnerability(vulnerability)
    yield from _strings(finding, "")
    yield from _enums(finding, _shape())


def _identity(finding: Mapping[str, Any], account: str, region: str, partition: str) -> Iterator[str]:
    if finding["SchemaVersion"] != "2018-10-08":
        yield "SchemaVersion is not 2018-10-08"
    if finding["AwsAccountId"] != account or not re.fullmatch(r"\d{12}", account):
        yield "AwsAccountId is not the caller's"
    if finding["ProductArn"] != f"arn:{partition}:securityhub:{region}:{account}:product/{account}/default":
        yield "ProductArn is not the default product of the account and Region"
    if finding["UpdatedAt"] < finding["CreatedAt"]:
        yield "UpdatedAt is before CreatedAt"


def _sizes(finding: Mapping[str, Any]) -> Iterator[str]:
    if _bytes(finding) > MAX_FINDING_BYTES:
        yield "larger than 240 KB"
    for path, most in LENGTHS.items():
        value = _at(finding, path)
        if value is not None and not 1 <= len(value) <= most:
            yield f"{path} has {len(value)} characters"
    for path, (fewest, most) in COUNTS.items():
        value = _at(finding, path)
        if value is not None and not fewest <= len(value) <= most:
            yield f"{path} has {len(value)} members"


def _ownership(finding: Mapping[str, Any]) -> Iterator[str]:
    for name in CUSTOMERS_FIELDS:
        if name in finding:
            yield f"{name} belongs to the customer"
    for name in PROVIDER_FIELDS:
        if name in finding:
            yield f"{name} belongs into FindingProviderFields"
    yield from _provider_fields(finding.get("FindingProviderFields", {}))


def _provider_fields(provider: Mapping[str, Any]) -> Iterator[str]:
    if not ({"Label", "Original"} & provider.get("Severity", {}).keys()):
        yield "no severity"
    for name in ("Confidence", "Criticality"):
        if not 0 <= provider.get(name, 0) <= 100:
            yield f"{name} is no percentage"
    if not provider.get("Types"):
        yield "no type"
    for text in provider.get("Types", []):
        parts = text.split("/")
        if parts[0] not in NAMESPACES or len(parts) > 3:
            yield f"{text} is no finding type"


def _compliance(compliance: Mapping[str, Any] | None) -> Iterator[str]:
    if compliance is None:
        return
    if "Status" not in compliance:
        yield "Compliance says nothing about the status"
    for name in ("RelatedRequirements", "AssociatedStandards", "StatusReasons"):
        values = [json.dumps(value) for value in compliance.get(name, [])]
        if len(values) != len(set(values)):
            yield f"Compliance.{name} repeats itself"


def _product_fields(fields: Mapping[str, str]) -> Iterator[str]:
    for key, value in fields.items():
        if len(key) > 128 or len(value) > 2048:
            yield f"ProductFields {key[:40]} is too long"
        if key.startswith("aws/"):
            yield f"ProductFields {key} is reserved"


def _resource(resource: Mapping[str, Any]) -> Iterator[str]:
    if len(resource["Type"]) > 256:
        yield "Resource Type is too long"
    if len(resource.get("Region", "")) > 16:
        yield "Resource Region is too long"
    details = resource.get("Details", {})
    if len(details) > 1:
        yield "a resource has details of more than one type"
    if details.keys() - {resource["Type"], "Other"}:
        yield f"a resource of type {resource['Type']} has details of {', '.join(details)}"
    if resource["Type"] == "AwsEcrContainerImage":
        image = r"arn:[^:]+:ecr:[^:]+:\d{12}:repository/[a-z0-9._/-]+/sha256:[0-9a-f]{64}"
        if not re.fullmatch(image, resource["Id"]):
            yield f"{resource['Id']} is no ECR image"
        architecture = details.get("AwsEcrContainerImage", {}).get("Architecture")
        if architecture is not None and architecture not in ARCHITECTURES:
            yield f"{architecture} is no architecture"


def _vulnerability(vulnerability: Mapping[str, Any]) -> Iterator[str]:
    packages = vulnerability.get("VulnerablePackages", [])
    fixed = sum("FixedInVersion" in package and "Remediation" in package for package in packages)
    expected = "YES" if packages and fixed == len(packages) else "PARTIAL" if fixed else "NO"
    if vulnerability.get("FixAvailable", expected) != expected:
        yield f"{vulnerability['Id']}: FixAvailable is not {expected}"
    if not 0 <= vulnerability.get("EpssScore", 0) <= 1:
        yield f"{vulnerability['Id']}: EpssScore is no probability"
    for rating in vulnerability.get("Cvss", []):
        if not 0 <= rating.get("BaseScore", 0) <= 10:
            yield f"{vulnerability['Id']}: BaseScore is out of range"


def _strings(value: Any, name: str) -> Iterator[str]:
    """``NonEmptyString`` has a pattern that botocore does not check; times have their formats."""
    if isinstance(value, str):
        if not re.search(r"\S", value):
            yield f"{name} is empty"
        if name in TIMES and not TIMESTAMP.fullmatch(value):
            yield f"{name} is no timestamp: {value}"
    elif isinstance(value, Mapping):
        for key, entry in value.items():
            yield from _strings(entry, key)
    elif isinstance(value, list | tuple):
        for entry in value:
            yield from _strings(entry, name)


def _enums(value: Any, shape: Any) -> Iterator[str]:
    """Values outside an enum, which botocore's validator lets through."""
    if shape.type_name == "structure":
        for name, entry in value.items():
            yield from _enums(entry, shape.members[name])
    elif shape.type_name == "list":
        for entry in value:
            yield from _enums(entry, shape.member)
    elif shape.type_name == "string" and shape.enum and value not in shape.enum:
        yield f"{shape.name} has no {value}"


def _at(finding: Mapping[str, Any], path: str) -> Any:
    value: Any = finding
    for name in path.split("."):
        if not isinstance(value, Mapping) or name not in value:
            return None
        value = value[name]
    return value


def _bytes(value: object) -> int:
    return len(json.dumps(value).encode())


@cache
def _shape() -> Shape:
    return botocore.session.get_session().get_service_model("securityhub").shape_for("AwsSecurityFinding")
