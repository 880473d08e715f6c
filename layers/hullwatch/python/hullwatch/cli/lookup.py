"""``hullwatch lookup``: is this version of a package affected, by what, and where is it fixed?"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated

import typer

from hullwatch.cli.options import Advisories, advisories_directory
from hullwatch.cli.terminal import show
from hullwatch.errors import UserError


class Format(StrEnum):
    """What ``lookup`` can print."""

    table = "table"
    json = "json"


def lookup(
    purls: Annotated[
        list[str],
        typer.Argument(metavar="PURL...", help="Such as pkg:pypi/django@2.2.0; - reads stdin."),
    ],
    advisories: Advisories = None,
    form: Annotated[Format, typer.Option("--format", help="Or one JSON object a line.")] = Format.table,
) -> None:
    """Say what is known about package versions.

    With --format json, one object per purl and line, in the order of the question.
    """
    from hullwatch.advisories.match import Advisories as Compiled
    from hullwatch.findings.report import lookup_report

    with Compiled.open(advisories_directory(advisories)) as compiled:
        reports = (lookup_report(purl, compiled.lookup(purl)) for purl in _questions(purls))
        if form is Format.json:
            for report in reports:
                sys.stdout.write(report.model_dump_json() + "\n")
            return
        from hullwatch.cli import tables

        rows = [
            (
                report.purl,
                [
                    (entry.id, entry.severity, entry.fixed or "no fix", ", ".join(entry.aliases))
                    for entry in report.vulnerabilities
                ],
            )
            for report in reports
        ]
        show([tables.lookups(rows)], None)


def _questions(purls: list[str]) -> Iterator[str]:
    for purl in purls:
        if purl != "-":
            yield purl
            continue
        for line in sys.stdin:
            if text := line.strip():
                if not text.startswith("pkg:"):
                    raise UserError(f"not a package URL: {text[:80]}")
                yield text
