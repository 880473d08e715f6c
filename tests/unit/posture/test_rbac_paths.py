"""Paths to cluster-admin: the steps, the shortest one, and what leads nowhere."""

from __future__ import annotations

from typing import Any

import pytest

from hullwatch.posture.analysis.rbac_paths import path_to_admin
from hullwatch.posture.model.snapshot import READ
from hullwatch.posture.readers.snapshot import build

API = "rbac.authorization.k8s.io"


def role(
    name: str, *rules: tuple[str, str, str], namespace: str = "", names: list[str] | None = None
) -> dict[str, Any]:
    """Rules as ``(group, resource, verb)``."""
    listed = [
        {
            "apiGroups": [group],
            "resources": [resource],
            "verbs": [verb],
            **({"resourceNames": names} if names else {}),
        }
        for group, resource, verb in rules
    ]
    metadata = {"name": name, "namespace": namespace} if namespace else {"name": name}
    kind = "Role" if namespace else "ClusterRole"
    return {"apiVersion": f"{API}/v1", "kind": kind, "metadata": metadata, "rules": listed}


def bind(name: str, subject: str, namespace: str = "") -> dict[str, Any]:
    """Subject as ``User/ann``, ``Group/dev`` or ``ServiceAccount/ns/name``."""
    kind, *rest = subject.split("/")
    who = {"kind": kind, "name": rest[-1], **({"namespace": rest[0]} if kind == "ServiceAccount" else {})}
    return {
        "apiVersion": f"{API}/v1",
        "kind": "RoleBinding" if namespace else "ClusterRoleBinding",
        "metadata": {"name": f"{name}-{rest[-1]}", **({"namespace": namespace} if namespace else {})},
        "roleRef": {"apiGroup": API, "kind": "Role" if namespace else "ClusterRole", "name": name},
        "subjects": [who],
    }


def account(name: str, namespace: str, *secrets: str) -> dict[str, Any]:
    metadata = {"name": name, "namespace": namespace}
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": metadata,
        "secrets": [{"name": item} for item in secrets],
    }


OPERATOR = "ServiceAccount/ops/operator"
ADMIN = [role("boss", ("*", "*", "*")), bind("boss", OPERATOR), account("operator", "ops")]


def path(subject: str, *documents: dict[str, Any]) -> list[str]:
    """Where a path leads, node by node."""
    return [hop.to for hop in path_to_admin(build(documents, default=READ), subject)]


def test_holding_everything_is_one_step() -> None:
    assert path(OPERATOR, *ADMIN) == ["cluster-admin"]


def test_running_pods_in_the_right_namespace_is_three() -> None:
    documents = [role("dev", ("", "pods", "create"), namespace="ops"), bind("dev", "User/ann", "ops"), *ADMIN]
    assert path("User/ann", *documents) == ["accounts:ops", OPERATOR, "cluster-admin"]


def test_running_pods_elsewhere_leads_nowhere() -> None:
    documents = [
        role("dev", ("", "pods", "create"), namespace="shop"),
        bind("dev", "User/ann", "shop"),
        *ADMIN,
    ]
    assert path("User/ann", *documents) == []


@pytest.mark.parametrize(("names", "reaches"), [(("operator",), True), (("other",), False)])
def test_minting_tokens_of_a_name_in_every_namespace(names: tuple[str, ...], reaches: bool) -> None:
    documents = [
        role("mint", ("", "serviceaccounts/token", "create"), names=names),
        bind("mint", "User/ann"),
        *ADMIN,
    ]
    assert bool(path("User/ann", *documents)) is reaches


def test_reading_secrets_reaches_accounts_with_token_secrets_only() -> None:
    reader = [role("read", ("", "secrets", "list"), namespace="ops"), bind("read", "User/ann", "ops")]
    assert path("User/ann", *reader, *ADMIN) == []
    with_token = [*ADMIN[:2], account("operator", "ops", "operator-token-x")]
    assert path("User/ann", *reader, *with_token) == ["tokens:ops", OPERATOR, "cluster-admin"]


def test_rights_of_every_account_are_rights_of_each() -> None:
    documents = [*ADMIN[:1], bind("boss", "Group/system:serviceaccounts:shop"), account("web", "shop")]
    group = "Group/system:serviceaccounts:shop"
    assert path("ServiceAccount/shop/web", *documents) == [group, "cluster-admin"]


def test_several_hops_and_a_ring() -> None:
    documents = [
        role("a", ("", "pods", "create"), namespace="one"),
        bind("a", "User/ann", "one"),
        role("b", ("", "serviceaccounts/token", "create"), namespace="two"),
        bind("b", "ServiceAccount/one/builder", "two"),
        role("c", ("", "pods", "create"), namespace="one"),
        bind("c", "ServiceAccount/two/deployer", "one"),
        role("d", (API, "clusterroles", "bind"), (API, "clusterrolebindings", "create")),
        bind("d", "ServiceAccount/two/deployer"),
    ]
    assert path("User/ann", *documents) == [
        "accounts:one",
        "ServiceAccount/one/builder",
        "accounts:two",
        "ServiceAccount/two/deployer",
        "cluster-admin",
    ]


def test_approving_certificates_leads_nowhere_on_eks() -> None:
    group = "certificates.k8s.io"
    documents = [
        role("csr", (group, "certificatesigningrequests/approval", "update"), (group, "signers", "approve")),
        bind("csr", "User/ann"),
    ]
    assert path("User/ann", *documents) == []


@pytest.mark.parametrize(
    ("mode", "reaches"), [("API", False), ("API_AND_CONFIG_MAP", True), ("CONFIG_MAP", True)]
)
def test_aws_auth_counts_while_the_cluster_reads_it(mode: str, reaches: bool) -> None:
    cluster = {"cluster": {"name": "prod", "arn": "arn", "accessConfig": {"authenticationMode": mode}}}
    documents = [role("cm", ("", "configmaps", "update")), bind("cm", "User/ann"), cluster]
    assert bool(path("User/ann", *documents)) is reaches
