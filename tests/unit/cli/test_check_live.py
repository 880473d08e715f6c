"""``check`` of an account and of clusters: prepared answers of AWS, and an API that refuses all but lists."""

from __future__ import annotations

import base64
import io
import itertools
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
import typer
from botocore.exceptions import ClientError
from click.testing import Result
from rich.console import Console
from typer.testing import CliRunner

from fakes.kubernetes_api import TOKEN, Kind, KubernetesApiServer, certificates
from fakes.recorded_account import RecordedAccount
from hullwatch.aws import caller as callers
from hullwatch.aws.caller import Caller
from hullwatch.aws.survey.survey import PERMISSIONS
from hullwatch.cli.check import check
from hullwatch.errors import UserError

app = typer.Typer()
app.command()(check)

ACCOUNT, REGION = "123456789012", "eu-central-1"
IMAGE = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/shop:1"
RBAC = "rbac.authorization.k8s.io"


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(item) for item in arguments])


class RecordedCaller(Caller):
    """Who asks a recorded account."""

    def __init__(self, account: RecordedAccount) -> None:
        session = boto3.Session(aws_access_key_id="id", aws_secret_access_key="key", region_name=REGION)
        super().__init__(session, ACCOUNT, REGION)
        object.__setattr__(self, "client", account.client)


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> RecordedAccount:
    """An account with one repository, whose tags can be overwritten, and no clusters."""
    found = {
        "repositoryName": "shop",
        "repositoryArn": f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/shop",
        "registryId": ACCOUNT,
        "repositoryUri": IMAGE.partition(":")[0],
        "imageTagMutability": "MUTABLE",
    }
    recorded = RecordedAccount({"ecr:DescribeRepositories": {"repositories": [found]}})
    monkeypatch.setattr(callers, "caller", lambda *_: RecordedCaller(recorded))
    return recorded


def pod(name: str, **security: Any) -> dict[str, Any]:
    container = {"name": "app", "image": IMAGE, "securityContext": security}
    return {
        "metadata": {"name": name, "namespace": "shop", "uid": name},
        "spec": {"containers": [container]},
        "status": {"containerStatuses": [{"name": "app", "image": IMAGE, "imageID": ""}]},
    }


@pytest.fixture
def server() -> Iterator[KubernetesApiServer]:
    kinds = [
        Kind("pods", "Pod", objects=[pod("web", privileged=True), pod("api", privileged=False)]),
        Kind("namespaces", "Namespace", objects=[{"metadata": {"name": "shop", "uid": "shop"}}]),
        Kind("services", "Service"),
    ]
    with KubernetesApiServer(kinds) as running:
        yield running


@pytest.fixture
def cluster(
    account: RecordedAccount, server: KubernetesApiServer, monkeypatch: pytest.MonkeyPatch
) -> KubernetesApiServer:
    """The server as the EKS cluster ``prod`` of the account."""
    monkeypatch.setattr("hullwatch.kubernetes.connect.EksToken", lambda *_: lambda: TOKEN)
    account.answers["eks:DescribeCluster"] = {"cluster": described(server.endpoint, server.ca_data)}
    return server


def described(endpoint: str, authority: str) -> dict[str, Any]:
    return {
        "name": "prod",
        "arn": f"arn:aws:eks:{REGION}:{ACCOUNT}:cluster/prod",
        "version": "1.33",
        "status": "ACTIVE",
        "endpoint": endpoint,
        "certificateAuthority": {"data": authority},
        "resourcesVpcConfig": {"endpointPublicAccess": True, "publicAccessCidrs": ["0.0.0.0/0"]},
    }


def kubeconfig(directory: Path, endpoint: str, authority: str, token: str = TOKEN) -> Path:
    config = {
        "current-context": "here",
        "clusters": [
            {"name": "kind", "cluster": {"server": endpoint, "certificate-authority-data": authority}}
        ],
        "users": [{"name": "me", "user": {"token": token}}],
        "contexts": [{"name": "here", "context": {"cluster": "kind", "user": "me"}}],
    }
    file = directory / "config"
    file.write_text(json.dumps(config))
    return file


def verdicts(done: Result, control: str) -> dict[str, str]:
    return {
        item["resource"]: item["verdict"]
        for item in json.loads(done.stdout)["results"]
        if item["control"] == control
    }


def test_an_account(account: RecordedAccount) -> None:
    done = run("--account", "--format", "json")
    assert (done.exit_code, done.stderr) == (0, "")
    assert verdicts(done, "ecr.repo.tags-mutable") == {"Repository/shop": "FAILED"}
    assert {"ecs:ListClusters", "eks:ListClusters", "iam:GetAccountAuthorizationDetails"} <= account.called
    # What is inside of clusters was not asked for, so nothing is said about it.
    assert not verdicts(done, "k8s.pod.privileged")


