"""What runs in a cluster, from pods as the API lists them."""

from __future__ import annotations

from typing import Any

import pytest

from hullwatch.kubernetes.running import running
from hullwatch.posture.model.running import Running
from hullwatch.posture.model.snapshot import Scope
from hullwatch.posture.readers.snapshot import build

HOST = "111122223333.dkr.ecr.eu-central-1.amazonaws.com"
IMAGE = f"{HOST}/web:1"
DIGEST = "sha256:" + "a" * 64
ROLE = "arn:aws:iam::111122223333:role/web"


def pod(name: str = "web-5d4-a", *, spec: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": "shop",
            "labels": {"app": "web", "pod-template-hash": "5d4"},
            "ownerReferences": [{"kind": "ReplicaSet", "name": "web-5d4", "controller": True}],
        },
        "spec": {
            "serviceAccountName": "web",
            "containers": [{"name": "web", "image": IMAGE}],
            **(spec or {}),
        },
        "status": {"containerStatuses": [status("web")], **more},
    }


def status(name: str, image_id: str = f"{HOST}/web@{DIGEST}") -> dict[str, Any]:
    return {"name": name, "image": IMAGE, "imageID": image_id, "state": {"running": {}}}


def service(kind: str, name: str = "web", **annotations: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": "shop", "annotations": annotations},
        "spec": {"type": kind, "selector": {"app": "web"}, "ports": [{"port": 80}]},
    }


def found(*documents: dict[str, Any]) -> list[Running]:
    return running(build(documents, scope=Scope(cluster="shop-eks")))


def test_pods_of_a_workload_are_counted_under_its_top_controller() -> None:
    account = {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {
            "name": "web",
            "namespace": "shop",
            "annotations": {"eks.amazonaws.com/role-arn": ROLE},
        },
    }
    assert found(pod("web-5d4-a"), pod("web-5d4-b"), account) == [
        Running(
            digest=DIGEST,
            image=IMAGE,
            kind="KubernetesPod",
            cluster="shop-eks",
            workload="shop/Deployment/web",
            containers=("web",),
            role=ROLE,
            count=2,
        )
    ]


def test_a_rollout_in_progress_is_two_images() -> None:
    new = pod("web-6e5-a", containerStatuses=[status("web", f"{HOST}/web@sha256:{'b' * 64}")])
    assert [(item.digest[7], item.count) for item in found(pod(), new)] == [("a", 1), ("b", 1)]


def test_containers_with_one_image_are_one_record_and_sidecars_count() -> None:
    spec = {
        "containers": [{"name": "web", "image": IMAGE}, {"name": "worker", "image": IMAGE}],
        "initContainers": [
            {"name": "proxy", "image": IMAGE, "restartPolicy": "Always"},
            {"name": "migrate", "image": IMAGE},
        ],
    }
    statuses = [status("web"), status("worker")]
    (one,) = found(
        pod(
            spec=spec,
            containerStatuses=statuses,
            initContainerStatuses=[status("proxy"), status("migrate")],
        )
    )
    assert one.containers == ("proxy", "web", "worker")
    assert one.count == 1


@pytest.mark.parametrize("image_id", ["", DIGEST, "docker://" + DIGEST, f"{HOST}/web:1"])
def test_an_image_that_no_registry_knows_by_its_digest_is_left_out(image_id: str) -> None:
    assert found(pod(containerStatuses=[status("web", image_id)])) == []


def test_a_pod_that_has_not_started_runs_nothing() -> None:
    waiting = pod()
    waiting["status"] = {"phase": "Pending"}
    assert found(waiting) == []


INTERNAL = {"service.beta.kubernetes.io/aws-load-balancer-scheme": "internal"}


@pytest.mark.parametrize(
    ("documents", "exposure"),
    [
        ([service("ClusterIP")], ()),
        ([service("LoadBalancer")], ("reachable from the internet",)),
        ([service("LoadBalancer", **INTERNAL)], ("reachable from outside the cluster",)),
        ([service("NodePort")], ("reachable through every node",)),
        (
            [service("LoadBalancer"), service("LoadBalancer", "private", **INTERNAL)],
            ("reachable from the internet",),
        ),
        (
            [
                service("ClusterIP"),
                {
                    "apiVersion": "networking.k8s.io/v1",
                    "kind": "Ingress",
                    "metadata": {
                        "name": "web",
                        "namespace": "shop",
                        "annotations": {"alb.ingress.kubernetes.io/scheme": "internet-facing"},
                    },
                    "spec": {"defaultBackend": {"service": {"name": "web"}}},
                },
            ],
            ("reachable from the internet",),
        ),
    ],
)
def test_how_a_workload_can_be_reached(documents: list[dict[str, Any]], exposure: tuple[str, ...]) -> None:
    (one,) = found(pod(), *documents)
    assert one.exposure == exposure


def test_what_a_workload_may_do_on_its_node() -> None:
    spec = {
        "hostNetwork": True,
        "hostPID": True,
        "volumes": [{"name": "root", "hostPath": {"path": "/"}}],
        "containers": [
            {"name": "web", "image": IMAGE, "securityContext": {"privileged": True}},
            {"name": "side", "image": IMAGE},
        ],
    }
    side, web = sorted(
        found(pod(spec=spec, containerStatuses=[status("web"), status("side")])),
        key=lambda item: item.containers,
    )
    host = ("in the node's network", "sees the node's processes", "mounts files of the node")
    assert web.exposure == (*host, "privileged")
    assert side.exposure == host
