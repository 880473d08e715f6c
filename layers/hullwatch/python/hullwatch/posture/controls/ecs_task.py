"""ECS task definitions: what their containers may do to the host and to each other."""

from __future__ import annotations

from collections.abc import Iterator

from hullwatch.posture.analysis import secret_values
from hullwatch.posture.analysis.iam import Escalation, escalations, roles
from hullwatch.posture.analysis.images import runs_as_root, user_of
from hullwatch.posture.analysis.logs import retention
from hullwatch.posture.analysis.references import parse_reference
from hullwatch.posture.controls.workload import sensitive_path
from hullwatch.posture.engine import Outcome, Severity, Unknown, Violation, control
from hullwatch.posture.model.account import SsmParameter
from hullwatch.posture.model.aws import short
from hullwatch.posture.model.ec2 import Instance
from hullwatch.posture.model.ecs import (
    ContainerDefinition,
    ContainerInstance,
    EcsAccountSetting,
    EcsTask,
    RunTaskEvent,
    TaskDefinition,
)
from hullwatch.posture.model.snapshot import Snapshot

_DANGEROUS = frozenset(
    {
        "ALL", "BPF", "DAC_READ_SEARCH", "NET_ADMIN", "NET_RAW", "PERFMON", "SYSLOG", "SYS_ADMIN", "SYS_BOOT",
        "SYS_MODULE", "SYS_PTRACE", "SYS_RAWIO", "SYS_TIME", "MAC_ADMIN", "MAC_OVERRIDE", "IPC_LOCK",
    }
)  # fmt: skip
_HOST_PATHS = ("/home", "/var/lib/docker", "/var/lib/ecs", "/etc/ecs")
_ACCELERATORS = ("/dev/nvidia", "/dev/neuron", "/dev/infiniband")
#: The agent does not tell its ECS_AWSVPC_BLOCK_IMDS; this attribute of the instance says it for the agent.
_IMDS_BLOCK = "ecs.awsvpc-block-imds"


def fargate(definition: TaskDefinition, _: Snapshot) -> str:
    """Fargate gives a task no host to touch."""
    return "Fargate tasks have no access to a host" if definition.fargate else ""


def windows(definition: TaskDefinition, _: Snapshot) -> str:
    """Linux settings."""
    return "a Windows task has no such setting" if definition.windows else ""


def linux(definition: TaskDefinition, _: Snapshot) -> str:
    """Windows settings."""
    return "" if definition.windows else "a Linux task"


def fargate_or_windows(definition: TaskDefinition, snapshot: Snapshot) -> str:
    """Settings of Linux on EC2 and external instances."""
    return fargate(definition, snapshot) or windows(definition, snapshot)


def containers(definition: TaskDefinition) -> Iterator[tuple[str, ContainerDefinition]]:
    """Every container with its path."""
    for index, item in enumerate(definition.container_definitions):
        yield f"containerDefinitions[{index}]", item


def _secret(path: str, name: str, value: str) -> Iterator[Violation]:
    if secret := secret_values.find(name, value):
        severity: Severity = "critical" if secret.confidence == "certain" else "high"
        yield Violation(path=path, value=str(secret), severity=severity)


@control("ecs.task.secret-env", TaskDefinition)
def plaintext_secret(definition: TaskDefinition, _: Snapshot) -> Iterator[Outcome]:
    for path, item in containers(definition):
        for index, pair in enumerate(item.environment):
            yield from _secret(f"{path}.environment[{index}].value", pair.name, pair.value)
        for field, words in (("command", item.command), ("entryPoint", item.entry_point)):
            for index, word in enumerate(words):
                name, _sign, value = word.lstrip("-").partition("=")
                yield from _secret(f"{path}.{field}[{index}]", name if value else "", value or word)
        for key, value in item.docker_labels.items():
            yield from _secret(f"{path}.dockerLabels[{key}]", key, value)
        for key, value in item.log_configuration.options.items() if item.log_configuration else ():
            yield from _secret(f"{path}.logConfiguration.options[{key}]", key, value)


@control("ecs.task.secret-env", EcsTask)
def plaintext_override(task: EcsTask, _: Snapshot) -> Iterator[Outcome]:
    for index, override in enumerate(task.overrides.container_overrides):
        for number, pair in enumerate(override.environment):
            path = f"overrides.containerOverrides[{index}].environment[{number}].value"
            yield from _secret(path, pair.name, pair.value)