def test_only_what_the_controls_need_is_read(account: RecordedAccount) -> None:
    done = run("--account", "--control", "ecr.repo.tags-mutable", "--fail-on", "medium")
    assert done.exit_code == 1
    assert "Repository/shop" in done.stdout
    assert "1 failed" in done.stdout
    assert {action.partition(":")[0] for action in account.called} <= {"ecr", "kms"}


def test_a_refusal_names_the_permission_and_is_incomplete(account: RecordedAccount) -> None:
    account.refuse("ecs:ListClusters")
    account.refuse("eks:ListClusters")
    done = run("--account")
    assert done.exit_code == 3
    assert done.stderr == "not read: permission is missing for ecs:ListClusters, eks:ListClusters\n"
    assert "no ecs:ListClusters permission" in run("--account", "--verbose").stdout
    # Of what is asked for, all was read.
    assert run("--account", "--control", "ecr.repo.tags-mutable").exit_code == 0
    assert run("--account", "--fail-on", "any").exit_code == 1


@pytest.mark.parametrize("what", [("--account",), ("--cluster", "prod")])
def test_what_refuses_everything_is_one_error(account: RecordedAccount, what: tuple[str, ...]) -> None:
    for action in itertools.chain.from_iterable(PERMISSIONS.values()):
        account.refuse(action)
    error = run(*what).exception
    assert isinstance(error, UserError)
    assert str(error).startswith("nothing could be read: permission is missing for ")
    assert " eks:DescribeCluster" in str(error)


def test_a_cluster_is_its_aws_side_and_what_is_inside(
    account: RecordedAccount, cluster: KubernetesApiServer
) -> None:
    done = run("--cluster", "prod", "--format", "json")
    assert verdicts(done, "k8s.pod.privileged") == {"Pod/shop/web": "FAILED", "Pod/shop/api": "PASSED"}
    assert verdicts(done, "eks.endpoint.public-open") == {"EksCluster/prod": "FAILED"}
    # The registry is asked about the repository that a pod uses, and about no other.
    assert account.requests("ecr:DescribeRepositories")[0]["repositoryNames"] == ["shop"]
    assert not {action for action in account.called if action.startswith("ecs:")}
    assert {request.partition("?")[0] for request in cluster.requests} >= {"/api", "/apis", "/api/v1/pods"}


def test_the_clusters_version_decides_unless_another_is_named(
    account: RecordedAccount, cluster: KubernetesApiServer
) -> None:
    account.answers["eks:DescribeCluster"]["cluster"]["version"] = "1.18"  # type: ignore[call-overload,index]
    arguments = ("--cluster", "prod", "--standard", "pss-restricted", "--format", "json")
    own, newest = run(*arguments), run(*arguments, "--kubernetes-version", "latest")
    assert not verdicts(own, "k8s.pod.cap-drop-all")
    assert verdicts(newest, "k8s.pod.cap-drop-all") == {"Pod/shop/web": "FAILED", "Pod/shop/api": "FAILED"}


def test_a_cluster_that_is_not_there(account: RecordedAccount) -> None:
    account.refuse("eks:DescribeCluster", "ResourceNotFoundException")
    error = run("--cluster", "prod").exception
    assert isinstance(error, UserError)
    assert str(error) == f"there is no EKS cluster prod in account {ACCOUNT}, {REGION}"


