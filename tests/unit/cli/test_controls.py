"""``controls``: the catalogue as a user sees it."""

from __future__ import annotations

import json
from pathlib import Path

import typer
from typer.testing import CliRunner

from hullwatch.cli.controls import controls
from hullwatch.errors import UserError
from hullwatch.posture.catalogue import catalogue
from hullwatch.posture.standards import entries_of

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "controls.md"
app = typer.Typer()
app.command()(controls)


def test_filters_narrow_the_list() -> None:
    done = CliRunner().invoke(app, ["--scope", "k8s-rbac", "--severity", "critical", "--format", "json"])
    listed = [entry["id"] for entry in json.loads(done.stdout)["controls"]]
    expected = [
        entry.id
        for entry in catalogue().values()
        if (entry.scope, entry.severity) == ("k8s-rbac", "critical")
    ]
    assert listed == expected


def test_the_whole_catalogue_is_listed() -> None:
    done = CliRunner().invoke(app, [])
    assert f"{len(catalogue())} controls" in done.stdout


def test_the_page_is_what_the_command_writes() -> None:
    done = CliRunner().invoke(app, ["--format", "markdown"])
    assert PAGE.read_text(encoding="utf-8") == done.stdout, "run make docs"
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert "hullwatch controls --format markdown > docs/controls.md" in makefile


def test_a_page_may_be_of_some_controls() -> None:
    page = CliRunner().invoke(app, ["--standard", "pss-baseline", "--format", "markdown"]).stdout
    members = len(entries_of("pss-baseline"))
    assert page.count("\n### ") == members
    assert f"| pss-baseline | {members} |" in page
    assert "## Amazon ECR" not in page


def test_one_control_is_explained() -> None:
    done = CliRunner().invoke(app, ["k8s.pod.privileged"])
    entry = catalogue()["k8s.pod.privileged"]
    assert entry.why in done.stdout
    assert entry.fix in done.stdout
    assert "Needs: pods" in done.stdout


def test_an_unknown_control_is_an_error() -> None:
    assert isinstance(CliRunner().invoke(app, ["nonsense"]).exception, UserError)


def test_an_unknown_scope_names_the_choices() -> None:
    error = CliRunner().invoke(app, ["--scope", "image"]).exception
    assert isinstance(error, UserError)
    assert "image-config" in str(error)
