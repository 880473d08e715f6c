"""What runs: one image in one workload, wherever it was seen."""

from __future__ import annotations

from typing import Literal

import msgspec

#: What the image was seen in.
WorkloadKind = Literal["EcsTask", "KubernetesPod", "LambdaFunction"]


class Running(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An image that runs in a workload. Copies of the same workload are counted, not listed."""

    #: The digest that the runtime names: of an image, or of the index that it was pulled through.
    digest: str
    #: The reference that it was started from, as written (``HOST/REPOSITORY:TAG``).
    image: str
    kind: WorkloadKind
    #: The name of the ECS or EKS cluster; empty for a function.
    cluster: str = ""
    #: The service, or for a task without one ``family/`` and its family; ``namespace/kind/name`` of the top
    #: controller in Kubernetes; the function's name.
    workload: str
    #: The names of the containers that run it.
    containers: tuple[str, ...] = ()
    #: ARN of the AWS role that the workload acts as; empty when it has none.
    role: str = ""
    #: How it can be reached and what it may do, in words (``reachable from the internet``).
    exposure: tuple[str, ...] = ()
    #: Tasks, pods or functions.
    count: int = 1


def alone(family: str) -> str:
    """The workload of an ECS task without a service: no service has a slash in its name."""
    return f"family/{family}"
