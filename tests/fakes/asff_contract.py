"""What a finding of ours owes to Security Hub beyond what the service refuses.

What the service refuses is in :mod:`local_aws.asff`. Here is what it takes and would get wrong or show badly,
and what holds of a whole call: the user guide's ASFF pages and *BatchImportFindings for finding providers*,
and the partner guide. This knows nothing of hullwatch.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from local_aws import asff

MAX_FINDINGS = 100
MAX_CALL_BYTES = 6 * 1000 * 1000

#: A provider sets these only through FindingProviderFields.
PROVIDER_FIELDS = ("Confidence", "Criticality", "RelatedFindings", "Severity", "Types")
ARCHITECTURES = {"arm64", "i386", "x86_64"}


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
    """What is wrong with one finding that this account sends, by the service's rules and by ours."""
    return asff.violations(finding, account=account) or list(_ours(finding, account, region, partition))


def _ours(finding: Mapping[str, Any], account: str, region: str, partition: str) -> Iterator[str]:
    # With the blanks that json writes by default: boto3 sends them.
    if _bytes(finding) > asff.FINDING_BYTES:
        yield "larger than 240 KB"
    if finding["ProductArn"] != f"arn:{partition}:securityhub:{region}:{account}:product/{account}/default":
        yield "ProductArn is not the default product of the account and Region"
    if finding["UpdatedAt"] < finding["CreatedAt"]:
        yield "UpdatedAt is before CreatedAt"
    yield from _provided(finding)
    yield from _compliance(finding.get("Compliance"))
    for resource in finding["Resources"]:
        yield from _resource(resource)
    for vulnerability in finding.get("Vulnerabilities", []):
        yield from _vulnerability(vulnerability)


def _provided(finding: Mapping[str, Any]) -> Iterator[str]:
    for name in PROVIDER_FIELDS:
        if name in finding:
            yield f"{name} belongs into FindingProviderFields"
    if not finding.get("FindingProviderFields", {}).get("Types"):
        yield "no type"
    for key in finding.get("ProductFields", {}):
        if key.startswith("aws/"):
            yield f"ProductFields {key} is reserved"


def _compliance(compliance: Mapping[str, Any] | None) -> Iterator[str]:
    if compliance is None:
        return
    if "Status" not in compliance:
        yield "Compliance says nothing about the status"
    for name in ("RelatedRequirements", "AssociatedStandards", "StatusReasons"):
        values = [json.dumps(value) for value in compliance.get(name, [])]
        if len(values) != len(set(values)):
            yield f"Compliance.{name} repeats itself"


def _resource(resource: Mapping[str, Any]) -> Iterator[str]:
    details = resource.get("Details", {})
    if len(details) > 1:
        yield "a resource has details of more than one type"
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


def _bytes(value: object) -> int:
    return len(json.dumps(value).encode())
