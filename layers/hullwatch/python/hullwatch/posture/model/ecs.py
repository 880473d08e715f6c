"""Amazon ECS: task definitions, services, tasks, clusters and what they run on."""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec

from hullwatch.posture.model.aws import Tags, Wire, family_of, short
from hullwatch.posture.model.snapshot import Resource


class KeyValue(Wire, frozen=True, kw_only=True):
    name: str = ""
    value: str = ""


class EcsSecret(Wire, frozen=True, kw_only=True):
    name: str = ""
    value_from: str = ""


class EcsCapabilities(Wire, frozen=True, kw_only=True):
    add: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()


class Device(Wire, frozen=True, kw_only=True):
    host_path: str = ""


class LinuxParameters(Wire, frozen=True, kw_only=True):
    capabilities: EcsCapabilities = EcsCapabilities()
    devices: tuple[Device, ...] = ()


class LogConfiguration(Wire, frozen=True, kw_only=True):
    log_driver: str = ""
    options: dict[str, str] = msgspec.field(default_factory=dict)


class Firelens(Wire, frozen=True, kw_only=True):
    type: str = ""


class MountPoint(Wire, frozen=True, kw_only=True):
    source_volume: str = ""
    read_only: bool = False


class PortMapping(Wire, frozen=True, kw_only=True):
    container_port: int = 0
    host_port: int = 0


class Ulimit(Wire, frozen=True, kw_only=True):
    name: str = ""


class HealthCheck(Wire, frozen=True, kw_only=True):
    command: tuple[str, ...] = ()


class ContainerDefinition(Wire, frozen=True, kw_only=True):
    name: str = ""
    image: str = ""
    cpu: int = 0
    memory: int | None = None
    privileged: bool = False
    readonly_root_filesystem: bool = False
    user: str = ""
    environment: tuple[KeyValue, ...] = ()
    secrets: tuple[EcsSecret, ...] = ()
    command: tuple[str, ...] = ()
    entry_point: tuple[str, ...] = ()
    docker_labels: dict[str, str] = msgspec.field(default_factory=dict)
    docker_security_options: tuple[str, ...] = ()
    linux_parameters: LinuxParameters = LinuxParameters()
    log_configuration: LogConfiguration | None = None
    firelens_configuration: Firelens | None = None
    mount_points: tuple[MountPoint, ...] = ()
    port_mappings: tuple[PortMapping, ...] = ()
    ulimits: tuple[Ulimit, ...] = ()
    health_check: HealthCheck | None = None
    version_consistency: str = "enabled"


class VolumeHost(Wire, frozen=True, kw_only=True):
    source_path: str = ""


class EfsAuthorization(Wire, frozen=True, kw_only=True):
    access_point_id: str = ""
    iam: str = "DISABLED"


class EfsVolume(Wire, frozen=True, kw_only=True):
    file_system_id: str = ""
    transit_encryption: str = "DISABLED"
    authorization_config: EfsAuthorization = EfsAuthorization()


class EcsVolume(Wire, frozen=True, kw_only=True):
    name: str = ""
    host: VolumeHost = VolumeHost()
    efs_volume_configuration: EfsVolume | None = None


class RuntimePlatform(Wire, frozen=True, kw_only=True):
    operating_system_family: str = "LINUX"


