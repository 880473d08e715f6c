"""The real thing: ``kube-apiserver`` and ``etcd`` of their makers, with our role and our manifest.

``HULLWATCH_KUBE_APISERVER`` names a directory with both programs. Discovery, RBAC, pages, expired tokens and
custom resources are theirs; aggregated discovery, which servers have since 1.26, the unit tests cover too.
"""

from __future__ import annotations

import base64
import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import urllib3
import yaml

from fakes.kubernetes_api import certificates
from hullwatch.errors import AccessRefused, NotAuthenticated
from hullwatch.kubernetes.access import READERS, wanted
from hullwatch.kubernetes.api import PAGE, KubernetesApi
from hullwatch.kubernetes.survey import ClusterSurvey
from hullwatch.posture.model.kubernetes import Workload
from hullwatch.posture.model.rbac import Role
from hullwatch.posture.model.snapshot import InputState
from hullwatch.posture.readers.snapshot import build

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = os.environ.get("HULLWATCH_KUBE_APISERVER", "")
PODS = 1200

pytestmark = pytest.mark.skipif(
    not PROGRAMS, reason="HULLWATCH_KUBE_APISERVER names no directory with kube-apiserver and etcd"
)


@dataclass(frozen=True)
class Cluster:
    endpoint: str
    ca_data: str
    etcd: str
    http: urllib3.PoolManager

    def api(self, token: str = "reader") -> KubernetesApi:
        return KubernetesApi(self.endpoint, self.ca_data, lambda: token)

    def create(self, path: str, document: dict[str, Any]) -> None:
        """As an administrator. What was just defined takes a moment to be served."""
        for _ in range(40):
            response = self.ask("administrator", "POST", path, document)
            if response.status != 404:
                break
            time.sleep(0.25)
        assert response.status == 201, response.data

    def ask(self, token: str, method: str, path: str, document: Any = None) -> urllib3.BaseHTTPResponse:
        """One answer, whatever it is."""
        headers = {"Authorization": f"Bearer {token}"}
        return self.http.request(method, f"{self.endpoint}{path}", headers=headers, json=document)

    def compact(self) -> None:
        """Let etcd forget every state but the newest, as it does every five minutes."""
        key = base64.b64encode(b"\0").decode()
        found = self.http.request("POST", f"{self.etcd}/v3/kv/range", json={"key": key, "limit": 1}).json()
        revision = found["header"]["revision"]
        self.http.request(
            "POST", f"{self.etcd}/v3/kv/compaction", json={"revision": revision, "physical": True}
        )


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster without nodes: an administrator, a reader in our group, and a stranger whom it knows."""
    home = tmp_path_factory.mktemp("cluster")
    authority, chain = certificates("127.0.0.1")
    (home / "server.pem").write_bytes(chain)
    (home / "tokens.csv").write_text(
        f'administrator,administrator,1,"system:masters"\nreader,reader,2,"{READERS}"\nstranger,stranger,3\n'
    )
    etcd, peer = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
    endpoint = f"https://127.0.0.1:{(port := free_port())}"
    commands = [
        [
            f"{PROGRAMS}/etcd",
            f"--data-dir={home}/etcd",
            f"--listen-client-urls={etcd}",
            f"--advertise-client-urls={etcd}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
        ],
        [
            f"{PROGRAMS}/kube-apiserver",
            f"--etcd-servers={etcd}",
            f"--secure-port={port}",
            "--bind-address=127.0.0.1",
            f"--cert-dir={home}",
            f"--tls-cert-file={home}/server.pem",
            f"--tls-private-key-file={home}/server.pem",
            "--service-account-issuer=https://cluster.example",
            f"--service-account-key-file={home}/server.pem",
            f"--service-account-signing-key-file={home}/server.pem",
            "--authorization-mode=RBAC",
            f"--token-auth-file={home}/tokens.csv",
            "--disable-admission-plugins=ServiceAccount",
        ],
    ]
    ca_data = base64.b64encode(authority).decode()
    (home / "ca.pem").write_bytes(authority)
    http = urllib3.PoolManager(ca_certs=str(home / "ca.pem"), timeout=30, retries=False)
    with (home / "log").open("wb") as log:
        running = [subprocess.Popen(command, stdout=log, stderr=log) for command in commands]
        try:
            made = Cluster(endpoint, ca_data, etcd, http)
            _await(made)
            _fill(made)
            yield made
        finally:
            for process in reversed(running):
                process.terminate()
                process.wait(timeout=20)
            http.clear()


def _await(cluster: Cluster) -> None:
    for _ in range(120):
        try:
            if cluster.ask("administrator", "GET", "/readyz").status == 200:
                return
        except urllib3.exceptions.HTTPError:
            pass
        time.sleep(0.25)
    pytest.fail("kube-apiserver is not ready after 30 seconds")


def _fill(cluster: Cluster) -> None:
    for document in yaml.safe_load_all((ROOT / "config/kubernetes/reader.yaml").read_text(encoding="utf-8")):
        plural = document["kind"].lower() + "s"
        cluster.create(f"/apis/rbac.authorization.k8s.io/v1/{plural}", document)
    for number in range(PODS):
        cluster.create(
            "/api/v1/namespaces/default/pods",
            {
                "metadata": {"name": f"pod-{number:04}"},
                "spec": {"containers": [{"name": "web", "image": "registry.example/web:1"}]},
            },
        )
    for group, plural, kind in (
        ("cilium.io", "ciliumnetworkpolicies", "CiliumNetworkPolicy"),
        ("example.com", "widgets", "Widget"),
    ):
        cluster.create(
            "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", _definition(group, plural, kind)
        )
    cluster.create(
        "/apis/cilium.io/v1/namespaces/default/ciliumnetworkpolicies",
        {
            "apiVersion": "cilium.io/v1",
            "kind": "CiliumNetworkPolicy",
            "metadata": {"name": "deny"},
            "spec": {"endpointSelector": {}, "ingress": [{}]},
        },
    )


def _definition(group: str, plural: str, kind: str) -> dict[str, Any]:
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"plural": plural, "kind": kind},
            "versions": [version],
        },
    }


def test_our_manifest_lets_the_reader_read_all_that_is_there(cluster: Cluster) -> None:
    survey = ClusterSurvey(cluster.api(), wanted())
    snapshot = build(survey.documents(), inputs=survey.inputs)
    assert survey.obstacle is None
    states = {name: state.status for name, state in survey.inputs.items()}
    assert {name for name, status in states.items() if status not in ("read", "absent")} == {
        "kubeletconfigurations"
    }
    assert states["ciliumnetworkpolicies.cilium.io"] == "read"
    assert states["adminnetworkpolicies.policy.networking.k8s.io"] == "absent"
    assert len(snapshot.of(Workload)) == PODS
    assert any(
        role.kind == "ClusterRole" and role.metadata.name == "cluster-admin" for role in snapshot.of(Role)
    )
    assert not snapshot.unreadable


def test_it_lets_the_reader_do_nothing_else(cluster: Cluster) -> None:
    for method, path in (
        ("GET", "/api/v1/secrets"),
        ("GET", "/api/v1/namespaces/default/pods/pod-0000"),
        ("GET", "/api/v1/pods?watch=true"),
        ("GET", "/apis/example.com/v1/widgets"),
        ("POST", "/api/v1/namespaces/default/pods"),
        ("DELETE", "/api/v1/namespaces/default/pods/pod-0000"),
        ("POST", "/api/v1/namespaces/default/pods/pod-0000/exec?command=id"),
        ("GET", "/api/v1/nodes/any/proxy/configz"),
    ):
        response = cluster.ask("reader", method, path)
        assert response.status == 403, (path, response.data)


def test_pages_lose_nothing_when_etcd_forgets_the_first_ones_state(cluster: Cluster) -> None:
    path = f"/api/v1/pods?limit={PAGE}"
    following = cluster.ask("reader", "GET", path).json()["metadata"]["continue"]
    api = cluster.api()
    pods = api.discovery({""}).resources["pods"]
    listed = api.list(pods)
    first = [next(listed) for _ in range(PAGE)]
    cluster.create(
        "/api/v1/namespaces/default/configmaps", {"metadata": {"name": f"after-{time.time_ns()}"}, "data": {}}
    )
    cluster.compact()
    assert cluster.ask("reader", "GET", f"{path}&continue={following}").status == 410
    names = [item["metadata"]["name"] for item in (*first, *listed)]
    assert names == [f"pod-{number:04}" for number in range(PODS)]


def test_a_stranger_and_a_nobody_are_told_apart(cluster: Cluster) -> None:
    pods = cluster.api().discovery({""}).resources["pods"]
    with pytest.raises(AccessRefused, match="cannot list resource"):
        next(cluster.api("stranger").list(pods))
    with pytest.raises(NotAuthenticated):
        cluster.api("nobody").discovery({""})
    survey = ClusterSurvey(cluster.api("stranger"), wanted())
    assert list(survey.documents()) == []
    assert survey.obstacle is not None
    assert survey.obstacle.reason == "permission"
    assert survey.inputs["pods"].status == "forbidden"
    assert survey.inputs["nodepools.karpenter.sh"] == InputState("absent")


def test_finished_pods_are_left_out_by_the_server(cluster: Cluster) -> None:
    headers = {"Authorization": "Bearer administrator", "Content-Type": "application/merge-patch+json"}
    response = cluster.http.request(
        "PATCH",
        f"{cluster.endpoint}/api/v1/namespaces/default/pods/pod-0001/status",
        headers=headers,
        body=json.dumps({"status": {"phase": "Succeeded"}}),
    )
    assert response.status == 200
    documents = list(ClusterSurvey(cluster.api(), ["pods"]).documents())
    assert len(documents) == PODS - 1
