"""The demo's result as tables for people."""

from __future__ import annotations

from collections import Counter

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from local_aws.demo import Change, DemoResult, Push

_CHANGE: dict[Change, str] = {"opened": "bold red", "changed": "yellow", "kept": "dim", "archived": "green"}


def pushes(result: DemoResult) -> list[RenderableType]:
    """One table a push, and a line about the time that everything took."""
    parts: list[RenderableType] = [_push(push) for push in result.pushes]
    times = ", ".join(f"{step} {seconds:.1f} s" for step, seconds in result.seconds.items())
    parts.append(Text(f"{times}; dead letters: {result.dead_letters}", style="dim"))
    return parts


def _push(push: Push) -> RenderableType:
    counts = Counter(line.change for line in push.findings)
    summary = ", ".join(f"{counts[change]} {change}" for change in _CHANGE if counts[change])
    table = Table("", "", "Package", "Installed", "Upgrade to", "Vulnerabilities", "Security Hub", box=None)
    for line in push.findings:
        table.add_row(
            Text(line.change, style=_CHANGE[line.change]),
            line.priority,
            Text(line.package or line.reason or "could not be read"),
            Text(", ".join(line.installed)),
            Text(line.fixed or ("no fix yet" if line.package else "")),
            Text(_shortened(line.vulnerabilities)),
            Text(line.security_hub),
        )
    for image in push.images:
        if image.status not in {"ASSESSED", "LINKED"}:
            summary += f"; {image.digest[:19]} {image.status} ({image.reason})"
        if image.unmatched:
            summary += f"; no advisories for {', '.join(image.unmatched)}"
    head = Text(f"\nPushed {push.image} in {push.seconds:.1f} s: {summary or 'no findings'}", style="bold")
    return Group(head, table)


def _shortened(vulnerabilities: list[str]) -> str:
    more = len(vulnerabilities) - 2
    return ", ".join(vulnerabilities[:2]) + (f" and {more} more" if more > 0 else "")
