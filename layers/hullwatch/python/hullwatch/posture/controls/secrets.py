"""Secrets where they do not belong, and how those that are kept well reach workloads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from hullwatch.posture.analysis import secret_values
from hullwatch.posture.analysis.iam import role_of
from hullwatch.posture.analysis.times import days_between
from hullwatch.posture.engine import Outcome, Severity, Unknown, Violation, control
from hullwatch.posture.model.account import AwsSecret
from hullwatch.posture.model.ecs import TaskDefinition
from hullwatch.posture.model.kubernetes import Cluster, ConfigMap, CustomObject, Workload
from hullwatch.posture.model.snapshot import Resource, Snapshot
from hullwatch.posture.readers.documents import at, mapping, mappings, text

_STATIC_KEYS = frozenset({"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"})
_EXTERNAL_GROUPS = frozenset({"external-secrets.io", "secrets-store.csi.x-k8s.io", "secrets.hashicorp.com"})
_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def found(path: str, name: str, value: str) -> Iterator[Violation]:
    """A violation when a named value is a secret; the value itself is not shown."""
    secret = secret_values.find(name, value)
    if secret:
        severity: Severity = "critical" if secret.confidence == "certain" else "high"
        yield Violation(path=path, value=str(secret), severity=severity)


@control("secrets.plaintext-env", Workload)
def plaintext(workload: Workload, _: Snapshot) -> Iterator[Outcome]:
    for item in workload.containers:
        for index, variable in enumerate(item.spec.env):
            yield from found(f"{item.path}.env[{index}].value", variable.name, str(variable.value))
        for field, words in (("command", item.spec.command), ("args", item.spec.args)):
            for index, word in enumerate(words):
                name, _sign, value = str(word).lstrip("-").partition("=")
                yield from found(f"{item.path}.{field}[{index}]", name if value else "", value or str(word))
    for key, value in workload.meta.annotations.items():
        if key != _APPLIED:
            yield from found(f"metadata.annotations[{key}]", "", value)


@control("secrets.configmap-content", ConfigMap)
def config_map_content(config: ConfigMap, _: Snapshot) -> Iterator[Outcome]:
    for key, value in config.data.items():
        name = key if "\n" not in value else ""
        if any(True for _ in found(key, name, value)):
            yield Violation(path=f"data[{key}]", value=key)


@control("secrets.aws-static-keys", Workload)
def static_keys(workload: Workload, snapshot: Snapshot) -> Iterator[Outcome]:
    names = [
        (f"{item.path}.env[{index}].name", variable.name)
        for item in workload.containers
        for index, variable in enumerate(item.spec.env)
        if variable.name in _STATIC_KEYS
    ]
    if names and not role_of(workload, snapshot)[1]:
        if reason := snapshot.missing("serviceaccounts"):
            yield Unknown(reason)
            return
        for path, name in names:
            yield Violation(path=path, value=name)


@control("secrets.as-env", Workload)
def secret_as_environment(workload: Workload, _: Snapshot) -> Iterator[Outcome]:
    for item in workload.containers:
        for index, variable in enumerate(item.spec.env):
            if reference := variable.value_from and variable.value_from.secret_key_ref:
                yield Violation(path=f"{item.path}.env[{index}].valueFrom.secretKeyRef", value=reference.name)
        for index, source in enumerate(item.spec.env_from):
            if source.secret_ref:
                yield Violation(path=f"{item.path}.envFrom[{index}].secretRef", value=source.secret_ref.name)


def secret_names(workload: Workload) -> set[str]:
    """The Secrets a workload refers to, by name."""
    names = {name for volume in workload.volumes for name in volume.secrets}
    for item in workload.containers:
        names |= {
            variable.value_from.secret_key_ref.name
            for variable in item.spec.env
            if variable.value_from and variable.value_from.secret_key_ref
        }
        names |= {source.secret_ref.name for source in item.spec.env_from if source.secret_ref}
    return names


@control("secrets.no-external-store", Cluster, needs=("pods", "customresources"))
def no_external_store(_: Cluster, snapshot: Snapshot) -> Iterator[Outcome]:
    used = {(item.namespace, name) for item in snapshot.of(Workload) for name in secret_names(item)}
    synced = {
        (item.namespace, text(at(item.spec, "target", "name") or item.name))
        for item in snapshot.of(CustomObject)
        if item.group == "external-secrets.io" and item.kind == "ExternalSecret"
    } | {
        (item.namespace, text(entry.get("secretName", "")))
        for item in snapshot.of(CustomObject)
        if item.kind == "SecretProviderClass"
        for entry in mappings(item.spec.get("secretObjects"))
    }
    native = used - synced
    if native:
        value = f"{len(native)} of {len(used)} Secrets in use"
        severity: Severity | None = "info" if synced else None
        yield Violation(path="secrets", value=value, severity=severity)


@control("secrets.aws-unrotated", AwsSecret, needs=("secretsmanager:DescribeSecret",))
def not_rotated(secret: AwsSecret, snapshot: Snapshot) -> Iterator[Outcome]:
    users = _users(secret, snapshot)
    if not users:
        return
    age = days_between(secret.last_rotated_date, snapshot.now)
    if not secret.rotation_enabled:
        yield Violation(path="RotationEnabled", value=False, message=f"used by {', '.join(users)}")
    elif age is not None and secret.rotation_days and age > secret.rotation_days:
        yield Violation(
            path="LastRotatedDate", value=f"{age} days ago", message=f"used by {', '.join(users)}"
        )


def _users(secret: AwsSecret, snapshot: Snapshot) -> list[str]:
    users = {
        str(definition.resource)
        for definition in snapshot.of(TaskDefinition)
        for item in definition.container_definitions
        for entry in item.secrets
        if entry.value_from.startswith(secret.arn) or entry.value_from == secret.name
    }
    for item in snapshot.of(CustomObject):
        keys = [at(entry, "remoteRef", "key") for entry in mappings(item.spec.get("data"))]
        keys += [at(entry, "extract", "key") for entry in mappings(item.spec.get("dataFrom"))]
        if item.kind == "ExternalSecret" and {secret.name, secret.arn} & {text(key) for key in keys if key}:
            users.add(str(item.resource))
        objects = text(at(item.spec, "parameters", "objects") or "")
        if item.kind == "SecretProviderClass" and (
            secret.arn in objects or (secret.name and secret.name in objects)
        ):
            users.add(str(item.resource))
    return sorted(users)


@dataclass(frozen=True, slots=True)
class SecretObject:
    """An object of External Secrets, the Secrets Store CSI driver or Vault's operator."""

    INPUTS: ClassVar[tuple[str, ...]] = ("customresources",)
    item: CustomObject

    @classmethod
    def derive(cls, snapshot: Snapshot) -> Iterator[SecretObject]:
        """Those among the custom objects."""
        yield from (cls(item) for item in snapshot.of(CustomObject) if item.group in _EXTERNAL_GROUPS)

    @property
    def resource(self) -> Resource:
        return self.item.resource


