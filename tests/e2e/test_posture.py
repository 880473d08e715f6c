"""What is configured and what runs: changed, told by an event, read again, and settled in Security Hub."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from moto.ecs.models import ecs_backends
from moto.eks.models import eks_backends

from fakes.kubernetes_api import Kind, KubernetesApiServer
from tests.e2e.rematch_cloud import RematchCloud, deployed
from tests.e2e.test_pipeline import VULNERABLE, push

PRIVILEGED = "ecs.task.privileged"


@pytest.fixture(scope="module")
def it(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RematchCloud]:
    with deployed(tmp_path_factory.mktemp("mirror")) as cloud:
        assert cloud.refresh() == "SUCCEEDED"
        cloud.cloud.client("ecs").create_cluster(clusterName="prod")
        yield cloud


def register(it: RematchCloud, family: str, *, image: str = "nginx:1.27", privileged: bool) -> str:
    """Register a revision, as a deployment does, with the event that CloudTrail makes of it."""
    container = {"name": "web", "image": image, "memory": 128, "privileged": privileged}
    request = {"family": family, "containerDefinitions": [container]}
    answer = it.cloud.client("ecs").register_task_definition(**request)
    call(it, "RegisterTaskDefinition", request)
    return str(answer["taskDefinition"]["taskDefinitionArn"])


def call(it: RematchCloud, name: str, request: dict[str, Any], **more: Any) -> None:
    """What CloudTrail tells of a call, and the survey that it starts."""
    detail = {"eventSource": "ecs.amazonaws.com", "eventName": name, "requestParameters": request, **more}
    it.cloud.push_event(detail, "AWS API Call via CloudTrail", source="aws.ecs")
    it.cloud.wait_idle(120)


def serve(it: RematchCloud, service: str, definition: str) -> None:
    """Create a service, or move it to another revision."""
    ecs = it.cloud.client("ecs")
    known = ecs.describe_services(cluster="prod", services=[service])["services"]
    request = {"cluster": "prod", "service": service, "taskDefinition": definition}
    if known:
        ecs.update_service(**request)
        call(it, "UpdateService", request)
    else:
        ecs.create_service(cluster="prod", serviceName=service, taskDefinition=definition, desiredCount=0)
        call(it, "CreateService", {**request, "serviceName": service})


def deployed_through(it: RematchCloud, service: str, definition: str) -> None:
    """The end of a deployment, with its event: moto leaves the deployment as it was at first."""
    backend = ecs_backends[it.cloud.account][it.cloud.region]
    backend.services[f"prod:{service}"].deployments[0]["taskDefinition"] = definition
    it.cloud.push_event(
        {"eventType": "INFO", "eventName": "SERVICE_DEPLOYMENT_COMPLETED"},
        "ECS Deployment State Change",
        source="aws.ecs",
        resources=[f"arn:aws:ecs:{it.cloud.region}:{it.cloud.account}:service/prod/{service}"],
    )
    it.cloud.wait_idle(120)


def run(it: RematchCloud, service: str, definition: str, digest: str) -> str:
    """Start a task of a service, as ECS does, with its event. moto does not say which digest it runs."""
    ecs = it.cloud.client("ecs")
    answer = ecs.run_task(
        cluster="prod", taskDefinition=definition, group=f"service:{service}", launchType="FARGATE"
    )
    arn = str(answer["tasks"][0]["taskArn"])
    task = ecs_backends[it.cloud.account][it.cloud.region].tasks["prod"][arn]
    task.group = f"service:{service}"
    task.containers[0].image_digest = digest
    task_event(it, arn, service, definition, "RUNNING")
    return arn


def task_event(it: RematchCloud, arn: str, service: str, definition: str, status: str) -> None:
    detail = {
        "clusterArn": f"arn:aws:ecs:{it.cloud.region}:{it.cloud.account}:cluster/prod",
        "group": f"service:{service}",
        "lastStatus": status,
        "taskArn": arn,
        "taskDefinitionArn": definition,
    }
    it.cloud.push_event(detail, "ECS Task State Change", source="aws.ecs", resources=[arn])
    it.cloud.wait_idle(120)


def survey(it: RematchCloud) -> str:
    """Survey everything, as the schedule does, and say how it ended."""
    states = it.cloud.client("stepfunctions")
    it.cloud.fire_schedule("survey-workloads")
    it.cloud.wait_idle(120)
    (machine,) = (
        found["stateMachineArn"]
        for found in states.list_state_machines()["stateMachines"]
        if found["name"] == "hullwatch-survey-workloads"
    )
    return str(states.list_executions(stateMachineArn=machine)["executions"][0]["status"])


def findings(it: RematchCloud, resource: str) -> dict[str, dict[str, Any]]:
    """What Security Hub has about a resource (``Kind/namespace/name``), by control."""
    pages = it.cloud.client("securityhub").get_paginator("get_findings").paginate()
    found = {}
    for finding in (finding for page in pages for finding in page["Findings"]):
        fields = finding["ProductFields"]
        names = [fields.get(f"hullwatch/{name}", "") for name in ("Kind", "Namespace", "Name")]
        if "/".join(name for name in names if name) == resource:
            found[fields["hullwatch/Control"]] = finding
    return found


def states(it: RematchCloud, resource: str) -> dict[str, str]:
    return {control: finding["RecordState"] for control, finding in findings(it, resource).items()}


def about_packages(it: RematchCloud, repository: str) -> dict[str, dict[str, Any]]:
    """The findings about the packages of a repository's images, as the table has them, by package."""
    return {
        item["package"]: item
        for item in it._items()
        if item["sk"].startswith("FND#") and item.get("repository") == repository and item.get("package")
    }


