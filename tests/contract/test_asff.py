"""Whatever a finding holds, Security Hub takes it: held against the documented contract."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fakes.asff_contract import MAX_CALL_BYTES, violations, violations_of_call
from fakes.matches import (
    ACCOUNT,
    KEV,
    LATER,
    NOW,
    REGION,
    TRACK,
    deb,
    digest,
    findings_of,
    match,
    pypi,
    subject,
)
from hullwatch.advisories.model import Cvss, Exploited, Match, Statement, Vulnerability
from hullwatch.findings.asff import encoded_size, pack, to_asff
from hullwatch.findings.diff import diff
from hullwatch.findings.finding import Finding, ImageRef, Track
from hullwatch.inventory.package import Package, Problem
from hullwatch.posture.failures import FailedControl


def sent(*subjects: Any, track: Track = TRACK, **settings: Any) -> list[dict[str, Any]]:
    """The findings of these images as Security Hub gets them the first time."""
    opened = diff({}, findings_of(track, subjects, **settings), head=digest("image-1"), now=NOW, unread=())
    return [as_asff(finding) for finding in opened.opened]


def as_asff(finding: Finding) -> dict[str, Any]:
    document = to_asff(finding, account=ACCOUNT, region=REGION)
    assert violations(document, ACCOUNT, REGION) == []
    return document


def test_a_failed_control_of_an_image() -> None:
    control = FailedControl(control="image.user.root", severity="medium", lines=("config.User: not set",))
    (document,) = sent(subject(controls=(control,)))
    assert document["Compliance"] == {"Status": "FAILED"}


OPENSSL = (
    match(deb(), "CVE-2023-0001", severity="critical", fixed="3.0.11-1~deb12u2", exploited=KEV, epss=0.62),
    match(
        deb("libssl3"),
        "CVE-2023-0001",
        severity="critical",
        fixed="3.0.11-1~deb12u2",
        exploited=KEV,
        epss=0.62,
    ),
    match(deb("libssl3"), "CVE-2023-0002", severity="low", epss=0.0004),
)


def test_a_package_to_upgrade() -> None:
    (document,) = sent(subject(*OPENSSL), subject(*OPENSSL, image="arm", platform="linux/arm64/v8"))
    assert document["Title"] == (
        "Upgrade openssl to 3.0.11-1~deb12u2 in payments/api:main-*: "
        "2 vulnerabilities (1 known exploited, 1 critical, 1 low)"
    )
    assert document["Description"] == (
        "payments/api (tags main-*; linux/amd64, linux/arm64/v8) contains openssl 3.0.9-1 "
        "(installed as libssl3). "
        "Affected by CVE-2023-0001 (critical, known exploited, EPSS 62%), CVE-2023-0002 (low). "
        "Version 3.0.11-1~deb12u2 fixes 1 of 2. "
        "Priority P1: known to be exploited (CISA KEV): CVE-2023-0001; EPSS of 50% or more: CVE-2023-0001; "
        "highest severity is critical; a fix is available; "
        "presumed to run: running workloads are not surveyed. "
        f"First seen in image {digest('image-1')}, layer {digest('base')}."
    )
    assert document["Remediation"]["Recommendation"] == {
        "Text": (
            "Upgrade openssl 3.0.9-1 to 3.0.11-1~deb12u2 or later: rebuild on a current base image, or run "
            "`apt-get update && apt-get install --only-upgrade libssl3 openssl` in the Dockerfile."
        ),
        "Url": "https://security.example/CVE-2023-0001",
    }
    assert document["FindingProviderFields"] == {
        "Severity": {"Label": "CRITICAL", "Original": "critical, CVSS 7.5"},
        "Types": ["Software and Configuration Checks/Vulnerabilities/CVE"],
        "Confidence": 90,
        "Criticality": 90,
    }
    assert document["CreatedAt"] == document["UpdatedAt"] == NOW
    assert document["RecordState"] == "ACTIVE"
    assert document["ProductFields"]["hullwatch/Track"] == "main-*"
    assert "hullwatch/Omitted" not in document["ProductFields"]


def test_the_images_are_its_resources() -> None:
    (document,) = sent(subject(*OPENSSL), subject(*OPENSSL, image="arm", platform="linux/arm64/v8"))
    first, second = document["Resources"]
    image = digest("image-1")
    assert first == {
        "Type": "AwsEcrContainerImage",
        "Id": f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/payments/api/{image}",
        "Partition": "aws",
        "Region": REGION,
        "Details": {
            "AwsEcrContainerImage": {
                "RegistryId": ACCOUNT,
                "RepositoryName": "payments/api",
                "Architecture": "x86_64",
                "ImageDigest": image,
                "ImageTags": ["main-3f2a1c9"],
                "ImagePublishedAt": "2026-05-01T09:00:00.000Z",
            }
        },
    }
    assert second["Details"]["AwsEcrContainerImage"]["Architecture"] == "arm64"


def test_each_vulnerability_says_where_it_is_and_what_mends_it() -> None:
    (document,) = sent(subject(*OPENSSL))
    first, second = document["Vulnerabilities"]
    assert first["Id"] == "CVE-2023-0001"
    assert first["FixAvailable"] == "YES"
    assert (first["ExploitAvailable"], first["EpssScore"]) == ("YES", 0.62)
    assert first["VulnerablePackages"][0] == {
        "Name": "libssl3",
        "Version": "3.0.9-1",
        "Architecture": "amd64",
        "PackageManager": "OS",
        "FilePath": "var/lib/dpkg/status",
        "FixedInVersion": "3.0.11-1~deb12u2",
        "Remediation": "apt-get update && apt-get install --only-upgrade libssl3",
        "SourceLayerHash": digest("base"),
    }
    assert first["Vendor"] == {
        "Name": "debian",
        "Url": "https://security.example/CVE-2023-0001",
        "VendorSeverity": "critical",
        "VendorUpdatedAt": "2023-06-01T00:00:00.000Z",
    }
    assert (second["Id"], second["FixAvailable"]) == ("CVE-2023-0002", "NO")
    # Not known to be exploited is not known not to be.
    assert "ExploitAvailable" not in second


def test_a_fix_for_some_packages_is_a_partial_fix() -> None:
    (document,) = sent(subject(match(deb(), fixed="4"), match(deb("libssl3"))))
    (vulnerability,) = document["Vulnerabilities"]
    assert vulnerability["FixAvailable"] == "PARTIAL"


def test_a_vulnerability_of_its_own_by_configuration() -> None:
    first, second = sent(subject(*OPENSSL), group_by="vulnerability")
    assert (
        first["Title"]
        == "CVE-2023-0001 in openssl 3.0.9-1 of payments/api:main-*: upgrade to 3.0.11-1~deb12u2"
    )
    assert second["Title"] == "CVE-2023-0002 in openssl 3.0.9-1 of payments/api:main-*: no fix yet"
    assert first["GeneratorId"] == "hullwatch/vulnerability"


def test_without_a_fix_the_vendor_has_the_word() -> None:
    (document,) = sent(subject(match(deb(), status="will_not_fix")))
    assert document["Title"].startswith(
        "No fix yet for openssl 3.0.9-1 in payments/api:main-*: 1 vulnerability"
    )
    assert document["Remediation"]["Recommendation"]["Text"].startswith("The vendor will not fix this.")


def test_malicious_code_is_to_be_removed() -> None:
    (document,) = sent(subject(match(pypi(), "MAL-2024-1", severity="unknown", malware=True)))
    assert document["Title"] == "Remove Django 4.2.1 from payments/api:main-*: malicious code (MAL-2024-1)"
    assert "TTPs/Initial Access" in document["FindingProviderFields"]["Types"]
    assert "replace every secret" in document["Remediation"]["Recommendation"]["Text"]


def test_an_image_that_cannot_be_read_is_informational() -> None:
    (document,) = sent(
        subject(problems=(Problem(reason="ARCHIVED", detail="the image is in archive storage"),))
    )
    assert document["Title"] == "payments/api:main-* could not be read completely: archived"
    assert "ARCHIVED: the image is in archive storage." in document["Description"]
    assert document["FindingProviderFields"]["Severity"] == {"Label": "INFORMATIONAL", "Original": "ARCHIVED"}
    assert "Vulnerabilities" not in document


@pytest.mark.parametrize(
    ("fields", "label"),
    [({}, "HIGH"), ({"running": False}, "MEDIUM"), ({"exposure": ("public",)}, "CRITICAL")],
)
def test_the_label_follows_the_priority_and_the_vendor_stays_visible(
    fields: dict[str, Any], label: str
) -> None:
    (document,) = sent(subject(match(deb(), fixed="4"), **fields))
    severity = document["FindingProviderFields"]["Severity"]
    assert severity == {"Label": label, "Original": "high, CVSS 7.5"}


def test_what_is_resolved_is_archived_under_the_same_id_and_later() -> None:
    opened = diff(
        {}, findings_of(TRACK, [subject(*OPENSSL)]), head=digest("image-1"), now=NOW, unread=()
    ).opened
    stored = {finding.id: finding for finding in opened}
    (resolved,) = diff(stored, [], head=digest("image-2"), now=LATER, unread=()).resolved
    document = as_asff(resolved)
    assert (document["Id"], document["RecordState"]) == (opened[0].id, "ARCHIVED")
    assert (document["CreatedAt"], document["UpdatedAt"]) == (NOW, LATER)
    assert document["Description"].startswith(f"Resolved by {digest('image-2')}.")
    assert document["ProductFields"]["hullwatch/ResolvedBy"] == digest("image-2")


@pytest.mark.parametrize(
    ("partition", "region", "named"),
    [
        ("aws-cn", "cn-north-1", True),
        ("aws-us-gov", "us-gov-west-1", True),
        ("aws-eusc", "eusc-de-east-1", False),
    ],
)
def test_a_partition_outside_the_enum_is_left_out(partition: str, region: str, named: bool) -> None:
    track = msgspec.structs.replace(TRACK, region=region)
    findings = findings_of(track, [subject(*OPENSSL)])
    (finding,) = diff({}, findings, head=digest("image-1"), now=NOW, unread=()).opened
    document = to_asff(finding, account=ACCOUNT, region=region, partition=partition)
    assert violations(document, ACCOUNT, region, partition) == []
    assert ("Partition" in document["Resources"][0]) is named
    assert document["Resources"][0]["Id"].startswith(f"arn:{partition}:ecr:{region}:")


def test_an_image_outside_of_ecr_is_a_container() -> None:
    track = Track(account="", region="", repository="registry.example/app", lineage="*")
    (document,) = sent(subject(*OPENSSL), track=track)
    (resource,) = document["Resources"]
    assert resource["Type"] == "Container"
    assert resource["Details"]["Container"]["ImageId"] == digest("image-1")


@pytest.mark.parametrize("group_by", ["package", "vulnerability"])
def test_a_finding_whose_matches_are_gone_can_still_be_archived(group_by: str) -> None:
    findings = findings_of(TRACK, [subject(*OPENSSL)], group_by=group_by)
    opened = diff({}, findings, head=digest("image-1"), now=NOW, unread=()).opened
    stored = {finding.id: msgspec.structs.replace(finding, matches=()) for finding in opened}
    for finding in diff(stored, [], head=digest("image-2"), now=LATER, unread=()).resolved:
        assert as_asff(finding)["RecordState"] == "ARCHIVED"


def test_a_thousand_vulnerabilities_are_cut_from_the_least_urgent_end_and_counted() -> None:
    kernel = [
        match(
            deb("linux-libc-dev", source="linux"),
            f"CVE-2024-{n}",
            severity="critical" if n % 100 == 0 else "low",
            aliases=tuple(f"GHSA-{n}-{i}" for i in range(8)),
        )
        for n in range(1500)
    ]
    (document,) = sent(subject(*kernel))
    listed = [vulnerability["Id"] for vulnerability in document["Vulnerabilities"]]
    assert listed[:15] == sorted(f"CVE-2024-{n}" for n in range(0, 1500, 100))
    assert document["ProductFields"]["hullwatch/Omitted"] == f"{1500 - len(listed)} vulnerabilities"
    assert encoded_size(document) > 200_000
    assert "1500 vulnerabilities" in document["Title"]
    assert "and 1494 more" in document["Description"]


def test_many_images_are_cut_and_counted() -> None:
    (document,) = sent(*(subject(*OPENSSL, image=str(n)) for n in range(40)))
    assert len(document["Resources"]) == 32
    assert document["ProductFields"]["hullwatch/Omitted"] == "8 images"


def test_text_from_images_and_feeds_can_do_no_harm() -> None:
    hostile = "x\u202e\x1b[31m\n'; rm -rf / #"
    statement = Statement(advisory="A", source=" ", url="javascript:alert(1)")
    entry = msgspec.structs.replace(match(pypi(hostile), fixed="5\n"), statements=(statement,))
    (document,) = sent(subject(entry))
    text = json.dumps(document, ensure_ascii=False)
    assert "\u202e" not in text
    assert "\\u001b" not in text
    assert "javascript" not in text
    # Quoted for a shell, with its quote escaped.
    assert (
        "pip install 'x??[31m?'\"'\"'; rm -rf / #>=5?'" in document["Remediation"]["Recommendation"]["Text"]
    )


text = st.text(max_size=600) | st.text(" \t\n\x00\u2028", max_size=3)
short = st.text(max_size=40)
floats = st.floats(0, 1)
packages = st.builds(
    Package,
    type=st.sampled_from(
        ["deb", "apk", "rpm", "pypi", "npm", "golang", "maven", "gem", "cargo", "nuget", "conan"]
    ),
    name=text,
    version=text,
    arch=short,
    source_name=text,
    source_version=short,
    locations=st.lists(text, max_size=3).map(tuple),
    declared_only=st.booleans(),
    ecosystem=st.sampled_from(
        ["Debian:12", "Alpine:v3.19", "Rocky Linux:9", "SUSE", "PyPI", "npm", "Go", ""]
    ),
    layer=st.sampled_from(["", digest("base")]),
)
vulnerabilities = st.builds(
    Vulnerability,
    id=st.sampled_from([f"CVE-2024-{n}" for n in range(9)]) | text.filter(str.strip),
    aliases=st.lists(text.filter(str.strip), max_size=4).map(tuple),
    severity=st.sampled_from(["critical", "high", "medium", "low", "negligible", "unknown"]),
    cvss=st.lists(
        st.builds(Cvss, version=st.just("3.1"), vector=text, score=st.floats(0, 10), source=text)
    ).map(tuple),
    epss=st.none() | floats,
    exploited=st.none() | st.builds(Exploited, added=st.just("2024-01-01")),
    summary=text,
    published=short | st.just("2024-02-30") | st.just("2024-02-03T04:05:06.123456789Z"),
    urls=st.lists(text | st.just("https://example.org/a"), max_size=3).map(tuple),
    malware=st.booleans(),
)
statements = st.builds(
    Statement,
    advisory=text,
    source=text,
    fixed=text,
    severity=st.sampled_from(["high", "unknown"]),
    modified=short | st.just("2024-01-01T10:00:00+05:30"),
    url=text,
)
anything = st.builds(
    Match,
    package=packages,
    vulnerability=vulnerabilities,
    status=st.sampled_from(["affected", "will_not_fix", "deferred", "fixed_in_pro", "under_investigation"]),
    fixed=text,
    statements=st.lists(statements, max_size=2).map(tuple),
)
problems = st.builds(Problem, reason=st.sampled_from(["UNREADABLE", "GONE"]), detail=text, path=text)
images = st.builds(
    ImageRef,
    digest=st.sampled_from([digest(n) for n in "abc"]),
    platform=st.sampled_from(["", "linux/amd64", "linux/386", "linux/arm/v7", "windows/amd64", "unknown"]),
    tags=st.lists(st.from_regex(r"[\w][\w.-]{0,127}", fullmatch=True).filter(str.isascii), max_size=30).map(
        tuple
    ),
    pushed_at=st.sampled_from(["", "2026-05-01T09:00:00+00:00"]),
)
tracks = st.builds(
    Track,
    account=st.just(ACCOUNT),
    region=st.just(REGION),
    repository=st.from_regex(r"[a-z0-9]+([/._-][a-z0-9]+){0,60}", fullmatch=True).filter(
        lambda n: len(n) <= 256
    ),
    lineage=st.text(min_size=1, max_size=128),
)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(tracks, images, st.lists(anything, max_size=6), st.lists(problems, max_size=3), st.data())
def test_security_hub_takes_whatever_a_finding_holds(track, image, matches, unread, data) -> None:
    found = subject(*matches, problems=tuple(unread))
    found = msgspec.structs.replace(
        found, image=image, running=data.draw(st.sampled_from([True, False, None]))
    )
    sent(found, track=track, group_by=data.draw(st.sampled_from(["package", "vulnerability"])))


def test_batches_keep_to_both_limits_and_lose_nothing() -> None:
    # Every é takes six bytes on the wire.
    small = {"Id": "x" * 1_000}
    large = {"Id": "é" * 39_000}
    documents = [small] * 250 + [large] * 60 + [small] * 3
    batches = list(pack(documents))
    assert [document for batch in batches for document in batch] == documents
    for batch in batches:
        assert len(batch) <= 100
        assert encoded_size({"Findings": batch}) <= MAX_CALL_BYTES
    assert [len(batch) for batch in batches] == [100, 100, 75, 25, 13]
    assert list(pack([])) == []


@given(st.lists(st.integers(1, 240_000).map(lambda n: {"Id": "x" * n}), max_size=230))
@settings(max_examples=20, deadline=None)
def test_no_batch_could_have_taken_the_first_of_the_next(documents: list[dict[str, str]]) -> None:
    batches = list(pack(documents))
    for batch, following in pairwise(batches):
        full = len(batch) == 100
        assert full or encoded_size({"Findings": [*batch, following[0]]}) > MAX_CALL_BYTES - 2


def test_a_full_call_of_real_findings_is_taken() -> None:
    matches = [match(deb(f"pkg{n}", source=f"pkg{n}"), fixed="4") for n in range(100)]
    documents = sent(subject(*matches))
    assert violations_of_call(documents, ACCOUNT, REGION) == []
    assert len(list(pack(documents))) == 1


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("Title", "x" * 257),
        ("Description", "x" * 1025),
        ("Description", "  "),
        ("Id", "x" * 513),
        ("GeneratorId", "x" * 513),
        ("UpdatedAt", "2026-05-01"),
        ("UpdatedAt", "2020-01-01T00:00:00Z"),
        ("AwsAccountId", "999999999999"),
        ("ProductArn", "arn:aws:securityhub:eu-west-1::product/hullwatch/hullwatch"),
        ("Resources", []),
        ("Resources", [{"Type": "AwsAccount", "Id": "AWS::::Account:111122223333"}] * 33),
        ("Resources.0.Region", "x" * 17),
        ("Resources.0.Type", ""),
        ("Resources.0.Partition", "aws-eusc"),
        ("Resources.0.Id", "payments/api"),
        ("Resources.0.Details.AwsEcrContainerImage.Architecture", "amd64"),
        ("ProductFields.aws/mine", "x"),
        ("ProductFields.long", "x" * 2049),
        ("ProductFields", {f"hullwatch/{number}": "x" for number in range(51)}),
        ("FindingProviderFields.Severity.Label", "P1"),
        ("FindingProviderFields.Severity.Original", "x" * 65),
        ("FindingProviderFields.Types", ["Vulnerabilities/CVE"]),
        ("FindingProviderFields.Types", []),
        ("FindingProviderFields.Criticality", 101),
        ("Workflow", {"Status": "NEW"}),
        ("Severity", {"Label": "HIGH"}),
        ("Remediation.Recommendation.Text", "x" * 513),
        ("Vulnerabilities.0.FixAvailable", "PARTIAL"),
        ("Vulnerabilities.0.EpssScore", 62.0),
        ("Vulnerabilities.0.Vendor.VendorCreatedAt", "yesterday"),
        ("Vulnerabilities.0.VulnerablePackages.0.Name", ""),
        ("Vulnerabilities.0.Surprise", "x"),
        ("Vulnerabilities.0.ReferenceUrls", ["x" * 240_000]),
    ],
)
def test_the_contract_refuses_what_is_documented_to_be_refused(path: str, value: object) -> None:
    (document,) = sent(subject(*OPENSSL))
    *parents, last = path.split(".")
    part: Any = document
    for name in parents:
        part = part[int(name)] if isinstance(part, list) else part[name]
    part[last] = value
    assert violations(document, ACCOUNT, REGION) != []


def test_the_contract_refuses_calls_that_are_too_large() -> None:
    (document,) = sent(subject(*OPENSSL))
    assert violations_of_call([document] * 101, ACCOUNT, REGION) == ["101 findings in one call"]
    document["Vulnerabilities"][0]["ReferenceUrls"] = ["x" * 200_000]
    assert violations_of_call([document] * 40, ACCOUNT, REGION) == ["the call is larger than 6 MB"]
    assert violations_of_call([], ACCOUNT, REGION) == ["0 findings in one call"]
