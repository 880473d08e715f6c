"""What runs: images of ECS tasks, gathered while a survey reads, one record for all copies of a workload."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from hullwatch.aws.survey.reading import Document
from hullwatch.posture.model.aws import family_of, short
from hullwatch.posture.model.running import Running, alone

PUBLIC_ADDRESS = "has a public IP address"
REACHABLE = "reachable from the internet"
PERHAPS_REACHABLE = "behind a load balancer that could not be read"


@dataclass(slots=True)
class _Copies:
    image: str
    definition: str
    role: str
    containers: set[str] = field(default_factory=set)
    tasks: int = 0


class EcsRunning:
    """Digests by workload. Tasks, services and definitions may be told in any order.

    A container without a digest is not there yet, or its image was pulled by an agent that does not say it.
    """

    def __init__(self) -> None:
        #: ``(cluster, workload, digest, image)`` → its tasks.
        self._copies: dict[tuple[str, str, str, str], _Copies] = {}
        #: ``(cluster, service)`` → target groups, and whether its tasks get public addresses.
        self._services: dict[tuple[str, str], tuple[frozenset[str], bool]] = {}
        self._roles: dict[str, str] = {}

    def task(self, task: Document) -> set[str]:
        """A task of ``DescribeTasks``; gives the digests it runs."""
        cluster, definition = short(task.get("clusterArn", "")), task.get("taskDefinitionArn", "")
        kind, _, name = task.get("group", "").partition(":")
        workload = name if kind == "service" else alone(family_of(definition))
        role = task.get("overrides", {}).get("taskRoleArn", "")
        mine: dict[tuple[str, str, str, str], set[str]] = {}
        for container in task.get("containers", ()):
            if digest := container.get("imageDigest"):
                key = (cluster, workload, digest, container.get("image", ""))
                mine.setdefault(key, set()).add(container.get("name", ""))
        for key, containers in mine.items():
            copies = self._copies.setdefault(key, _Copies(key[3], definition, role))
            copies.containers |= containers
            copies.tasks += 1
            # An override is what the task really has; the latest revision speaks for the others.
            copies.role, copies.definition = role or copies.role, definition
        return {digest for _, _, digest, _ in mine}

    def service(self, service: Document) -> set[str]:
        """A service of ``DescribeServices``; gives the ARNs of its target groups."""
        groups = {item.get("targetGroupArn", "") for item in service.get("loadBalancers", ())} - {""}
        awsvpc = service.get("networkConfiguration", {}).get("awsvpcConfiguration", {})
        key = (short(service.get("clusterArn", "")), service.get("serviceName", ""))
        self._services[key] = (frozenset(groups), awsvpc.get("assignPublicIp") == "ENABLED")
        return groups

    def definition(self, definition: Document) -> None:
        """A task definition: the role of its tasks."""
        self._roles[definition.get("taskDefinitionArn", "")] = definition.get("taskRoleArn", "")

    def records(self, public_target_groups: Mapping[str, bool]) -> Iterator[Running]:
        """What runs. ``public_target_groups``: those looked up, and whether the internet gets to them."""
        for (cluster, workload, digest, image), copies in self._copies.items():
            groups, public = self._services.get((cluster, workload), (frozenset(), False))
            exposure = [PUBLIC_ADDRESS] if public else []
            if any(public_target_groups.get(group) for group in groups):
                exposure.append(REACHABLE)
            elif not groups <= public_target_groups.keys():
                exposure.append(PERHAPS_REACHABLE)
            yield Running(
                digest=digest,
                image=image,
                kind="EcsTask",
                cluster=cluster,
                workload=workload,
                containers=tuple(sorted(copies.containers)),
                role=copies.role or self._roles.get(copies.definition, ""),
                exposure=tuple(exposure),
                count=copies.tasks,
            )
