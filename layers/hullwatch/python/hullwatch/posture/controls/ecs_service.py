"""ECS services, tasks, clusters and instances: what is exposed, outdated or not observed."""

from __future__ import annotations

from collections.abc import Iterator

from hullwatch.posture.analysis.times import days_between
from hullwatch.posture.engine import Outcome, Severity, Unknown, Violation, control
from hullwatch.posture.model.account import Account, Coverage, Detector
from hullwatch.posture.model.aws import family_of
from hullwatch.posture.model.ec2 import MachineImage, SecurityGroup
from hullwatch.posture.model.ecs import (
    CapacityProvider,
    ContainerInstance,
    EcsCluster,
    EcsService,
    EcsTask,
    TaskDefinition,
    TaskSet,
)
from hullwatch.posture.model.snapshot import Snapshot

#: The newest platform versions of Fargate (ECS developer guide, "Fargate platform versions").
_PLATFORM = {"LINUX": "1.4.0", "WINDOWS": "1.0.0"}
_MAX_INSTANCE_IMAGE_DAYS = 60


def fargate(service: EcsService) -> bool:
    """Whether a service runs on Fargate, by launch type or capacity providers."""
    providers = [str(item.get("capacityProvider", "")) for item in service.capacity_provider_strategy]
    return service.launch_type == "FARGATE" or any(name.startswith("FARGATE") for name in providers)


def not_fargate(service: EcsService, _: Snapshot) -> str:
    """Only Fargate has platform versions."""
    return "" if fargate(service) else "not on Fargate"


@control("ecs.service.public-ip", EcsService)
def public_ip(service: EcsService, _: Snapshot) -> Iterator[Outcome]:
    value = service.network_configuration.awsvpc_configuration.assign_public_ip
    if value == "ENABLED":
        yield Violation(path="networkConfiguration.awsvpcConfiguration.assignPublicIp", value=value)


@control("ecs.taskset.public-ip", TaskSet)
def task_set_public_ip(task_set: TaskSet, _: Snapshot) -> Iterator[Outcome]:
    value = task_set.network_configuration.awsvpc_configuration.assign_public_ip
    if value == "ENABLED":
        yield Violation(path="networkConfiguration.awsvpcConfiguration.assignPublicIp", value=value)


@control("ecs.service.sg-open", EcsService, needs=("ec2:DescribeSecurityGroups",))
def open_security_group(service: EcsService, snapshot: Snapshot) -> Iterator[Outcome]:
    vpc = service.network_configuration.awsvpc_configuration
    severity: Severity | None = "critical" if vpc.assign_public_ip == "ENABLED" else None
    ports = _ports(service, snapshot)
    for group in snapshot.of(SecurityGroup):
        for index, rule in enumerate(group.ip_permissions if group.group_id in vpc.security_groups else ()):
            if rule.world and any(rule.covers(port, port) for port in ports):
                path = f"{group.group_id}.IpPermissions[{index}]"
                yield Violation(path=path, value=rule.world, severity=severity)


def _ports(service: EcsService, snapshot: Snapshot) -> set[int]:
    ports = {target.container_port for target in service.load_balancers if target.container_port}
    for definition in snapshot.of(TaskDefinition):
        if definition.task_definition_arn == service.task_definition:
            ports |= {
                port.container_port
                for item in definition.container_definitions
                for port in item.port_mappings
            }
    return ports


@control("ecs.service.platform-version", EcsService, skip=not_fargate)
def platform_version(service: EcsService, _: Snapshot) -> Iterator[Outcome]:
    newest = _PLATFORM["WINDOWS" if "WINDOWS" in service.platform_family.upper() else "LINUX"]
    version = service.platform_version
    if version not in ("", "LATEST"):
        severity: Severity | None = "low" if version == newest else None
        yield Violation(path="platformVersion", value=version, severity=severity)


@control("ecs.service.platform-version", EcsTask)
def task_platform_version(task: EcsTask, _: Snapshot) -> Iterator[Outcome]:
    outdated = task.platform_version and task.platform_version not in _PLATFORM.values()
    if task.launch_type == "FARGATE" and outdated:
        yield Violation(path="platformVersion", value=task.platform_version)


@control("ecs.service.exec-enabled", EcsService, needs=("ecs:DescribeClusters",))
def exec_enabled(service: EcsService, snapshot: Snapshot) -> Iterator[Outcome]:
    if not service.enable_execute_command:
        return
    clusters = {item.cluster_arn: item for item in snapshot.of(EcsCluster)}
    cluster = clusters.get(service.cluster_arn)
    setup = cluster.configuration.execute_command_configuration if cluster else None
    logged = setup is not None and setup.logging != "NONE" and setup.kms_key_id
    severity: Severity | None = "low" if logged else None
    yield Violation(path="enableExecuteCommand", value=True, severity=severity)


@control("ecs.service.stale-revision", EcsService, needs=("ecs:DescribeTaskDefinition",))
def stale_revision(service: EcsService, snapshot: Snapshot) -> Iterator[Outcome]:
    newest = snapshot.once(_newest_revisions).get(family_of(service.task_definition))
    running = service.task_definition.rpartition(":")[2]
    if newest is None:
        yield Unknown("the family's task definitions were not read")
    elif running.isdigit() and int(running) < newest:
        yield Violation(
            path="taskDefinition", value=service.task_definition, message=f"the newest is {newest}"
        )