@control("ecs.task.privileged", TaskDefinition, skip=fargate)
def privileged(definition: TaskDefinition, _: Snapshot) -> Iterator[Outcome]:
    for path, item in containers(definition):
        if item.privileged:
            yield Violation(path=f"{path}.privileged", value=True)


@control("ecs.task.docker-socket", TaskDefinition, skip=fargate)
def runtime_socket(definition: TaskDefinition, _: Snapshot) -> Iterator[Outcome]:
    for index, volume in enumerate(definition.volumes):
        if sensitive_path(volume.host.source_path) == "socket" and volume.host.source_path:
            yield Violation(path=f"volumes[{index}].host.sourcePath", value=volume.host.source_path)


@control("ecs.task.sensitive-host-path", TaskDefinition, skip=fargate)
def sensitive_host_path(definition: TaskDefinition, _: Snapshot) -> Iterator[Outcome]:
    for index, volume in enumerate(definition.volumes):
        source = volume.host.source_path
        extra = any(source == item or source.startswith(item + "/") for item in _HOST_PATHS)
        if source and (extra or sensitive_path(source) == "sensitive"):
            mounts = [mount for _, item in containers(definition) for mount in item.mount_points]
            writable = any(mount.source_volume == volume.name and not mount.read_only for mount in mounts)
            severity: Severity = "critical" if writable else "high"
            yield Violation(path=f"volumes[{index}].host.sourcePath", value=source, severity=severity)


@control("ecs.task.host-pid", TaskDefinition)
def host_pid(definition: TaskDefinition, _: Snapshot) -> Iterator[Outcome]:
    if definition.pid_mode == "host":
        yield Violation(path="pidMode", value="host")
    elif definition.pid_mode == "task" and len(definition.container_definitions) > 1:
        yield Violation(path="pidMode", value="task", severity="info")


@control("ecs.task.host-ipc", TaskDefinition, skip=fargate)
def host_ipc(definition: TaskDefinition, _: Snapshot) -> Iterator[Outcome]:
    if definition.ipc_mode == "host":
        yield Violation(path="ipcMode", value="host")


@control("ecs.task.host-network", TaskDefinition, skip=fargate)
def host_network(definition: TaskDefinition, _: Snapshot) -> Iterator[Outcome]:
    if definition.network_mode == "host":
        rooted = any(runs_as_root(item.user) for item in definition.container_definitions)
        severity: Severity | None = "high" if rooted else None
        yield Violation(path="networkMode", value="host", severity=severity)


@control("ecs.task.cap-add", TaskDefinition, skip=windows)
def capabilities(definition: TaskDefinition, _: Snapshot) -> Iterator[Outcome]:
    for path, item in containers(definition):
        listed = item.linux_parameters.capabilities
        for index, name in enumerate(listed.add):
            severity: Severity = "high" if name.removeprefix("CAP_") in _DANGEROUS else "medium"
            where = f"{path}.linuxParameters.capabilities.add[{index}]"
            yield Violation(path=where, value=name, severity=severity)
        if "ALL" not in listed.drop:
            where = f"{path}.linuxParameters.capabilities.drop"
            yield Violation(path=where, value=list(listed.drop), severity="low")


@control("ecs.task.devices", TaskDefinition, skip=fargate_or_windows)
def devices(definition: TaskDefinition, _: Snapshot) -> Iterator[Outcome]:
    for path, item in containers(definition):
        for index, device in enumerate(item.linux_parameters.devices):
            if not device.host_path.startswith(_ACCELERATORS):
                where = f"{path}.linuxParameters.devices[{index}].hostPath"
                yield Violation(path=where, value=device.host_path)


@control("ecs.task.security-options", TaskDefinition, skip=fargate_or_windows)
def security_options(definition: TaskDefinition, _: Snapshot) -> Iterator[Outcome]:
    for path, item in containers(definition):
        options = [option.replace("=", ":") for option in item.docker_security_options]
        for index, option in enumerate(options):
            if option in ("seccomp:unconfined", "apparmor:unconfined", "label:disable"):
                yield Violation(path=f"{path}.dockerSecurityOptions[{index}]", value=option, severity="high")
        if not {"no-new-privileges", "no-new-privileges:true"} & set(options):
            yield Violation(path=f"{path}.dockerSecurityOptions", value=options, severity="low")


