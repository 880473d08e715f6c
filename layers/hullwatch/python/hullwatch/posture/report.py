"""The result of ``hullwatch check`` as public JSON: documented, versioned and stable."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from hullwatch.posture.catalogue import catalogue
from hullwatch.posture.engine import Cause, Result, Severity, Verdict
from hullwatch.posture.readers.sources import Sources
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
    cause: Cause | None = Field(description="The same as a stable word; null when there is a verdict.")
    violations: list[ViolationEntry]
    severity: Severity
    title: str
    requirements: list[str] = Field(description="Where standards ask for it: NIST.800-53.r5 AC-6.")
    file: str | None = Field(description="The file that holds the resource, where one can be named.")
    line: int | None = Field(description="The line of the first violation, or of the resource.")


class CheckReport(_Model):
    """Everything that ``hullwatch check --format json`` prints."""

    schema_version: Literal[1] = Field(default=1, alias="schema")
    results: list[ResultEntry]


def check_report(results: Iterable[Result], sources: Sources) -> CheckReport:
    """The report of results on the documents of these files."""
    return CheckReport(results=[_entry(result, sources) for result in results])


@cache
def _requirements(control: str) -> list[str]:
    # A large cluster has many thousand results of each control.
    return list(requirements_of(catalogue()[control]))


def _entry(result: Result, sources: Sources) -> ResultEntry:
    place = sources.place(result.resource, result.violations[0].path if result.violations else "")
    return ResultEntry(
        control=result.control,
        resource=str(result.resource),
        verdict=result.verdict,
        reason=result.reason,
        cause=result.cause or None,
        violations=[
            ViolationEntry(path=item.path, value=item.value, message=item.message)
            for item in result.violations
        ],
        severity=result.severity,
        title=catalogue()[result.control].title,
        requirements=_requirements(result.control),
        file=place.file if place else None,
        line=place.line if place else None,
    )
