from __future__ import annotations

from pathlib import Path

import pytest

from stacks.local import SynthesisFailed, assembly

APP = """
import json, os, pathlib
out = pathlib.Path(os.environ["CDK_OUTDIR"])
out.mkdir()
(out / "manifest.json").write_text(os.environ["CDK_CONTEXT_JSON"])
counter = pathlib.Path("runs")
counter.write_text(counter.read_text() + "x" if counter.exists() else "x")
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "app.py").write_text(APP)
    (tmp_path / "cdk.json").write_text("{}")
    (tmp_path / "lambdas/a").mkdir(parents=True)
    (tmp_path / "lambdas/a/handler.py").write_text("1")
    return tmp_path


def _runs(root: Path) -> int:
    return len((root / "runs").read_text())


def test_what_has_not_changed_is_not_made_again(root: Path) -> None:
    cache = root / "cache"
    first = assembly(root, cache)
    assert (first / "manifest.json").read_text() == '{"local": "true"}'
    (root / "lambdas/a/__pycache__").mkdir()
    (root / "lambdas/a/__pycache__/handler.pyc").write_text("x")
    assert assembly(root, cache) == first
    assert _runs(root) == 1


def test_a_change_makes_a_new_one_and_old_ones_are_forgotten(root: Path) -> None:
    cache = root / "cache"
    made = []
    for version in range(4):
        (root / "lambdas/a/handler.py").write_text(str(version))
        made.append(assembly(root, cache))
    assert len(set(made)) == 4
    assert made[-1].is_dir()
    assert len(list(cache.iterdir())) == 2


def test_a_failure_says_why_and_leaves_nothing(root: Path) -> None:
    (root / "app.py").write_text("raise SystemExit('error: no such setting')")
    with pytest.raises(SynthesisFailed, match="error: no such setting"):
        assembly(root, root / "cache")
    assert list((root / "cache").iterdir()) == []
