"""Security Hub CSPM with its real contract: what it refuses, ignores, keeps and resets.

moto takes any finding and ignores filters, so all of it is ours. Sources:
https://docs.aws.amazon.com/securityhub/1.0/APIReference/API_BatchImportFindings.html and, for the workflow,
https://docs.aws.amazon.com/securityhub/latest/userguide/findings-workflow-status.html
"""

from __future__ import annotations

import copy
import json
import uuid
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from local_aws import asff
from local_aws.endpoint import ApiError

FINDINGS_PER_CALL = 100
CALL_BYTES = 6 * 1000 * 1000
#: Fields that a provider offers in FindingProviderFields and a customer may overrule.
_SHARED = ("Confidence", "Criticality", "RelatedFindings", "Severity", "Types")
_UPDATABLE = {*_SHARED, "Note", "UserDefinedFields", "VerificationState", "Workflow"}
#: GetFindings filters that are not simply the path of a field of the same name.
_FILTER_PATHS = {
    "Type": "Types",
    "SeverityLabel": "Severity.Label",
    "WorkflowStatus": "Workflow.Status",
    "ComplianceStatus": "Compliance.Status",
    "ComplianceSecurityControlId": "Compliance.SecurityControlId",
    "ResourceId": "Resources.Id",
    "ResourceType": "Resources.Type",
    "ResourceRegion": "Resources.Region",
    "ResourcePartition": "Resources.Partition",
    "ResourceTags": "Resources.Tags",
    "NoteText": "Note.Text",
    "NoteUpdatedBy": "Note.UpdatedBy",
    "VulnerabilitiesExploitAvailable": "Vulnerabilities.ExploitAvailable",
    "VulnerabilitiesFixAvailable": "Vulnerabilities.FixAvailable",
}

Finding = dict[str, Any]


