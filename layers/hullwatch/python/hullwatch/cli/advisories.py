"""``hullwatch advisories``: compile advisories from a mirror, fetch them, and see how they stand."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hullwatch.cli.options import default_advisories
from hullwatch.cli.terminal import INCOMPLETE, emit, notes, progress, show

if TYPE_CHECKING:
    from hullwatch.advisories.build import BuildReport

app = typer.Typer(help="Compile, fetch and inspect advisories.", no_args_is_help=True)

Accept = Annotated[
    list[str] | None,
    typer.Option(metavar="FEED", help="Take this feed's documents once even if they shrank or aged."),
]


class Format(StrEnum):
    """What ``status`` can print."""

    table = "table"
    json = "json"


@app.command()
def build(
    feeds: Annotated[Path, typer.Option(metavar="DIR", help="A mirror directory: osv/, alpine/, kev/, ...")],
    output: Annotated[Path, typer.Option(metavar="DIR", help="Where compiled advisories go.")],
    accept: Accept = None,
) -> None:
    """Compile the feeds of a mirror directory. What has not changed is not compiled again.

    A damaged or shrunken feed keeps its last good copy in use; the exit code is then 3.
    """
    from hullwatch.advisories.build import build as compile_feeds

    with progress(f"compiling {feeds}"):
        report = compile_feeds(feeds, output, accept=accept or ())
    _say(report, output)


@app.command()
def update(
    output: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where advisories are kept; default as for scan.")
    ] = None,
    mirror: Annotated[
        str, typer.Option(metavar="URL", help="Read the feeds from a mirror (URL or directory) instead.")
    ] = "",
    feed: Annotated[
        list[str] | None, typer.Option(metavar="FEED", help="Only this feed; may be given several times.")
    ] = None,
    accept: Accept = None,
) -> None:
    """Fetch every feed that has changed, and compile it."""
    from hullwatch.advisories.fetch import update as fetch_and_compile

    directory = output or default_advisories()
    with progress("fetching advisories"):
        report = fetch_and_compile(directory, base=mirror, only=feed or (), accept=accept or ())
    _say(report, directory)


@app.command()
def status(
    directory: Annotated[Path | None, typer.Argument(metavar="DIR", help="Default as for scan.")] = None,
    form: Annotated[Format, typer.Option("--format", help="What to print.")] = Format.table,
) -> None:
    """Show which advisories are in use, how old they are, and what went wrong."""
    import msgspec

    from hullwatch.advisories.status import status as read_status

    found = read_status(directory or default_advisories())
    if form is Format.json:
        emit(json.dumps({"schema": 1, **msgspec.to_builtins(found)}, indent=2), None)
        return
    from hullwatch.cli import tables

    show([tables.feeds(found)], None)


def _say(report: BuildReport, directory: Path) -> None:
    console = notes()
    for feed, failures in report.failures.items():
        for failure in failures:
            console.print(f"[yellow]{feed}[/]: ", end="")
            console.print(failure, markup=False)
    what = "new generation" if report.changed else "nothing changed: generation"
    typer.echo(
        f"{what} {report.generation} in {directory}: {len(report.manifest.shards)} shards, "
        f"{len(report.compiled)} compiled, {report.seconds:.1f} s"
    )
    if report.failures:
        raise typer.Exit(INCOMPLETE)
