"""Kubernetes objects as far as controls look at them, with one view for all that carry a pod template."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import msgspec

from hullwatch.posture.model.snapshot import Resource

Scalar = str | int | float | bool


class Wire(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """Base of what is decoded from the Kubernetes API: camel case, unknown fields left out."""


class OwnerReference(Wire, frozen=True, kw_only=True):
    kind: str = ""
    name: str = ""
    controller: bool = False


class Meta(Wire, frozen=True, kw_only=True):
    """``ObjectMeta``."""

    name: str = ""
    namespace: str = ""
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    owner_references: tuple[OwnerReference, ...] = ()


class Profile(Wire, frozen=True, kw_only=True):
    """A seccomp or AppArmor profile."""

    type: str = ""


class SELinuxOptions(Wire, frozen=True, kw_only=True):
    type: str = ""
    user: str = ""
    role: str = ""


class WindowsOptions(Wire, frozen=True, kw_only=True):
    host_process: bool | None = None


class Capabilities(Wire, frozen=True, kw_only=True):
    add: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()


class SecurityContext(Wire, frozen=True, kw_only=True):
    """What a container and a pod can both set."""

    run_as_non_root: bool | None = None
    run_as_user: int | None = None
    run_as_group: int | None = None
    seccomp_profile: Profile | None = None
    app_armor_profile: Profile | None = None
    se_linux_options: SELinuxOptions | None = None
    windows_options: WindowsOptions | None = None


class ContainerSecurityContext(SecurityContext, frozen=True, kw_only=True):
    privileged: bool | None = None
    allow_privilege_escalation: bool | None = None
    read_only_root_filesystem: bool | None = None
    proc_mount: str = ""
    capabilities: Capabilities = Capabilities()


class Sysctl(Wire, frozen=True, kw_only=True):
    name: str = ""
    value: Scalar = ""


class PodSecurityContext(SecurityContext, frozen=True, kw_only=True):
    fs_group: int | None = None
    supplemental_groups: tuple[int, ...] = ()
    sysctls: tuple[Sysctl, ...] = ()


class KeyReference(Wire, frozen=True, kw_only=True):
    name: str = ""
    key: str = ""


class EnvSource(Wire, frozen=True, kw_only=True):
    secret_key_ref: KeyReference | None = None


class EnvVar(Wire, frozen=True, kw_only=True):
    name: str = ""
    value: Scalar = ""
    value_from: EnvSource | None = None


class EnvFrom(Wire, frozen=True, kw_only=True):
    secret_ref: KeyReference | None = None


class Port(Wire, frozen=True, kw_only=True):
    container_port: int = 0
    host_port: int = 0
    protocol: str = "TCP"


class Resources(Wire, frozen=True, kw_only=True):
    limits: dict[str, Scalar] = {}
    requests: dict[str, Scalar] = {}


class Target(Wire, frozen=True, kw_only=True):
    """The ``httpGet`` or ``tcpSocket`` of a probe or hook."""

    host: str = ""


class Handler(Wire, frozen=True, kw_only=True):
    """A probe or a lifecycle hook."""

    http_get: Target | None = None
    tcp_socket: Target | None = None


class Lifecycle(Wire, frozen=True, kw_only=True):
    post_start: Handler | None = None
    pre_stop: Handler | None = None


class VolumeMount(Wire, frozen=True, kw_only=True):
    name: str = ""
    mount_path: str = ""
    read_only: bool = False


class Container(Wire, frozen=True, kw_only=True):
    """One entry of any of the three container lists."""

    name: str = ""
    image: str = ""
    command: tuple[Scalar, ...] = ()
    args: tuple[Scalar, ...] = ()
    env: tuple[EnvVar, ...] = ()
    env_from: tuple[EnvFrom, ...] = ()
    ports: tuple[Port, ...] = ()
    resources: Resources = Resources()
    security_context: ContainerSecurityContext = ContainerSecurityContext()
    liveness_probe: Handler | None = None
    readiness_probe: Handler | None = None
    startup_probe: Handler | None = None
    lifecycle: Lifecycle = Lifecycle()
    volume_mounts: tuple[VolumeMount, ...] = ()
    image_pull_policy: str = ""
    restart_policy: str = ""


class HostPath(Wire, frozen=True, kw_only=True):
    path: str = ""
    type: str = ""


class Volume(msgspec.Struct, frozen=True, kw_only=True):
    """A volume: its name, the one source type it has, and what controls ask of that source."""

    name: str = ""
    type: str = ""
    host_path: HostPath | None = None
    secrets: tuple[str, ...] = ()
    token: bool = False
    csi_driver: str = ""
    secret_provider_class: str = ""


class Os(Wire, frozen=True, kw_only=True):
    name: str = ""


class HostAlias(Wire, frozen=True, kw_only=True):
    ip: str = ""
    hostnames: tuple[str, ...] = ()


class PodSpec(Wire, frozen=True, kw_only=True):
    """``PodSpec``. Volumes are normalised by the reader."""

    containers: tuple[Container, ...] = ()
    init_containers: tuple[Container, ...] = ()
    ephemeral_containers: tuple[Container, ...] = ()
    security_context: PodSecurityContext = PodSecurityContext()
    host_pid: bool = msgspec.field(name="hostPID", default=False)
    host_ipc: bool = msgspec.field(name="hostIPC", default=False)
    host_network: bool = False
    host_users: bool | None = None
    share_process_namespace: bool = False
    host_aliases: tuple[HostAlias, ...] = ()
    os: Os = Os()
    resources: Resources = Resources()
    service_account_name: str = ""
    service_account: str = ""
    automount_service_account_token: bool | None = None
    runtime_class_name: str = ""


class ContainerState(Wire, frozen=True, kw_only=True):
    #: ``startedAt`` is RFC 3339.
    running: dict[str, str] | None = None


class ContainerStatus(Wire, frozen=True, kw_only=True):
    name: str = ""
    image: str = ""
    image_id: str = msgspec.field(name="imageID", default="")
    state: ContainerState = ContainerState()


class PodStatus(Wire, frozen=True, kw_only=True):
    container_statuses: tuple[ContainerStatus, ...] = ()
    init_container_statuses: tuple[ContainerStatus, ...] = ()
    ephemeral_container_statuses: tuple[ContainerStatus, ...] = ()


ListName = Literal["containers", "initContainers", "ephemeralContainers"]


@dataclass(frozen=True, slots=True)
class ContainerView:
    """A container with its place in the template and the pod's defaults resolved."""

    path: str
    list: ListName
    spec: Container
    pod: PodSecurityContext

    @property
    def security(self) -> ContainerSecurityContext:
        return self.spec.security_context

    @property
    def long_running(self) -> bool:
        """Whether it runs as long as the pod: an ordinary container or a restartable init container."""
        return self.list == "containers" or (
            self.list == "initContainers" and self.spec.restart_policy == "Always"
        )

    @property
    def run_as_non_root(self) -> bool | None:
        own = self.security.run_as_non_root
        return self.pod.run_as_non_root if own is None else own

    @property
    def run_as_user(self) -> int | None:
        own = self.security.run_as_user
        return self.pod.run_as_user if own is None else own

    @property
    def words(self) -> tuple[str, ...]:
        """Command and arguments."""
        return tuple(str(word) for word in (*self.spec.command, *self.spec.args))


