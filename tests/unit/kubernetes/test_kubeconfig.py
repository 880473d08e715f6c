"""Kubeconfigs: which cluster, who asks, and everything that is refused rather than passed over."""

from __future__ import annotations

import base64
import json
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fakes.kubernetes_api import TOKEN, Kind, KubernetesApiServer, certificates
from hullwatch.errors import ConfigurationError, UserError
from hullwatch.kubernetes.kubeconfig import MAX_BYTES, Kubeconfig

V1 = "client.authentication.k8s.io/v1"


@pytest.fixture
def server() -> Iterator[KubernetesApiServer]:
    with KubernetesApiServer([Kind("pods", "Pod", objects=[{"metadata": {"name": "web"}}])]) as running:
        yield running


def write(path: Path, server: KubernetesApiServer, user: dict[str, Any], **cluster: Any) -> Path:
    authority = {"certificate-authority-data": server.ca_data} if "ca" not in cluster else cluster.pop("ca")
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "here",
        "clusters": [{"name": "kind", "cluster": {"server": server.endpoint, **authority, **cluster}}],
        "users": [{"name": "me", "user": user}, {"name": "nobody", "user": {"token": "other"}}],
        "contexts": [
            {"name": "here", "context": {"cluster": "kind", "user": "me", "namespace": "shop"}},
            {"name": "there", "context": {"cluster": "kind", "user": "nobody"}},
            {"name": "nowhere", "context": {"cluster": "gone", "user": "me"}},
        ],
    }
    file = path / "config"
    file.write_text(json.dumps(config))
    return file


def pods(config: Kubeconfig) -> list[str]:
    """The names of the pods that are read with it."""
    api = config.connect()
    (served,) = api.discovery({""}).find("pods")
    return [item["metadata"]["name"] for item in api.list(served)]


def plugin(directory: Path, status: dict[str, Any], code: int = 0, version: str = V1) -> Path:
    """A plug-in that counts its runs, and keeps what it was told."""
    answer = {"apiVersion": version, "kind": "ExecCredential", "status": status}
    script = directory / "login"
    script.write_text(
        f"#!{sys.executable}\n"
        "import os, sys, pathlib\n"
        f"told = pathlib.Path({str(directory / 'told')!r})\n"
        "with told.open('a') as file:\n"
        "    print(os.environ['KUBERNETES_EXEC_INFO'], os.environ.get('STAGE'), *sys.argv[1:], file=file)\n"
        f"print({json.dumps(answer)!r})\n"
        f"sys.exit({code})\n"
    )
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    return script


def test_a_token_of_the_current_context(tmp_path: Path, server: KubernetesApiServer) -> None:
    config = Kubeconfig(write(tmp_path, server, {"token": TOKEN}))
    assert config.cluster == "kind"
    assert pods(config) == ["web"]


def test_files_are_found_from_where_the_kubeconfig_is(tmp_path: Path, server: KubernetesApiServer) -> None:
    (tmp_path / "ca.pem").write_bytes(base64.b64decode(server.ca_data))
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    file = write(tmp_path, server, {"tokenFile": "token"}, ca={"certificate-authority": "ca.pem"})
    assert pods(Kubeconfig(file)) == ["web"]


def test_another_context(tmp_path: Path, server: KubernetesApiServer) -> None:
    file = write(tmp_path, server, {"token": TOKEN})
    with pytest.raises(UserError, match="no context 'x'; it has: here, nowhere, there"):
        Kubeconfig(file, "x")
    with pytest.raises(UserError, match="no cluster 'gone'"):
        Kubeconfig(file, "nowhere")
    api = Kubeconfig(file, "there").connect()
    with pytest.raises(Exception, match="Unauthorized"):
        api.discovery({""})


def test_without_an_authority_the_systems_are_trusted(tmp_path: Path, server: KubernetesApiServer) -> None:
    config = Kubeconfig(write(tmp_path, server, {"token": TOKEN}, ca={}))
    with pytest.raises(Exception, match="certificate"):
        pods(config)
    assert server.requests == []