def not_external_secrets(secret: SecretObject, _: Snapshot) -> str:
    """Only stores and secrets of the External Secrets operator."""
    return "" if secret.item.group == "external-secrets.io" else "not of External Secrets"


@control("secrets.eso-store-auth", SecretObject, skip=not_external_secrets)
def external_store(secret: SecretObject, _: Snapshot) -> Iterator[Outcome]:
    item = secret.item
    if item.kind in ("SecretStore", "ClusterSecretStore"):
        for name, provider in mapping(item.spec, "provider").items():
            auth = mapping(provider, "auth")
            for method in ("secretRef", "tokenSecretRef"):
                if method in auth:
                    yield Violation(path=f"spec.provider.{name}.auth.{method}")
        if item.kind == "ClusterSecretStore" and not item.spec.get("conditions"):
            yield Violation(path="spec.conditions", message="every namespace may use it")
    if item.kind == "ExternalSecret":
        interval = text(item.spec.get("refreshInterval", "1h"))
        if interval in ("0", "0s", "0m", "0h"):
            yield Violation(path="spec.refreshInterval", value=interval, severity="low")
        for index, condition in enumerate(mappings(at(item.body, "status", "conditions"))):
            if condition.get("reason") == "SecretSyncedError":
                yield Violation(
                    path=f"status.conditions[{index}].reason", value="SecretSyncedError", severity="low"
                )


def not_vault(secret: SecretObject, _: Snapshot) -> str:
    """Only connections of Vault's operator."""
    return "" if secret.item.kind == "VaultConnection" else "not a Vault connection"


@control("secrets.vault-tls-skip", SecretObject, skip=not_vault)
def vault_connection_skips_tls(secret: SecretObject, _: Snapshot) -> Iterator[Outcome]:
    if secret.item.spec.get("skipTLSVerify") is True:
        yield Violation(path="spec.skipTLSVerify", value=True)


@control("secrets.vault-tls-skip", Workload)
def vault_agent_skips_tls(workload: Workload, _: Snapshot) -> Iterator[Outcome]:
    key = "vault.hashicorp.com/tls-skip-verify"
    if workload.meta.annotations.get(key, "false").lower() == "true":
        yield Violation(path=f"metadata.annotations[{key}]", value="true")


def not_csi(secret: SecretObject, _: Snapshot) -> str:
    """Only classes of the Secrets Store CSI driver."""
    return "" if secret.item.kind == "SecretProviderClass" else "not a SecretProviderClass"


@control("secrets.csi-sync", SecretObject, needs=("pods",), skip=not_csi)
def csi_sync(secret: SecretObject, snapshot: Snapshot) -> Iterator[Outcome]:
    if secret.item.spec.get("secretObjects"):
        names = [text(entry.get("secretName", "")) for entry in mappings(secret.item.spec["secretObjects"])]
        yield Violation(path="spec.secretObjects", value=names, severity="info")
    for workload in snapshot.of(Workload):
        words = {word for item in workload.containers for word in item.words}
        driver = any("secrets-store" in item.spec.image for item in workload.containers)
        if driver and words & {"--enable-secret-rotation=false"}:
            yield Violation(path=f"{workload.resource}:args", value="--enable-secret-rotation=false")