@control("ecs.task.readonly-rootfs", TaskDefinition, skip=windows)
def writable_root(definition: TaskDefinition, _: Snapshot) -> Iterator[Outcome]:
    for path, item in containers(definition):
        if not item.readonly_root_filesystem:
            yield Violation(path=f"{path}.readonlyRootFilesystem", value=False)


@control("ecs.task.user-root", TaskDefinition, skip=windows)
def root_user(definition: TaskDefinition, snapshot: Snapshot) -> Iterator[Outcome]:
    for path, item in containers(definition):
        if not runs_as_root(item.user):
            continue
        user = user_of(item.image, snapshot) if not item.user else None
        if user is None or runs_as_root(user):
            yield Violation(path=f"{path}.user", value=item.user or None)


@control("ecs.task.user-admin-windows", TaskDefinition, skip=linux)
def windows_administrator(definition: TaskDefinition, _: Snapshot) -> Iterator[Outcome]:
    for path, item in containers(definition):
        if item.user.lower() in ("", "containeradministrator"):
            yield Violation(path=f"{path}.user", value=item.user or None)


@control("ecs.task.logging-missing", TaskDefinition)
def no_logging(definition: TaskDefinition, _: Snapshot) -> Iterator[Outcome]:
    for path, item in containers(definition):
        driver = item.log_configuration.log_driver if item.log_configuration else ""
        if driver in ("", "none") and item.firelens_configuration is None:
            yield Violation(path=f"{path}.logConfiguration", value=driver or None)


@control("ecs.task.logging-mode", TaskDefinition)
def blocking_logs(definition: TaskDefinition, snapshot: Snapshot) -> Iterator[Outcome]:
    settings = [item.value for item in snapshot.of(EcsAccountSetting) if item.name == "defaultLogDriverMode"]
    default = settings[0] if settings else "non-blocking"  # ECS's default since June 2025
    for path, item in containers(definition):
        log = item.log_configuration
        if log and log.log_driver == "awslogs" and log.options.get("mode", default) == "blocking":
            yield Violation(path=f"{path}.logConfiguration.options.mode", value=log.options.get("mode"))


@control("ecs.task.log-retention", TaskDefinition, needs=("logs:DescribeLogGroups",))
def log_retention(definition: TaskDefinition, snapshot: Snapshot) -> Iterator[Outcome]:
    for path, item in containers(definition):
        log = item.log_configuration
        group = log.options.get("awslogs-group") if log and log.log_driver == "awslogs" else None
        if group and (found := retention(group, snapshot)):
            where = f"{path}.logConfiguration.options[awslogs-group]"
            yield Violation(path=where, value=group, message=found.message, severity=found.severity)


@control("ecs.task.memory-limit", TaskDefinition, skip=fargate)
def memory_limit(definition: TaskDefinition, _: Snapshot) -> Iterator[Outcome]:
    for path, item in containers(definition) if not definition.memory else ():
        if not item.memory:
            yield Violation(path=f"{path}.memory", value=item.memory)


@control("ecs.task.cpu-limit", TaskDefinition, skip=fargate)
def cpu_limit(definition: TaskDefinition, _: Snapshot) -> Iterator[Outcome]:
    for path, item in containers(definition):
        if not item.cpu and not definition.cpu:
            yield Violation(path=f"{path}.cpu", value=item.cpu)
        if not any(limit.name == "nproc" for limit in item.ulimits) and not definition.windows:
            yield Violation(path=f"{path}.ulimits", severity="info")


@control("ecs.task.efs-plaintext", TaskDefinition)
def efs_plaintext(definition: TaskDefinition, _: Snapshot) -> Iterator[Outcome]:
    for index, volume in enumerate(definition.volumes):
        if efs := volume.efs_volume_configuration:
            path = f"volumes[{index}].efsVolumeConfiguration"
            if efs.transit_encryption != "ENABLED":
                yield Violation(path=f"{path}.transitEncryption", value=efs.transit_encryption)
            authorization = efs.authorization_config
            if authorization.iam != "ENABLED" and not authorization.access_point_id:
                yield Violation(
                    path=f"{path}.authorizationConfig.iam", value=authorization.iam, severity="low"
                )


