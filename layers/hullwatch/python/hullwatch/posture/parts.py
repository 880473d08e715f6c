"""What is surveyed in one go, and which controls can be judged by it.

A part is the unit that is read, judged and brought in line: what one part says never rests on another's read.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import msgspec

from hullwatch.posture.engine import Control
from hullwatch.posture.model.snapshot import Resource

#: ``ecr``: repositories and the registry. ``ecs``: clusters, services, tasks and their definitions.
#: ``functions``: Lambda functions that run images. ``cluster``: one EKS cluster and everything in it.
#: ``account``: what the whole account shares.
Kind = Literal["account", "ecr", "ecs", "functions", "cluster"]


class Part(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One part of an account, or with ``name`` one thing in it, read and judged alone.

    ``cluster`` is the EKS cluster of that part, or for ``ecs`` the cluster of the service. ``name`` is that
    of an ECR repository, an ECS service or an ECS task definition family, as ``subject`` says.
    """

    kind: Kind
    cluster: str = ""
    subject: Literal["", "repository", "service", "family"] = ""
    name: str = ""

    @property
    def scope(self) -> str:
        """The name under which the part's results are kept: ``ecs``, ``eks/prod``."""
        return f"eks/{self.cluster}" if self.kind == "cluster" else self.kind

    @property
    def whole(self) -> bool:
        """Whether all of the scope is read."""
        return not self.name

    def is_about(self, resource: Resource) -> bool:
        """Whether the part has a name, and is this resource."""
        if not self.subject or (_KINDS[self.subject], self.name) != (resource.kind, resource.name):
            return False
        return self.subject != "service" or resource.namespace == self.cluster


#: What the controls call the resource that a part is about.
_KINDS = {"repository": "Repository", "service": "EcsService", "family": "TaskDefinition"}

#: Named parts of one scope from which on reading all of it takes less.
MANY = 20


def by_scope(parts: Iterable[Part]) -> list[list[Part]]:
    """The parts of each scope together, without those that another one includes, in their order."""
    scopes: dict[str, dict[Part, None]] = {}
    for part in parts:
        scopes.setdefault(part.scope, {})[part] = None
    return [_joined(list(found)) for found in scopes.values()]


def _joined(parts: list[Part]) -> list[Part]:
    if len(parts) < MANY and not any(part.whole for part in parts):
        return parts
    return [whole_of(parts[0].scope)]


def whole_of(scope: str) -> Part:
    """The part that is all of a scope, by the scope's name."""
    kind, slash, cluster = scope.partition("/")
    return Part(kind="cluster", cluster=cluster) if slash else msgspec.convert({"kind": kind}, Part)


def controls_in(kind: Kind, controls: Iterable[Control]) -> list[Control]:
    """Those of the controls whose subjects a part of this kind lists."""
    return [item for item in controls if any(kind_of(name) == kind for name in item.subject.INPUTS)]


def kind_of(name: str) -> Kind | None:
    """The kind of part that an input belongs to; ``None`` for what is judged when an image is scanned."""
    if name in ("images", "host-files"):
        return None
    service, colon, _ = name.partition(":")
    if not colon or service == "eks":
        return "cluster"
    return _SERVICES.get(service, "account")


_SERVICES: dict[str, Kind] = {"ecr": "ecr", "ecs": "ecs", "cloudtrail": "ecs", "lambda": "functions"}
