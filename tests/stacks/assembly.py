"""A synthesised cloud assembly, read as data."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from aws_cdk import App

from app import context, declare


@dataclass(frozen=True)
class Resource:
    """One resource of a template."""

    stack: str
    name: str
    properties: dict[str, Any]
    attributes: dict[str, Any]


@dataclass(frozen=True)
class Assembly:
    """What ``cdk synth`` writes."""

    directory: Path

    @cached_property
    def templates(self) -> dict[str, dict[str, Any]]:
        """Templates by stack name."""
        return {
            path.name.removesuffix(".template.json"): json.loads(path.read_text())
            for path in sorted(self.directory.glob("*.template.json"))
        }

    def resources(self, kind: str) -> list[Resource]:
        """Every resource of a CloudFormation type, over all stacks."""
        return [
            Resource(stack, name, body.get("Properties", {}), body)
            for stack, template in self.templates.items()
            for name, body in template["Resources"].items()
            if body["Type"] == kind
        ]

    def function(self, name: str) -> Resource:
        """The function of ``lambdas/<name>``."""
        suffix = f"-{name.replace('_', '-')}"
        (found,) = (
            function
            for function in self.resources("AWS::Lambda::Function")
            if function.properties["FunctionName"].endswith(suffix)
        )
        return found

    def statements(self, role: str) -> Iterator[dict[str, Any]]:
        """The statements of every policy of a role, by the role's logical id."""
        for policy in self.resources("AWS::IAM::Policy"):
            if {"Ref": role} in policy.properties["Roles"]:
                yield from policy.properties["PolicyDocument"]["Statement"]

    def allowed(self, name: str) -> Iterator[dict[str, Any]]:
        """The statements of a function's role."""
        return self.statements(self.function(name).properties["Role"]["Fn::GetAtt"][0])

    def definition(self, name: str) -> dict[str, Any]:
        """The definition of a state machine, with a marker in place of every reference."""
        (machine,) = (
            machine
            for machine in self.resources("AWS::StepFunctions::StateMachine")
            if machine.properties["StateMachineName"].endswith(name)
        )
        parts = machine.properties["DefinitionString"]["Fn::Join"][1]
        text = "".join(part if isinstance(part, str) else _marker(part) for part in parts)
        definition: dict[str, Any] = json.loads(text)
        return definition

    @cached_property
    def validation(self) -> list[dict[str, Any]]:
        """What the validation plug-ins reported, one entry per plug-in."""
        reports: list[dict[str, Any]] = json.loads((self.directory / "validation-report.json").read_text())[
            "pluginReports"
        ]
        return reports


def _marker(reference: dict[str, Any]) -> str:
    target = reference.get("Ref") or reference.get("Fn::ImportValue") or reference["Fn::GetAtt"][0]
    return f"<{target}>"


def synthesise(directory: Path, **extra: str) -> Assembly:
    """Synthesise the app as ``cdk synth`` does, with more context."""
    app = App(outdir=str(directory), context=context() | extra)
    declare(app)
    app.synth()
    return Assembly(directory)


def listed(value: Any) -> list[Any]:
    """A value that CloudFormation lets stand alone or in a list."""
    return value if isinstance(value, list) else [value]
