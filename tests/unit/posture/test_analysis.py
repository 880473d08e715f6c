"""Selectors, RBAC, IAM, references and secrets: the parts that controls build on."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hullwatch.posture.analysis import iam, secret_values
from hullwatch.posture.analysis.rbac import permits
from hullwatch.posture.analysis.references import parse_reference
from hullwatch.posture.model.account import IamPolicy, IamRole
from hullwatch.posture.model.rbac import Rule
from hullwatch.posture.readers import selectors

LABELS = {"app": "web", "tier": "front-end", "app.kubernetes.io/name": "web"}


@pytest.mark.parametrize(
    ("selector", "matches"),
    [
        ("", True),
        ("all()", True),
        ("global()", True),
        ("app == 'web'", True),
        ('app == "api"', False),
        ("app != 'api'", True),
        ("missing != 'x'", True),
        ("app in {'web', 'api'}", True),
        ("app not in {'web'}", False),
        ("missing not in {'web'}", True),
        ("has(app) && !has(missing)", True),
        ("app == 'x' || tier starts with 'front'", True),
        ("tier ends with 'end' && tier contains 't-e'", True),
        ("!(app == 'web' || has(tier))", False),
        ("app.kubernetes.io/name == 'web'", True),
        ("!!has(app)", True),
    ],
)
def test_calico_selectors(selector: str, matches: bool) -> None:
    assert selectors.calico_labels(selector)(LABELS) is matches


@pytest.mark.parametrize(
    "selector", ["app =", "app == web", "(has(app)", "has(app))", "app in {'a'", "#", "(" * 200, "&& a"]
)
def test_calico_selectors_that_do_not_parse(selector: str) -> None:
    with pytest.raises(selectors.SelectorSyntax):
        selectors.calico_labels(selector)


@given(st.text(max_size=80))
def test_any_text_is_a_calico_selector_or_an_error(selector: str) -> None:
    try:
        match = selectors.calico_labels(selector)
    except selectors.SelectorSyntax:
        return
    assert isinstance(match(LABELS), bool)


@pytest.mark.parametrize(
    ("selector", "matches"),
    [
        ({}, True),
        ({"matchLabels": {"app": "web"}}, True),
        ({"matchLabels": {"app": "web", "x": "y"}}, False),
        ({"matchExpressions": [{"key": "app", "operator": "In", "values": ["web"]}]}, True),
        ({"matchExpressions": [{"key": "x", "operator": "NotIn", "values": ["web"]}]}, True),
        ({"matchExpressions": [{"key": "x", "operator": "DoesNotExist"}]}, True),
        ({"matchExpressions": [{"key": "app", "operator": "Gt", "values": ["1"]}]}, False),
    ],
)
def test_label_selectors(selector: dict[str, Any], matches: bool) -> None:
    assert selectors.label_selector(selector)(LABELS) is matches


def test_cilium_selectors_know_sources_and_the_namespace() -> None:
    match = selectors.cilium({"matchLabels": {"k8s:app": "web", "k8s:io.kubernetes.pod.namespace": "shop"}})
    assert match(LABELS, "shop", {})
    assert not match(LABELS, "other", {})


@pytest.mark.parametrize(
    ("rule", "resource", "group", "given"),
    [
        (Rule(api_groups=("",), resources=("pods",), verbs=("get",)), "pods", "", "get"),
        (Rule(api_groups=("",), resources=("pods",), verbs=("*",)), "pods", "", "get"),
        (Rule(api_groups=("",), resources=("pods",), verbs=("get",)), "pods/exec", "", ""),
        (Rule(api_groups=("",), resources=("*",), verbs=("get",)), "pods/exec", "", "get"),
        (Rule(api_groups=("",), resources=("*/exec",), verbs=("get",)), "pods/exec", "", "get"),
        (Rule(api_groups=("*",), resources=("secrets",), verbs=("get",)), "secrets", "", "get"),
        (Rule(api_groups=("apps",), resources=("secrets",), verbs=("get",)), "secrets", "", ""),
    ],
)
def test_rbac_rules_match_as_the_api_server_does(rule: Rule, resource: str, group: str, given: str) -> None:
    assert permits(rule, ("get",), group, resource) == given


def role(*statements: dict[str, Any], boundary: list[dict[str, Any]] | None = None) -> IamRole:
    limit = IamPolicy(name="b", document={"Statement": boundary}) if boundary is not None else None
    policies = (IamPolicy(name="p", document={"Statement": list(statements)}),)
    return IamRole(arn="arn:aws:iam::1:role/r", policies=policies, boundary=limit)


def allow(action: str, **fields: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": "*", **fields}


def deny(action: str, **fields: Any) -> dict[str, Any]:
    return {"Effect": "Deny", "Action": action, "Resource": "*", **fields}


@pytest.mark.parametrize(
    ("subject", "escalates"),
    [
        (role(allow("*")), True),
        (role(allow("iam:Put*")), True),
        (role(allow("IAM:putrolepolicy")), True),
        (role(allow("s3:*")), False),
        (role(allow("iam:PassRole")), False),
        (role(allow("iam:PassRole"), allow("ec2:RunInstances")), True),
        (role({"Effect": "Allow", "NotAction": "s3:*", "Resource": "*"}), True),
        (role(allow("iam:PutRolePolicy"), deny("iam:*")), False),
        (role(allow("iam:PutRolePolicy"), deny("iam:*", Condition={"Bool": {"aws:x": "true"}})), True),
        (role(allow("iam:PutRolePolicy", Resource="arn:aws:iam::1:role/own")), False),
        (role(allow("iam:PutRolePolicy", Resource="arn:aws:iam::1:role/*")), True),
        (role(allow("*"), boundary=[allow("s3:*")]), False),
        (
            role(
                allow("*"),
                boundary=[
                    allow("*"),
                    deny("iam:*"),
                    deny("sts:*"),
                    deny("lambda:*"),
                    deny("ssm:*"),
                    deny("eks:*"),
                ],
            ),
            False,
        ),
        (role(), False),
    ],
)
def test_escalation_in_iam(subject: IamRole, escalates: bool) -> None:
    assert any(isinstance(found, iam.Escalation) for found in iam.escalations(subject)) is escalates


def test_a_boundary_nobody_could_read_is_no_verdict() -> None:
    subject = IamRole(
        arn="arn:aws:iam::1:role/r",
        policies=(IamPolicy(name="p", document={"Statement": [allow("*")]}),),
        boundary=IamPolicy(name="limit"),
    )
    assert list(iam.escalations(subject)) == ["the permissions boundary limit was not read"]


@pytest.mark.parametrize(
    ("image", "host", "repository", "tag", "digest"),
    [
        ("nginx", "docker.io", "library/nginx", "", ""),
        ("shop/web:1", "docker.io", "shop/web", "1", ""),
        ("index.docker.io/nginx", "docker.io", "library/nginx", "", ""),
        ("localhost/web", "localhost", "web", "", ""),
        ("registry:5000/a/b:2@sha256:0", "registry:5000", "a/b", "2", "sha256:0"),
        ("registry.k8s.io/pause", "registry.k8s.io", "pause", "", ""),
    ],
)
def test_image_references(image: str, host: str, repository: str, tag: str, digest: str) -> None:
    found = parse_reference(image)
    assert (found.host, found.repository, found.tag, found.digest) == (host, repository, tag, digest)


@pytest.mark.parametrize(
    ("name", "value", "confidence"),
    [
        ("DB_PASSWORD", "hT7v!qz9LmX2", "likely"),
        ("clientSecret", "9f8e7d6c5b4a39281706", "likely"),
        ("ANYTHING", "AKIAQ3EGRTYUIOPLKJHA", "certain"),
        ("DATABASE_URL", "postgres://app:s3cr3tpw@db:5432/x", "certain"),
        ("DATABASE_URL", "postgres://app:$PASSWORD@db:5432/x", None),
        ("DB_PASSWORD", "$(DB_PASSWORD)", None),
        ("DB_PASSWORD", "changeme-please", None),
        ("DB_PASSWORD", "", None),
        ("DB_PASSWORD_FILE", "/run/secrets/db", None),
        ("SECRET_NAME", "prod-database-credentials", None),
        ("TOKEN_TTL", "86400000000", None),
        ("API_KEY", "arn:aws:secretsmanager:eu-central-1:1:secret:x", None),
        ("PASSWORD", "aaaaaaaaaaaa", None),
        ("LOG_LEVEL", "hT7v!qz9LmX2", None),
        ("TOKENIZER", "hT7v!qz9LmX2", None),
    ],
)
def test_secrets(name: str, value: str, confidence: str | None) -> None:
    secret = secret_values.find(name, value)
    assert (secret.confidence if secret else None) == confidence
    if secret:
        assert value not in str(secret)
