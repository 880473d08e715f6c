"""How long one core takes to judge a large cluster, and how much memory.

10,000 pods of 2,000 Deployments, 5,000 roles and bindings, 2,000 task definitions, with the namespaces,
service accounts, services, policies, nodes, custom objects, repositories and images around them; everything
goes through the readers, as collected documents do. Run: ``python benchmarks/evaluate_posture.py``.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import resource
import sys
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "layers" / "hullwatch" / "python"))

from hullwatch.posture.catalogue import severity_of
from hullwatch.posture.engine import evaluate
from hullwatch.posture.model.snapshot import READ, Scope
from hullwatch.posture.readers.snapshot import build
from hullwatch.posture.standards import controls_of

LIMIT_SECONDS = 20.0
LIMIT_MIB = 512.0
NAMESPACES = 100
DEPLOYMENTS = 2_000
NODES = 500
CUSTOM_OBJECTS = 2_000


def documents(pods: int, grants: int, task_definitions: int) -> Iterator[dict[str, Any]]:
    """The documents one by one, as a collector pages them: nothing is held twice."""
    for number in range(NAMESPACES):
        namespace = f"team-{number}"
        labels = {"pod-security.kubernetes.io/enforce": "baseline"} if number % 2 else {}
        yield _object("v1", "Namespace", namespace, labels=labels)
        yield _object("v1", "ServiceAccount", "app", namespace)
        service = {"type": "LoadBalancer" if number % 10 == 0 else "ClusterIP", "selector": {"app": "app-0"}}
        yield _object("v1", "Service", "web", namespace, spec={**service, "ports": [{"port": 443}]})
        policy = {"podSelector": {"matchLabels": {"app": "app-0"}}, "policyTypes": ["Ingress"]}
        yield _object("networking.k8s.io/v1", "NetworkPolicy", "web", namespace, spec=policy)
    for number in range(DEPLOYMENTS):
        template = {"metadata": {"labels": {"app": f"app-{number}"}}, "spec": _pod_spec(number)}
        name, namespace = f"app-{number}", f"team-{number % NAMESPACES}"
        yield _object("apps/v1", "Deployment", name, namespace, spec={"template": template})
    for number in range(pods):
        owner = number % DEPLOYMENTS
        name, namespace = f"app-{owner}-5d8f7c-{number}", f"team-{owner % NAMESPACES}"
        document = _object("v1", "Pod", name, namespace, spec=_pod_spec(owner))
        document["metadata"]["labels"] = {"app": f"app-{owner}", "pod-template-hash": "5d8f7c"}
        document["metadata"]["ownerReferences"] = [
            {"kind": "ReplicaSet", "name": f"app-{owner}-5d8f7c", "controller": True}
        ]
        yield document
    for number in range(grants // 2):
        yield from _grant(number)
    for number in range(task_definitions):
        yield {"taskDefinition": _task_definition(number)}
    yield from _surroundings()


def _surroundings() -> Iterator[dict[str, Any]]:
    """What controls look up beside their subjects: nodes, instances, custom objects, repositories, images."""
    for number in range(NODES):
        info = {"osImage": "Amazon Linux 2023.9", "kernelVersion": "6.12.40", "kubeletVersion": "v1.34.1"}
        yield _object("v1", "Node", f"node-{number}", status={"nodeInfo": info})
        options = {"HttpTokens": "required", "HttpPutResponseHopLimit": 2}
        yield {"Reservations": [{"Instances": [{"InstanceId": f"i-{number}", "MetadataOptions": options}]}]}
    for number in range(CUSTOM_OBJECTS):
        spec = {"refreshInterval": "1h", "target": {"name": f"secret-{number}"}}
        namespace = f"team-{number % NAMESPACES}"
        yield _object("external-secrets.io/v1", "ExternalSecret", f"secret-{number}", namespace, spec=spec)
    for number in range(DEPLOYMENTS):
        name = f"app-{number}"
        yield {"repositories": [{"repositoryName": name, "imageTagMutability": "MUTABLE"}]}
        images = [
            {
                "repositoryName": name,
                "imageDigest": f"sha256:{number:060x}{index:04x}",
                "imageTags": [f"1.{index}"],
            }
            for index in range(10)
        ]
        yield {"imageDetails": images}


def _object(version: str, kind: str, name: str, namespace: str = "", **fields: Any) -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": name, "labels": fields.pop("labels", {})}
    if namespace:
        metadata["namespace"] = namespace
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **fields}


def _pod_spec(number: int) -> dict[str, Any]:
    main = {
        "name": "app",
        "image": f"111122223333.dkr.ecr.eu-central-1.amazonaws.com/app-{number}:1.{number % 7}",
        "env": [{"name": f"KEY_{index}", "value": f"value-{number}-{index}"} for index in range(8)],
        "ports": [{"containerPort": 8080}],
        "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"memory": "128Mi"}},
        "securityContext": {"allowPrivilegeEscalation": False, "privileged": number % 50 == 0},
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
        "livenessProbe": {"httpGet": {"path": "/", "port": 8080}},
    }
    sidecar = {
        "name": "log",
        "image": "public.ecr.aws/aws-observability/aws-for-fluent-bit:2",
        "args": ["-c", "x"],
    }
    return {
        "serviceAccountName": "app",
        "initContainers": [{"name": "init", "image": "busybox", "command": ["sh", "-c", "true"]}],
        "containers": [main, sidecar],
        "volumes": [{"name": "tmp", "emptyDir": {}}, {"name": "config", "configMap": {"name": "app"}}],
    }


def _grant(number: int) -> Iterator[dict[str, Any]]:
    namespace = f"team-{number % NAMESPACES}"
    resources = ["pods", "secrets", "configmaps", "deployments", "pods/exec", "serviceaccounts/token"]
    verbs = ["get", "list", "create", "update", "delete", "watch"]
    rule = {
        "apiGroups": ["", "apps"],
        "resources": [resources[number % 6], resources[number % 5]],
        "verbs": [verbs[number % 6], verbs[number % 4]],
    }
    yield _object("rbac.authorization.k8s.io/v1", "Role", f"role-{number}", namespace, rules=[rule])
    subject = {"kind": "ServiceAccount", "name": f"account-{number % 500}", "namespace": namespace}
    reference = {"kind": "Role", "name": f"role-{number}"}
    yield _object(
        "rbac.authorization.k8s.io/v1",
        "RoleBinding",
        f"binding-{number}",
        namespace,
        roleRef=reference,
        subjects=[subject],
    )


def _task_definition(number: int) -> dict[str, Any]:
    container = {
        "name": "app",
        "image": f"111122223333.dkr.ecr.eu-central-1.amazonaws.com/task-{number}:2",
        "memory": 512,
        "privileged": number % 40 == 0,
        "environment": [{"name": f"KEY_{index}", "value": f"value-{number}-{index}"} for index in range(10)],
        "logConfiguration": {"logDriver": "awslogs", "options": {"awslogs-group": f"/ecs/task-{number}"}},
        "portMappings": [{"containerPort": 8080}],
    }
    sidecar = copy.copy(container) | {"name": "proxy", "essential": False}
    return {
        "family": f"task-{number}",
        "revision": 3,
        "taskDefinitionArn": f"arn:aws:ecs:eu-central-1:111122223333:task-definition/task-{number}:3",
        "networkMode": "awsvpc",
        "requiresCompatibilities": ["EC2" if number % 3 else "FARGATE"],
        "containerDefinitions": [container, sidecar],
        "volumes": [{"name": "data", "host": {"sourcePath": "/data"}}],
    }


def peak_mib() -> float:
    """Most memory this process has held, in MiB (``ru_maxrss`` is KiB on Linux)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pods", type=int, default=10_000)
    parser.add_argument("--grants", type=int, default=5_000, help="roles and bindings together")
    parser.add_argument("--task-definitions", type=int, default=2_000)
    arguments = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})

    controls = controls_of()
    started = time.perf_counter()
    snapshot = build(
        documents(arguments.pods, arguments.grants, arguments.task_definitions),
        scope=Scope(account="111122223333", region="eu-central-1", cluster="prod"),
        default=READ,
        now=datetime(2026, 11, 23, tzinfo=UTC),
    )
    read = time.perf_counter() - started
    verdicts: Counter[str] = Counter(result.verdict for result in evaluate(snapshot, controls, severity_of))
    total = time.perf_counter() - started
    report = {
        "controls": len({item.id for item in controls}),
        "read_seconds": round(read, 2),
        "evaluate_seconds": round(total - read, 2),
        "total_seconds": round(total, 2),
        "peak_mib": round(peak_mib(), 1),
        "verdicts": dict(sorted(verdicts.items())),
    }
    print(json.dumps(report))
    return 0 if total <= LIMIT_SECONDS and peak_mib() <= LIMIT_MIB else 1


if __name__ == "__main__":
    raise SystemExit(main())
