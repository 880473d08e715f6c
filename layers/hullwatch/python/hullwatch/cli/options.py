"""Options that several commands share."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from hullwatch.errors import UserError

Advisories = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="Compiled advisories; default $HULLWATCH_ADVISORIES, else the user's data directory.",
    ),
]


def default_advisories() -> Path:
    """Where ``hullwatch advisories update`` keeps advisories unless told otherwise."""
    named = os.environ.get("HULLWATCH_ADVISORIES")
    if named:
        return Path(named)
    data = os.environ.get("XDG_DATA_HOME")
    return (Path(data) if data else Path.home() / ".local" / "share") / "hullwatch" / "advisories"


def advisories_directory(given: Path | None) -> Path:
    """The directory that was named, or the default one; it must be there."""
    directory = given or default_advisories()
    if not directory.is_dir():
        raise UserError(f"there are no advisories at {directory}: run 'hullwatch advisories update'")
    return directory
