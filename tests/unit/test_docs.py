"""The pages for people: their links lead somewhere, and what they name exists."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel
from typer.main import get_command

from hullwatch.cli.main import app
from hullwatch.findings.affected import AffectedReport
from hullwatch.findings.report import LookupReport, ScanReport
from hullwatch.posture.report import CheckReport
from stacks.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")])
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_relative_links_resolve(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if not re.match(r"[a-z]+:|#", target):
            assert (page.parent / target.partition("#")[0]).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_no_section_stands_twice(page: Path) -> None:
    sections = re.findall(r"^## (.+)", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(sections) == len(set(sections))


def test_the_readme_names_commands_and_options_that_exist() -> None:
    blocks = re.findall(r"^```(?:sh|console)\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    lines = re.findall(r"^(?:\$ )?hullwatch ([^#\n]+)", "".join(blocks), re.MULTILINE)
    assert len(lines) >= 5
    for line in lines:
        command = get_command(app)
        for word in line.split():
            inner = getattr(command, "commands", None)
            if inner is None:
                break
            command = inner[word]
        options = {name for parameter in command.params for name in parameter.opts}
        assert set(re.findall(r"--[a-z-]+", line)) <= options, line


def test_the_readme_names_targets_that_make_has() -> None:
    targets = set(
        re.findall(r"^([a-z]+):.*##", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    )
    named = set(re.findall(r"(?:`|^|\$ )make ([a-z]+)", README, re.MULTILINE))
    assert {"demo", "test"} <= named <= targets


def test_every_field_of_the_json_is_documented() -> None:
    page = (ROOT / "docs" / "json.md").read_text(encoding="utf-8")
    models = (ScanReport, LookupReport, AffectedReport, CheckReport)
    schemas = [model.model_json_schema(by_alias=True) for model in models]
    for schema in schemas:
        for part in (schema, *schema["$defs"].values()):
            for name in part.get("properties", {}):
                assert f"| `{name}` |" in page, f"{part['title']}.{name}"


def test_every_setting_is_documented() -> None:
    page = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    for key in _keys(Settings):
        assert f"| `{key}` |" in page, key


def _keys(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from _keys(kind, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"
