"""``hullwatch``: one command per module. Everything heavy is imported by the command that needs it."""

from __future__ import annotations

import logging
import sys
from typing import Annotated

import typer

from hullwatch import __version__
from hullwatch.cli import advisories, affected, check, controls, demo, lookup, scan
from hullwatch.cli.terminal import UNUSABLE, fail
from hullwatch.errors import HullwatchError

app = typer.Typer(
    name="hullwatch",
    help="Container security for AWS: the pipeline's engine, on any image, without an account.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback(invoke_without_command=True)
def _root(
    version: Annotated[bool, typer.Option("--version", help="Print the version and leave.")] = False,
) -> None:
    if version:
        typer.echo(f"hullwatch {__version__}")
        raise typer.Exit


app.command("demo")(demo.demo)
app.command("scan")(scan.scan)
app.command("lookup")(lookup.lookup)
app.command("affected")(affected.affected)
app.command("check")(check.check)
app.command("controls")(controls.controls)
app.add_typer(advisories.app, name="advisories")


def main() -> None:
    """The entry point: errors become one line on stderr and exit code 2."""
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(levelname)s: %(message)s")
    try:
        app()
    except HullwatchError as error:
        sys.exit(fail(str(error)))
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        # The reader of our output has left; there is nobody to tell.
        sys.stderr.close()
        sys.exit(UNUSABLE)