def _newest_revisions(snapshot: Snapshot) -> dict[str, int]:
    newest: dict[str, int] = {}
    for item in snapshot.of(TaskDefinition):
        newest[item.family] = max(item.revision, newest.get(item.family, 0))
    return newest


@control("ecs.service.connect-tls", EcsService)
def service_connect_without_tls(service: EcsService, _: Snapshot) -> Iterator[Outcome]:
    for index, deployment in enumerate(service.deployments):
        setup = deployment.service_connect_configuration
        if setup and setup.enabled and setup.namespace:
            for number, item in enumerate(setup.services):
                if not item.tls:
                    path = f"deployments[{index}].serviceConnectConfiguration.services[{number}].tls"
                    yield Violation(path=path, message=item.port_name)


def not_rolling(service: EcsService, _: Snapshot) -> str:
    """Other controllers have their own way back."""
    return "" if service.deployment_controller.type == "ECS" else "deployed by another controller"


@control("ecs.service.circuit-breaker", EcsService, skip=not_rolling)
def no_circuit_breaker(service: EcsService, _: Snapshot) -> Iterator[Outcome]:
    if not service.deployment_configuration.deployment_circuit_breaker.enable:
        yield Violation(path="deploymentConfiguration.deploymentCircuitBreaker.enable", value=False)


@control("ecs.cluster.container-insights", EcsCluster)
def container_insights(cluster: EcsCluster, _: Snapshot) -> Iterator[Outcome]:
    values = [item.value for item in cluster.settings if item.name == "containerInsights"]
    if not set(values) & {"enabled", "enhanced"}:
        yield Violation(path="settings[containerInsights]", value=values[0] if values else None)


def no_auto_scaling(provider: CapacityProvider, _: Snapshot) -> str:
    """Fargate's providers have no instances to protect."""
    return "" if provider.auto_scaling_group_provider else "not an Auto Scaling group"


@control("ecs.capacity.termination-protection", CapacityProvider, skip=no_auto_scaling)
def termination_protection(provider: CapacityProvider, _: Snapshot) -> Iterator[Outcome]:
    group = provider.auto_scaling_group_provider
    if group and group.managed_termination_protection != "ENABLED":
        path = "autoScalingGroupProvider.managedTerminationProtection"
        yield Violation(path=path, value=group.managed_termination_protection)


@control("ecs.instance.agent-outdated", ContainerInstance)
def instance_outdated(instance: ContainerInstance, snapshot: Snapshot) -> Iterator[Outcome]:
    if not instance.agent_connected:
        yield Violation(path="agentConnected", value=False)
    created = {item.image_id: item.creation_date for item in snapshot.of(MachineImage)}
    image = instance.attribute("ecs.ami-id")
    if image not in created:
        yield Unknown(
            snapshot.missing("ec2:DescribeImages") or f"the image {image or '(none)'} was not found"
        )
        return
    age = days_between(created[image], snapshot.now)
    if age is not None and age > _MAX_INSTANCE_IMAGE_DAYS:
        yield Violation(path="attributes[ecs.ami-id]", value=image, message=f"{age} days old")


def missing_tags(tags: dict[str, str], snapshot: Snapshot) -> list[str]:
    """Mandatory keys that a resource lacks; without such keys, ``(any)`` when it has no tag at all."""
    mandatory = snapshot.parameters.mandatory_tags
    own = {key for key in tags if not key.startswith("aws:")}
    return [key for key in mandatory if key not in own] if mandatory else ([] if own else ["(any)"])


@control("ecs.tags.missing", EcsService)
def service_tags(service: EcsService, snapshot: Snapshot) -> Iterator[Outcome]:
    if missing := missing_tags(service.tags, snapshot):
        yield Violation(path="tags", value=missing)


@control("ecs.tags.missing", EcsCluster)
def cluster_tags(cluster: EcsCluster, snapshot: Snapshot) -> Iterator[Outcome]:
    if missing := missing_tags(cluster.tags, snapshot):
        yield Violation(path="tags", value=missing)


@control("ecs.tags.missing", TaskDefinition)
def definition_tags(definition: TaskDefinition, snapshot: Snapshot) -> Iterator[Outcome]:
    if missing := missing_tags(definition.tags, snapshot):
        yield Violation(path="tags", value=missing)


def without_ecs(_: Account, snapshot: Snapshot) -> str:
    """Only accounts that use ECS."""
    used = bool(snapshot.of(EcsCluster)) or bool(snapshot.of(EcsService))
    return "" if used else "no ECS clusters"


@control("ecs.guardduty.runtime", Account, needs=("guardduty:GetDetector",), skip=without_ecs)
def runtime_monitoring(_: Account, snapshot: Snapshot) -> Iterator[Outcome]:
    detectors = snapshot.of(Detector)
    if not any(item.enabled("RUNTIME_MONITORING", "ECS_FARGATE_AGENT_MANAGEMENT") for item in detectors):
        yield Violation(path="Features[RUNTIME_MONITORING].ECS_FARGATE_AGENT_MANAGEMENT", value="DISABLED")
        return
    for item in snapshot.of(Coverage):
        if item.kind == "ECS" and item.status == "UNHEALTHY":
            yield Violation(path=f"coverage[{item.cluster}]", value="UNHEALTHY", message=item.issue)
