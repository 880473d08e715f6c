"""A handler only connects Lambda to the library: what it does can be tested without it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3] / "lambdas"
HANDLERS = sorted(path.parent.name for path in ROOT.glob("*/handler.py"))

#: One screen.
LONGEST = 40


def test_there_are_handlers() -> None:
    assert HANDLERS
    assert [path.name for path in ROOT.iterdir() if not (path / "handler.py").exists()] == []


@pytest.mark.parametrize("name", HANDLERS)
def test_a_handler_is_one_function_on_one_screen(name: str) -> None:
    text = (ROOT / name / "handler.py").read_text()
    tree = ast.parse(text)

    assert len(text.splitlines()) <= LONGEST
    assert ast.get_docstring(tree)
    functions = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]
    assert [function.name for function in functions] == ["handler"]
    assert not [n for n in ast.walk(tree) if isinstance(n, ast.ClassDef)]


@pytest.mark.parametrize("name", HANDLERS)
def test_a_handler_leaves_aws_to_the_library(name: str) -> None:
    tree = ast.parse((ROOT / name / "handler.py").read_text())
    imported = {
        module.split(".")[0]
        for node in ast.walk(tree)
        for module in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }

    assert not imported & {"boto3", "botocore", "aiobotocore", "requests", "urllib3"}
