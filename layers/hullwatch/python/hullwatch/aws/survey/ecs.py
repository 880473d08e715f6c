"""Amazon ECS: clusters, services, tasks, what they run on, and the task definitions that matter.

Of task definitions the revisions that services and tasks use are read, and the newest active one of every
family; the thousands of old revisions that an account keeps are not.
"""

from __future__ import annotations

from collections.abc import Iterator

from hullwatch.aws.survey.named import Named
from hullwatch.aws.survey.reading import Document, Reading, several
from hullwatch.aws.survey.running import EcsRunning
from hullwatch.aws.survey.task_definitions import TaskDefinitions
from hullwatch.errors import HullwatchError
from hullwatch.posture.model.aws import family_of
from hullwatch.posture.parts import Part

CLUSTERS, SERVICES, TASKS = "ecs:DescribeClusters", "ecs:DescribeServices", "ecs:DescribeTasks"
TASK_SETS, DEFINITIONS = "ecs:DescribeTaskSets", "ecs:DescribeTaskDefinition"
INSTANCES, PROVIDERS = "ecs:DescribeContainerInstances", "ecs:DescribeCapacityProviders"
SETTINGS = "ecs:ListAccountSettings"

INPUTS = frozenset(
    {CLUSTERS, SERVICES, TASKS, TASK_SETS, DEFINITIONS, INSTANCES, PROVIDERS, SETTINGS},
)
#: Task sets come with their services.
ACTIONS = (
    "ecs:DescribeCapacityProviders",
    "ecs:DescribeClusters",
    "ecs:DescribeContainerInstances",
    "ecs:DescribeServices",
    "ecs:DescribeTaskDefinition",
    "ecs:DescribeTasks",
    "ecs:ListAccountSettings",
    "ecs:ListClusters",
    "ecs:ListContainerInstances",
    "ecs:ListServices",
    "ecs:ListTaskDefinitions",
    "ecs:ListTasks",
)
#: What one call describes at most (ECS API reference).
_CLUSTERS_AT_ONCE, _SERVICES_AT_ONCE, _TASKS_AT_ONCE, _INSTANCES_AT_ONCE = 100, 10, 100, 100
#: The cluster or service was deleted since it was listed.
_GONE = ("ClusterNotFoundException", "ServiceNotFoundException")
_IN_CLUSTERS = (SERVICES, TASK_SETS, TASKS, INSTANCES)


def documents(
    reading: Reading, named: Named, kept: TaskDefinitions, running: EcsRunning, part: Part
) -> Iterator[Document]:
    """All of ECS, or the service or family that ``part`` names with what its controls compare it to.

    Of a family that is every service that uses it, since each may run another revision.

    What definitions, services and instances name is added to ``named``; tasks are told to ``running``.
    """
    reading.begin(*INPUTS)
    yield from _settings(reading)
    clusters: list[str] = []
    if reading.wants(CLUSTERS, DEFINITIONS, *_IN_CLUSTERS):
        clusters = _cluster_names(reading, part)
        yield from _clusters(reading, clusters)
    revisions: set[str] = set()
    for cluster in clusters:
        yield from _services(reading, named, running, revisions, cluster, part)
        yield from _instances(reading, named, cluster)
        yield from _tasks(reading, named, running, revisions, cluster, part)
    if reading.wants(DEFINITIONS):
        yield from _definitions(reading, named, kept, running, revisions, part)


def _settings(reading: Reading) -> Iterator[Document]:
    if reading.wants(SETTINGS):
        with reading.input(SETTINGS):
            for page in reading.pages(SETTINGS, name="defaultLogDriverMode", effectiveSettings=True):
                yield {"settings": page["settings"]}
    if reading.wants(PROVIDERS):
        with reading.input(PROVIDERS):
            for page in reading.pages(PROVIDERS):
                yield {"capacityProviders": page["capacityProviders"]}
                reading.failures(PROVIDERS, page)


def _cluster_names(reading: Reading, part: Part) -> list[str]:
    if part.subject == "service":
        return [part.cluster]
    try:
        return [arn for page in reading.pages("ecs:ListClusters") for arn in page["clusterArns"]]
    except HullwatchError as error:
        # Nothing in the clusters can be found without them.
        for name in (CLUSTERS, DEFINITIONS, *_IN_CLUSTERS):
            if reading.wants(name):
                reading.lacks(name, error)
        return []


def _clusters(reading: Reading, clusters: list[str]) -> Iterator[Document]:
    if not reading.wants(CLUSTERS):
        return
    with reading.input(CLUSTERS):
        for some in several(clusters, _CLUSTERS_AT_ONCE):
            answer = reading.call(CLUSTERS, clusters=some, include=["SETTINGS", "CONFIGURATIONS", "TAGS"])
            if answer:
                yield {"clusters": answer["clusters"]}
                reading.failures(CLUSTERS, answer)