@dataclass(frozen=True, slots=True)
class Workload:
    """A pod template, whatever carries it, under its top controller.

    ``prefix`` leads from the object to the template (``spec.template.``); paths in violations are relative
    to the template. ``evidence`` names the object the template was read from when that is not the controller.
    """

    INPUTS: ClassVar[tuple[str, ...]] = ("pods",)
    #: What leads from a pod to its top controller: without a part of it, another name stands for one.
    OWNERS: ClassVar[tuple[str, ...]] = (
        "replicationcontrollers",
        "replicasets.apps",
        "deployments.apps",
        "statefulsets.apps",
        "daemonsets.apps",
        "jobs.batch",
        "cronjobs.batch",
    )

    resource: Resource
    api_version: str
    prefix: str
    meta: Meta
    owner: Meta
    spec: PodSpec
    volumes: tuple[Volume, ...]
    containers: tuple[ContainerView, ...]
    status: PodStatus | None = None
    naked: bool = False
    static: bool = False
    evidence: str = ""

    @property
    def namespace(self) -> str:
        return self.resource.namespace or "default"

    @property
    def service_account(self) -> str:
        return self.spec.service_account_name or self.spec.service_account or "default"

    @property
    def windows(self) -> bool:
        return self.spec.os.name == "windows"


class Named(msgspec.Struct, frozen=True, kw_only=True):
    """Base of the Kubernetes objects that are no workloads."""

    meta: Meta = Meta()

    @property
    def name(self) -> str:
        return self.meta.name

    @property
    def namespace(self) -> str:
        return self.meta.namespace


