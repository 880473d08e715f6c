"""Security Hub: every documented limit refuses a finding, and state follows the documented rules."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from local_aws.endpoint import ApiError
from local_aws.securityhub import Hub

ACCOUNT = "111122223333"
REGION = "eu-west-1"
PRODUCT = f"arn:aws:securityhub:{REGION}:{ACCOUNT}:product/{ACCOUNT}/default"


@pytest.fixture
def hub() -> Hub:
    hub = Hub(account=ACCOUNT, region=REGION)
    hub.call("EnableSecurityHub", {})
    return hub


def finding(**changes: Any) -> dict[str, Any]:
    """A finding that is accepted. A change to ``None`` takes the field away."""
    base = {
        "SchemaVersion": "2018-10-08",
        "Id": "one",
        "ProductArn": PRODUCT,
        "GeneratorId": "test",
        "AwsAccountId": ACCOUNT,
        "CreatedAt": "2026-01-01T00:00:00Z",
        "UpdatedAt": "2026-01-01T00:00:00Z",
        "Title": "title",
        "Description": "description",
        "Resources": [{"Type": "Other", "Id": "resource"}],
        "FindingProviderFields": {
            "Severity": {"Label": "HIGH", "Original": "7.5"},
            "Types": ["Software and Configuration Checks/Vulnerabilities/CVE"],
        },
        "RecordState": "ACTIVE",
    }
    return {key: value for key, value in (base | changes).items() if value is not None}


def submit(hub: Hub, *findings: dict[str, Any]) -> dict[str, Any]:
    return hub.call("BatchImportFindings", {"Findings": list(findings)})


def get(hub: Hub, **parameters: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = hub.call("GetFindings", parameters)["Findings"]
    return found


def with_resource(**members: Any) -> dict[str, Any]:
    return {"Resources": [{"Type": "Other", "Id": "resource", **members}]}


def with_vulnerability(**members: Any) -> dict[str, Any]:
    return {"Vulnerabilities": [{"Id": "CVE-2026-1", **members}]}


def provided(**members: Any) -> dict[str, Any]:
    return {"FindingProviderFields": {"Severity": {"Label": "HIGH"}, **members}}


def test_a_finding_that_uses_much_of_the_format_is_accepted(hub: Hub) -> None:
    rich = finding(
        **with_vulnerability(
            VulnerablePackages=[
                {"Name": "openssl", "Version": "1.1", "PackageManager": "OS", "SourceLayerHash": "sha256:x"}
            ],
            Cvss=[{"Version": "3.1", "BaseScore": 9.8, "BaseVector": "CVSS:3.1/AV:N"}],
            Vendor={"Name": "Debian", "VendorCreatedAt": "2026-01-01T00:00:00Z"},
            FixAvailable="YES",
            ExploitAvailable="NO",
            EpssScore=0.9,
        ),
        Remediation={"Recommendation": {"Text": "Upgrade.", "Url": "https://example.org"}},
        ProductFields={"key": "value"},
        Resources=[
            {
                "Type": "AwsEcrContainerImage",
                "Id": "arn:aws:ecr:eu-west-1:111122223333:repository/a/sha256:00",
                "Partition": "aws",
                "Region": REGION,
                "Details": {"AwsEcrContainerImage": {"Architecture": "x86_64", "ImageTags": ["v1"]}},
            }
        ],
        **provided(Confidence=100, Criticality=0),
        FirstObservedAt="2026-01-01T00:00:00.123+01:00",
    )

    assert submit(hub, rich) == {"FailedCount": 0, "SuccessCount": 1, "FailedFindings": []}


REFUSED = {
    "no Id": {"Id": None},
    "no GeneratorId": {"GeneratorId": None},
    "no AwsAccountId": {"AwsAccountId": None},
    "no CreatedAt": {"CreatedAt": None},
    "no UpdatedAt": {"UpdatedAt": None},
    "no Title": {"Title": None},
    "no Description": {"Description": None},
    "no Resources": {"Resources": None},
    "empty Resources": {"Resources": []},
    "no severity": {"FindingProviderFields": None},
    "schema version": {"SchemaVersion": "2019-01-01"},
    "other account": {"AwsAccountId": "999988887777"},
    "long Id": {"Id": "x" * 513},
    "long GeneratorId": {"GeneratorId": "x" * 513},
    "long Title": {"Title": "x" * 257},
    "blank Title": {"Title": " "},
    "long Description": {"Description": "x" * 1025},
    "long recommendation": {"Remediation": {"Recommendation": {"Text": "x" * 513}}},
    "long original severity": provided(Severity={"Label": "LOW", "Original": "x" * 65}),
    "long CompanyName": {"CompanyName": "x" * 129},
    "long ProductName": {"ProductName": "x" * 129},
    "long AwsAccountName": {"AwsAccountName": "x" * 51},
    "33 resources": {"Resources": [{"Type": "Other", "Id": str(n)} for n in range(33)]},
    "51 types": {"Types": [f"TTPs/{n}" for n in range(51)]},
    "unknown namespace": provided(Types=["Vulnerabilities/CVE"]),
    "type of four parts": provided(Types=["TTPs/a/b/c"]),
    "51 product fields": {"ProductFields": {str(n): "x" for n in range(51)}},
    "long product field": {"ProductFields": {"key": "x" * 2049}},
    "long product field name": {"ProductFields": {"x" * 129: "x"}},
    "11 related findings": provided(
        RelatedFindings=[{"ProductArn": PRODUCT, "Id": str(n)} for n in range(11)]
    ),
    "33 related requirements": {"Compliance": {"RelatedRequirements": [str(n) for n in range(33)]}},
    "confidence": provided(Confidence=101),
    "criticality": provided(Criticality=-1),
    "severity label": provided(Severity={"Label": "SEVERE"}),
    "record state": {"RecordState": "CLOSED"},
    "compliance status": {"Compliance": {"Status": "OK"}},
    "partition": with_resource(Partition="aws-eusc"),
    "fix available": with_vulnerability(FixAvailable="MAYBE"),
    "exploit available": with_vulnerability(ExploitAvailable="MAYBE"),
    "score as text": with_vulnerability(Cvss=[{"BaseScore": "9.8"}]),
    "vulnerability without id": {"Vulnerabilities": [{"FixAvailable": "YES"}]},
    "vendor without name": with_vulnerability(Vendor={"Url": "https://example.org"}),
    "resource without id": {"Resources": [{"Type": "Other"}]},
    "unknown field": {"Colour": "red"},
    "unknown nested field": with_resource(Colour="red"),
    "text for a list": {"Types": "TTPs"},
    "list for an object": {"Remediation": []},
    "date without time": {"UpdatedAt": "2026-01-01"},
    "time without zone": {"UpdatedAt": "2026-01-01T00:00:00"},
    "impossible month": {"CreatedAt": "2026-13-01T00:00:00Z"},
    "note": {"Note": {"Text": "x", "UpdatedBy": "x", "UpdatedAt": "2026-01-01T00:00:00Z"}},
    "user-defined fields": {"UserDefinedFields": {"a": "b"}},
    "verification state": {"VerificationState": "TRUE_POSITIVE"},
    "workflow": {"Workflow": {"Status": "NEW"}},
    "over 240 KB": with_resource(Details={"Other": {str(n): "x" * 1000 for n in range(250)}}),
}


@pytest.mark.parametrize("changes", REFUSED.values(), ids=REFUSED.keys())
def test_a_finding_that_is_refused(hub: Hub, changes: dict[str, Any]) -> None:
    answer = submit(hub, finding(**changes), finding(Id="good"))

    assert (answer["FailedCount"], answer["SuccessCount"]) == (1, 1)
    (failed,) = answer["FailedFindings"]
    assert failed["ErrorCode"] == "InvalidInput"
    assert failed["Id"] == finding(**changes).get("Id", "")
    assert [stored["Id"] for stored in get(hub)] == ["good"]


LARGEST = {
    "Id": {"Id": "x" * 512},
    "Title": {"Title": "x" * 256},
    "Description": {"Description": "x" * 1024},
    "recommendation": {"Remediation": {"Recommendation": {"Text": "x" * 512}}},
    "resources": {"Resources": [{"Type": "Other", "Id": str(n)} for n in range(32)]},
    "product fields": {"ProductFields": {str(n).zfill(128): "x" * 2048 for n in range(50)}},
}


@pytest.mark.parametrize("changes", LARGEST.values(), ids=LARGEST.keys())
def test_the_limits_themselves_are_allowed(hub: Hub, changes: dict[str, Any]) -> None:
    assert submit(hub, finding(**changes))["FailedFindings"] == []


@pytest.mark.parametrize(
    ("findings", "code"),
    [
        ([], "InvalidInputException"),
        ([finding(Id=str(n)) for n in range(101)], "InvalidInputException"),
        (
            [finding(Id=str(n), **with_resource(Details={"Other": {"k": "x" * 100_000}})) for n in range(61)],
            "InvalidInputException",
        ),
        ([finding(ProductArn=None)], "AccessDeniedException"),
        ([finding(ProductArn=PRODUCT.replace(ACCOUNT, "999988887777"))], "AccessDeniedException"),
        ([finding(ProductArn=PRODUCT.replace(REGION, "us-east-1"))], "AccessDeniedException"),
        ([finding(ProductArn=PRODUCT.replace("default", "other"))], "AccessDeniedException"),
    ],
    ids=["none", "101", "over 6 MB", "no product", "other account", "other Region", "other product"],
)
def test_a_call_that_is_refused(hub: Hub, findings: list[dict[str, Any]], code: str) -> None:
    with pytest.raises(ApiError, match=code):
        submit(hub, *findings)
    assert get(hub) == []


def test_nothing_works_before_the_hub_is_enabled() -> None:
    hub = Hub(account=ACCOUNT, region=REGION)

    for operation in ("BatchImportFindings", "GetFindings", "DescribeHub", "GetInsights"):
        with pytest.raises(ApiError, match="InvalidAccessException"):
            hub.call(operation, {"Findings": [finding()]})


def test_what_a_new_finding_looks_like(hub: Hub) -> None:
    submit(hub, finding())

    (stored,) = get(hub)
    assert stored["Workflow"] == {"Status": "NEW"}
    assert stored["Severity"]["Label"] == "HIGH", "copied from FindingProviderFields"
    assert stored["Region"] == REGION
    assert (stored["CompanyName"], stored["ProductName"]) == ("Personal", "Default")


@pytest.mark.parametrize(
    "moment", ["2025-12-31T23:59:59Z", "2026-01-01T00:00:00Z", "2026-01-01T01:00:00+01:00"]
)
def test_an_import_that_is_not_newer_changes_nothing(hub: Hub, moment: str) -> None:
    submit(hub, finding())

    answer = submit(hub, finding(Title="changed", UpdatedAt=moment))

    assert answer["SuccessCount"] == 1
    assert [stored["Title"] for stored in get(hub)] == ["title"]


def test_a_newer_import_replaces_what_is_the_providers(hub: Hub) -> None:
    submit(hub, finding(SourceUrl="https://example.org"))
    identifier = {"Id": "one", "ProductArn": PRODUCT}
    note = {"Text": "ours", "UpdatedBy": "me"}
    update = {"FindingIdentifiers": [identifier], "Note": note, "Severity": {"Label": "LOW"}}
    assert hub.call("BatchUpdateFindings", update)["ProcessedFindings"] == [identifier]

    submit(hub, finding(Title="changed", UpdatedAt="2026-01-02T00:00:00Z"))

    (stored,) = get(hub)
    assert stored["Title"] == "changed"
    assert "SourceUrl" not in stored
    assert stored["Note"] == note
    assert stored["Severity"] == {"Label": "LOW"}, "the customer has overruled the provider"
    assert stored["FindingProviderFields"]["Severity"]["Label"] == "HIGH"


@pytest.mark.parametrize(
    ("status", "after"),
    [("NOTIFIED", "NEW"), ("RESOLVED", "NEW"), ("SUPPRESSED", "SUPPRESSED"), ("NEW", "NEW")],
)
def test_what_becomes_of_the_workflow_when_a_finding_comes_back(hub: Hub, status: str, after: str) -> None:
    submit(hub, finding())
    identifier = {"Id": "one", "ProductArn": PRODUCT}
    hub.call("BatchUpdateFindings", {"FindingIdentifiers": [identifier], "Workflow": {"Status": status}})
    submit(hub, finding(RecordState="ARCHIVED", UpdatedAt="2026-01-02T00:00:00Z"))
    assert get(hub)[0]["Workflow"]["Status"] == status

    submit(hub, finding(UpdatedAt="2026-01-03T00:00:00Z"))

    assert get(hub)[0]["Workflow"]["Status"] == after


def test_a_check_that_fails_again_is_new(hub: Hub) -> None:
    submit(hub, finding(Compliance={"Status": "PASSED"}))
    identifier = {"Id": "one", "ProductArn": PRODUCT}
    hub.call("BatchUpdateFindings", {"FindingIdentifiers": [identifier], "Workflow": {"Status": "RESOLVED"}})

    submit(hub, finding(Compliance={"Status": "FAILED"}, UpdatedAt="2026-01-02T00:00:00Z"))

    assert get(hub)[0]["Workflow"]["Status"] == "NEW"


def test_updating_what_is_not_there(hub: Hub) -> None:
    identifier = {"Id": "absent", "ProductArn": PRODUCT}

    answer = hub.call("BatchUpdateFindings", {"FindingIdentifiers": [identifier]})

    assert answer["UnprocessedFindings"][0]["ErrorCode"] == "FindingNotFound"
    with pytest.raises(ApiError, match="Title"):
        hub.call("BatchUpdateFindings", {"FindingIdentifiers": [identifier], "Title": "x"})


def text(comparison: str, value: str) -> dict[str, str]:
    return {"Comparison": comparison, "Value": value}


@pytest.mark.parametrize(
    ("filters", "ids"),
    [
        ({"Id": [text("EQUALS", "a")]}, ["a"]),
        ({"Id": [text("EQUALS", "a"), text("EQUALS", "b")]}, ["a", "b"]),
        ({"Id": [text("PREFIX", "b")]}, ["b", "bb"]),
        ({"Id": [text("NOT_EQUALS", "a"), text("NOT_EQUALS", "b")]}, ["bb"]),
        ({"Id": [text("PREFIX_NOT_EQUALS", "b")]}, ["a"]),
        ({"Id": [text("PREFIX", "b"), text("NOT_EQUALS", "bb")]}, ["b"]),
        ({"Id": [text("CONTAINS", "b")], "RecordState": [text("EQUALS", "ACTIVE")]}, ["b"]),
        ({"ResourceId": [text("EQUALS", "second")]}, ["bb"]),
        ({"SeverityLabel": [text("EQUALS", "LOW")]}, ["b"]),
        ({"WorkflowStatus": [text("NOT_EQUALS", "NEW")]}, []),
        ({"ProductFields": [{"Key": "k", **text("EQUALS", "v")}]}, ["a"]),
        ({"VulnerabilitiesFixAvailable": [text("EQUALS", "YES")]}, ["a"]),
        ({"UpdatedAt": [{"Start": "2026-02-01T00:00:00Z"}]}, ["bb"]),
        ({"UpdatedAt": [{"DateRange": {"Unit": "DAYS", "Value": 1}}]}, []),
        ({"Criticality": [{"Gte": 50}]}, ["b"]),
    ],
)
def test_filters(hub: Hub, filters: dict[str, Any], ids: list[str]) -> None:
    submit(
        hub,
        finding(Id="a", ProductFields={"k": "v"}, **with_vulnerability(FixAvailable="YES")),
        finding(Id="b", **provided(Severity={"Label": "LOW"}, Criticality=70)),
        finding(
            Id="bb",
            RecordState="ARCHIVED",
            UpdatedAt="2026-03-01T00:00:00Z",
            Resources=[{"Type": "Other", "Id": "first"}, {"Type": "Other", "Id": "second"}],
        ),
    )

    assert sorted(found["Id"] for found in get(hub, Filters=filters)) == ids


def test_filters_that_are_refused(hub: Hub) -> None:
    many = {name: [text("EQUALS", "x")] for name in "ABCDEFGHIJK"}
    for filters in (many, {"Id": [text("EQUALS", "x")] * 21}, {"Id": [text("CONTAINS_WORD", "x")]}):
        submit(hub, finding())
        with pytest.raises(ApiError, match="InvalidInputException"):
            get(hub, Filters=filters)


def test_pages_and_order(hub: Hub) -> None:
    submit(hub, *(finding(Id=f"{n:02d}", Title=f"{-n % 7}") for n in range(25)))
    order = [{"Field": "Title", "SortOrder": "desc"}]

    pages: list[list[str]] = []
    token: dict[str, str] = {}
    while True:
        answer = hub.call("GetFindings", {"MaxResults": 10, "SortCriteria": order, **token})
        pages.append([found["Title"] for found in answer["Findings"]])
        if "NextToken" not in answer:
            break
        token = {"NextToken": answer["NextToken"]}

    assert [len(page) for page in pages] == [10, 10, 5]
    titles = [title for page in pages for title in page]
    assert titles == sorted(titles, reverse=True)
    with pytest.raises(ApiError, match="MaxResults"):
        get(hub, MaxResults=101)


def test_what_is_stored_is_a_copy(hub: Hub) -> None:
    original = finding()
    kept = copy.deepcopy(original)
    submit(hub, original)
    get(hub)[0]["Title"] = "changed"

    assert original == kept
    assert get(hub)[0]["Title"] == "title"
    assert json.dumps(hub.imported) == json.dumps([kept])
