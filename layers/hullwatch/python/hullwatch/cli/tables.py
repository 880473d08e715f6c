"""Tables for people. Text that comes from images is shown as text, whatever it contains."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from hullwatch.advisories.status import AdvisoriesStatus
from hullwatch.findings.finding import Finding
from hullwatch.findings.wording import counted, listed, plain
from hullwatch.images.image import Image
from hullwatch.inventory.package import Inventory
from hullwatch.posture.catalogue import catalogue
from hullwatch.posture.engine import SEVERITIES, Result
from hullwatch.posture.failures import failed

if TYPE_CHECKING:
    from hullwatch.findings.affected import AffectedReport

_PRIORITY = {"P1": "bold red", "P2": "red", "P3": "yellow", "P4": "dim"}
_SEVERITY = {"critical": "bold red", "high": "red", "medium": "yellow", "low": "cyan", "info": "dim"}
_CONDITION = {"ok": "green", "stale": "yellow", "failed": "red", "absent": "dim"}


def image(target: str, found: Image, inventory: Inventory) -> RenderableType:
    """Two lines: which image, and what it is made of."""
    types = Counter(package.type for package in inventory.packages)
    system = inventory.os.name or inventory.os.id or "unknown operating system"
    return Group(
        Text(f"{target}  {found.platform}  {found.digest}", style="bold"),
        Text(
            f"{plain(system, 80)}; {len(inventory.packages)} packages"
            + (f" ({', '.join(f'{count} {kind}' for kind, count in types.most_common())})" if types else "")
        ),
    )


def upgrades(findings: Sequence[Finding]) -> RenderableType:
    """What to upgrade, most urgent first."""
    vulnerable = [finding for finding in findings if finding.kind in ("package", "vulnerability")]
    if not vulnerable:
        return Text("No known vulnerabilities.", style="green")
    table = _table("", "Package", "Installed", "Upgrade to", "Vulnerabilities", "Why")
    for finding in sorted(vulnerable, key=lambda finding: (finding.priority, finding.package)):
        ids = sorted({match.vulnerability.id for match in finding.matches})
        table.add_row(
            Text(finding.priority, style=_PRIORITY[finding.priority]),
            Text(plain(finding.package, 60)),
            Text(plain(listed(finding.installed, 2), 60)),
            Text(plain(finding.fixed, 40) or "no fix yet", style="" if finding.fixed else "dim"),
            Text(f"{counted(finding.matches)}\n{listed(ids, 3)}"),
            Text(plain("; ".join(finding.reasons[:2]), 160)),
        )
    counts = Counter(finding.priority for finding in vulnerable)
    summary = ", ".join(f"{count} {priority}" for priority, count in sorted(counts.items()))
    fixable = sum(bool(finding.fixed) for finding in vulnerable)
    line = f"{len(vulnerable)} packages have known vulnerabilities ({summary}); {fixable} can be upgraded."
    return Group(table, Text(line))


def packages(inventory: Inventory) -> RenderableType:
    """Every package, by type and name."""
    table = _table("Type", "Package", "Version", "Found in")
    for package in sorted(inventory.packages, key=lambda package: (package.type, package.name)):
        where = listed(package.locations, 1)
        cells = (package.name, package.version, where)
        table.add_row(package.type, *(Text(plain(cell, 80)) for cell in cells))
    return table


def configuration(results: Sequence[Result]) -> Iterator[RenderableType]:
    """Controls that the image fails as it is built, worst first; nothing when it fails none."""
    failures = {item.control: item for item in failed(results)}
    if not failures:
        return
    table = _table("", "Control", "Found", "To do", title="Configuration")
    for item in sorted(failures.values(), key=lambda item: SEVERITIES.index(item.severity)):
        entry = catalogue()[item.control]
        table.add_row(
            Text(item.severity, style=_SEVERITY[item.severity]),
            Text(f"{item.control}\n{entry.title}"),
            Text("\n".join(plain(line, 60) for line in item.lines[:3])),
            Text(entry.fix),
        )
    yield table


def problems(inventory: Inventory) -> RenderableType:
    """What could not be read."""
    table = _table("Not read", "Where", "Why", title="Something in this image could not be read")
    for problem in inventory.problems:
        where = problem.path or problem.layer[:19]
        table.add_row(problem.reason, Text(plain(where, 80)), Text(plain(problem.detail, 200)))
    return table


def feeds(status: AdvisoriesStatus) -> RenderableType:
    """How the feeds of compiled advisories stand."""
    table = _table("Feed", "State", "Data of", "Age", "Records", "Problem")
    for feed in status.feeds:
        table.add_row(
            feed.name,
            Text(feed.condition, style=_CONDITION[feed.condition]),
            (feed.date or feed.read)[:10],
            "" if feed.age is None else f"{feed.age} d",
            str(feed.entries),
            Text(plain("; ".join(feed.failures), 120)),
        )
    head = Text(
        f"generation {status.generation}, built {status.built[:16]}, {len(status.shards)} shards, "
        f"{status.compressed / 1e6:.1f} MB"
    )
    return Group(head, table)


def lookups(rows: Iterable[tuple[str, Sequence[Sequence[str]]]]) -> RenderableType:
    """For each purl, its vulnerabilities."""
    table = _table("Package", "Vulnerability", "Severity", "Fixed in", "Also known as")
    for purl, entries in rows:
        if not entries:
            table.add_row(Text(plain(purl, 80)), Text("none known", style="green"))
        for number, entry in enumerate(entries):
            cells = (purl if number == 0 else "", *entry)
            table.add_row(*(Text(plain(cell, 80)) for cell in cells))
    return table


def affected(report: AffectedReport) -> list[RenderableType]:
    """Images that answer a question, those that run first, and what could not be searched."""
    table = _table("Image", "Digest", "Package", "Version", "Has", "Upgrade to", "Where")
    for found in report.images:
        where = [
            *(f"runs as {name}" for name in found.running),
            *(f"head of {t.name}" for t in found.tracks if t.head),
        ]
        for number, package in enumerate(found.packages):
            first = number == 0
            cells = (
                (found.reference or found.repository or "") if first else "",
                found.digest[:19] if first else "",
                package.name,
                package.version,
                package.vulnerability or "",
                package.fixed or "",
                listed(where, 3) if first else "",
            )
            table.add_row(*(Text(plain(cell, 80)) for cell in cells))
    count = len(report.images)
    parts: list[RenderableType] = [table] if count else []
    parts.append(Text(f"{count} image{'' if count == 1 else 's'}: {plain(report.query, 120)}"))
    if report.issues:
        issues = _table("Not searched", "Why", title="The answer may lack something")
        for issue in report.issues:
            issues.add_row(issue.reason, Text(plain(issue.detail, 200)))
        parts.append(issues)
    return parts


def _table(*columns: str, title: str | None = None) -> Table:
    table = Table(*columns, title=title, title_justify="left", title_style="bold", header_style="bold")
    table.box = None
    table.pad_edge = False
    return table
