from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from stacks.constructs.layer import install_dependencies
from stacks.platform import LambdaPlatform
from tests.stacks.assembly import Assembly

ROOT = Path(__file__).resolve().parents[2]


def _content(assembly: Assembly, description: str) -> Path:
    """The directory of a layer; it is the same in every stack."""
    (key,) = {
        layer.properties["Content"]["S3Key"]
        for layer in assembly.resources("AWS::Lambda::LayerVersion")
        if layer.properties["Description"].startswith(description)
    }
    return assembly.directory / f"asset.{key.removesuffix('.zip')}"


def test_the_library_is_shipped_without_the_command_line(assembly: Assembly) -> None:
    shipped = _content(assembly, "The hullwatch library") / "python/hullwatch"
    source = ROOT / "layers/hullwatch/python/hullwatch"
    expected = {
        path.relative_to(source)
        for path in source.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and path.relative_to(source).parts[0] != "cli"
    }
    assert {path.relative_to(shipped) for path in shipped.rglob("*") if path.is_file()} == expected


def test_packages_are_those_of_the_deployed_platform(assembly: Assembly) -> None:
    packages = _content(assembly, "Third-party packages") / "python"
    assert (packages / "pydantic/__init__.py").is_file()
    extensions = [path.name for path in packages.rglob("*.so")]
    assert extensions
    assert all("aarch64" in name and ("cpython-314" in name or "abi3" in name) for name in extensions)
    assert not (packages / "bin").exists()
    # Lambda's limit is 250 MB for a function and all its layers.
    assert sum(path.stat().st_size for path in packages.rglob("*") if path.is_file()) < 120_000_000


def test_what_was_installed_once_is_not_installed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    first = install_dependencies(LambdaPlatform.local())

    def refuse(*arguments: object, **options: object) -> None:
        pytest.fail("installed again")

    monkeypatch.setattr(subprocess, "run", refuse)
    assert install_dependencies(LambdaPlatform.local()) == first
    assert first != install_dependencies(LambdaPlatform.deployed())
