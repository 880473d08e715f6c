"""The fixture cases under ``tests/fixtures/posture/<control>/<verdict>/``, found by themselves.

A case is ``<name>.yaml`` (the documents), maybe ``<name>.context.json`` (version, inputs, parameters, scope),
and for a failing case ``<name>.decisive.json``: the one field that decides, and the value that mends it.
"""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from hullwatch.posture.catalogue import severity_of
from hullwatch.posture.engine import Result, evaluate
from hullwatch.posture.model.snapshot import READ, InputState, Scope, Snapshot, parse_version
from hullwatch.posture.parameters import Parameters
from hullwatch.posture.readers.documents import parse
from hullwatch.posture.readers.snapshot import build
from hullwatch.posture.standards import controls_of

ROOT = Path(__file__).parents[2] / "fixtures" / "posture"
NOW = datetime(2026, 11, 23, tzinfo=UTC)
VERDICTS = ("fail", "pass", "not-available", "not-applicable")


@dataclass(frozen=True)
class Case:
    """One fixture."""

    control: str
    verdict: str
    path: Path

    def __str__(self) -> str:
        return f"{self.control}-{self.verdict}-{self.path.stem}"

    def documents(self) -> list[dict[str, Any]]:
        return parse(self.path.read_bytes(), self.path.name)

    def context(self) -> dict[str, Any]:
        beside = self.path.with_suffix(".context.json")
        return json.loads(beside.read_text()) if beside.exists() else {}

    def decisive(self) -> dict[str, Any]:
        return json.loads(self.path.with_suffix(".decisive.json").read_text())


def cases(*verdicts: str) -> list[Case]:
    """Every case with one of these verdicts."""
    return [
        Case(folder.parent.name, folder.name, path)
        for folder in sorted(ROOT.glob("*/*"))
        if folder.name in verdicts
        for path in sorted(folder.glob("*.yaml"))
    ]


def snapshot(documents: list[dict[str, Any]], context: dict[str, Any]) -> Snapshot:
    """A snapshot of one cluster and account, everything read unless the context says otherwise."""
    scope = {
        "account": "111122223333",
        "region": "eu-central-1",
        "cluster": "prod",
        **context.get("scope", {}),
    }
    inputs = {
        name: msgspec.convert(state, _State).state() for name, state in context.get("inputs", {}).items()
    }
    version = context.get("kubernetes_version")
    return build(
        documents,
        scope=Scope(**scope),
        inputs=inputs,
        default=READ,
        kubernetes_version=parse_version(version) if version else None,
        level=context.get("level", ""),
        now=NOW,
        parameters=msgspec.convert(context.get("parameters", {}), Parameters),
    )


class _State(msgspec.Struct):
    status: str
    detail: str = ""

    def state(self) -> InputState:
        return InputState(self.status, self.detail)  # type: ignore[arg-type]


def results(case: Case, documents: list[dict[str, Any]] | None = None) -> list[Result]:
    """What the case's control says of its documents, or of changed ones."""
    chosen = [item for item in controls_of() if item.id == case.control]
    taken = snapshot(case.documents() if documents is None else documents, case.context())
    return list(evaluate(taken, chosen, severity_of))


def mended(case: Case) -> list[dict[str, Any]]:
    """The case's documents with its decisive field put right."""
    documents = copy.deepcopy(case.documents())
    decisive = case.decisive()
    node: Any = documents[decisive["document"]]
    *parents, last = decisive["path"]
    for key in parents:
        node = node[key]
    if "value" in decisive:
        node[last] = decisive["value"]
    else:
        del node[last]
    return documents