def test_a_privileged_task_definition_is_found_and_its_remedy_archives_it(it: RematchCloud) -> None:
    first = register(it, "shop", privileged=True)
    serve(it, "shop", first)

    opened = findings(it, "TaskDefinition/shop")
    privileged = opened[PRIVILEGED]
    assert privileged["RecordState"] == "ACTIVE"
    assert privileged["Compliance"]["Status"] == "FAILED"
    assert privileged["Compliance"]["SecurityControlId"] == PRIVILEGED
    assert "NIST.800-190 4.4.3" in privileged["Compliance"]["RelatedRequirements"]
    (resource,) = privileged["Resources"]
    # The family, whatever the revision: the finding stays the same with the next one.
    assert (resource["Type"], f"{resource['Id']}:1") == ("AwsEcsTaskDefinition", first)

    # The newest revision is in order, but the service still runs the other one.
    second = register(it, "shop", privileged=False)
    assert states(it, "TaskDefinition/shop")[PRIVILEGED] == "ACTIVE"

    # Until the deployment is through, both of them run.
    serve(it, "shop", second)
    assert states(it, "TaskDefinition/shop")[PRIVILEGED] == "ACTIVE"

    deployed_through(it, "shop", second)
    mended = findings(it, "TaskDefinition/shop")
    assert mended[PRIVILEGED]["RecordState"] == "ARCHIVED"
    assert mended[PRIVILEGED]["Compliance"]["Status"] == "PASSED"
    # Exactly that: nothing else was sent again.
    others = {name: finding["UpdatedAt"] for name, finding in opened.items() if name != PRIVILEGED}
    assert len(others) > 5
    assert {name: mended[name]["UpdatedAt"] for name in others} == others
    assert {mended[name]["RecordState"] for name in others} == {"ACTIVE"}


def test_a_change_reads_no_more_than_it_touches(it: RematchCloud) -> None:
    serve(it, "other", register(it, "other", privileged=True))
    before = dict(it.cloud.faults.calls)

    serve(it, "shop", register(it, "shop", privileged=False))

    called = {name: count - before.get(name, 0) for name, count in it.cloud.faults.calls.items()}
    assert called["ecs:DescribeTaskDefinition"] == 1  # the new revision; those of before are known
    assert called.get("ecr:DescribeRepositories", 0) == 0
    assert states(it, "TaskDefinition/other")[PRIVILEGED] == "ACTIVE"


def test_a_refused_call_starts_nothing(it: RematchCloud) -> None:
    before = it.invocations("hullwatch-survey-scope")
    call(it, "UpdateService", {"cluster": "prod", "service": "shop"}, errorCode="AccessDenied")

    assert it.invocations("hullwatch-survey-scope") == before


