"""``hullwatch check``: manifests, task definitions and answers of AWS against the controls."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hullwatch.cli.terminal import DONE, FINDINGS, INCOMPLETE, emit, progress, show
from hullwatch.errors import UserError

if TYPE_CHECKING:
    from rich.console import RenderableType

    from hullwatch.posture.engine import Result

SUFFIXES = frozenset({".yaml", ".yml", ".json"})
STDIN = "-"


class Format(StrEnum):
    """What ``check`` can print."""

    table = "table"
    json = "json"
    sarif = "sarif"


class Minimum(StrEnum):
    """A severity, highest first."""

    critical = "critical"
    high = "high"
    medium = "medium"
    low = "low"
    info = "info"


class FailOn(StrEnum):
    """From which severity on a failed control is exit code 1."""

    critical = "critical"
    high = "high"
    medium = "medium"
    low = "low"
    info = "info"
    any = "any"


def check(
    paths: Annotated[
        list[str], typer.Argument(metavar="PATH...", help="Files, directories, or - for stdin.")
    ],
    form: Annotated[Format, typer.Option("--format", help="What to print.")] = Format.table,
    output: Annotated[Path | None, typer.Option(help="Write the result to this file.")] = None,
    fail_on: Annotated[
        FailOn | None,
        typer.Option(
            help="Exit with 1 when a control of this severity or above failed; any with --standard."
        ),
    ] = None,
    standard: Annotated[
        str, typer.Option(metavar="NAME", help="Only the controls of this standard, such as pss-restricted.")
    ] = "",
    kubernetes_version: Annotated[
        str, typer.Option(metavar="X.Y", help="Judge by the rules of this version; default the newest.")
    ] = "",
    control: Annotated[
        list[str] | None,
        typer.Option(metavar="ID", help="Only this control; may be given several times."),
    ] = None,
    severity: Annotated[Minimum, typer.Option(help="Show nothing below this severity.")] = Minimum.info,
    verbose: Annotated[bool, typer.Option("--verbose", help="Say which files were skipped.")] = False,
) -> None:
    """Check Kubernetes manifests, ECS task definitions and describe-* JSON against the controls.

    Exit codes: 0 done, 1 failed controls at or above --fail-on, 2 wrong usage or unreadable input,
    3 an object in the files could not be judged. With --standard, any failed control is exit code 1.
    """
    from hullwatch.posture.catalogue import catalogue
    from hullwatch.posture.engine import SEVERITIES
    from hullwatch.posture.standards import check_documents

    if unknown := [name for name in control or () if name not in catalogue()]:
        raise UserError(f"unknown control {unknown[0]!r}: see 'hullwatch controls'")
    with progress("checking"):
        documents, files = _read(paths, verbose=verbose)
        results = check_documents(documents, standard, kubernetes_version)
    if control:
        results = [result for result in results if result.control in control]
    shown = [item for item in results if SEVERITIES.index(item.severity) <= SEVERITIES.index(severity.value)]
    _print(shown, files, form, output)

    limit = fail_on or (FailOn.any if standard else None)
    code = INCOMPLETE if any(_unjudged(result) for result in results) else DONE
    if limit:
        lowest = len(SEVERITIES) if limit is FailOn.any else SEVERITIES.index(limit.value)
        failed = (item for item in results if item.verdict == "FAILED")
        if any(SEVERITIES.index(item.severity) <= lowest for item in failed):
            code = FINDINGS
    raise typer.Exit(code)


def _unjudged(result: Result) -> bool:
    """Whether the files should have given a verdict: an input that only a live read has is no defect."""
    reason = result.reason
    return result.verdict == "NOT_AVAILABLE" and not (
        ": not read" in reason or ": only partly read" in reason
    )


def _read(paths: Sequence[str], *, verbose: bool) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Every document that is known, and the file of each Kubernetes object."""
    from hullwatch.posture.readers import aws, kubernetes
    from hullwatch.posture.readers.documents import mapping, parse

    documents: list[dict[str, Any]] = []
    files: dict[str, str] = {}
    for name, content in _contents(paths):
        known = 0
        for document in parse(content, name):
            if kubernetes.is_kubernetes(document):
                meta = mapping(document, "metadata")
                parts = (document["kind"], meta.get("namespace"), meta.get("name"))
                files.setdefault("/".join(str(part) for part in parts if part), name)
                parts = (document["kind"], meta.get("namespace") or "default", meta.get("name"))
                files.setdefault("/".join(str(part) for part in parts if part), name)
            elif not aws.is_answer(document):
                continue
            documents.append(document)
            known += 1
        if not known and verbose:
            sys.stderr.write(f"skipped {name}: neither Kubernetes nor AWS documents\n")
    if not documents:
        raise UserError(f"nothing to check in {', '.join(paths)}: no Kubernetes or AWS documents")
    return documents, files


def _contents(paths: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    for name in paths:
        if name == STDIN:
            yield "stdin", sys.stdin.buffer.read()
            continue
        path = Path(name)
        inside = sorted(path.rglob("*")) if path.is_dir() else [path]
        for file in inside:
            if file is path or (file.suffix.lower() in SUFFIXES and file.is_file()):
                try:
                    yield str(file), file.read_bytes()
                except OSError as error:
                    raise UserError(f"cannot read {file}: {error.strerror}") from error


def _print(results: Sequence[Result], files: dict[str, str], form: Format, output: Path | None) -> None:
    if form is Format.json:
        from hullwatch.posture.report import check_report

        emit(check_report(results, files).model_dump_json(by_alias=True, indent=2), output)
    elif form is Format.sarif:
        from hullwatch import __version__
        from hullwatch.posture.sarif import to_sarif

        emit(json.dumps(to_sarif(results, files, __version__), indent=2), output)
    else:
        show(_tables(results), output)


_STYLES = {"critical": "bold red", "high": "red", "medium": "yellow", "low": "cyan", "info": "dim"}


def _tables(results: Sequence[Result]) -> list[RenderableType]:
    from collections import Counter

    from rich.text import Text

    from hullwatch.findings.wording import plain
    from hullwatch.posture.catalogue import catalogue

    lines: list[RenderableType] = []
    resource = ""
    failed = [result for result in results if result.verdict == "FAILED"]
    for result in sorted(failed, key=lambda item: str(item.resource)):
        if str(result.resource) != resource:
            resource = str(result.resource)
            lines.append(Text(plain(resource, 200), style="bold"))
        entry = catalogue()[result.control]
        head = Text(f"  {result.severity:<8} ", style=_STYLES[result.severity])
        lines.append(head.append(f"{result.control}  {entry.title}", style="default"))
        for item in result.violations:
            value = "not set" if item.value is None else json.dumps(item.value, ensure_ascii=False)
            lines.append(Text(f"           {plain(item.path, 200)}: {plain(value, 200)}"))
        lines.append(Text(f"           why: {entry.why}\n           fix: {entry.fix}", style="dim"))
    counts = Counter(result.verdict for result in results)
    lines.append(
        Text(
            f"{counts['FAILED']} failed, {counts['PASSED']} passed, {counts['NOT_APPLICABLE']} do not apply, "
            f"{counts['NOT_AVAILABLE']} could not be judged"
        )
    )
    return lines
