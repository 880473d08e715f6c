"""``hullwatch controls``: the catalogue, and one control explained."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from hullwatch.cli.check import Minimum
from hullwatch.cli.terminal import emit, show
from hullwatch.errors import UserError

if TYPE_CHECKING:
    from hullwatch.posture.catalogue import Entry


class Format(StrEnum):
    """What ``controls`` can print."""

    table = "table"
    json = "json"
    markdown = "markdown"


def controls(
    control: Annotated[str, typer.Argument(metavar="[ID]", help="Explain this control.")] = "",
    identifier: Annotated[
        str, typer.Option("--id", metavar="TEXT", help="Only ids that contain this text.")
    ] = "",
    scope: Annotated[str, typer.Option(metavar="NAME", help="Only this scope, such as k8s-rbac.")] = "",
    severity: Annotated[Minimum | None, typer.Option(help="Only this severity.")] = None,
    standard: Annotated[str, typer.Option(metavar="NAME", help="Only the controls of this standard.")] = "",
    form: Annotated[Format, typer.Option("--format", help="What to print.")] = Format.table,
) -> None:
    """List the controls, or explain one: why it matters, what mends it, and which standards ask for it."""
    import msgspec

    from hullwatch.posture.catalogue import catalogue
    from hullwatch.posture.standards import entries_of

    scopes = dict.fromkeys(entry.scope for entry in catalogue().values())
    if scope and scope not in scopes:
        raise UserError(f"unknown scope {scope!r}: one of {', '.join(sorted(scopes))}")
    entries = [
        entry
        for entry in entries_of(standard)
        if (not control or entry.id == control)
        and identifier in entry.id
        and scope in ("", entry.scope)
        and severity in (None, entry.severity)
    ]
    if control and not entries:
        raise UserError(f"no control {control!r}: see 'hullwatch controls'")
    if form is Format.json:
        listed = [{"status": entry.status, **msgspec.to_builtins(entry)} for entry in entries]
        emit(json.dumps({"schema": 1, "controls": listed}, indent=2), None)
    elif form is Format.markdown:
        from hullwatch.posture.page import render

        emit(render(entries), None)
    elif control:
        emit(_explained(entries[0]), None)
    else:
        _list(entries)


def _explained(entry: Entry) -> str:
    from hullwatch.posture.engine import CONTROLS

    lines = [
        f"{entry.id}  ({entry.severity}, {entry.scope}, {entry.status})",
        entry.title,
        "",
        f"Why: {entry.why}",
        f"Fix: {entry.fix}",
    ]
    variants = [item for (name, _), item in CONTROLS.items() if name == entry.id]
    if variants:
        read = sorted({name for item in variants for name in (*item.subject.INPUTS, *item.needs)})
        subjects = sorted({item.subject.__name__ for item in variants})
        lines += ["", f"Judges: {', '.join(subjects)}", f"Needs: {', '.join(read)}"]
    if entry.references:
        lines += ["", "References:"]
        lines += [f"  {name}: {', '.join(numbers)}" for name, numbers in entry.references.items()]
    return "\n".join(lines)


def _list(entries: list[Entry]) -> None:
    from rich.table import Table

    table = Table("Control", "Severity", "Scope", "Status", "Title", box=None)
    for entry in entries:
        table.add_row(entry.id, entry.severity, entry.scope, entry.status, entry.title)
    show([table, f"{len(entries)} controls"], None)