def test_the_server_may_have_another_name(tmp_path: Path) -> None:
    with KubernetesApiServer([Kind("pods", "Pod")], certificate_for="kubernetes.internal") as server:
        plain = Kubeconfig(write(tmp_path, server, {"token": TOKEN}))
        with pytest.raises(Exception, match="certificate"):
            pods(plain)
        named = write(tmp_path, server, {"token": TOKEN}, **{"tls-server-name": "kubernetes.internal"})
        assert pods(Kubeconfig(named)) == []


def test_a_plugin_is_run_as_it_expects(tmp_path: Path, server: KubernetesApiServer) -> None:
    plugin(tmp_path, {"token": TOKEN})
    user = {
        "apiVersion": V1,
        "command": "./login",
        "args": ["get-token", "--cluster", "kind"],
        "env": [{"name": "STAGE", "value": "test"}],
        "provideClusterInfo": True,
        "interactiveMode": "IfAvailable",
    }
    assert pods(Kubeconfig(write(tmp_path, server, {"exec": user}))) == ["web"]
    (told,) = (tmp_path / "told").read_text().splitlines()
    info, _, rest = told.rpartition("} ")
    assert rest == "test get-token --cluster kind"
    assert json.loads(info + "}") == {
        "apiVersion": V1,
        "kind": "ExecCredential",
        "spec": {
            "interactive": False,
            "cluster": {"server": server.endpoint, "certificate-authority-data": server.ca_data},
        },
    }


@pytest.mark.parametrize(("ends", "runs"), [("2999-01-01T00:00:00Z", 1), ("2001-01-01T00:00:00Z", 4)])
def test_a_plugin_is_asked_again_when_its_token_has_expired(
    tmp_path: Path, server: KubernetesApiServer, ends: str, runs: int
) -> None:
    command = str(plugin(tmp_path, {"token": TOKEN, "expirationTimestamp": ends}))
    file = write(tmp_path, server, {"exec": {"apiVersion": V1, "command": command}})
    assert pods(Kubeconfig(file)) == ["web"]
    # Once to see what it gives, and once for each request.
    assert len(server.requests) == 3
    assert len((tmp_path / "told").read_text().splitlines()) == runs


@pytest.mark.parametrize(
    ("status", "code", "said"),
    [
        ({"token": TOKEN}, 1, "exit code 1"),
        ({}, 0, "neither a token nor a certificate"),
        ({"token": 7}, 0, "does not answer with an ExecCredential"),
        ({"token": "a\nb"}, 0, "characters"),
        ({"token": TOKEN, "expirationTimestamp": "2999-01-01T00:00:00"}, 0, "does not answer"),
    ],
)
def test_a_plugin_that_fails_is_one_line(
    tmp_path: Path, server: KubernetesApiServer, status: dict[str, Any], code: int, said: str
) -> None:
    command = str(plugin(tmp_path, status, code))
    file = write(tmp_path, server, {"exec": {"apiVersion": V1, "command": command}})
    with pytest.raises(UserError, match=said) as caught:
        pods(Kubeconfig(file))
    assert TOKEN not in str(caught.value)


def test_a_plugin_of_another_version_does_not_answer(tmp_path: Path, server: KubernetesApiServer) -> None:
    command = str(plugin(tmp_path, {"token": TOKEN}, version="client.authentication.k8s.io/v1beta1"))
    with pytest.raises(UserError, match="ExecCredential"):
        Kubeconfig(write(tmp_path, server, {"exec": {"apiVersion": V1, "command": command}})).connect()
    old = {"apiVersion": "client.authentication.k8s.io/v1alpha1", "command": command}
    with pytest.raises(UserError, match="v1alpha1 is not supported"):
        Kubeconfig(write(tmp_path, server, {"exec": old})).connect()


def test_a_plugin_that_is_absent_or_wants_a_person(tmp_path: Path, server: KubernetesApiServer) -> None:
    absent = {"apiVersion": V1, "command": "no-such-login", "installHint": "Get it from the shop."}
    with pytest.raises(UserError, match=r"not installed\. Get it from the shop"):
        Kubeconfig(write(tmp_path, server, {"exec": absent})).connect()
    command = str(plugin(tmp_path, {"token": TOKEN}))
    asking = {"apiVersion": V1, "command": command, "interactiveMode": "Always"}
    with pytest.raises(UserError, match="needs a terminal"):
        Kubeconfig(write(tmp_path, server, {"exec": asking})).connect()
    assert not (tmp_path / "told").exists()