@control("ecs.task.role-separation", TaskDefinition)
def one_role_for_both(definition: TaskDefinition, _: Snapshot) -> Iterator[Outcome]:
    if definition.task_role_arn and definition.task_role_arn == definition.execution_role_arn:
        yield Violation(path="taskRoleArn", value=definition.task_role_arn)


def no_parameters(definition: TaskDefinition, _: Snapshot) -> str:
    """Only task definitions that inject parameters of Systems Manager."""
    for _path, item in containers(definition):
        if any(_parameter(entry.value_from) for entry in item.secrets):
            return ""
    return "no parameter is injected"


def _parameter(value_from: str) -> str:
    """The name of a Systems Manager parameter; empty for a secret of Secrets Manager."""
    if ":secretsmanager:" in value_from:
        return ""
    return value_from.partition(":parameter")[2] or value_from


@control("ecs.task.secret-source", TaskDefinition, needs=("ssm:GetParameters",), skip=no_parameters)
def unencrypted_parameter(definition: TaskDefinition, snapshot: Snapshot) -> Iterator[Outcome]:
    types = {item.name.lstrip("/"): item.type for item in snapshot.of(SsmParameter)}
    for path, item in containers(definition):
        for index, entry in enumerate(item.secrets):
            kind = types.get(_parameter(entry.value_from).lstrip("/"))
            if kind in ("String", "StringList"):
                yield Violation(
                    path=f"{path}.secrets[{index}].valueFrom", value=entry.value_from, message=kind
                )


@control("ecs.task.version-consistency-off", TaskDefinition)
def version_consistency(definition: TaskDefinition, _: Snapshot) -> Iterator[Outcome]:
    for path, item in containers(definition):
        if item.version_consistency == "disabled" and not parse_reference(item.image).digest:
            yield Violation(path=f"{path}.versionConsistency", value="disabled")


@control("ecs.task.fault-injection", TaskDefinition)
def fault_injection(definition: TaskDefinition, snapshot: Snapshot) -> Iterator[Outcome]:
    tags = {key.lower(): value.lower() for key, value in definition.tags.items()}
    testing = tags and not any(tags.get(key) == value for key, value in snapshot.parameters.production_tags)
    if definition.enable_fault_injection and not testing:
        yield Violation(path="enableFaultInjection", value=True)


@control(
    "ecs.task.imds-reachable",
    TaskDefinition,
    needs=("ecs:DescribeContainerInstances", "ec2:DescribeInstances"),
    skip=fargate,
)
def imds_reachable(definition: TaskDefinition, snapshot: Snapshot) -> Iterator[Outcome]:
    if definition.network_mode == "host":
        yield Violation(path="networkMode", value="host", message="the host's network reaches IMDS")
        return
    instances = {item.instance_id: item.metadata_options for item in snapshot.of(Instance)}
    for item in snapshot.of(ContainerInstance):
        options = instances.get(item.ec2_instance_id)
        if definition.network_mode == "awsvpc":
            if (blocked := item.attribute(_IMDS_BLOCK)) == "false":
                yield Violation(
                    path="networkMode", value="awsvpc", message=item.ec2_instance_id, severity="medium"
                )
            elif blocked != "true":
                yield Unknown(f"{item.ec2_instance_id} has no attribute {_IMDS_BLOCK}")
        elif options and (
            options.http_tokens != "required" or (options.http_put_response_hop_limit or 1) > 1
        ):
            yield Violation(path="networkMode", value=definition.network_mode, message=item.ec2_instance_id)


@control("ecs.runtask.risky-override", RunTaskEvent, needs=("iam:GetAccountAuthorizationDetails",))
def risky_override(event: RunTaskEvent, snapshot: Snapshot) -> Iterator[Outcome]:
    own = [item for item in snapshot.of(TaskDefinition) if item.resource.name == event.resource.name]
    arn = event.overrides.task_role_arn or (own[-1].task_role_arn if own else "")
    changed = [item for item in event.overrides.container_overrides if item.command or item.environment]
    if not (event.overrides.task_role_arn or changed) or not arn:
        return
    role = roles(snapshot).get(arn)
    if role is None:
        yield Unknown(f"the role {short(arn)} was not read")
    elif any(isinstance(found, Escalation) for found in escalations(role)):
        path = "overrides.taskRoleArn" if event.overrides.task_role_arn else "overrides.containerOverrides"
        yield Violation(path=path, value=arn, message=f"{event.event_name} by {event.principal}")
