"""The result of ``hullwatch check`` as public JSON: documented, versioned and stable."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from hullwatch.posture.catalogue import catalogue
from hullwatch.posture.engine import Result, Severity, Verdict
from hullwatch.posture.requirements import requirements_of


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, populate_by_name=True)


class ViolationEntry(_Model):
    """One field that breaks the rule."""

    path: str = Field(description="Where in the resource, from its root.")
    value: Any = Field(description="What stands there; null when nothing does.")
    message: str = Field(default="", description="What is wrong with it, where the title does not say.")


class ResultEntry(_Model):
    """The verdict of one control on one resource."""

    control: str = Field(description="Id in the catalogue.")
    resource: str = Field(description="Kind/namespace/name, without what does not apply.")
    verdict: Verdict
    reason: str = Field(description="Why there is no verdict, or why the control does not apply.")
    violations: list[ViolationEntry]
    severity: Severity
    title: str
    requirements: list[str] = Field(description="Where standards ask for it: NIST.800-53.r5 AC-6.")
    file: str | None = Field(description="The file that holds the resource, where one can be named.")


class CheckReport(_Model):
    """Everything that ``hullwatch check --format json`` prints."""

    schema_version: int = Field(default=1, alias="schema")
    results: list[ResultEntry]


def check_report(results: Iterable[Result], files: Mapping[str, str]) -> CheckReport:
    """``files``: the resource as text → the name of its file."""
    return CheckReport(
        results=[
            ResultEntry(
                control=result.control,
                resource=str(result.resource),
                verdict=result.verdict,
                reason=result.reason,
                violations=[
                    ViolationEntry(path=item.path, value=item.value, message=item.message)
                    for item in result.violations
                ],
                severity=result.severity,
                title=catalogue()[result.control].title,
                requirements=list(requirements_of(catalogue()[result.control])),
                file=files.get(str(result.resource)),
            )
            for result in results
        ]
    )
