"""Documents to the model: templates of every kind, top controllers, AWS answers and what they lack."""

from __future__ import annotations

from typing import Any

import pytest

from hullwatch.posture.model.account import IamRole
from hullwatch.posture.model.ecr import Repository
from hullwatch.posture.model.ecs import TaskDefinition
from hullwatch.posture.model.kubernetes import Workload
from hullwatch.posture.model.network import NetworkPolicy
from hullwatch.posture.model.snapshot import LATEST, parse_version
from hullwatch.posture.readers import aws, kubernetes
from hullwatch.posture.readers.answers import policy_document
from hullwatch.posture.readers.snapshot import build

SPEC = {"containers": [{"name": "app", "image": "app"}]}


def owned(
    kind: str, name: str, owner: tuple[str, str] | None, labels: dict[str, str] | None = None, **fields: Any
) -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": name, "namespace": "shop", "labels": labels or {}}
    if owner:
        metadata["ownerReferences"] = [{"kind": owner[0], "name": owner[1], "controller": True}]
    version = {"Pod": "v1", "Job": "batch/v1", "CronJob": "batch/v1"}.get(kind, "apps/v1")
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **fields}


def template(kind: str, name: str, owner: tuple[str, str] | None = None) -> dict[str, Any]:
    inner = {"template": {"spec": SPEC}}
    spec = {"jobTemplate": {"spec": inner}} if kind == "CronJob" else inner
    return owned(kind, name, owner, spec=spec)


@pytest.mark.parametrize(
    ("kind", "prefix"),
    [
        ("Deployment", "spec.template."),
        ("StatefulSet", "spec.template."),
        ("DaemonSet", "spec.template."),
        ("ReplicaSet", "spec.template."),
        ("Job", "spec.template."),
        ("CronJob", "spec.jobTemplate.spec.template."),
        ("Rollout", "spec.template."),
    ],
)
def test_every_kind_with_a_template_is_a_workload(kind: str, prefix: str) -> None:
    [workload] = build([template(kind, "web")]).of(Workload)
    assert (workload.resource.kind, workload.prefix) == (kind, prefix)
    assert workload.containers[0].path == "spec.containers[0]"


def test_pods_are_under_their_top_controller() -> None:
    documents = [
        template("Deployment", "web"),
        template("ReplicaSet", "web-abc", ("Deployment", "web")),
        owned("Pod", "web-abc-1", ("ReplicaSet", "web-abc"), spec=SPEC),
        template("CronJob", "nightly"),
        template("Job", "nightly-1", ("CronJob", "nightly")),
        owned("Pod", "nightly-1-x", ("Job", "nightly-1"), spec=SPEC),
        owned("Pod", "api-5d9-1", ("ReplicaSet", "api-5d9"), {"pod-template-hash": "5d9"}, spec=SPEC),
        owned("Pod", "argo-1", ("Rollout", "argo"), spec=SPEC),
        owned("Pod", "etcd-node1", ("Node", "node1"), spec=SPEC),
        owned("Pod", "alone", None, spec=SPEC),
    ]
    found = [
        (item.resource.kind, item.resource.name, item.evidence) for item in build(documents).of(Workload)
    ]
    assert found == [
        ("Deployment", "web", ""),
        ("Deployment", "web", "Pod/shop/web-abc-1"),
        ("CronJob", "nightly", ""),
        ("CronJob", "nightly", "Pod/shop/nightly-1-x"),
        ("Deployment", "api", "Pod/shop/api-5d9-1"),
        ("Rollout", "argo", "Pod/shop/argo-1"),
        ("Pod", "etcd-node1", ""),
        ("Pod", "alone", ""),
    ]


def test_a_ring_of_owners_ends() -> None:
    documents = [
        template("ReplicaSet", "a", ("ReplicaSet", "b")),
        template("ReplicaSet", "b", ("ReplicaSet", "a")),
        owned("Pod", "p", ("ReplicaSet", "a"), spec=SPEC),
    ]
    assert [item.evidence for item in build(documents).of(Workload)] == ["Pod/shop/p"]


def test_strings_where_a_template_engine_left_them_are_read() -> None:
    context = {"runAsUser": "0", "privileged": "true"}
    document = owned("Pod", "p", None, spec={"containers": [{"name": "app", "securityContext": context}]})
    [workload] = build([document]).of(Workload)
    assert (workload.containers[0].security.run_as_user, workload.containers[0].security.privileged) == (
        0,
        True,
    )


