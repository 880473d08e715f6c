"""A survey of a cluster: what it asks for, how it says what it could not read, and the manifest."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest
import yaml

from fakes.kubernetes_api import TOKEN, Fault, Kind, KubernetesApiServer, certificates
from hullwatch.kubernetes.access import READERS, manifest, wanted
from hullwatch.kubernetes.api import KubernetesApi
from hullwatch.kubernetes.resources import NEVER_READ, read_from
from hullwatch.kubernetes.survey import ClusterSurvey
from hullwatch.posture.model.kubernetes import CustomObject, Workload
from hullwatch.posture.model.rbac import Role
from hullwatch.posture.model.snapshot import InputState, Scope, Snapshot
from hullwatch.posture.readers.snapshot import build

ROOT = Path(__file__).resolve().parents[3]
RBAC = "rbac.authorization.k8s.io"


def survey_of(server: KubernetesApiServer, *inputs: str, **options: Any) -> ClusterSurvey:
    options.setdefault("token", lambda: TOKEN)
    api = KubernetesApi(server.endpoint, server.ca_data, sleep=lambda _: None, **options)
    return ClusterSurvey(api, inputs or wanted())


def snapshot_of(survey: ClusterSurvey) -> Snapshot:
    return build(survey.documents(), inputs=survey.inputs, scope=Scope(cluster="shop"))


def meta(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "namespace": "shop", "uid": name, **more}


def owned(kind: str, name: str) -> list[dict[str, Any]]:
    return [{"apiVersion": "apps/v1", "kind": kind, "name": name, "controller": True}]


SPEC = {"containers": [{"name": "web", "image": "web:1"}]}


def test_objects_become_a_snapshot_with_the_state_of_each_input() -> None:
    pod = {
        "metadata": meta("web-1-x", ownerReferences=owned("ReplicaSet", "web-1")),
        "spec": SPEC,
        "status": {},
    }
    current = {
        "metadata": meta("web-1", ownerReferences=owned("Deployment", "web")),
        "spec": {"replicas": 1, "template": {"metadata": {"creationTimestamp": None}, "spec": SPEC}},
    }
    deployment = {"metadata": meta("web"), "spec": {"template": {"spec": SPEC}}}
    role = {"metadata": {"name": "view", "uid": "view", "managedFields": [{"manager": "x"}]}, "rules": None}
    kinds = [
        Kind("pods", "Pod", objects=[pod]),
        Kind("replicasets", "ReplicaSet", "apps", objects=[current]),
        Kind("deployments", "Deployment", "apps", objects=[deployment]),
        Kind("clusterroles", "ClusterRole", RBAC, objects=[role]),
        Kind("roles", "Role", RBAC, forbidden=True),
        Kind("namespaces", "Namespace", objects=[{"metadata": {"name": "shop", "uid": "shop"}}]),
    ]
    with KubernetesApiServer(kinds) as server:
        survey = survey_of(server)
        snapshot = snapshot_of(survey)
    assert {str(item.resource) for item in snapshot.of(Workload)} == {"Deployment/shop/web"}
    assert [item.rules for item in snapshot.of(Role)] == [()]
    assert not snapshot.unreadable
    assert survey.obstacle is None
    assert survey.inputs["pods"] == InputState("read")
    assert survey.inputs[f"clusterroles.{RBAC}"] == InputState("read")
    assert survey.inputs[f"roles.{RBAC}"].status == "forbidden"
    assert "cannot list" in survey.inputs[f"roles.{RBAC}"].detail
    assert survey.inputs["ciliumnetworkpolicies.cilium.io"] == InputState("absent")
    assert survey.inputs["customresources"] == InputState("absent")
    assert survey.inputs["kubeletconfigurations"].status == "not-read"
    assert set(survey.inputs) == set(wanted())


def test_only_what_is_wanted_is_asked_for_and_secrets_never() -> None:
    kinds = [Kind("pods", "Pod"), Kind("secrets", "Secret"), Kind("services", "Service")]
    with KubernetesApiServer(kinds) as server:
        survey = survey_of(server, "services", "secrets", "ecr:DescribeImages", "images")
        assert list(survey.documents()) == []
    lists = {request.partition("?")[0] for request in server.requests} - {"/api", "/apis"}
    assert lists == {"/api/v1/services"}
    assert set(survey.inputs) == {"services", "secrets"}
    assert survey.inputs["secrets"].status == "not-read"


def test_pods_that_ended_and_former_replica_sets_are_left_out() -> None:
    pods = [
        {"metadata": meta(phase), "spec": SPEC, "status": {"phase": phase}}
        for phase in ("Running", "Pending", "Succeeded", "Failed")
    ]
    sets = [
        {"metadata": meta("old", ownerReferences=owned("Deployment", "web")), "spec": {"replicas": 0}},
        {"metadata": meta("own"), "spec": {"replicas": 0}},
    ]
    kinds = [Kind("pods", "Pod", objects=pods), Kind("replicasets", "ReplicaSet", "apps", objects=sets)]
    with KubernetesApiServer(kinds) as server:
        found = [item["metadata"]["name"] for item in survey_of(server, "pods").documents()]
    assert found == ["Running", "Pending", "own"]


def test_every_kind_of_a_group_that_people_fill_is_read() -> None:
    group = "constraints.gatekeeper.sh"
    kinds = [
        Kind("k8srequiredlabels", "K8sRequiredLabels", group, ("v1beta1",), [{"metadata": {"name": "a"}}]),
        Kind("k8sallowedrepos", "K8sAllowedRepos", group, ("v1beta1",), [{"metadata": {"name": "b"}}]),
    ]
    with KubernetesApiServer(kinds) as server:
        survey = survey_of(server, "customresources")
        snapshot = snapshot_of(survey)
    assert {(item.group, item.kind) for item in snapshot.of(CustomObject)} == {
        (group, "K8sRequiredLabels"),
        (group, "K8sAllowedRepos"),
    }
    assert survey.inputs["customresources"] == InputState("read")


def test_an_input_of_several_resources_is_as_good_as_the_worst() -> None:
    kinds = [
        Kind("clusterpolicies", "ClusterPolicy", "kyverno.io"),
        Kind("externalsecrets", "ExternalSecret", "external-secrets.io", forbidden=True),
    ]
    with KubernetesApiServer(kinds) as server:
        survey = survey_of(server, "customresources")
        list(survey.documents())
    assert survey.inputs["customresources"].status == "forbidden"
    assert survey.obstacle is None


def test_a_group_whose_server_is_down_is_unavailable() -> None:
    with KubernetesApiServer([Kind("nodepools", "NodePool", "karpenter.sh", stale=True)]) as server:
        survey = survey_of(server, "nodepools.karpenter.sh")
        list(survey.documents())
    assert survey.inputs["nodepools.karpenter.sh"].status == "unavailable"


def test_a_list_that_breaks_off_is_partial_and_the_others_go_on() -> None:
    pods = [{"metadata": meta(f"pod-{number}"), "spec": SPEC} for number in range(501)]
    kinds = [
        Kind("pods", "Pod", objects=pods),
        Kind("services", "Service", objects=[{"metadata": meta("web")}]),
    ]

    def script(path: str, query: Any, before: int) -> Fault | None:
        return Fault(500) if "continue" in query else None

    with KubernetesApiServer(kinds, script=script) as server:
        survey = survey_of(server, "pods", "services")
        assert len(list(survey.documents())) == 501
    assert survey.inputs["pods"].status == "partial"
    assert "after 500" in survey.inputs["pods"].detail
    assert survey.inputs["services"] == InputState("read")


def test_an_object_that_nests_too_deeply_costs_only_itself() -> None:
    deep: Any = "x"
    for _ in range(300):
        deep = {"x": deep}
    maps = [{"metadata": meta("deep"), "data": deep}, {"metadata": meta("plain"), "data": {"key": "value"}}]
    with KubernetesApiServer([Kind("configmaps", "ConfigMap", objects=maps)]) as server:
        survey = survey_of(server, "configmaps")
        found = [item["metadata"]["name"] for item in survey.documents()]
    assert found == ["plain"]
    assert survey.inputs["configmaps"] == InputState("partial", "1 of 2 configmaps are not readable")


def reason(survey: ClusterSurvey) -> str:
    """Reads to the end, and checks what every obstacle has in common."""
    assert list(survey.documents()) == []
    assert survey.obstacle is not None
    assert survey.obstacle.step
    never = set(NEVER_READ)
    states = {item.status for name, item in survey.inputs.items() if name not in never}
    assert states in ({"forbidden"}, {"unavailable"}, {"absent", "forbidden"})
    return survey.obstacle.reason


def test_a_cluster_that_does_not_know_the_role() -> None:
    with KubernetesApiServer([]) as server:
        survey = survey_of(server, token=lambda: "k8s-aws-v1.stranger")
        assert reason(survey) == "identity"
    assert READERS in survey.inputs["pods"].detail
    assert len(server.requests) == 1


def test_a_cluster_without_the_cluster_role() -> None:
    kinds = [Kind("pods", "Pod", forbidden=True), Kind("services", "Service", forbidden=True)]
    with KubernetesApiServer(kinds) as server:
        survey = survey_of(server)
        assert reason(survey) == "permission"
    assert "reader.yaml" in str(survey.obstacle)


def test_a_cluster_that_cannot_be_reached() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        endpoint = f"https://127.0.0.1:{taken.getsockname()[1]}"
        authority = certificates("127.0.0.1")[0].decode()
        api = KubernetesApi(endpoint, authority, lambda: TOKEN, sleep=lambda _: None)
        assert reason(ClusterSurvey(api, wanted())) == "network"


def test_a_cluster_with_another_certificate() -> None:
    other = certificates.__wrapped__("127.0.0.1")[0].decode()
    with KubernetesApiServer([]) as server:
        survey = ClusterSurvey(KubernetesApi(server.endpoint, other, lambda: TOKEN), wanted())
        assert reason(survey) == "certificate"


def test_a_cluster_that_is_out_of_order() -> None:
    with KubernetesApiServer([], script=lambda *_: Fault(503)) as server:
        assert reason(survey_of(server)) == "service"


def test_access_that_is_withdrawn_meanwhile_ends_the_survey() -> None:
    kinds = [Kind("namespaces", "Namespace", objects=[{"metadata": {"name": "a"}}]), Kind("pods", "Pod")]
    tokens = iter([TOKEN] * 3)
    with KubernetesApiServer(kinds) as server:
        survey = survey_of(server, "namespaces", "pods", "services", token=lambda: next(tokens, "withdrawn"))
        assert len(list(survey.documents())) == 1
    assert survey.inputs["namespaces"] == InputState("read")
    assert survey.inputs["pods"].status == "forbidden"
    assert survey.obstacle is not None
    assert survey.obstacle.reason == "identity"


def test_the_manifest_allows_what_is_read_and_nothing_else() -> None:
    shipped = (ROOT / "config/kubernetes/reader.yaml").read_text(encoding="utf-8")
    assert shipped == manifest(wanted()), "run make docs"
    role, binding = yaml.safe_load_all(shipped)
    granted = {
        f"{plural}.{group}" if group else plural
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for plural in rule["resources"]
    }
    assert granted == {resource for name in wanted() for resource in read_from(name)}
    assert {verb for rule in role["rules"] for verb in rule["verbs"]} == {"list"}
    assert set().union(*role["rules"]) == {"apiGroups", "resources", "verbs"}
    # Wildcards only where the kinds are made by people; nothing that has a content of its own to hide.
    assert [name for name in granted if "*" in name] == ["*.constraints.gatekeeper.sh"]
    assert not {name for name in granted if name in ("secrets", "*") or "/" in name}
    assert binding["subjects"] == [{"apiGroup": RBAC, "kind": "Group", "name": READERS}]
    assert binding["roleRef"]["name"] == role["metadata"]["name"]


@pytest.mark.parametrize("name", wanted())
def test_every_input_is_written_as_the_api_names_it(name: str) -> None:
    for resource in read_from(name):
        plural, _, group = resource.partition(".")
        assert plural == plural.lower()
        assert group == "" or "." in group or group in ("apps", "batch")