def test_a_cluster_that_does_not_let_us_in_is_incomplete(
    cluster: KubernetesApiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hullwatch.kubernetes.connect.EksToken", lambda *_: lambda: "stranger")
    done = run("--cluster", "prod", "--format", "json")
    assert done.exit_code == 3
    (line,) = done.stderr.splitlines()
    assert "Unauthorized" in line
    assert "access entry" in line
    assert verdicts(done, "eks.endpoint.public-open") == {"EksCluster/prod": "FAILED"}
    assert set(verdicts(done, "k8s.pod.privileged").values()) == {"NOT_AVAILABLE"}


def test_a_cluster_of_a_kubeconfig(tmp_path: Path, server: KubernetesApiServer) -> None:
    file = kubeconfig(tmp_path, server.endpoint, server.ca_data)
    done = run("--kubeconfig", file, "--context", "here", "--standard", "pss-baseline")
    assert done.exit_code == 1
    assert "Pod/shop/web" in done.stdout
    assert "1 failed" in done.stdout
    server.kinds[0].objects = [pod("api", privileged=False)]
    assert run("--kubeconfig", file, "--standard", "pss-baseline").exit_code == 0


@pytest.mark.parametrize(("version", "failing"), [("v1.18.20", False), ("v1.33.1-gke.1", True), ("", True)])
def test_the_clusters_own_version_decides(
    tmp_path: Path, server: KubernetesApiServer, version: str, failing: bool
) -> None:
    server.version = version
    file = kubeconfig(tmp_path, server.endpoint, server.ca_data)
    done = run("--kubeconfig", file, "--standard", "pss-restricted", "--format", "json")
    assert bool(verdicts(done, "k8s.pod.cap-drop-all")) is failing


def test_a_token_that_is_not_taken_is_one_line(tmp_path: Path, server: KubernetesApiServer) -> None:
    error = run("--kubeconfig", kubeconfig(tmp_path, server.endpoint, server.ca_data, "other")).exception
    assert isinstance(error, UserError)
    assert "Unauthorized" in str(error)
    assert "To mend it: log in" in str(error)
    assert len(server.requests) == 1


def test_a_resource_that_is_refused_is_incomplete(tmp_path: Path, server: KubernetesApiServer) -> None:
    server.kinds.append(Kind("roles", "Role", RBAC, forbidden=True))
    done = run("--kubeconfig", kubeconfig(tmp_path, server.endpoint, server.ca_data), "--format", "json")
    assert done.exit_code == 3
    assert done.stderr.startswith(f"not read: roles.{RBAC}: ")
    assert verdicts(done, "k8s.pod.privileged")["Pod/shop/api"] == "PASSED"


def test_a_cluster_that_cannot_be_reached_is_one_line(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        authority = certificates("127.0.0.1")[0].decode()
        file = kubeconfig(
            tmp_path,
            f"https://127.0.0.1:{taken.getsockname()[1]}",
            base64.b64encode(authority.encode()).decode(),
        )
        error = run("--kubeconfig", file).exception
    assert isinstance(error, UserError)
    assert "does not answer" in str(error)
    assert "To mend it: " in str(error)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "name one thing to check"),
        (("--account", "--cluster", "prod"), "name one thing to check"),
        (("pod.yaml", "--account"), "name one thing to check"),
        (("--cluster", "prod", "--kubeconfig", "config"), "name one thing to check"),
        (("--cluster", "prod", "--context", "here"), "--context goes with --kubeconfig"),
        (("pod.yaml", "--region", "eu-central-1"), "--region and --profile go with"),
        (("--kubeconfig", "config", "--profile", "me"), "--region and --profile go with"),
        (("--account", "--standard", "nonsense"), "unknown standard"),
        (("--account", "--kubernetes-version", "new"), "not a Kubernetes version"),
        (("--account", "--control", "k8s.pod.privileged"), "none of these controls"),
        (("--kubeconfig", "config", "--control", "eks.endpoint.public-open"), "none of these controls"),
    ],
)
def test_what_does_not_go_together_is_one_error(
    arguments: tuple[str, ...], said: str, account: RecordedAccount
) -> None:
    error = run(*arguments).exception
    assert isinstance(error, UserError)
    assert said in str(error)
    assert not account.calls


def test_what_is_being_read_is_said_on_a_terminal(
    cluster: KubernetesApiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = io.StringIO()
    monkeypatch.setattr(
        "hullwatch.cli.terminal.notes", lambda: Console(file=shown, force_terminal=True, width=80)
    )
    monkeypatch.setattr("rich.status.Status.update", lambda _, text: shown.write(f"{text}\n"))
    run("--cluster", "prod")
    assert "reading: Pod\n" in shown.getvalue()


class TestCaller:
    """Who asks: the AWS configuration as the AWS CLI takes it."""

    @pytest.fixture(autouse=True)
    def nobody(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        for name in ("AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))

    def keys(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "id")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "key")

    def test_without_credentials(self) -> None:
        error = run("--account", "--region", REGION).exception
        assert isinstance(error, UserError)
        assert "no AWS credentials" in str(error)

    def test_without_a_region(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.keys(monkeypatch)
        with pytest.raises(UserError, match="no Region"):
            callers.caller()

    def test_a_profile_that_is_not_there(self) -> None:
        with pytest.raises(UserError, match="nobody"):
            callers.caller("nobody", REGION)

    def test_credentials_that_have_expired(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.keys(monkeypatch)
        self.answer(monkeypatch, ClientError({"Error": {"Message": "The token has expired"}}, "x"))
        with pytest.raises(UserError, match="does not take these credentials: The token has expired"):
            callers.caller(region=REGION)

    def test_the_region_of_the_environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.keys(monkeypatch)
        self.answer(monkeypatch, {"Account": ACCOUNT})
        monkeypatch.setenv("AWS_REGION", "eu-west-1")
        found = callers.caller()
        assert (found.account, found.region) == (ACCOUNT, "eu-west-1")
        assert found.client("ecr").meta.region_name == "eu-west-1"
        assert callers.caller(region=REGION).region == REGION

    def answer(self, monkeypatch: pytest.MonkeyPatch, what: Any) -> None:
        def call(*_: Any) -> Any:
            if isinstance(what, Exception):
                raise what
            return what

        monkeypatch.setattr("botocore.client.BaseClient._make_api_call", call)
