"""``hullwatch affected``: which images hold a package, or have a vulnerability, and where they are used."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hullwatch.cli.options import Advisories, advisories_directory
from hullwatch.cli.terminal import INCOMPLETE, emit, progress, show

if TYPE_CHECKING:
    from hullwatch.findings.affected import AffectedReport
    from hullwatch.findings.question import Question


class Format(StrEnum):
    """What ``affected`` can print."""

    table = "table"
    json = "json"


def affected(
    query: Annotated[
        str,
        typer.Argument(
            metavar="CVE|PURL",
            help="CVE-2021-44228, pkg:npm/lodash, pkg:npm/lodash@4.17.20 or 'pkg:npm/lodash@<4.17.21'.",
        ),
    ],
    results: Annotated[
        list[Path] | None,
        typer.Option(metavar="PATH", help="Results of scans, and directories of them; may be repeated."),
    ] = None,
    advisories: Advisories = None,
    prefix: Annotated[
        str, typer.Option(metavar="NAME", help="The deployment's security.name_prefix.")
    ] = "hullwatch",
    form: Annotated[Format, typer.Option("--format", help="What to print.")] = Format.table,
    output: Annotated[Path | None, typer.Option(help="Write the result to this file.")] = None,
) -> None:
    """Say which images hold a package or have a vulnerability, and where they are used.

    Asks the deployment in the account and Region of your AWS credentials, or with --results what was kept.
    Results are what hullwatch scan wrote with --format json, cyclonedx or spdx. Exit codes: 0 done, 2 the
    question or a path is not usable, 3 done, but something could not be searched.
    """
    from hullwatch.findings.question import question_of

    question = question_of(query)
    if results:
        with progress("reading results"):
            report = _in_results(question, results, advisories)
    else:
        with progress("asking the account"):
            report = _in_account(question, prefix)
    if form is Format.json:
        emit(report.model_dump_json(indent=2), output)
    else:
        from hullwatch.cli import tables

        show(tables.affected(report), output)
    if not report.complete:
        raise typer.Exit(INCOMPLETE)


def _in_account(question: Question, prefix: str) -> AffectedReport:
    from hullwatch.aws.deployment import find
    from hullwatch.pipeline.affected import ask

    deployment = find(prefix)
    return ask(question, deployment.athena, deployment.placements, deployment.services.images)


def _in_results(question: Question, paths: list[Path], directory: Path | None) -> AffectedReport:
    from contextlib import ExitStack

    from hullwatch.advisories.match import Advisories as Compiled
    from hullwatch.findings import affected, results
    from hullwatch.findings.question import VulnerabilityQuestion

    answer = affected.Answer(question, "results")
    readable = []
    names: set[str] = set()
    wanted = question.identifier if isinstance(question, VulnerabilityQuestion) else ""
    # Which names a vulnerability goes by may stand in any of the results, so they are read twice for one.
    for path in results.files(paths):
        try:
            if wanted and not wanted.startswith("CVE-"):
                names |= affected.names_in(wanted, [results.read(path)])
            readable.append(path)
        except results.NotAResult as error:
            answer.missing("NOT_A_RESULT", str(error))
    names.add(wanted)
    with ExitStack() as opened:
        compiled = None
        if wanted and directory is not None:
            compiled = opened.enter_context(Compiled.open(advisories_directory(directory)))
        for path in readable:
            try:
                result = results.read(path)
            except results.NotAResult as error:
                answer.missing("NOT_A_RESULT", str(error))
                continue
            found = affected.search(question, frozenset(names), result, compiled)
            answer.add(result.reference, result.digest, found)
            if not result.complete:
                answer.missing("PARTIAL", f"{result.reference}: not everything in this image could be read")
    return answer.report()