def test_broken_objects_are_told_apart_from_absent_ones() -> None:
    documents = [
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": "x"},
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "b"}},
        {
            "apiVersion": "projectcalico.org/v3",
            "kind": "NetworkPolicy",
            "metadata": {"name": "c"},
            "spec": {"selector": "a ="},
        },
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": ["d"], "ownerReferences": "x"}},
    ]
    snapshot = build(documents)
    assert {str(item.resource) for item in snapshot.unreadable} == {
        "Pod/a",
        "Deployment/b",
        "NetworkPolicy/c",
        "ConfigMap/?",
    }
    assert [item.subject for item in snapshot.unreadable][:3] == [Workload, Workload, NetworkPolicy]


def test_what_was_not_asked_for_is_unread_and_what_is_not_there_is_not() -> None:
    repositories = {"repositories": [{"repositoryName": "a"}, {"repositoryName": "b"}]}
    answers = aws.read(
        [
            repositories,
            {"notFound": {"operation": "ecr:GetRepositoryPolicy", "repositoryName": "a"}},
            {"refused": {"operation": "ecr:GetLifecyclePolicy", "name": "a", "reason": "AccessDenied"}},
        ]
    )
    first, second = (item for item in answers.objects() if isinstance(item, Repository))
    assert first.unread == {"ecr:GetLifecyclePolicy": "AccessDenied"}
    assert second.unread == {"ecr:GetRepositoryPolicy": "not read", "ecr:GetLifecyclePolicy": "not read"}


def test_policies_come_as_text_as_object_or_url_encoded() -> None:
    documents = [
        "%7B%22Statement%22%3A%5B%5D%7D",
        '{"Statement": []}',
        {"Statement": []},
    ]
    for document in documents:
        assert policy_document(document) == {"Statement": []}
    with pytest.raises(ValueError, match="JSON"):
        policy_document("[]")


def test_roles_are_joined_with_their_managed_policies() -> None:
    answer = {
        "RoleDetailList": [
            {
                "Arn": "arn:aws:iam::1:role/r",
                "RoleName": "r",
                "AssumeRolePolicyDocument": {},
                "AttachedManagedPolicies": [{"PolicyArn": "arn:p"}, {"PolicyArn": "arn:q"}],
            }
        ],
        "Policies": [
            {
                "Arn": "arn:p",
                "PolicyVersionList": [
                    {"IsDefaultVersion": False, "Document": {"Statement": ["old"]}},
                    {"IsDefaultVersion": True, "Document": {"Statement": []}},
                ],
            }
        ],
    }
    [role] = build([answer]).of(IamRole)
    assert [policy.document for policy in role.policies] == [{"Statement": []}, None]


def test_an_answer_of_the_wrong_shape_is_unreadable() -> None:
    snapshot = build([{"taskDefinition": {"family": "web", "containerDefinitions": "x"}}])
    [broken] = snapshot.unreadable
    assert (broken.subject, broken.resource.name) == (TaskDefinition, "web")


def test_one_broken_item_costs_only_itself() -> None:
    snapshot = build(
        [{"repositories": [{"repositoryName": "a"}, {"repositoryName": "b", "imageTagMutability": 1}]}]
    )
    assert [item.repository_name for item in snapshot.of(Repository)] == ["a"]
    assert [item.resource.name for item in snapshot.unreadable] == ["b"]


def test_a_policy_that_is_no_json_stays_unread() -> None:
    documents = [{"repositories": [{"repositoryName": "a"}]}, {"repositoryName": "a", "policyText": "{"}]
    snapshot = build(documents)
    assert snapshot.of(Repository)[0].unread["ecr:GetRepositoryPolicy"] == "not read"
    assert [str(item.resource) for item in snapshot.unreadable] == ["Answer/policyText"]


@pytest.mark.parametrize(
    "document",
    [
        {"services": [{"port": 80}], "cluster": {"name": "from a values file"}},
        {"Resources": {"Queue": {"Type": "AWS::SQS::Queue"}}, "Parameters": {"Name": {"Type": "String"}}},
        {"clusters": ["prod"], "nextToken": "x"},
    ],
)
def test_files_of_other_tools_are_no_answers(document: dict[str, Any]) -> None:
    assert not aws.is_answer(document)


def test_unknown_documents_are_left_out() -> None:
    assert not kubernetes.is_kubernetes({"kind": "x"})
    assert build([{"name": "a chart's values"}]).of(Workload) == []


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("1.34", (1, 34)),
        ("v1.29.3-eks-7f9249a", (1, 29)),
        ("1.30+", (1, 30)),
        ("latest", LATEST),
        ("", LATEST),
    ],
)
def test_versions(text: str, version: tuple[int, int]) -> None:
    assert parse_version(text) == version


@pytest.mark.parametrize("text", ["1", "x.y", "1.x", "134", "1.34abc"])
def test_no_versions(text: str) -> None:
    with pytest.raises(ValueError, match="not a Kubernetes version"):
        parse_version(text)
