"""``controls``: the catalogue as a user sees it."""

from __future__ import annotations

import json

import typer
from typer.testing import CliRunner

from hullwatch.cli.controls import controls
from hullwatch.errors import UserError
from hullwatch.posture.catalogue import catalogue

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
