"""``check`` as a user runs it: what it prints, and how it ends."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from click.testing import Result
from jsonschema import Draft7Validator
from typer.testing import CliRunner

from fakes.sarif_contract import SARIF
from hullwatch.cli.check import check
from hullwatch.errors import UserError
from hullwatch.posture.engine import Control

app = typer.Typer()
app.command()(check)

RESTRICTED: dict[str, Any] = {
    "allowPrivilegeEscalation": False,
    "runAsNonRoot": True,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}


def pod(**security: Any) -> str:
    container = {"name": "app", "image": "nginx:1", "securityContext": security}
    metadata = {"name": "web", "namespace": "shop"}
    return json.dumps(
        {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [container]}}
    )


def run(*arguments: str | Path, stdin: str | None = None) -> Result:
    return CliRunner().invoke(app, [str(item) for item in arguments], input=stdin)


@pytest.mark.parametrize(
    ("security", "baseline", "restricted"),
    [
        ({}, 0, 1),
        (RESTRICTED, 0, 0),
        ({"privileged": True}, 1, 1),
        ({**RESTRICTED, "privileged": True}, 1, 1),
        ({**RESTRICTED, "allowPrivilegeEscalation": True}, 0, 1),
        ({**RESTRICTED, "runAsNonRoot": False}, 0, 1),
        ({**RESTRICTED, "runAsUser": 0}, 0, 1),
        ({**RESTRICTED, "capabilities": {"drop": ["NET_RAW"]}}, 0, 1),
        ({**RESTRICTED, "capabilities": {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]}}, 0, 0),
        ({**RESTRICTED, "capabilities": {"drop": ["ALL"], "add": ["SYS_ADMIN"]}}, 1, 1),
        ({**RESTRICTED, "seccompProfile": {"type": "Unconfined"}}, 1, 1),
        ({**RESTRICTED, "procMount": "Unmasked"}, 1, 1),
    ],
)
def test_a_standard_answers_by_exit_code(security: dict[str, Any], baseline: int, restricted: int) -> None:
    codes = [
        run("-", "--standard", name, stdin=pod(**security)).exit_code
        for name in ("pss-baseline", "pss-restricted")
    ]
    assert codes == [baseline, restricted]


def test_the_version_decides_which_rules_hold() -> None:
    old = {key: value for key, value in RESTRICTED.items() if key != "seccompProfile"}
    arguments = ("-", "--standard", "pss-restricted", "--kubernetes-version")
    assert run(*arguments, "1.18", stdin=pod(**old)).exit_code == 0
    assert run(*arguments, "1.34", stdin=pod(**old)).exit_code == 1


def test_json_names_file_path_and_value(tmp_path: Path) -> None:
    (tmp_path / "pod.json").write_text(pod(privileged=True))
    (tmp_path / "values.yaml").write_text("replicas: 1\n")
    done = run(tmp_path, "--format", "json", "--control", "k8s.pod.privileged", "--verbose")
    report = json.loads(done.stdout)
    assert done.exit_code == 0
    assert "skipped" in done.stderr
    assert report["schema"] == 1
    (result,) = report["results"]
    assert (result["verdict"], result["resource"]) == ("FAILED", "Pod/shop/web")
    assert result["file"] == str(tmp_path / "pod.json")
    assert result["violations"][0]["path"].endswith("securityContext.privileged")
    assert result["violations"][0]["value"] is True


def test_sarif_holds_only_what_failed(tmp_path: Path) -> None:
    file = tmp_path / "pod.yaml"
    file.write_text(pod(privileged=True))
    whole = json.loads(run(file, "--format", "sarif").stdout)
    Draft7Validator(SARIF).validate(whole)
    regions = [
        item["locations"][0]["physicalLocation"]["region"]["startLine"]
        for item in whole["runs"][0]["results"]
    ]
    assert set(regions) == {1}
    done = run("-", "--format", "sarif", "--standard", "pss-baseline", stdin=pod(privileged=True))
    (only,) = json.loads(done.stdout)["runs"][0]["results"]
    assert only["ruleId"] == "k8s.pod.privileged"


def test_the_table_explains() -> None:
    done = run("-", "--standard", "pss-baseline", stdin=pod(privileged=True))
    assert "Pod/shop/web" in done.stdout
    assert "fix: " in done.stdout
    assert "1 failed" in done.stdout


def test_fail_on_counts_from_its_severity() -> None:
    only = ("-", "--control", "k8s.pod.privileged", "--fail-on")
    assert run(*only, "high", stdin=pod(privileged=True)).exit_code == 1
    assert run(*only, "any", stdin=pod(privileged=False)).exit_code == 0


def test_an_object_that_cannot_be_read_is_incomplete() -> None:
    broken = '{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}, "spec": {"containers": 7}}'
    assert run("-", "--standard", "pss-baseline", stdin=broken).exit_code == 3


def test_what_is_unusable_is_one_error(tmp_path: Path) -> None:
    invalid = tmp_path / "invalid.yaml"
    invalid.write_text("a: [")
    empty = tmp_path / "empty"
    empty.mkdir()
    for path in (invalid, empty, tmp_path / "absent.yaml"):
        assert isinstance(run(path).exception, UserError)
    assert isinstance(run("-", "--standard", "nonsense", stdin=pod()).exception, UserError)


def test_one_broken_file_of_a_directory_costs_only_itself(tmp_path: Path) -> None:
    (tmp_path / "a-template.yaml").write_text("kind: Pod\nimage: {{ .Values.image }}\n")
    (tmp_path / "pod.json").write_text(pod(**RESTRICTED))
    done = run(tmp_path, "--standard", "pss-restricted")
    assert done.exit_code == 3
    assert "render it first" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    (tmp_path / "pod.json").write_text(pod(privileged=True))
    assert run(tmp_path, "--standard", "pss-restricted").exit_code == 1


TASK = {
    "taskDefinition": {
        "family": "shop",
        "revision": 7,
        "networkMode": "host",
        "containerDefinitions": [
            {
                "name": "app",
                "image": "app:1",
                "privileged": True,
                "environment": [{"name": "DB_PASSWORD", "value": "correct-horse-battery"}],
            }
        ],
    }
}
REPOSITORIES = {"repositories": [{"repositoryName": "shop", "imageTagMutability": "MUTABLE"}]}
CLUSTER = {
    "cluster": {
        "name": "prod",
        "resourcesVpcConfig": {"endpointPublicAccess": True, "publicAccessCidrs": ["0.0.0.0/0"]},
    }
}


@pytest.mark.parametrize(
    ("document", "failing"),
    [
        (TASK, {"ecs.task.privileged", "ecs.task.secret-env"}),
        (TASK["taskDefinition"], {"ecs.task.privileged", "ecs.task.secret-env"}),
        (REPOSITORIES, {"ecr.repo.tags-mutable"}),
        (CLUSTER, {"eks.endpoint.public-open"}),
    ],
    ids=["describe-task-definition", "task definition", "describe-repositories", "describe-cluster"],
)
def test_documents_of_aws(tmp_path: Path, document: dict[str, Any], failing: set[str]) -> None:
    file = tmp_path / "answer.json"
    file.write_text(json.dumps(document, indent=2))
    done = run(file, "--format", "json", "--fail-on", "any")
    assert done.exit_code == 1
    results = [item for item in json.loads(done.stdout)["results"] if item["verdict"] == "FAILED"]
    assert failing <= {item["control"] for item in results}
    assert {item["file"] for item in results if item["control"] in failing} == {str(file)}
    assert "correct-horse" not in done.stdout


def test_an_answer_that_does_not_fit_is_incomplete(tmp_path: Path) -> None:
    file = tmp_path / "answer.json"
    file.write_text(json.dumps({"taskDefinition": {"family": "shop", "containerDefinitions": "none"}}))
    done = run(file, "--format", "json")
    assert done.exit_code == 3
    assert {item["cause"] for item in json.loads(done.stdout)["results"]} >= {"unreadable"}


def test_what_files_cannot_tell_is_no_defect_of_theirs() -> None:
    done = run("-", "--format", "json", stdin=pod(**RESTRICTED))
    assert done.exit_code == 0
    causes = {item["cause"] for item in json.loads(done.stdout)["results"]}
    assert causes & {"not-read", "partial"}


def test_the_table_gives_the_reasons_for_missing_verdicts() -> None:
    short = run("-", stdin=pod(**RESTRICTED))
    assert "Could not be judged" in short.stdout
    assert "not read" in short.stdout
    long = run("-", "--verbose", stdin=pod(**RESTRICTED))
    assert len(long.stdout.splitlines()) > len(short.stdout.splitlines())


def test_only_the_named_controls_are_evaluated(monkeypatch: pytest.MonkeyPatch) -> None:
    judged: list[str] = []

    def watched(_: object, controls: list[Control], __: object) -> list[object]:
        judged.extend(item.id for item in controls)
        return []

    monkeypatch.setattr("hullwatch.posture.standards.evaluate", watched)
    run("-", "--control", "k8s.pod.privileged", stdin=pod())
    assert judged == ["k8s.pod.privileged"]


def test_files_are_checked_without_what_only_live_checks_need() -> None:
    code = (
        "import sys, typer; from hullwatch.cli.check import check\n"
        "app = typer.Typer(); app.command()(check)\n"
        "app(standalone_mode=False)\n"
        "print([name for name in ('botocore', 'urllib3', 'hullwatch.kubernetes') if name in sys.modules])"
    )
    command = [sys.executable, "-c", code, "-", "--standard", "pss-baseline", "--output", os.devnull]
    done = subprocess.run(command, input=pod(), capture_output=True, text=True, check=False, timeout=60)
    assert done.stdout == "[]\n", done.stderr


def test_as_a_process() -> None:
    code = "import typer; from hullwatch.cli.check import check; typer.run(check)"
    command = [sys.executable, "-c", code, "-", "--standard", "pss-baseline"]
    done = subprocess.run(command, input=pod(), capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""


def test_the_report_says_where_standards_ask_for_a_control() -> None:
    report = json.loads(run("-", "--format", "json", stdin=pod(privileged=True)).stdout)
    (result,) = (item for item in report["results"] if item["control"] == "k8s.pod.privileged")
    assert "NIST.800-53.r5 AC-6" in result["requirements"]
    assert "CIS Amazon EKS Benchmark v1.8.0/4.2.1" in result["requirements"]