def test_a_plugin_is_not_run_before_it_is_needed(tmp_path: Path, server: KubernetesApiServer) -> None:
    command = str(plugin(tmp_path, {"token": TOKEN}))
    user = {"token": TOKEN, "exec": {"apiVersion": V1, "command": command}}
    assert pods(Kubeconfig(write(tmp_path, server, user))) == ["web"]
    assert not (tmp_path / "told").exists()


@pytest.mark.parametrize(
    ("user", "cluster"),
    [
        ({"token": TOKEN}, {"insecure-skip-tls-verify": True}),
        ({"token": TOKEN}, {"proxy-url": "http://proxy"}),
        ({"username": "me", "password": "secret"}, {}),
        ({"auth-provider": {"name": "gcp"}}, {}),
        ({"token": TOKEN, "as": "admin"}, {}),
    ],
)
def test_what_changes_who_asks_is_not_passed_over(
    tmp_path: Path, server: KubernetesApiServer, user: dict[str, Any], cluster: dict[str, Any]
) -> None:
    with pytest.raises(UserError, match="not supported"):
        Kubeconfig(write(tmp_path, server, user, **cluster))


@pytest.mark.parametrize(
    "user",
    [
        {"client-certificate-data": "bm90IG9uZQ==", "client-key-data": "bm90IG9uZQ=="},
        {"client-certificate-data": "%%%", "client-key-data": "%%%"},
        {"client-certificate-data": "bm90IG9uZQ=="},
        {"client-certificate": "absent.pem", "client-key": "absent.pem"},
    ],
)
def test_a_client_certificate_that_is_none(
    tmp_path: Path, server: KubernetesApiServer, user: dict[str, Any]
) -> None:
    with pytest.raises(UserError):
        Kubeconfig(write(tmp_path, server, user)).connect()


@pytest.mark.parametrize("by_plugin", [False, True], ids=["in the file", "by a plug-in"])
def test_a_client_certificate(tmp_path: Path, by_plugin: bool) -> None:
    _, chain = certificates("127.0.0.1")
    certificate, mark, key = chain.decode().partition("-----BEGIN PRIVATE KEY")
    key = mark + key
    with KubernetesApiServer([Kind("pods", "Pod")], client_certificates=True) as server:
        if by_plugin:
            command = str(plugin(tmp_path, {"clientCertificateData": certificate, "clientKeyData": key}))
            user: dict[str, Any] = {"exec": {"apiVersion": V1, "command": command}}
        else:
            pair = (("client-certificate-data", certificate), ("client-key-data", key))
            user = {name: base64.b64encode(text.encode()).decode() for name, text in pair}
        assert pods(Kubeconfig(write(tmp_path, server, user))) == []
        with pytest.raises(Exception, match=r"does not answer|broke off|no TLS"):
            pods(Kubeconfig(write(tmp_path, server, {"token": TOKEN})))


def test_an_endpoint_without_tls_gets_no_token(tmp_path: Path, server: KubernetesApiServer) -> None:
    file = write(tmp_path, server, {"token": TOKEN})
    file.write_text(file.read_text().replace("https://", "http://"))
    with pytest.raises(ConfigurationError, match="no https address"):
        Kubeconfig(file).connect()


@pytest.mark.parametrize(
    "content",
    [b"", b"a: [", b"kind: Pod\n", b"clusters: 7\n", b"users: [{name: me, user: {token: 7}}]", b"\xff\xfe"],
)
def test_what_is_no_kubeconfig(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "config"
    file.write_bytes(content)
    with pytest.raises(UserError):
        Kubeconfig(file)


def test_a_file_that_is_absent_or_too_large(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="No such file"):
        Kubeconfig(tmp_path / "absent")
    (tmp_path / "large").write_bytes(b"#" * (MAX_BYTES + 1))
    with pytest.raises(UserError, match="larger than 1 MiB"):
        Kubeconfig(tmp_path / "large")
