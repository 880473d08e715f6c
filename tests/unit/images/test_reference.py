from pathlib import Path

import pytest

from hullwatch.errors import UserError
from hullwatch.images.reference import EcrRegistry, Target, parse_ecr_host, parse_target

DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("oci:layout", Target(kind="oci", path="layout")),
        ("oci:/srv/layout:v1.2", Target(kind="oci", path="/srv/layout", reference="v1.2")),
        (f"oci:layout@{DIGEST}", Target(kind="oci", path="layout", reference=DIGEST)),
        ("docker-archive:app.tar", Target(kind="docker-archive", path="app.tar")),
        ("docker-archive:app.tar:v1", Target(kind="docker-archive", path="app.tar", reference="v1")),
        (
            "ghcr.io/org/app:v1",
            Target(kind="registry", host="ghcr.io", repository="org/app", reference="v1"),
        ),
        ("ghcr.io/app", Target(kind="registry", host="ghcr.io", repository="app", reference="latest")),
        (
            f"localhost:5000/a/b__c-d@{DIGEST}",
            Target(kind="registry", host="localhost:5000", repository="a/b__c-d", reference=DIGEST),
        ),
        (
            f"registry.example/app:v1@{DIGEST}",
            Target(kind="registry", host="registry.example", repository="app", reference=DIGEST),
        ),
        (
            "123456789012.dkr.ecr.eu-central-1.amazonaws.com/team/app:v1",
            Target(
                kind="registry",
                host="123456789012.dkr.ecr.eu-central-1.amazonaws.com",
                repository="team/app",
                reference="v1",
                ecr=EcrRegistry(account="123456789012", region="eu-central-1"),
            ),
        ),
    ],
)
def test_targets(text: str, expected: Target) -> None:
    assert parse_target(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "alpine",
        "alpine:3.16",
        "library/alpine:3.16",
        "oci:",
        "./missing",
        "ghcr.io/Org/app:v1",
        "ghcr.io/app:",
        "ghcr.io/app@sha256:short",
        "ghcr.io/app:not/a/tag",
        "bad host.io/app",
        "ghcr.io/" + "a" * 256,
        "x" * 5000,
    ],
)
def test_what_is_no_target_is_the_users_error(text: str) -> None:
    with pytest.raises(UserError):
        parse_target(text)


def test_a_path_that_exists_tells_its_kind(tmp_path: Path) -> None:
    (tmp_path / "image.tar").touch()
    assert parse_target(str(tmp_path)).kind == "oci"
    assert parse_target(str(tmp_path / "image.tar")).kind == "docker-archive"


def test_a_colon_that_belongs_to_an_existing_path_stays_with_it(tmp_path: Path) -> None:
    layout = tmp_path / "odd:name"
    layout.mkdir()
    assert parse_target(f"oci:{layout}") == Target(kind="oci", path=str(layout))


@pytest.mark.parametrize(
    ("host", "region"),
    [
        ("123456789012.dkr.ecr.us-east-1.amazonaws.com", "us-east-1"),
        ("123456789012.dkr.ecr-fips.us-gov-west-1.amazonaws.com", "us-gov-west-1"),
        ("123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn", "cn-north-1"),
        ("123456789012.dkr-ecr.eu-west-1.on.aws", "eu-west-1"),
    ],
)
def test_private_ecr_registries_are_recognised(host: str, region: str) -> None:
    assert parse_ecr_host(host) == EcrRegistry(account="123456789012", region=region)


@pytest.mark.parametrize(
    "host",
    [
        "public.ecr.aws",
        "123.dkr.ecr.us-east-1.amazonaws.com",
        "123456789012.dkr.ecr.us-east-1.amazonaws.com.example",
        "x123456789012.dkr.ecr.us-east-1.amazonaws.com",
    ],
)
def test_other_hosts_are_not_private_ecr(host: str) -> None:
    assert parse_ecr_host(host) is None


@pytest.mark.parametrize(
    "text",
    ["oci:/srv/layout:v1", "docker-archive:app.tar", f"ghcr.io/org/app@{DIGEST}", "ghcr.io/org/app:v1"],
)
def test_a_target_reads_like_what_was_parsed(text: str) -> None:
    assert str(parse_target(text)) == text
