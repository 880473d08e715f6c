"""``hullwatch demo``: the whole pipeline, deployed into an AWS on this machine."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from hullwatch.cli.terminal import emit, notes, show
from hullwatch.errors import UserError


class Format(StrEnum):
    """What ``demo`` can print."""

    table = "table"
    json = "json"


def demo(
    image: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TARGET",
            help="Push this image (as for scan) instead of the demo's own; may be given several times.",
        ),
    ] = None,
    advisories: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Compiled advisories instead of the demo's small set.")
    ] = None,
    form: Annotated[Format, typer.Option("--format", help="What to print.")] = Format.table,
    output: Annotated[Path | None, typer.Option(help="Write the result to this file.")] = None,
) -> None:
    """Deploy the stacks into a local AWS, push images, and show what Security Hub and DynamoDB hold.

    Needs a checkout of hullwatch, and neither Docker nor an AWS account.
    """
    try:
        from local_aws.demo import Demo
        from local_aws.demo_tables import pushes
    except ModuleNotFoundError as error:
        raise UserError(
            f"the demo runs from a checkout of hullwatch ({error.name} is not installed)"
        ) from error

    console = notes()
    say = (lambda line: console.print(f"[dim]{line}[/]")) if console.is_terminal else (lambda line: None)
    result = Demo(images=image or [], advisories=advisories, say=say).run()
    if form is Format.json:
        emit(result.model_dump_json(indent=2), output)
    else:
        show(pushes(result), output)
