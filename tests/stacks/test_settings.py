from __future__ import annotations

import sys
from datetime import date
from pathlib import Path

import pytest
from aws_cdk import App, Stack

from hullwatch.errors import ConfigurationError
from hullwatch.settings import EXCEPTIONS_PACKAGE, Environment, accepted_risks
from hullwatch.settings import Settings as RuntimeSettings
from stacks.constructs import layer
from stacks.settings import Settings, read, schema

ROOT = Path(__file__).resolve().parents[2]


def _read(directory: Path, text: str) -> Settings:
    path = directory / "hullwatch.yaml"
    path.write_text(text)
    return read(path)


def test_the_file_that_is_shipped_spells_out_the_defaults() -> None:
    assert read(ROOT / "config/hullwatch.yaml") == Settings()


def test_an_empty_file_means_the_defaults(tmp_path: Path) -> None:
    assert _read(tmp_path, "") == Settings()
    assert Settings().runtime() == RuntimeSettings()


def test_the_schema_is_up_to_date() -> None:
    assert (ROOT / "config/schema.json").read_text() == schema(), "run `make docs`"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("scan: {inclde: []}", "scan.inclde: no such setting"),
        ("colour: red", "colour: no such setting"),
        ("scan: {include: [nginx]}", "scan.include.0: 'nginx' does not fit"),
        ("version: 2", "version: Input should be 1"),
        ("findings: {group_by: image}", "findings.group_by: Input should be 'package' or 'vulnerability'"),
        ("advisories: {feeds: [osv, nope]}", "advisories.feeds.1: no feed is called 'nope'"),
        ("advisories: {feeds: []}", "advisories.feeds:"),
        ("network: {subnets: [subnet-01234567]}", "network: subnets and security_groups go together"),
        ("security: {log_retention_days: 8}", "security.log_retention_days: Input should be 1, 3,"),
        ("security: {name_prefix: Acme}", "security.name_prefix: 'Acme' does not fit"),
        ("tracks: [{match: 'a:*'}]", "tracks.0.name: Field required"),
        ("- a\n- b", "Input should be a valid dictionary"),
        ("a: [", "cannot be read: while parsing"),
        (
            "scan: {exclude: [" + ", ".join(f"'{'x' * 90}{n}:*'" for n in range(40)) + "]}",
            "patterns and rules",
        ),
    ],
)
def test_a_mistake_is_one_clear_line(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        _read(tmp_path, text)
    message = str(raised.value)
    assert said in message
    assert message.startswith(str(tmp_path / "hullwatch.yaml"))
    assert "\n" not in message


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read(tmp_path / "missing.yaml")


RISK = "{control: k8s.pod.*, resource: 'Pod/*', reason: legacy, owner: ops, until: 2026-12-31}"


def test_accepted_risks_reach_a_function_in_their_layer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layer, "EXCEPTIONS", tmp_path / "layers")
    many = ", ".join([RISK] * 500)
    settings = _read(tmp_path, f"posture: {{exceptions: [{many}]}}")
    layer.exceptions_layer(Stack(App(), "test"), settings)
    assert accepted_risks() == ()
    (directory,) = (tmp_path / "layers").iterdir()
    monkeypatch.syspath_prepend(directory / "python")
    monkeypatch.delitem(sys.modules, EXCEPTIONS_PACKAGE, raising=False)
    (risk,) = set(accepted_risks())
    assert (risk.control, risk.cluster, risk.until) == ("k8s.pod.*", "*", date(2026, 12, 31))
    assert len(accepted_risks()) == 500


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("until: soon", "posture.exceptions.0.until: Input should be a valid date"),
        ("owner: ''", "posture.exceptions.0.owner: String should have at least 1 character"),
        ("colour: red", "posture.exceptions.0.colour: no such setting"),
    ],
)
def test_an_accepted_risk_has_an_owner_and_an_end(tmp_path: Path, change: str, said: str) -> None:
    key = change.partition(":")[0]
    kept = [part for part in RISK.strip("{}").split(", ") if not part.startswith(f"{key}:")]
    with pytest.raises(ConfigurationError, match=said):
        _read(tmp_path, f"posture: {{exceptions: [{{{', '.join([*kept, change])}}}]}}")


def test_repositories_become_patterns_of_iam(tmp_path: Path) -> None:
    settings = _read(tmp_path, "scan: {include: ['prod/*:v*', 'prod/*:main', 'base-[0-9]:*', 'a?:*']}")
    assert settings.repositories() == ["a?", "base-?", "prod/*"]
    assert Settings().repositories() == ["*"]


@pytest.mark.parametrize(
    ("repository", "tag", "covered"),
    [
        ("prod/api", "v1", True),
        ("prod/api", "", True),
        ("prod/api", "cache-1", False),
        ("dev/api", "v1", False),
        ("dev/api", "", False),
    ],
)
def test_what_is_covered(repository: str, tag: str, covered: bool) -> None:
    settings = RuntimeSettings(include=("prod/*:*",), exclude=("*:cache-*",))
    assert settings.covers(repository, tag) is covered


def test_variables_are_read_as_they_were_written(tmp_path: Path) -> None:
    settings = _read(
        tmp_path,
        "tracks: [{match: 'a:*', name: b}]\nfindings: {security_hub: false}\nadvisories: {mirror: 'https://m'}",
    ).runtime()
    written = Environment(
        account="1",
        table="table",
        bucket="bucket",
        bus="bus",
        partition="aws-cn",
        intake_queue_url="https://queue",
        scan_state_machine_arn="arn",
        settings=settings,
    )
    variables = written.variables()
    assert "AWS_REGION" not in variables
    assert Environment.read({**variables, "AWS_REGION": "eu-west-1"}) == Environment(
        **{field: getattr(written, field) for field in written.__struct_fields__ if field != "region"},
        region="eu-west-1",
    )


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({}, "HULLWATCH_ACCOUNT is not set"),
        ({"HULLWATCH_SETTINGS": '{"group": 1}'}, "HULLWATCH_SETTINGS"),
        ({"HULLWATCH_SETTINGS": "{"}, "HULLWATCH_SETTINGS"),
    ],
)
def test_an_environment_that_does_not_fit(variables: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        Environment.read(variables)
