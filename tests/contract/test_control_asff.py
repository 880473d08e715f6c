"""Whatever a control says, Security Hub takes it: every control, on every kind of resource."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from fakes.asff_contract import violations
from fakes.verdicts import ACCOUNT, API, CLUSTER, SHOP, THE_ACCOUNT, covered, result
from hullwatch.findings.control import ControlFinding
from hullwatch.findings.control_asff import control_to_asff
from hullwatch.findings.diff_controls import diff_controls
from hullwatch.posture.catalogue import catalogue
from hullwatch.posture.engine import Result, Violation
from hullwatch.posture.model.snapshot import InputState, Resource
from hullwatch.posture.parts import Part
from hullwatch.settings import AcceptedRisk

NOW, LATER = "2026-03-01T12:00:00.000Z", "2026-03-02T12:00:00.000Z"
EKS = "arn:aws:eks:eu-west-1:111122223333:cluster/shop"
DIGEST = f"sha256:{'a' * 64}"


def as_asff(finding: ControlFinding) -> dict[str, Any]:
    document = control_to_asff(finding, account=CLUSTER.account, region=CLUSTER.region)
    assert violations(document, CLUSTER.account, CLUSTER.region) == []
    return document


def opened(*results: Result, part: Part = SHOP) -> ControlFinding:
    seen = covered(*(item.control for item in results), part=part)
    (finding,) = diff_controls({}, results, covered=seen, now=NOW).opened
    return finding


def resolved(finding: ControlFinding, *results: Result, **options: Any) -> dict[str, Any]:
    seen = covered(finding.control)
    changes = diff_controls({finding.id: finding}, results, covered=seen, now=LATER, **options)
    return as_asff(changes.resolved[0])


def test_a_failed_control() -> None:
    document = as_asff(opened(result(evidence=("Pod/shop/api-1",), witnesses=3)))
    assert document["Title"] == "Privileged container: Deployment/shop/api in cluster shop"
    assert document["Description"] == (
        "A privileged container has every device and capability of the node: breaking out takes one command. "
        "Found: spec.containers[0].securityContext.privileged is true. "
        "Seen in Pod/shop/api-1 and 2 more."
    )
    assert document["GeneratorId"] == "hullwatch/control/k8s.pod.privileged"
    assert document["RecordState"] == "ACTIVE"
    assert document["Compliance"] == {
        "Status": "FAILED",
        "SecurityControlId": "k8s.pod.privileged",
        "RelatedRequirements": [
            "CIS Amazon EKS Benchmark v1.8.0/4.2.1",
            "CIS Docker Benchmark v1.6.0/5.5",
            "Kubernetes Pod Security Standards/baseline",
            "NSA-CISA Kubernetes Hardening Guidance v1.2/pod-security",
            "NIST.800-53.r5 AC-6",
            "NIST.800-190 4.4.3",
        ],
        "AssociatedStandards": [
            {"StandardsId": "standards/cis-eks-benchmark/v/1.8.0"},
            {"StandardsId": "standards/cis-docker-benchmark/v/1.6.0"},
            {"StandardsId": "standards/kubernetes-pod-security-standards"},
            {"StandardsId": "standards/nsa-cisa-kubernetes-hardening-guidance/v/1.2.0"},
            {"StandardsId": "standards/nist-800-53/v/5.0.0"},
            {"StandardsId": "standards/nist-800-190"},
        ],
        "StatusReasons": [
            {
                "ReasonCode": "VIOLATION",
                "Description": "spec.containers[0].securityContext.privileged is true",
            }
        ],
    }
    assert document["FindingProviderFields"]["Severity"] == {"Label": "CRITICAL", "Original": "critical"}
    kinds = "Software and Configuration Checks/Industry and Regulatory Standards"
    assert document["FindingProviderFields"]["Types"][0] == f"{kinds}/CIS EKS Benchmark"
    workload, cluster = document["Resources"]
    assert workload == {
        "Type": "Other",
        "Id": f"{EKS}/Deployment/shop/api",
        "Partition": "aws",
        "Region": "eu-west-1",
        "Details": {
            "Other": {"cluster": "shop", "namespace": "shop", "kind": "Deployment", "name": "api"},
        },
    }
    assert (cluster["Type"], cluster["Id"]) == ("AwsEksCluster", EKS)


@pytest.mark.parametrize("control", catalogue())
def test_every_control_of_the_catalogue_open_and_fixed(control: str) -> None:
    finding = opened(result(control=control))
    document = as_asff(finding)
    assert document["Remediation"]["Recommendation"]["Text"] == catalogue()[control].fix
    assert catalogue()[control].title in document["Title"]
    fixed = resolved(finding, result("PASSED", control))
    assert (fixed["Compliance"]["Status"], fixed["RecordState"]) == ("PASSED", "ARCHIVED")


@pytest.mark.parametrize(
    ("resource", "type_", "identifier"),
    [
        (
            Resource(kind="Repository", name="shop/api", arn="arn:aws:ecr:x"),
            "AwsEcrRepository",
            "arn:aws:ecr:x",
        ),
        (Resource(kind="EcsCluster", name="main", arn="arn:aws:ecs:c"), "AwsEcsCluster", "arn:aws:ecs:c"),
        (
            Resource(kind="IamRole", name="ops", arn="arn:aws:iam::1:role/ops"),
            "AwsIamRole",
            "arn:aws:iam::1:role/ops",
        ),
        (Resource(kind="EksCluster", name="shop", arn=EKS), "AwsEksCluster", EKS),
        (
            Resource(kind="Secret", name="db", arn="arn:aws:secretsmanager:s"),
            "AwsSecretsManagerSecret",
            "arn:aws:secretsmanager:s",
        ),
        (
            Resource(kind="TaskDefinition", name="api"),
            "AwsEcsTaskDefinition",
            "arn:aws:ecs:eu-west-1:111122223333:task-definition/api",
        ),
        (
            Resource(kind="EcsService", namespace="main", name="api"),
            "AwsEcsService",
            "arn:aws:ecs:eu-west-1:111122223333:service/main/api",
        ),
        (
            Resource(kind="Image", name=f"shop/api@{DIGEST}"),
            "AwsEcrContainerImage",
            f"arn:aws:ecr:eu-west-1:111122223333:repository/shop/api/{DIGEST}",
        ),
        (
            Resource(kind="Image", name=f"ghcr.io/shop/api@{DIGEST}"),
            "Container",
            f"ghcr.io/shop/api@{DIGEST}",
        ),
        (Resource(kind="Vpc", name="vpc-1"), "AwsEc2Vpc", "arn:aws:ec2:eu-west-1:111122223333:vpc/vpc-1"),
        (Resource(kind="Account", name=ACCOUNT.account), "AwsAccount", "AWS::::Account:111122223333"),
        (
            Resource(kind="Registry", name="111122223333"),
            "Other",
            "111122223333/eu-west-1/Registry/111122223333",
        ),
    ],
)
def test_a_resource_of_aws_is_named_as_aws_names_it(resource: Resource, type_: str, identifier: str) -> None:
    document = as_asff(opened(result(resource=resource, scope=ACCOUNT), part=THE_ACCOUNT))
    assert [(item["Type"], item["Id"]) for item in document["Resources"]] == [(type_, identifier)]


def test_a_secret_of_kubernetes_is_none_of_secrets_manager() -> None:
    document = as_asff(opened(result(resource=Resource(kind="Secret", namespace="shop", name="db"))))
    assert [item["Type"] for item in document["Resources"]] == ["Other", "AwsEksCluster"]


def test_a_risk_that_is_accepted_still_fails() -> None:
    risk = msgspec.convert(
        {"control": "*", "resource": "*", "reason": "legacy", "owner": "ops", "until": "2026-04-01"},
        AcceptedRisk,
    )
    document = resolved(opened(result()), result(), exceptions=[risk])
    assert document["Compliance"]["Status"] == "FAILED"
    assert document["Compliance"]["StatusReasons"] == [
        {"ReasonCode": "RISK_ACCEPTED", "Description": "accepted by ops until 2026-04-01: legacy"}
    ]
    assert document["RecordState"] == "ARCHIVED"
    assert document["Description"].startswith("Resolved: accepted by ops until 2026-04-01: legacy.")


def test_a_resource_that_is_gone_passed_nothing() -> None:
    document = resolved(opened(result()))
    assert (document["Compliance"]["Status"], document["RecordState"]) == ("NOT_AVAILABLE", "ARCHIVED")


def test_a_cluster_that_cannot_be_reached() -> None:
    away = covered(pods=InputState("unavailable", "timed out"))
    (finding,) = diff_controls({}, [], covered=away, now=NOW).opened
    document = as_asff(finding)
    assert document["GeneratorId"] == "hullwatch/unread-configuration"
    assert document["FindingProviderFields"]["Severity"]["Label"] == "INFORMATIONAL"
    assert document["Compliance"] == {
        "Status": "NOT_AVAILABLE",
        "StatusReasons": [{"ReasonCode": "NOT_READ", "Description": "pods: unavailable (timed out)"}],
    }
    assert [item["Id"] for item in document["Resources"]] == [EKS]


def test_hostile_values_stay_within_the_limits() -> None:
    nasty = "\u202e\n\U0001f600" * 500
    breaches = tuple(Violation(path=nasty, value=f"{number}{nasty}", message=nasty) for number in range(100))
    resource = Resource(kind=nasty, namespace=nasty, name=nasty, arn=nasty)
    document = as_asff(
        opened(result(resource=resource, violations=breaches, evidence=(nasty,) * 20, witnesses=99))
    )
    assert len(document["Compliance"]["StatusReasons"]) == 8
    as_asff(opened(result(resource=msgspec.structs.replace(API, name=" "))))