class Hub:
    """The hub of one account and Region. Findings are keyed by product and id."""

    def __init__(self, *, account: str, region: str) -> None:
        self.account = account
        self.region = region
        self.arn = f"arn:aws:securityhub:{region}:{account}:hub/default"
        self.product_arn = f"arn:aws:securityhub:{region}:{account}:product/{account}/default"
        self.enabled = False
        self.findings: dict[tuple[str, str], Finding] = {}
        #: Every finding of every accepted import, in order, also those that changed nothing.
        self.imported: list[Finding] = []
        #: Insights by ARN.
        self.insights: dict[str, dict[str, Any]] = {}
        self._overruled: dict[tuple[str, str], set[str]] = {}

    def operations(self) -> dict[str, Callable[[dict[str, Any]], dict[str, Any]]]:
        return {
            "EnableSecurityHub": self._enable,
            "DisableSecurityHub": self._disable,
            "DescribeHub": self._describe,
            "BatchImportFindings": self._import,
            "BatchUpdateFindings": self._update,
            "GetFindings": self._get,
            "CreateInsight": self._create_insight,
            "GetInsights": self._get_insights,
        }

    def call(self, operation: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Run an API operation. Raises :class:`ApiError` as the API would."""
        return self.operations()[operation](dict(parameters))

    # -- the hub

    def _enable(self, _: dict[str, Any]) -> dict[str, Any]:
        if self.enabled:
            raise ApiError("ResourceConflictException", "Account is already subscribed to Security Hub", 409)
        self.enabled = True
        return {}

    def _disable(self, _: dict[str, Any]) -> dict[str, Any]:
        self._require_enabled()
        self.enabled = False
        self.findings.clear()
        return {}

    def _describe(self, _: dict[str, Any]) -> dict[str, Any]:
        self._require_enabled()
        return {"HubArn": self.arn, "AutoEnableControls": True, "ControlFindingGenerator": "SECURITY_CONTROL"}

    def _require_enabled(self) -> None:
        if not self.enabled:
            message = f"Account {self.account} is not subscribed to AWS Security Hub"
            raise ApiError("InvalidAccessException", message, 401)

    # -- importing

    def _import(self, parameters: dict[str, Any]) -> dict[str, Any]:
        self._require_enabled()
        findings: list[Finding] = parameters["Findings"]
        if not 1 <= len(findings) <= FINDINGS_PER_CALL:
            raise ApiError("InvalidInputException", f"Findings: 1 to {FINDINGS_PER_CALL} are allowed")
        if len(json.dumps(parameters, separators=(",", ":")).encode()) > CALL_BYTES:
            raise ApiError("InvalidInputException", f"The request is over {CALL_BYTES} bytes")
        if any(finding.get("ProductArn") != self.product_arn for finding in findings):
            # The real message names neither the finding nor the field.
            raise ApiError("AccessDeniedException", "User is not authorized to import for this product", 403)
        failed = []
        for finding in findings:
            if problems := asff.violations(finding, account=self.account):
                message = f"Invalid parameter(s): {'; '.join(problems)}"
                failed.append(
                    {"Id": finding.get("Id", ""), "ErrorCode": "InvalidInput", "ErrorMessage": message}
                )
            else:
                self._accept(copy.deepcopy(finding))
        return {
            "FailedCount": len(failed),
            "SuccessCount": len(findings) - len(failed),
            "FailedFindings": failed,
        }

    def _accept(self, finding: Finding) -> None:
        self.imported.append(copy.deepcopy(finding))
        key = (finding["ProductArn"], finding["Id"])
        known = self.findings.get(key)
        if known is None:
            self.findings[key] = self._created(finding)
        elif _moment(finding["UpdatedAt"]) > _moment(known["UpdatedAt"]):
            # An import that is not newer succeeds and changes nothing.
            self.findings[key] = self._replaced(known, finding, self._overruled.get(key, set()))

    def _created(self, finding: Finding) -> Finding:
        provided = finding.setdefault("FindingProviderFields", {})
        for field in _SHARED:
            if field in finding:
                provided.setdefault(field, finding[field])
            elif field in provided:
                finding[field] = provided[field]
        finding.setdefault("RecordState", "ACTIVE")
        finding["Workflow"] = {"Status": "NEW"}
        finding["WorkflowState"] = "NEW"
        finding.setdefault("ProductName", "Default")
        finding.setdefault("CompanyName", "Personal")
        return self._stamped(finding)

    def _replaced(self, known: Finding, finding: Finding, overruled: set[str]) -> Finding:
        merged = self._created(finding)
        for field in (*asff.CUSTOMER_FIELDS, *overruled):
            if field in known:
                merged[field] = known[field]
        reopened = known["RecordState"] == "ARCHIVED" and merged["RecordState"] == "ACTIVE"
        failing = (
            known.get("Compliance", {}).get("Status") == "PASSED"
            and merged.get("Compliance", {}).get("Status", "PASSED") != "PASSED"
        )
        if (reopened or failing) and merged["Workflow"]["Status"] in ("NOTIFIED", "RESOLVED"):
            merged["Workflow"] = {"Status": "NEW"}
            merged["WorkflowState"] = "NEW"
        return merged

    def _stamped(self, finding: Finding) -> Finding:
        finding["Region"] = self.region
        finding["ProcessedAt"] = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return finding

    # -- the customer's side

    def _update(self, parameters: dict[str, Any]) -> dict[str, Any]:
        self._require_enabled()
        identifiers = parameters.pop("FindingIdentifiers")
        if not 1 <= len(identifiers) <= FINDINGS_PER_CALL:
            raise ApiError(
                "InvalidInputException", f"FindingIdentifiers: 1 to {FINDINGS_PER_CALL} are allowed"
            )
        if unknown := parameters.keys() - _UPDATABLE:
            raise ApiError("InvalidInputException", f"BatchUpdateFindings cannot set {', '.join(unknown)}")
        done, failed = [], []
        for identifier in identifiers:
            key = (identifier["ProductArn"], identifier["Id"])
            if key not in self.findings:
                failed.append(
                    {
                        "FindingIdentifier": identifier,
                        "ErrorCode": "FindingNotFound",
                        "ErrorMessage": "Finding Not Found",
                    }
                )
                continue
            # UpdatedAt is the provider's and stays.
            self.findings[key].update(copy.deepcopy(parameters))
            self._overruled.setdefault(key, set()).update(parameters.keys() & set(_SHARED))
            done.append(identifier)
        return {"ProcessedFindings": done, "UnprocessedFindings": failed}

    def _create_insight(self, parameters: dict[str, Any]) -> dict[str, Any]:
        # Refuses what GetFindings would.
        _matches({}, parameters["Filters"])
        arn = f"arn:aws:securityhub:{self.region}:{self.account}:insight/{self.account}/custom/{uuid.uuid4()}"
        self.insights[arn] = {
            "InsightArn": arn,
            **{key: parameters[key] for key in ("Name", "Filters", "GroupByAttribute")},
        }
        return {"InsightArn": arn}

    def _get_insights(self, parameters: dict[str, Any]) -> dict[str, Any]:
        self._require_enabled()
        wanted = parameters.get("InsightArns") or list(self.insights)
        return {"Insights": [self.insights[arn] for arn in wanted if arn in self.insights]}

    # -- reading

    def _get(self, parameters: dict[str, Any]) -> dict[str, Any]:
        self._require_enabled()
        filters = parameters.get("Filters") or {}
        size = int(parameters.get("MaxResults") or 100)
        if not 1 <= size <= 100:
            raise ApiError("InvalidInputException", "MaxResults must be 1 to 100")
        found = [finding for finding in self.findings.values() if _matches(finding, filters)]
        for criterion in reversed(parameters.get("SortCriteria") or []):
            path = _FILTER_PATHS.get(criterion["Field"], criterion["Field"])
            found.sort(
                key=lambda finding, path=path: str(next(iter(_values(finding, path)), "")),  # type: ignore[misc]
                reverse=criterion.get("SortOrder") == "desc",
            )
        start = int(parameters.get("NextToken") or 0)
        page: dict[str, Any] = {"Findings": copy.deepcopy(found[start : start + size])}
        if start + size < len(found):
            page["NextToken"] = str(start + size)
        return page


def _matches(finding: Finding, filters: Mapping[str, list[dict[str, Any]]]) -> bool:
    """Every attribute has to match. Of one attribute, one positive and every negative condition has to.

    https://docs.aws.amazon.com/securityhub/1.0/APIReference/API_StringFilter.html
    """
    if len(filters) > 10 or any(len(conditions) > 20 for conditions in filters.values()):
        raise ApiError("InvalidInputException", "Filters: at most 10 attributes with 20 values each")
    for name, conditions in filters.items():
        values = list(_values(finding, _FILTER_PATHS.get(name, name)))
        results = [(_holds(condition, values), _negative(condition)) for condition in conditions]
        positive = [holds for holds, negative in results if not negative]
        if not all(holds for holds, negative in results if negative) or (positive and not any(positive)):
            return False
    return True


def _negative(condition: Mapping[str, Any]) -> bool:
    return "NOT" in str(condition.get("Comparison", ""))


def _holds(condition: Mapping[str, Any], values: list[Any]) -> bool:
    if "DateRange" in condition or "Start" in condition or "End" in condition:
        return any(_in_range(condition, _moment(value)) for value in values)
    bounds = condition.keys() & {"Gte", "Lte", "Gt", "Lt", "Eq"}
    if bounds:
        compare = {
            "Gte": lambda value, bound: value >= bound,
            "Lte": lambda value, bound: value <= bound,
            "Gt": lambda value, bound: value > bound,
            "Lt": lambda value, bound: value < bound,
            "Eq": lambda value, bound: value == bound,
        }
        return any(all(compare[name](value, condition[name]) for name in bounds) for value in values)
    if "Key" in condition:
        values = [value[condition["Key"]] for value in values if condition["Key"] in value]
    comparison, wanted = condition["Comparison"], condition["Value"]
    tests: dict[str, Callable[[str], bool]] = {
        "EQUALS": lambda value: value == wanted,
        "PREFIX": lambda value: value.startswith(wanted),
        "CONTAINS": lambda value: wanted in value,
    }
    positive = comparison.replace("PREFIX_NOT_EQUALS", "PREFIX").replace("NOT_", "")
    if positive not in tests:
        raise ApiError("InvalidInputException", f"Comparison {comparison} is not supported here")
    holds = any(tests[positive](str(value)) for value in values)
    return holds != _negative(condition)


def _in_range(condition: Mapping[str, Any], moment: datetime) -> bool:
    if "DateRange" in condition:
        return moment >= datetime.now(UTC) - timedelta(days=condition["DateRange"]["Value"])
    start, end = condition.get("Start"), condition.get("End")
    return (not start or moment >= _moment(start)) and (not end or moment <= _moment(end))


def _values(value: Any, path: str) -> Iterable[Any]:
    """The values at a dotted path, through every list on the way."""
    if isinstance(value, list):
        for item in value:
            yield from _values(item, path)
    elif not path:
        yield value
    elif isinstance(value, Mapping):
        name, _, rest = path.partition(".")
        if name in value:
            yield from _values(value[name], rest)


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
