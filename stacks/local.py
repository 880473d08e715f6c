"""The stacks for this machine, synthesised when something that they are made of has changed."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CACHE = ROOT / ".cache/assemblies"

_SOURCES = ("app.py", "cdk.json", "config", "stacks", "lambdas", "layers")
#: Assemblies that are kept: this one, and the one before for who goes back.
_KEPT = 2


class SynthesisFailed(RuntimeError):
    """The app did not synthesise; the message is what it printed."""


def assembly(root: Path = ROOT, cache: Path = CACHE) -> Path:
    """A cloud assembly of the app for this interpreter and processor.

    Takes some ten seconds when a source has changed, and a few milliseconds otherwise.

    Raises:
        SynthesisFailed: the app ended with an error.
    """
    finished = cache / _digest(root)
    if not finished.is_dir():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as name:
            building = Path(name) / "assembly"
            _synthesise(root, building)
            try:
                building.replace(finished)
            except OSError:
                # Another process was faster.
                if not finished.is_dir():
                    raise
    finished.touch()
    _forget_others(cache)
    return finished


def _synthesise(root: Path, output: Path) -> None:
    environment = {
        **os.environ,
        "CDK_OUTDIR": str(output),
        "CDK_CONTEXT_JSON": json.dumps({"local": "true"}),
    }
    done = subprocess.run(
        [sys.executable, "app.py"], cwd=root, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SynthesisFailed(done.stderr.strip() or f"app.py ended with {done.returncode}")


def _digest(root: Path) -> str:
    found = hashlib.sha256(sys.version.encode())
    for path in _files(root):
        content = path.read_bytes()
        found.update(f"{path.relative_to(root)} {len(content)} ".encode())
        found.update(content)
    return found.hexdigest()[:32]


def _files(root: Path) -> Iterator[Path]:
    for source in _SOURCES:
        path = root / source
        found = sorted(path.rglob("*")) if path.is_dir() else [path]
        # The command line is in no layer, and changes no template.
        yield from (
            file
            for file in found
            if file.is_file() and not {"__pycache__", "cli"} & set(file.relative_to(root).parts)
        )


def _forget_others(cache: Path) -> None:
    by_age = sorted(
        (path for path in cache.iterdir() if not path.name.startswith("tmp")),
        key=lambda path: path.stat().st_mtime,
        reverse=True,
    )
    for path in by_age[_KEPT:]:
        shutil.rmtree(path, ignore_errors=True)