class Namespace(Named, frozen=True, kw_only=True):
    INPUTS: ClassVar[tuple[str, ...]] = ("namespaces",)

    @property
    def resource(self) -> Resource:
        return Resource(kind="Namespace", name=self.name)


class ServiceAccount(Named, frozen=True, kw_only=True):
    INPUTS: ClassVar[tuple[str, ...]] = ("serviceaccounts",)
    automount: bool | None = None
    secrets: tuple[str, ...] = ()

    @property
    def resource(self) -> Resource:
        return Resource(kind="ServiceAccount", name=self.name, namespace=self.namespace)


class LimitRange(Named, frozen=True, kw_only=True):
    """``defaults`` and ``default_requests`` of the ``Container`` item, by resource name."""

    defaults: dict[str, Scalar] = {}
    default_requests: dict[str, Scalar] = {}


class ResourceQuota(Named, frozen=True, kw_only=True):
    pass


class ConfigMap(Named, frozen=True, kw_only=True):
    INPUTS: ClassVar[tuple[str, ...]] = ("configmaps",)
    data: dict[str, str] = {}
    binary_keys: tuple[str, ...] = ()

    @property
    def resource(self) -> Resource:
        return Resource(kind="ConfigMap", name=self.name, namespace=self.namespace)


class Node(Named, frozen=True, kw_only=True):
    INPUTS: ClassVar[tuple[str, ...]] = ("nodes",)
    os_image: str = ""
    kernel: str = ""
    kubelet: str = ""
    provider_id: str = ""
    labels: dict[str, str] = {}

    @property
    def resource(self) -> Resource:
        return Resource(kind="Node", name=self.name)


class HostFile(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Evidence from the host itself: owner and mode (octal text) of one file on a node."""

    node: str
    path: str
    mode: str
    owner: str = "root:root"


class KubeletConfig(msgspec.Struct, frozen=True, kw_only=True):
    """A KubeletConfiguration, from a file, a NodeConfig, or ``configz``; ``source`` says which."""

    INPUTS: ClassVar[tuple[str, ...]] = ("kubeletconfigurations",)
    source: str
    values: dict[str, Any]

    @property
    def resource(self) -> Resource:
        return Resource(kind="KubeletConfiguration", name=self.source)


class Webhook(msgspec.Struct, frozen=True, kw_only=True):
    name: str = ""
    url: str = ""
    service: str = ""
    failure_policy: str = "Fail"
    resources: tuple[str, ...] = ()
    operations: tuple[str, ...] = ()


class WebhookConfiguration(Named, frozen=True, kw_only=True):
    INPUTS: ClassVar[tuple[str, ...]] = ("webhookconfigurations.admissionregistration.k8s.io",)
    kind: str = ""
    webhooks: tuple[Webhook, ...] = ()

    @property
    def resource(self) -> Resource:
        return Resource(kind=self.kind, name=self.name)


class StorageClass(Named, frozen=True, kw_only=True):
    INPUTS: ClassVar[tuple[str, ...]] = ("storageclasses.storage.k8s.io",)
    provisioner: str = ""
    parameters: dict[str, str] = {}

    @property
    def resource(self) -> Resource:
        return Resource(kind="StorageClass", name=self.name)


class PersistentVolume(Named, frozen=True, kw_only=True):
    INPUTS: ClassVar[tuple[str, ...]] = ("persistentvolumes",)
    csi_driver: str = ""
    volume_handle: str = ""

    @property
    def resource(self) -> Resource:
        return Resource(kind="PersistentVolume", name=self.name)


class CustomObject(Named, frozen=True, kw_only=True):
    """Any other object, kept as it is for the controls of one vendor's kinds."""

    INPUTS: ClassVar[tuple[str, ...]] = ("customresources",)
    group: str = ""
    kind: str = ""
    body: dict[str, Any] = {}

    @property
    def resource(self) -> Resource:
        return Resource(kind=self.kind, name=self.name, namespace=self.namespace)

    @property
    def spec(self) -> dict[str, Any]:
        spec = self.body.get("spec")
        return spec if isinstance(spec, dict) else {}


class Cluster(msgspec.Struct, frozen=True, kw_only=True):
    """The cluster as a whole: what controls that speak of no single object are about."""

    INPUTS: ClassVar[tuple[str, ...]] = ("namespaces",)
    name: str

    @property
    def resource(self) -> Resource:
        return Resource(kind="Cluster", name=self.name)