def test_what_runs_is_more_urgent_than_what_does_not(it: RematchCloud) -> None:
    digest = push(it, "team/web", VULNERABLE, "v1")
    presumed = about_packages(it, "team/web")["Django"]
    assert "presumed to run: running workloads are not surveyed" in presumed["reasons"]

    assert survey(it) == "SUCCEEDED"
    push(it, "team/web", VULNERABLE, "v1.0")
    image = f"{it.cloud.account}.dkr.ecr.{it.cloud.region}.amazonaws.com/team/web:v1"
    definition = register(it, "web", image=image, privileged=False)
    serve(it, "web", definition)
    task = run(it, "web", definition, digest)

    running = about_packages(it, "team/web")["Django"]
    assert "running" in running["reasons"]

    it.cloud.client("ecs").stop_task(cluster="prod", task=task)
    ecs_backends[it.cloud.account][it.cloud.region].tasks["prod"].pop(task)
    task_event(it, task, "web", definition, "STOPPED")

    stopped = about_packages(it, "team/web")["Django"]
    assert "not running" in stopped["reasons"]
    assert stopped["priority"] > running["priority"]


def test_an_image_that_runs_and_is_deleted_is_found(it: RematchCloud) -> None:
    digest = push(it, "team/gone", VULNERABLE, "v1")
    image = f"{it.cloud.account}.dkr.ecr.{it.cloud.region}.amazonaws.com/team/gone:v1"
    definition = register(it, "gone", image=image, privileged=False)
    serve(it, "gone", definition)
    run(it, "gone", definition, digest)
    open_before = {name: item["state"] for name, item in about_packages(it, "team/gone").items()}

    it.cloud.client("ecr").batch_delete_image(repositoryName="team/gone", imageIds=[{"imageDigest": digest}])
    it.cloud.wait_idle(60)
    assert survey(it) == "SUCCEEDED"

    assert states(it, "EcsService/prod/gone")["image.running.gone"] == "ACTIVE"
    # It is as vulnerable as before, as long as it runs.
    assert {name: item["state"] for name, item in about_packages(it, "team/gone").items()} == open_before
    assert set(open_before.values()) == {"OPEN"}


POD = {
    "metadata": {"name": "shop-1", "namespace": "shop", "uid": "1"},
    "spec": {"containers": [{"name": "web", "image": "nginx:1.27", "securityContext": {"privileged": True}}]},
    "status": {"phase": "Running"},
}


def test_a_cluster_is_read_judged_and_forgotten(it: RematchCloud) -> None:
    pods = Kind("pods", "Pod", objects=[POD])
    namespaces = Kind("namespaces", "Namespace", objects=[{"metadata": {"name": "shop", "uid": "2"}}])
    with KubernetesApiServer(
        [pods, namespaces], accepts=lambda token: token.startswith("k8s-aws-v1.")
    ) as server:
        it.cloud.client("eks").create_cluster(
            name="main",
            roleArn=f"arn:aws:iam::{it.cloud.account}:role/eks",
            resourcesVpcConfig={"subnetIds": ["subnet-1"]},
        )
        cluster = eks_backends[it.cloud.account][it.cloud.region].clusters["main"]
        cluster.endpoint, cluster.certificate_authority = server.endpoint, {"data": server.ca_data}

        assert survey(it) == "SUCCEEDED"
        assert states(it, "Pod/shop/shop-1")["k8s.pod.privileged"] == "ACTIVE"

        pods.objects.clear()
        assert survey(it) == "SUCCEEDED"
        assert set(states(it, "Pod/shop/shop-1").values()) == {"ARCHIVED"}
        pods.objects.append(POD)
        assert survey(it) == "SUCCEEDED"

    # Out of reach: what it said before stays, and one finding says how to mend it.
    assert survey(it) == "SUCCEEDED"
    assert states(it, "Pod/shop/shop-1")["k8s.pod.privileged"] == "ACTIVE"
    (unread,) = (finding for name, finding in findings(it, "Cluster/main").items() if name == "kubernetes")
    assert unread["RecordState"] == "ACTIVE"
    assert "subnets of the cluster's VPC" in json.dumps(unread)

    it.cloud.client("eks").delete_cluster(name="main")
    assert survey(it) == "SUCCEEDED"
    assert set(states(it, "Pod/shop/shop-1").values()) == {"ARCHIVED"}
