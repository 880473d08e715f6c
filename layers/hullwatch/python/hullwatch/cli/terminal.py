"""What a command says: results to stdout or a file, everything else to stderr, errors in one line."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from hullwatch.errors import UserError

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

#: Exit codes of every command.
DONE, FINDINGS, UNUSABLE, INCOMPLETE = 0, 1, 2, 3

#: Columns of a table that goes to a file or a pipe.
_WIDTH = 160


def emit(text: str, output: Path | None) -> None:
    """Write a machine-readable result to a file, or to stdout with nothing else there."""
    if output is None:
        sys.stdout.write(text if text.endswith("\n") else f"{text}\n")
        return
    try:
        output.write_text(text if text.endswith("\n") else f"{text}\n", encoding="utf-8")
    except OSError as error:
        raise UserError(f"cannot write {output}: {error.strerror}") from error


def show(parts: Sequence[RenderableType], output: Path | None) -> None:
    """Show a result for people: on the terminal, or as plain text in a file."""
    from rich.console import Console

    if output is None:
        console = Console(highlight=False)
        if not console.is_terminal and "COLUMNS" not in os.environ:
            # A file or a pipe has no width of its own; 80 columns would break versions in two.
            console = Console(highlight=False, width=_WIDTH)
        for part in parts:
            console.print(part)
        return
    text = io.StringIO()
    console = Console(file=text, highlight=False, width=_WIDTH, no_color=True)
    for part in parts:
        console.print(part)
    emit(text.getvalue(), output)


def notes() -> Console:
    """Where progress and remarks go."""
    from rich.console import Console

    return Console(stderr=True, highlight=False)


@contextmanager
def progress(what: str) -> Iterator[Callable[[str], None]]:
    """A spinner while something takes its time; silent when stderr is not a terminal.

    Gives what to call with the matter at hand, as often as one likes.
    """
    console = notes()
    if not console.is_terminal:
        yield lambda _: None
        return
    from rich.text import Text

    with console.status(what) as status:
        last = ""

        def say(matter: str) -> None:
            nonlocal last
            if matter != last:
                last = matter
                status.update(Text(f"{what}: {matter}"))

        yield say


def fail(message: str) -> int:
    """Say what went wrong in one line, and answer with the exit code for it."""
    line = " ".join(message.split())
    sys.stderr.write(f"error: {line}\n")
    return UNUSABLE
