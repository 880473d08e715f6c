"""What EventBridge tells of changed configuration, reduced to the part that has to be read again.

Shapes: Amazon ECS's own events (ECS developer guide, *Amazon ECS events*) and ``AWS API Call via CloudTrail``
(CloudTrail record contents). A call that was refused changes nothing. IAM is a global service: its calls only
reach the rules of us-east-1 (of cn-north-1 or us-gov-west-1 in their partitions).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from hullwatch.errors import MessageInvalid
from hullwatch.posture.parts import Part

#: Calls that change what a survey reads, by event source: what the stacks' rules ask for.
CALLS: dict[str, tuple[str, ...]] = {
    "ecr.amazonaws.com": (
        "CreateRepository",
        "DeleteRepository",
        "DeleteLifecyclePolicy",
        "DeletePullThroughCacheRule",
        "DeleteRegistryPolicy",
        "DeleteRepositoryPolicy",
        "DeleteSigningConfiguration",
        "CreatePullThroughCacheRule",
        "PutImageScanningConfiguration",
        "PutImageTagMutability",
        "PutLifecyclePolicy",
        "PutRegistryPolicy",
        "PutRegistryScanningConfiguration",
        "PutReplicationConfiguration",
        "PutSigningConfiguration",
        "SetRepositoryPolicy",
        "UpdatePullThroughCacheRule",
    ),
    "ecs.amazonaws.com": (
        "CreateCapacityProvider",
        "CreateCluster",
        "CreateService",
        "CreateTaskSet",
        "DeleteCluster",
        "DeleteService",
        "DeleteTaskDefinitions",
        "DeregisterTaskDefinition",
        "PutAccountSetting",
        "PutAccountSettingDefault",
        "PutClusterCapacityProviders",
        "RegisterTaskDefinition",
        "UpdateCluster",
        "UpdateClusterSettings",
        "UpdateService",
    ),
    "eks.amazonaws.com": (
        "AssociateAccessPolicy",
        "AssociateEncryptionConfig",
        "AssociateIdentityProviderConfig",
        "CreateAccessEntry",
        "CreateAddon",
        "CreateCluster",
        "CreateNodegroup",
        "CreatePodIdentityAssociation",
        "DeleteAccessEntry",
        "DeleteAddon",
        "DeleteCluster",
        "DeleteNodegroup",
        "DeletePodIdentityAssociation",
        "DisassociateAccessPolicy",
        "DisassociateIdentityProviderConfig",
        "UpdateAccessEntry",
        "UpdateAddon",
        "UpdateClusterConfig",
        "UpdateClusterVersion",
        "UpdateNodegroupConfig",
        "UpdateNodegroupVersion",
        "UpdatePodIdentityAssociation",
    ),
    "lambda.amazonaws.com": (
        "CreateFunction20150331",
        "DeleteFunction20150331",
        "UpdateFunctionCode20150331v2",
        "UpdateFunctionConfiguration20150331v2",
    ),
    "iam.amazonaws.com": (
        "AttachRolePolicy",
        "CreatePolicyVersion",
        "DeletePolicyVersion",
        "DeleteRole",
        "DeleteRolePermissionsBoundary",
        "DeleteRolePolicy",
        "DetachRolePolicy",
        "PutRolePermissionsBoundary",
        "PutRolePolicy",
        "SetDefaultPolicyVersion",
        "UpdateAssumeRolePolicy",
    ),
}
#: Detail types of ``aws.ecs`` that say that something else runs now.
ECS_EVENTS = ("ECS Task State Change", "ECS Deployment State Change", "ECS Service Action")


class RoleChanged(msgspec.Struct, frozen=True):
    """An IAM role has other permissions now; ``role`` is its name, empty when the event does not say it."""

    role: str


class _Envelope(msgspec.Struct, frozen=True, rename=lambda name: name.replace("_", "-")):
    detail_type: str
    detail: dict[str, Any]
    resources: tuple[str, ...] = ()


_envelope = msgspec.json.Decoder(_Envelope)


def read(body: str) -> list[Part | RoleChanged]:
    """What has to be read again because of one event; empty for an event that changed nothing.

    :class:`~hullwatch.errors.MessageInvalid` for anything that is no such event.
    """
    try:
        event = _envelope.decode(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise MessageInvalid(f"not an event: {error}") from error
    if event.detail_type in ECS_EVENTS:
        return list(_ecs_event(event))
    if event.detail_type != "AWS API Call via CloudTrail":
        raise MessageInvalid(f"not an event that a survey follows: {event.detail_type[:100]!r}")
    if event.detail.get("errorCode"):
        return []
    source = str(event.detail.get("eventSource", ""))
    name = str(event.detail.get("eventName", ""))
    if name not in CALLS.get(source, ()):
        return []
    request = event.detail.get("requestParameters")
    return list(_CALLS[source](name, request if isinstance(request, dict) else {}))


def _ecs_event(event: _Envelope) -> Iterator[Part]:
    cluster = _last(event.detail.get("clusterArn"))
    group, _, name = str(event.detail.get("group") or "").partition(":")
    if event.detail_type != "ECS Task State Change":
        # The service's ARN, which names its cluster too: service/<cluster>/<service>.
        parts = (event.resources[0] if event.resources else "").split("/")
        cluster, group, name = (parts[-2], "service", parts[-1]) if len(parts) >= 3 else ("", "", "")
    elif _passing(event.detail):
        return
    definition = _last(event.detail.get("taskDefinitionArn")).partition(":")[0]
    if group == "service" and name and cluster:
        yield Part(kind="ecs", cluster=cluster, subject="service", name=name)
    elif not definition:
        yield Part(kind="ecs")
    # Which revisions of a family run is part of what is said about it.
    if definition:
        yield Part(kind="ecs", subject="family", name=definition)


def _passing(detail: Mapping[str, Any]) -> bool:
    """Whether a task is only on its way: what it will be comes with an event of its own."""
    return str(detail.get("lastStatus", "")) not in ("RUNNING", "STOPPED")


def _ecr_call(name: str, request: Mapping[str, Any]) -> Iterator[Part]:
    repository = _text(request.get("repositoryName"))
    if repository:
        yield Part(kind="ecr", subject="repository", name=repository)
    else:
        yield Part(kind="ecr")


def _ecs_call(name: str, request: Mapping[str, Any]) -> Iterator[Part]:
    cluster = _last(request.get("cluster")) or "default"
    service = _last(request.get("service") or request.get("serviceName"))
    definition = _last(request.get("taskDefinition")).partition(":")[0]
    family = _text(request.get("family")) or definition
    if service:
        yield Part(kind="ecs", cluster=cluster, subject="service", name=service)
    if family:
        yield Part(kind="ecs", subject="family", name=family)
    if not (service or family):
        yield Part(kind="ecs")


def _eks_call(name: str, request: Mapping[str, Any]) -> Iterator[Part]:
    cluster = _text(request.get("clusterName") or request.get("name"))
    if cluster:
        yield Part(kind="cluster", cluster=cluster)


def _lambda_call(name: str, request: Mapping[str, Any]) -> Iterator[Part]:
    yield Part(kind="functions")


def _iam_call(name: str, request: Mapping[str, Any]) -> Iterator[RoleChanged]:
    # A policy's new version touches every role that it is attached to, which the event does not name.
    yield RoleChanged(_text(request.get("roleName")))


_CALLS: dict[str, Callable[[str, Mapping[str, Any]], Iterator[Part | RoleChanged]]] = {
    "ecr.amazonaws.com": _ecr_call,
    "ecs.amazonaws.com": _ecs_call,
    "eks.amazonaws.com": _eks_call,
    "lambda.amazonaws.com": _lambda_call,
    "iam.amazonaws.com": _iam_call,
}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _last(value: object) -> str:
    """The name at the end of an ARN, or a plain name as it is."""
    return _text(value).rsplit("/", 1)[-1]
