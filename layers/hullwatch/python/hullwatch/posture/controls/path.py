"""Paths: from a workload to cluster-admin or to an AWS administrator, from the internet onwards."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from hullwatch.posture.analysis.iam import Escalation, escalations, role_of, roles
from hullwatch.posture.analysis.network import exposures
from hullwatch.posture.analysis.rbac import BINDINGS, ROLES, account_name
from hullwatch.posture.analysis.rbac_paths import path_to_admin
from hullwatch.posture.controls.network import ExposedWorkload
from hullwatch.posture.engine import Outcome, Severity, Unknown, Violation, control
from hullwatch.posture.model.aws import family_of
from hullwatch.posture.model.ecs import EcsService, TaskDefinition
from hullwatch.posture.model.kubernetes import Workload
from hullwatch.posture.model.snapshot import Resource, Snapshot


@control("path.exposed-to-cluster-admin", ExposedWorkload, needs=(*ROLES, *BINDINGS))
def exposed_to_cluster_admin(exposed: ExposedWorkload, snapshot: Snapshot) -> Iterator[Outcome]:
    workload = exposed.workload
    hops = path_to_admin(snapshot, account_name(workload.namespace, workload.service_account))
    if hops and workload.spec.automount_service_account_token is not False:
        steps = [exposed.ways[0].via, str(workload.resource), f"ServiceAccount/{workload.service_account}"]
        steps += [f"{hop.how} → {hop.to}" for hop in hops if hop.how]
        yield Violation(path="spec.serviceAccountName", value=steps)


@dataclass(frozen=True, slots=True)
class RoleUser:
    """A workload or task definition with the IAM role its code runs under."""

    INPUTS: ClassVar[tuple[str, ...]] = ("iam:GetAccountAuthorizationDetails",)
    SOURCES: ClassVar[tuple[type, ...]] = (Workload, TaskDefinition)

    resource: Resource
    role_arn: str
    path: str
    exposed: bool
    evidence: str = ""

    @classmethod
    def derive(cls, snapshot: Snapshot) -> Iterator[RoleUser]:
        """Pods with a pod identity or IRSA, and task definitions with a task role."""
        public = {item.workload.resource for item in exposures(snapshot)}
        for workload in snapshot.of(Workload):
            path, arn = role_of(workload, snapshot)
            if arn:
                yield cls(workload.resource, arn, path, workload.resource in public, workload.evidence)
        served = {
            family_of(service.task_definition)
            for service in snapshot.of(EcsService)
            if service.load_balancers
        }
        for definition in snapshot.of(TaskDefinition):
            if definition.task_role_arn:
                resource, exposed = definition.resource, definition.family in served
                yield cls(resource, definition.task_role_arn, "taskRoleArn", exposed, definition.evidence)


@control("path.workload-to-aws-admin", RoleUser)
def workload_to_aws_admin(user: RoleUser, snapshot: Snapshot) -> Iterator[Outcome]:
    role = roles(snapshot).get(user.role_arn)
    if role is None:
        yield Unknown(f"the role {user.role_arn} was not read")
        return
    severity: Severity | None = None if user.exposed else "high"
    for found in escalations(role):
        if isinstance(found, Escalation):
            yield Violation(path=user.path, value=role.arn, message=found.how, severity=severity)
        else:
            yield Unknown(found)
