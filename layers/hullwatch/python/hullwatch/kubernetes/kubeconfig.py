"""A cluster as a kubeconfig names it, for clusters that are not known by an EKS name.

Kubernetes documentation, "Organizing Cluster Access Using kubeconfig Files", and the reference of
``client.authentication.k8s.io/v1``. Whatever would change who asks, or how the cluster is trusted, and is not
understood here is an error: it is never passed over.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import msgspec
import urllib3

from hullwatch.errors import UserError
from hullwatch.kubernetes.api import KubernetesApi
from hullwatch.kubernetes.tls import show_certificate, trusting
from hullwatch.posture.readers.documents import parse

#: Bytes of a kubeconfig, and of any file that it names.
MAX_BYTES = 1 << 20
#: Seconds that a credential plug-in may take: some wait for a person to log in.
_PLUGIN_SECONDS = 120
#: Seconds before its end at which a token counts as expired.
_EARLY = 30
_PLUGIN_VERSIONS = ("client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1")


class _Cluster(msgspec.Struct, rename="kebab"):
    server: str = ""
    certificate_authority: str = ""
    certificate_authority_data: str = ""
    tls_server_name: str = ""
    insecure_skip_tls_verify: bool = False
    proxy_url: str = ""


class _Variable(msgspec.Struct):
    name: str
    value: str = ""


class _Exec(msgspec.Struct, rename="camel"):
    """A credential plug-in."""

    api_version: str
    command: str
    args: list[str] = []
    env: list[_Variable] = []
    install_hint: str = ""
    provide_cluster_info: bool = False
    interactive_mode: str = "IfAvailable"


class _User(msgspec.Struct, rename="kebab"):
    token: str = ""
    #: The one name that is not written with hyphens.
    token_file: str = msgspec.field(default="", name="tokenFile")
    client_certificate: str = ""
    client_certificate_data: str = ""
    client_key: str = ""
    client_key_data: str = ""
    exec: _Exec | None = None
    username: str = ""
    auth_provider: Any = None
    impersonate: str = msgspec.field(default="", name="as")


class _Context(msgspec.Struct):
    cluster: str = ""
    user: str = ""


class _NamedCluster(msgspec.Struct):
    name: str
    cluster: _Cluster = msgspec.field(default_factory=_Cluster)


class _NamedUser(msgspec.Struct):
    name: str
    user: _User = msgspec.field(default_factory=_User)


class _NamedContext(msgspec.Struct):
    name: str
    context: _Context = msgspec.field(default_factory=_Context)


class _Kubeconfig(msgspec.Struct, rename="kebab"):
    clusters: list[_NamedCluster] = []
    users: list[_NamedUser] = []
    contexts: list[_NamedContext] = []
    current_context: str = ""


class _Credential(msgspec.Struct, rename="camel"):
    """``status`` of an ``ExecCredential``."""

    token: str = ""
    expiration_timestamp: Annotated[datetime, msgspec.Meta(tz=True)] | None = None
    client_certificate_data: str = ""
    client_key_data: str = ""


class _ExecCredential(msgspec.Struct, rename="camel"):
    api_version: str = ""
    kind: str = ""
    status: _Credential = msgspec.field(default_factory=_Credential)


class Kubeconfig:
    """One context of a kubeconfig: the current one, unless ``context`` names another.

    Raises :class:`~hullwatch.errors.UserError` for a file that is not readable, a context that is not there,
    and everything that is not supported.
    """

    def __init__(self, file: Path, context: str = "") -> None:
        self._directory = file.absolute().parent
        config = _read(file)
        name = context or config.current_context
        if not name:
            raise UserError(f"{file} has no current context: name one with --context")
        found = next((item.context for item in config.contexts if item.name == name), None)
        if found is None:
            known = ", ".join(sorted(item.name for item in config.contexts)) or "none"
            raise UserError(f"{file} has no context {name!r}; it has: {known}")
        #: The cluster's name in the file.
        self.cluster = found.cluster
        self._cluster = _named(config.clusters, found.cluster, f"{file}: no cluster").cluster
        self._user = _named(config.users, found.user, f"{file}: no user").user if found.user else _User()
        self._refuse_unsupported(file)

    def connect(self, *, seconds: float = 300) -> KubernetesApi:
        """The API of the cluster, asked as the context's user. A credential plug-in is run for it.

        Raises :class:`~hullwatch.errors.UserError` when credentials cannot be had, and
        :class:`~hullwatch.errors.ConfigurationError` for an address or an authority that is not usable.
        """
        cluster, user = self._cluster, self._user
        authority = self._content(cluster.certificate_authority_data, cluster.certificate_authority)
        token: Callable[[], str] = self._token
        certificate = self._content(user.client_certificate_data, user.client_certificate)
        key = self._content(user.client_key_data, user.client_key)
        if user.exec and not (user.token or user.token_file):
            plugin = _Plugin(user.exec, self._directory, self._cluster_info(authority))
            token = plugin.token
            if issued := plugin.certificate():
                certificate, key = issued
        if bool(certificate) != bool(key):
            raise UserError("the kubeconfig has a client certificate or its key, and not both")
        # Without an authority in the file it is one that the system trusts.
        context = trusting(authority) if authority else ssl.create_default_context()
        if certificate:
            show_certificate(context, certificate, key)
        name = cluster.tls_server_name or None
        http = urllib3.PoolManager(ssl_context=context, maxsize=1, server_hostname=name, assert_hostname=name)
        return KubernetesApi(cluster.server, "", lambda: _sendable(token()), seconds=seconds, http=http)

    def _token(self) -> str:
        if self._user.token_file:
            # It is renewed by whoever wrote it.
            return self._file(self._user.token_file).decode(errors="replace").strip()
        return self._user.token

    def _content(self, data: str, name: str) -> str:
        """PEM that stands in the file as base64, or in a file that it names; empty for neither."""
        if data:
            try:
                return base64.b64decode(data, validate=True).decode()
            except (binascii.Error, ValueError):
                raise UserError("the kubeconfig has certificates or keys that are no base64") from None
        return self._file(name).decode(errors="replace") if name else ""

    def _file(self, name: str) -> bytes:
        # A relative path starts where the kubeconfig is.
        return _bytes(self._directory / name)

    def _cluster_info(self, authority: str) -> dict[str, Any]:
        """``spec.cluster`` of an ``ExecCredential``."""
        cluster = self._cluster
        info: dict[str, Any] = {"server": cluster.server}
        if authority:
            info["certificate-authority-data"] = base64.b64encode(authority.encode()).decode()
        if cluster.tls_server_name:
            info["tls-server-name"] = cluster.tls_server_name
        return info

    def _refuse_unsupported(self, file: Path) -> None:
        unsupported = {
            "insecure-skip-tls-verify": self._cluster.insecure_skip_tls_verify,
            "proxy-url": self._cluster.proxy_url,
            "username": self._user.username,
            "auth-provider": self._user.auth_provider,
            "as": self._user.impersonate,
        }
        for name, given in unsupported.items():
            if given:
                raise UserError(f"{file}: {name} is not supported")


class _Plugin:
    """A credential plug-in: the user's own command, run again when what it gave has expired."""

    def __init__(self, plugin: _Exec, directory: Path, cluster: Mapping[str, Any]) -> None:
        if plugin.api_version not in _PLUGIN_VERSIONS:
            raise UserError(f"credential plug-in {plugin.command}: {plugin.api_version} is not supported")
        self._plugin = plugin
        self._directory = directory
        self._cluster = cluster if plugin.provide_cluster_info else None
        self._credential: _Credential | None = None

    def token(self) -> str:
        """The bearer token; empty when the plug-in gives a certificate instead."""
        return self._current().token

    def certificate(self) -> tuple[str, str] | None:
        """Client certificate and key in PEM, where the plug-in gives them."""
        found = self._current()
        if not found.client_certificate_data:
            return None
        return found.client_certificate_data, found.client_key_data

    def _current(self) -> _Credential:
        known = self._credential
        ends = known.expiration_timestamp.timestamp() if known and known.expiration_timestamp else None
        if known is None or (ends is not None and ends - _EARLY < time.time()):
            self._credential = known = self._run()
        return known

    def _run(self) -> _Credential:
        plugin = self._plugin
        interactive = plugin.interactive_mode != "Never" and sys.stdin.isatty()
        if plugin.interactive_mode == "Always" and not interactive:
            raise UserError(f"credential plug-in {plugin.command} needs a terminal")
        try:
            done = subprocess.run(  # noqa: S603  the kubeconfig is the user's own, and so is its command
                [self._command(), *plugin.args],
                env=self._environment(interactive),
                stdin=None if interactive else subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                timeout=_PLUGIN_SECONDS,
                check=False,
            )
        except FileNotFoundError:
            hint = f" {plugin.install_hint}" if plugin.install_hint else ""
            raise UserError(f"credential plug-in {plugin.command} is not installed.{hint}") from None
        except (OSError, subprocess.TimeoutExpired) as error:
            raise UserError(f"credential plug-in {plugin.command}: {error}") from None
        if done.returncode:
            raise UserError(f"credential plug-in {plugin.command} ended with exit code {done.returncode}")
        return self._answer(done.stdout)

    def _answer(self, content: bytes) -> _Credential:
        command = self._plugin.command
        try:
            answer = msgspec.json.decode(content[:MAX_BYTES], type=_ExecCredential)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            # What it said may hold a token: it is not repeated.
            raise UserError(f"credential plug-in {command} does not answer with an ExecCredential") from None
        if (answer.api_version, answer.kind) != (self._plugin.api_version, "ExecCredential"):
            raise UserError(f"credential plug-in {command} does not answer with an ExecCredential")
        if not (answer.status.token or answer.status.client_certificate_data):
            raise UserError(f"credential plug-in {command} gives neither a token nor a certificate")
        return answer.status

    def _command(self) -> str:
        # A bare name is looked up on the path; a relative one starts where the kubeconfig is.
        command = self._plugin.command
        return str(self._directory / command) if os.sep in command else command

    def _environment(self, interactive: bool) -> dict[str, str]:
        spec: dict[str, Any] = {"interactive": interactive}
        if self._cluster is not None:
            spec["cluster"] = self._cluster
        info = {"apiVersion": self._plugin.api_version, "kind": "ExecCredential", "spec": spec}
        own = {item.name: item.value for item in self._plugin.env}
        return {**os.environ, **own, "KUBERNETES_EXEC_INFO": json.dumps(info)}


def _read(file: Path) -> _Kubeconfig:
    documents = parse(_bytes(file), str(file))
    if len(documents) != 1 or documents[0].get("kind", "Config") != "Config":
        raise UserError(f"{file} is no kubeconfig")
    try:
        return msgspec.convert(documents[0], _Kubeconfig)
    except msgspec.ValidationError as error:
        raise UserError(f"{file} is no kubeconfig: {error}") from None


def _sendable(token: str) -> str:
    if not (token.isascii() and token.isprintable()):
        raise UserError("the token for the cluster has characters that no header may have")
    return token


def _bytes(file: Path) -> bytes:
    try:
        with file.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise UserError(f"cannot read {file}: {error.strerror}") from None
    if len(content) > MAX_BYTES:
        raise UserError(f"cannot read {file}: it is larger than {MAX_BYTES >> 20} MiB")
    return content


def _named(items: list[Any], name: str, absent: str) -> Any:
    for item in items:
        if item.name == name:
            return item
    raise UserError(f"{absent} {name!r}")
