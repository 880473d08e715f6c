"""``hullwatch check``: files, an account or a cluster against the controls."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from hullwatch.cli.terminal import DONE, FINDINGS, INCOMPLETE, emit, fail, progress, show
from hullwatch.errors import UserError

if TYPE_CHECKING:
    from rich.console import RenderableType

    from hullwatch.posture.engine import Result
    from hullwatch.posture.readers.documents import Document
    from hullwatch.posture.readers.sources import Sources

SUFFIXES = frozenset({".yaml", ".yml", ".json"})
STDIN = "-"
#: Characters of a line on stderr that quotes somebody.
_MAX_LINE = 1_000


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
        list[str] | None, typer.Argument(metavar="[PATH]...", help="Files, directories, or - for stdin.")
    ] = None,
    account: Annotated[
        bool,
        typer.Option("--account", help="The AWS account instead of files: ECR, ECS, EKS, what they use."),
    ] = False,
    cluster: Annotated[
        str, typer.Option(metavar="NAME", help="This EKS cluster instead: its AWS side and what is inside.")
    ] = "",
    kubeconfig: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Any other cluster instead: the current context's.")
    ] = None,
    context: Annotated[str, typer.Option(metavar="NAME", help="Another context of --kubeconfig.")] = "",
    region: Annotated[
        str, typer.Option(metavar="REGION", help="Of --account or --cluster; default as for the AWS CLI.")
    ] = "",
    profile: Annotated[
        str, typer.Option(metavar="NAME", help="Of --account or --cluster, in the AWS configuration.")
    ] = "",
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
        str,
        typer.Option(
            metavar="X.Y", help="Judge by the rules of this version; default the cluster's, else the newest."
        ),
    ] = "",
    control: Annotated[
        list[str] | None,
        typer.Option(metavar="ID", help="Only this control; may be given several times."),
    ] = None,
    severity: Annotated[Minimum, typer.Option(help="Show nothing below this severity.")] = Minimum.info,
    verbose: Annotated[
        bool, typer.Option("--verbose", help="Name skipped files, and all without a verdict.")
    ] = False,
) -> None:
    """Check Kubernetes manifests, ECS task definitions and describe-* JSON against the controls.

    Or the account or the cluster itself: --account, --cluster NAME, --kubeconfig FILE. Nothing is written.

    Exit codes: 0 done, 1 failed controls at or above --fail-on (with --standard: any), 2 wrong usage or
    nothing readable, 3 a file, an object in it, or a part of the account or the cluster could not be read;
    1 wins over 3.
    """
    from hullwatch.posture.catalogue import catalogue
    from hullwatch.posture.engine import SEVERITIES

    live = _Live(account, cluster, kubeconfig, context, region, profile)
    live.refuse_mixtures(paths)
    if unknown := [name for name in control or () if name not in catalogue()]:
        raise UserError(f"unknown control {unknown[0]!r}: see 'hullwatch controls'")
    if paths:
        results, sources, lost = _check_files(
            paths, standard, kubernetes_version, control or (), verbose=verbose
        )
    else:
        results, sources, lost = live.check(standard, kubernetes_version, control or ())
    shown = [item for item in results if SEVERITIES.index(item.severity) <= SEVERITIES.index(severity.value)]
    _print(shown, sources, form, output, verbose=verbose)

    limit = fail_on or (FailOn.any if standard else None)
    # What only a live read could tell is no defect of files.
    defects = lost or any(result.cause in ("unreadable", "defect") for result in results)
    code = INCOMPLETE if defects else DONE
    if limit:
        lowest = len(SEVERITIES) if limit is FailOn.any else SEVERITIES.index(limit.value)
        failed = (item for item in results if item.verdict == "FAILED")
        if any(SEVERITIES.index(item.severity) <= lowest for item in failed):
            code = FINDINGS
    raise typer.Exit(code)


#: Verdicts, where their resources stand, and whether something could not be read.
_Found = tuple[list["Result"], "Sources", bool]


class _Live(NamedTuple):
    """Where to read other than from files."""

    account: bool
    cluster: str
    kubeconfig: Path | None
    context: str
    region: str
    profile: str

    def refuse_mixtures(self, paths: Sequence[str] | None) -> None:
        """Exactly one source has to be named, with its own options."""
        given = (paths, self.account, self.cluster, self.kubeconfig)
        if sum(map(bool, given)) != 1:
            raise UserError(
                "name one thing to check: PATH..., --account, --cluster NAME or --kubeconfig FILE"
            )
        if self.context and not self.kubeconfig:
            raise UserError("--context goes with --kubeconfig")
        if (self.region or self.profile) and not (self.account or self.cluster):
            raise UserError("--region and --profile go with --account or --cluster")

    def check(self, standard: str, version: str, only: Sequence[str]) -> _Found:
        from hullwatch.aws.caller import caller
        from hullwatch.cli import live
        from hullwatch.findings.wording import plain
        from hullwatch.posture.readers.sources import Sources

        question = live.Question(standard=standard, kubernetes_version=version, only=only)
        if self.kubeconfig:
            found = live.check_kubeconfig(self.kubeconfig, self.context, question)
        elif self.cluster:
            found = live.check_cluster(self.cluster, question, caller(self.profile, self.region))
        else:
            found = live.check_account(question, caller(self.profile, self.region))
        for line in found.unread:
            sys.stderr.write(f"not read: {plain(line, _MAX_LINE)}\n")
        return found.results, Sources(), bool(found.unread)


def _check_files(
    paths: Sequence[str], standard: str, version: str, only: Sequence[str], *, verbose: bool
) -> _Found:
    from hullwatch.posture.standards import check_documents

    with progress("checking"):
        documents, sources, unreadable = _read(paths, verbose=verbose)
        return check_documents(documents, standard, version, only=only), sources, unreadable


def _read(paths: Sequence[str], *, verbose: bool) -> tuple[list[Document], Sources, bool]:
    """Every document that is known, where each stands, and whether a file could not be read.

    One file of several costs only itself; the only one is an error.
    """
    from hullwatch.posture.readers.sources import Sources

    documents: list[Document] = []
    sources = Sources()
    problems: list[UserError] = []
    for name, content in _contents(paths, problems):
        try:
            known = sources.add(content, name)
        except UserError as error:
            problems.append(error)
            continue
        documents += known
        if not known and verbose:
            sys.stderr.write(f"skipped {name}: neither Kubernetes nor AWS documents\n")
    if not documents:
        if problems:
            raise problems[0]
        raise UserError(f"nothing to check in {', '.join(paths)}: no Kubernetes or AWS documents")
    for problem in problems:
        fail(str(problem))
    return documents, sources, bool(problems)


def _contents(paths: Sequence[str], problems: list[UserError]) -> Iterator[tuple[str, bytes]]:
    """Name and bytes of every file. A file that was named has to be there; of a directory's, one may fail."""
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
                    problem = UserError(f"cannot read {file}: {error.strerror}")
                    if file is path:
                        raise problem from error
                    problems.append(problem)