class TaskDefinition(Wire, frozen=True, kw_only=True):
    """``DescribeTaskDefinition``. Every revision is its own object; results are per family."""

    INPUTS: ClassVar[tuple[str, ...]] = ("ecs:DescribeTaskDefinition",)
    family: str
    task_definition_arn: str = ""
    revision: int = 0
    network_mode: str = "bridge"
    pid_mode: str = ""
    ipc_mode: str = ""
    cpu: str = ""
    memory: str = ""
    task_role_arn: str = ""
    execution_role_arn: str = ""
    requires_compatibilities: tuple[str, ...] = ()
    compatibilities: tuple[str, ...] = ()
    runtime_platform: RuntimePlatform = RuntimePlatform()
    container_definitions: tuple[ContainerDefinition, ...] = ()
    volumes: tuple[EcsVolume, ...] = ()
    enable_fault_injection: bool = False
    tags: Tags = msgspec.field(default_factory=dict)
    unread: dict[str, str] = msgspec.field(default_factory=dict)

    @property
    def resource(self) -> Resource:
        arn = self.task_definition_arn.rpartition(":")[0] if self.revision else self.task_definition_arn
        return Resource(kind="TaskDefinition", name=self.family, arn=arn)

    @property
    def evidence(self) -> str:
        return self.task_definition_arn or f"{self.family}:{self.revision}"

    @property
    def fargate(self) -> bool:
        return "FARGATE" in self.requires_compatibilities and len(self.requires_compatibilities) == 1

    @property
    def windows(self) -> bool:
        return self.runtime_platform.operating_system_family.startswith("WINDOWS")


class AwsVpc(Wire, frozen=True, kw_only=True):
    subnets: tuple[str, ...] = ()
    security_groups: tuple[str, ...] = ()
    assign_public_ip: str = "DISABLED"


class NetworkConfiguration(Wire, frozen=True, kw_only=True):
    awsvpc_configuration: AwsVpc = AwsVpc()


class ConnectService(Wire, frozen=True, kw_only=True):
    port_name: str = ""
    tls: dict[str, Any] | None = None


class ServiceConnect(Wire, frozen=True, kw_only=True):
    enabled: bool = False
    namespace: str = ""
    services: tuple[ConnectService, ...] = ()


class Deployment(Wire, frozen=True, kw_only=True):
    status: str = ""
    task_definition: str = ""
    service_connect_configuration: ServiceConnect | None = None


class CircuitBreaker(Wire, frozen=True, kw_only=True):
    enable: bool = False


class DeploymentConfiguration(Wire, frozen=True, kw_only=True):
    deployment_circuit_breaker: CircuitBreaker = CircuitBreaker()


class DeploymentController(Wire, frozen=True, kw_only=True):
    type: str = "ECS"


class LoadBalancerTarget(Wire, frozen=True, kw_only=True):
    container_port: int = 0


class EcsService(Wire, frozen=True, kw_only=True):
    """``DescribeServices``."""

    INPUTS: ClassVar[tuple[str, ...]] = ("ecs:DescribeServices",)
    service_name: str
    service_arn: str = ""
    cluster_arn: str = ""
    task_definition: str = ""
    launch_type: str = ""
    platform_version: str = ""
    platform_family: str = ""
    capacity_provider_strategy: tuple[dict[str, Any], ...] = ()
    network_configuration: NetworkConfiguration = NetworkConfiguration()
    enable_execute_command: bool = False
    deployments: tuple[Deployment, ...] = ()
    deployment_configuration: DeploymentConfiguration = DeploymentConfiguration()
    deployment_controller: DeploymentController = DeploymentController()
    load_balancers: tuple[LoadBalancerTarget, ...] = ()
    tags: Tags = msgspec.field(default_factory=dict)
    unread: dict[str, str] = msgspec.field(default_factory=dict)

    @property
    def resource(self) -> Resource:
        return Resource(
            kind="EcsService", namespace=short(self.cluster_arn), name=self.service_name, arn=self.service_arn
        )


class ContainerOverride(Wire, frozen=True, kw_only=True):
    name: str = ""
    command: tuple[str, ...] = ()
    environment: tuple[KeyValue, ...] = ()


class Overrides(Wire, frozen=True, kw_only=True):
    container_overrides: tuple[ContainerOverride, ...] = ()
    task_role_arn: str = ""


class TaskContainer(Wire, frozen=True, kw_only=True):
    name: str = ""
    image: str = ""
    image_digest: str = ""