def _services(
    reading: Reading, named: Named, running: EcsRunning, revisions: set[str], cluster: str, part: Part
) -> Iterator[Document]:
    if not reading.wants(SERVICES, TASK_SETS, DEFINITIONS):
        return
    with reading.input(SERVICES):
        if part.subject == "service":
            listed = [part.name]
        else:
            listed = _listed(reading, "ecs:ListServices", "serviceArns", cluster)
        for some in several(listed, _SERVICES_AT_ONCE):
            answer = reading.call(SERVICES, _GONE, cluster=cluster, services=some, include=["TAGS"])
            if answer is None:
                return
            services = [
                item
                for item in answer["services"]
                if item.get("status") != "INACTIVE"
                and (part.subject != "family" or part.name in map(family_of, _revisions(item)))
            ]
            for service in services:
                revisions |= _revisions(service)
                awsvpc = service.get("networkConfiguration", {}).get("awsvpcConfiguration", {})
                named.security_groups |= set(awsvpc.get("securityGroups", ()))
                named.target_groups |= running.service(service)
                service.pop("events", None)
                if reading.wants(TASK_SETS):
                    yield {"taskSets": service.pop("taskSets", [])}
            yield {"services": services}
            reading.failures(SERVICES, answer)
    reading.follows(TASK_SETS, SERVICES)


def _revisions(service: Document) -> set[str]:
    """The task definitions of a service: while it is deployed it runs two."""
    deployed = (item.get("taskDefinition", "") for item in service.get("deployments", ()))
    return {service.get("taskDefinition", ""), *deployed} - {""}


def _tasks(
    reading: Reading, named: Named, running: EcsRunning, revisions: set[str], cluster: str, part: Part
) -> Iterator[Document]:
    if not reading.wants(TASKS, DEFINITIONS):
        return
    chosen = {}
    if part.subject:
        chosen = {"serviceName" if part.subject == "service" else "family": part.name}
    with reading.input(TASKS):
        listed = _listed(reading, "ecs:ListTasks", "taskArns", cluster, **chosen)
        for some in several(listed, _TASKS_AT_ONCE):
            answer = reading.call(TASKS, _GONE, cluster=cluster, tasks=some)
            if answer is None:
                return
            for task in answer["tasks"]:
                revisions |= {task.get("taskDefinitionArn", "")} - {""}
                named.digests |= running.task(task)
                # Their registry is asked about them, whether or not their definition can be read.
                named.images |= {item.get("image", "") for item in task.get("containers", ())} - {""}
            yield {"tasks": answer["tasks"]}
            reading.failures(TASKS, answer)


def _instances(reading: Reading, named: Named, cluster: str) -> Iterator[Document]:
    if not reading.wants(INSTANCES):
        return
    with reading.input(INSTANCES):
        listed = _listed(reading, "ecs:ListContainerInstances", "containerInstanceArns", cluster)
        for some in several(listed, _INSTANCES_AT_ONCE):
            answer = reading.call(INSTANCES, _GONE, cluster=cluster, containerInstances=some)
            if answer is None:
                return
            for item in answer["containerInstances"]:
                named.instances |= {item.get("ec2InstanceId", "")} - {""}
                for attribute in item.get("attributes", ()):
                    if attribute["name"] == "ecs.ami-id" and attribute.get("value"):
                        named.machine_images.add(attribute["value"])
            yield {"containerInstances": answer["containerInstances"]}
            reading.failures(INSTANCES, answer)


def _listed(reading: Reading, action: str, key: str, cluster: str, **chosen: str) -> list[str]:
    pages = reading.pages(action, _GONE, cluster=cluster, **chosen)
    return [arn for page in pages for arn in page[key]]


def _definitions(
    reading: Reading,
    named: Named,
    kept: TaskDefinitions,
    running: EcsRunning,
    revisions: set[str],
    part: Part,
) -> Iterator[Document]:
    # Which revisions run is part of the question: without it the newest would stand for them.
    reading.follows(DEFINITIONS, SERVICES, TASKS)
    families = {part.name} if part.subject == "family" else {family_of(arn) for arn in revisions}
    with reading.input(DEFINITIONS):
        if part.whole:
            revisions |= _newest(reading)
        else:
            for family in sorted(families):
                revisions |= _newest(reading, family)
    for arn in sorted(revisions):
        if not part.whole and family_of(arn) not in families:
            continue
        with reading.input(DEFINITIONS):
            answer = kept.get(arn)
            if answer is None:
                # Once nothing uses an inactive revision it can no longer be described.
                answer = reading.call(DEFINITIONS, ("ClientException",), taskDefinition=arn, include=["TAGS"])
                if answer is None:
                    continue
                kept.put(arn, answer)
            _names(named, answer["taskDefinition"])
            running.definition(answer["taskDefinition"])
            yield answer


def _newest(reading: Reading, family: str = "") -> set[str]:
    """The newest active revision of every family, or of one."""
    chosen = {"familyPrefix": family} if family else {}
    newest: dict[str, tuple[int, str]] = {}
    for page in reading.pages("ecs:ListTaskDefinitions", status="ACTIVE", sort="DESC", **chosen):
        for arn in page["taskDefinitionArns"]:
            revision = int(arn.rpartition(":")[2])
            newest[family_of(arn)] = max((revision, arn), newest.get(family_of(arn), (0, "")))
        if family:
            break  # the newest come first
    return {arn for name, (_, arn) in newest.items() if family in ("", name)}


def _names(named: Named, definition: Document) -> None:
    if role := definition.get("taskRoleArn"):
        named.roles.add(role)
    for container in definition.get("containerDefinitions", ()):
        named.images |= {container.get("image", "")} - {""}
        log = container.get("logConfiguration", {})
        group = log.get("options", {}).get("awslogs-group", "")
        if log.get("logDriver") == "awslogs" and group:
            named.log_groups.add(group)
        for secret in container.get("secrets", ()):
            source = secret.get("valueFrom", "")
            if ":secretsmanager:" not in source and source:
                named.parameters.add(source.partition(":parameter/")[2] or source)
