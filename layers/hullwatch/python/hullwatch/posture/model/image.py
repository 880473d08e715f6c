"""Images as controls see them: a reference somebody uses, or a built image with its configuration."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import msgspec

from hullwatch.images.image import ImageConfig
from hullwatch.posture.model.ecs import EcsTask, TaskDefinition
from hullwatch.posture.model.kubernetes import Workload
from hullwatch.posture.model.snapshot import Resource, Snapshot


class BuiltImage(msgspec.Struct, frozen=True, kw_only=True):
    """One image by digest: its configuration, and what reading its layers showed.

    ``None`` means that nobody looked; an empty tuple means that there is nothing.
    """

    INPUTS: ClassVar[tuple[str, ...]] = ("images",)
    digest: str
    #: Host and repository, with the tag it was read under if there was one.
    repository: str = ""
    config: ImageConfig = ImageConfig()
    pushed_at: str = ""
    os_id: str = ""
    os_version: str = ""
    #: ISO date on which the distribution release ends; empty when the release is not known.
    os_end_of_life: str | None = None
    os_packages: int | None = None
    #: Of shells and package managers: those present.
    tools: tuple[str, ...] | None = None
    setid_files: tuple[str, ...] | None = None

    @property
    def resource(self) -> Resource:
        return Resource(
            kind="Image", name=f"{self.repository}@{self.digest}" if self.repository else self.digest
        )


@dataclass(frozen=True, slots=True)
class ImageUse:
    """A container of a workload or a task definition, as far as its image reference goes."""

    INPUTS: ClassVar[tuple[str, ...]] = ("pods", "ecs:DescribeTaskDefinition")
    SOURCES: ClassVar[tuple[type, ...]] = (Workload, TaskDefinition)
    resource: Resource
    path: str
    image: str
    prefix: str = ""
    evidence: str = ""

    @classmethod
    def derive(cls, snapshot: Snapshot) -> Iterator[ImageUse]:
        """Every container that names an image."""
        for workload in snapshot.of(Workload):
            for view in workload.containers:
                if view.spec.image:
                    path, image = f"{view.path}.image", view.spec.image
                    yield cls(workload.resource, path, image, workload.prefix, workload.evidence)
        for definition in snapshot.of(TaskDefinition):
            for index, item in enumerate(definition.container_definitions):
                path = f"containerDefinitions[{index}].image"
                yield cls(definition.resource, path, item.image, "", definition.evidence)


@dataclass(frozen=True, slots=True)
class RunningImage:
    """A digest that runs: where, and under which reference it was asked for."""

    INPUTS: ClassVar[tuple[str, ...]] = ("pods", "ecs:DescribeTasks")
    SOURCES: ClassVar[tuple[type, ...]] = (Workload, EcsTask)
    digest: str
    image: str
    resource: Resource
    path: str
    evidence: str = ""

    @classmethod
    def derive(cls, snapshot: Snapshot) -> Iterator[RunningImage]:
        """Containers of pods and ECS tasks whose digest the runtime told."""
        for workload in snapshot.of(Workload):
            statuses = workload.status.container_statuses if workload.status else ()
            asked = {view.spec.name: view.spec.image for view in workload.containers}
            for index, status in enumerate(statuses):
                digest = status.image_id.rpartition("@")[2]
                if digest.startswith("sha256:"):
                    image = asked.get(status.name) or status.image
                    path = f"status.containerStatuses[{index}].imageID"
                    yield cls(digest, image, workload.resource, path, workload.evidence)
        for task in snapshot.of(EcsTask):
            for index, container in enumerate(task.containers):
                if container.image_digest:
                    path = f"containers[{index}].imageDigest"
                    yield cls(container.image_digest, container.image, task.resource, path, task.evidence)