class EcsTask(Wire, frozen=True, kw_only=True):
    """``DescribeTasks``. ``public_ip`` is joined from its network interface."""

    INPUTS: ClassVar[tuple[str, ...]] = ("ecs:DescribeTasks",)
    task_arn: str
    cluster_arn: str = ""
    task_definition_arn: str = ""
    group: str = ""
    platform_version: str = ""
    launch_type: str = ""
    overrides: Overrides = Overrides()
    containers: tuple[TaskContainer, ...] = ()
    container_instance_arn: str = ""
    enable_execute_command: bool = False

    @property
    def resource(self) -> Resource:
        """The service it belongs to, or its family: tasks come and go."""
        kind, _, name = self.group.partition(":")
        if kind == "service":
            return Resource(kind="EcsService", namespace=short(self.cluster_arn), name=name)
        return Resource(kind="TaskDefinition", name=family_of(self.task_definition_arn))

    @property
    def evidence(self) -> str:
        return self.task_arn


class TaskSet(Wire, frozen=True, kw_only=True):
    INPUTS: ClassVar[tuple[str, ...]] = ("ecs:DescribeTaskSets",)
    id: str
    task_set_arn: str = ""
    service_arn: str = ""
    network_configuration: NetworkConfiguration = NetworkConfiguration()

    @property
    def resource(self) -> Resource:
        return Resource(
            kind="TaskSet", namespace=short(self.service_arn), name=self.id, arn=self.task_set_arn
        )


class ExecuteCommand(Wire, frozen=True, kw_only=True):
    kms_key_id: str = ""
    logging: str = "DEFAULT"


class EcsClusterConfiguration(Wire, frozen=True, kw_only=True):
    execute_command_configuration: ExecuteCommand | None = None


class EcsCluster(Wire, frozen=True, kw_only=True):
    """``DescribeClusters`` with ``SETTINGS``, ``CONFIGURATIONS`` and ``TAGS``."""

    INPUTS: ClassVar[tuple[str, ...]] = ("ecs:DescribeClusters",)
    cluster_name: str
    cluster_arn: str = ""
    settings: tuple[KeyValue, ...] = ()
    configuration: EcsClusterConfiguration = EcsClusterConfiguration()
    tags: Tags = msgspec.field(default_factory=dict)

    @property
    def resource(self) -> Resource:
        return Resource(kind="EcsCluster", name=self.cluster_name, arn=self.cluster_arn)


class ContainerInstance(Wire, frozen=True, kw_only=True):
    INPUTS: ClassVar[tuple[str, ...]] = ("ecs:DescribeContainerInstances",)
    container_instance_arn: str
    ec2_instance_id: str = ""
    agent_connected: bool = True
    attributes: tuple[KeyValue, ...] = ()

    @property
    def resource(self) -> Resource:
        return Resource(
            kind="ContainerInstance", name=short(self.container_instance_arn), arn=self.container_instance_arn
        )

    def attribute(self, name: str) -> str:
        return next((item.value for item in self.attributes if item.name == name), "")


class AutoScalingProvider(Wire, frozen=True, kw_only=True):
    managed_termination_protection: str = "DISABLED"


class CapacityProvider(Wire, frozen=True, kw_only=True):
    INPUTS: ClassVar[tuple[str, ...]] = ("ecs:DescribeCapacityProviders",)
    name: str
    capacity_provider_arn: str = ""
    auto_scaling_group_provider: AutoScalingProvider | None = None

    @property
    def resource(self) -> Resource:
        return Resource(kind="CapacityProvider", name=self.name, arn=self.capacity_provider_arn)


class EcsAccountSetting(Wire, frozen=True, kw_only=True):
    name: str
    value: str = ""


class RunTaskEvent(Wire, frozen=True, kw_only=True):
    """A CloudTrail record of ``RunTask`` or ``StartTask``."""

    INPUTS: ClassVar[tuple[str, ...]] = ("cloudtrail:RunTask",)
    event_name: str
    principal: str = ""
    task_definition: str = ""
    overrides: Overrides = Overrides()

    @property
    def resource(self) -> Resource:
        return Resource(kind="TaskDefinition", name=family_of(self.task_definition))