def _print(
    results: Sequence[Result], sources: Sources, form: Format, output: Path | None, *, verbose: bool
) -> None:
    if form is Format.json:
        from hullwatch.posture.report import check_report

        emit(check_report(results, sources).model_dump_json(by_alias=True, indent=2), output)
    elif form is Format.sarif:
        from hullwatch import __version__
        from hullwatch.posture.sarif import to_sarif

        emit(json.dumps(to_sarif(results, sources, __version__), indent=2), output)
    else:
        show([*_failed(results, sources), *_unjudged(results, verbose=verbose), _counted(results)], output)


_STYLES = {"critical": "bold red", "high": "red", "medium": "yellow", "low": "cyan", "info": "dim"}
#: Reasons for the lack of a verdict that are named without --verbose.
_REASONS = 5


def _failed(results: Sequence[Result], sources: Sources) -> Iterator[RenderableType]:
    from rich.text import Text

    from hullwatch.findings.wording import plain
    from hullwatch.posture.catalogue import catalogue

    resource = ""
    failed = [result for result in results if result.verdict == "FAILED"]
    for result in sorted(failed, key=lambda item: str(item.resource)):
        if str(result.resource) != resource:
            resource = str(result.resource)
            head = Text(plain(resource, 200), style="bold")
            if place := sources.place(result.resource):
                head.append(f"  {plain(str(place), 200)}", style="dim")
            yield head
        entry = catalogue()[result.control]
        head = Text(f"  {result.severity:<8} ", style=_STYLES[result.severity])
        yield head.append(f"{result.control}  {entry.title}", style="default")
        for item in result.violations:
            value = "not set" if item.value is None else json.dumps(item.value, ensure_ascii=False)
            yield Text(f"           {plain(item.path, 200)}: {plain(value, 200)}")
        yield Text(f"           why: {entry.why}\n           fix: {entry.fix}", style="dim")


def _unjudged(results: Sequence[Result], *, verbose: bool) -> Iterator[RenderableType]:
    """What has no verdict, by reason."""
    from rich.text import Text

    from hullwatch.findings.wording import plain

    reasons: dict[str, list[Result]] = {}
    for result in results:
        if result.verdict == "NOT_AVAILABLE":
            reasons.setdefault(result.reason, []).append(result)
    by_number = sorted(reasons.items(), key=lambda item: -len(item[1]))
    if by_number:
        yield Text("Could not be judged", style="bold")
    for reason, without in by_number if verbose else by_number[:_REASONS]:
        yield Text(f"  {len(without):>4}  {plain(reason, 200)}")
        for result in without if verbose else ():
            yield Text(f"          {result.control}  {plain(str(result.resource), 200)}", style="dim")
    if not verbose and len(by_number) > _REASONS:
        rest = sum(len(without) for _, without in by_number[_REASONS:])
        yield Text(f"  {rest:>4}  for {len(by_number) - _REASONS} other reasons: see --verbose")


def _counted(results: Sequence[Result]) -> str:
    from collections import Counter

    counts = Counter(result.verdict for result in results)
    return (
        f"{counts['FAILED']} failed, {counts['PASSED']} passed, {counts['NOT_APPLICABLE']} do not apply, "
        f"{counts['NOT_AVAILABLE']} could not be judged"
    )
