"""``hullwatch scan``: what is in an image, what is known to be wrong with it, and what to upgrade."""

from __future__ import annotations

import time
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hullwatch.cli.check import FailOn as FailOnControl
from hullwatch.cli.options import Advisories, advisories_directory
from hullwatch.cli.terminal import FINDINGS, INCOMPLETE, emit, notes, show

if TYPE_CHECKING:
    from rich.console import RenderableType

    from hullwatch.advisories.model import Match
    from hullwatch.cli.reading import Reading
    from hullwatch.findings.finding import Finding
    from hullwatch.images.image import Platform
    from hullwatch.images.reference import Target
    from hullwatch.inventory.package import Inventory
    from hullwatch.posture.engine import Result


class Format(StrEnum):
    """What ``scan`` can print."""

    table = "table"
    json = "json"
    cyclonedx = "cyclonedx"
    spdx = "spdx"
    sarif = "sarif"
    asff = "asff"


class FailOn(StrEnum):
    """The lowest severity that makes ``scan`` end with exit code 1."""

    critical = "critical"
    high = "high"
    medium = "medium"
    low = "low"
    any = "any"


def scan(
    target: Annotated[
        str,
        typer.Argument(
            help="oci:DIR[:TAG], docker-archive:FILE, HOST/REPO:TAG or @DIGEST, an ECR address, or a path."
        ),
    ],
    platform: Annotated[
        str, typer.Option(metavar="OS/ARCH", help="Which image of an index to scan; default this machine's.")
    ] = "",
    advisories: Advisories = None,
    no_match: Annotated[bool, typer.Option("--no-match", help="Only list what the image contains.")] = False,
    fail_on: Annotated[
        FailOn | None, typer.Option(help="Exit with 1 when a vulnerability is at least this severe.")
    ] = None,
    fail_on_control: Annotated[
        FailOnControl | None,
        typer.Option(help="Exit with 1 when the image fails a control that is at least this severe."),
    ] = None,
    form: Annotated[Format, typer.Option("--format", help="What to print.")] = Format.table,
    output: Annotated[Path | None, typer.Option(help="Write the result to this file.")] = None,
    jobs: Annotated[int, typer.Option(min=0, help="Processes; 0 means one per processor.")] = 0,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Say how long each layer took.")] = False,
) -> None:
    """Scan an image: a directory, an archive, or straight from a registry.

    Exit codes: 0 done, 1 a vulnerability at or above --fail-on or a failed control at or above
    --fail-on-control, 2 the image or an option is not usable, 3 done, but something in the image could not
    be read.
    """
    from hullwatch.images.opening import parse_platform
    from hullwatch.images.reference import parse_target

    started = time.perf_counter()
    wanted = parse_target(target)
    only = parse_platform(platform) if platform else None
    directory = None if no_match else advisories_directory(advisories)
    reading = _read(wanted, only, jobs, verbose)
    timings = {"read": time.perf_counter() - started}
    matches: list[Match] = []
    limits: list[str] = []
    feeds: dict[str, str] | None = None
    if directory is not None:
        begun = time.perf_counter()
        matches, limits, feeds = _match(directory, reading.inventory)
        timings["match"] = time.perf_counter() - begun
    controls = _controls(reading)
    timings["total"] = time.perf_counter() - started
    _print(form, output, target, reading, matches, controls, timings, feeds)
    for limit in limits:
        notes().print(f"note: {limit}")
    if (fail_on and _at_least(matches, fail_on)) or (fail_on_control and _fails(controls, fail_on_control)):
        raise typer.Exit(FINDINGS)
    if not reading.inventory.complete:
        raise typer.Exit(INCOMPLETE)


def _read(target: Target, platform: Platform | None, jobs: int, verbose: bool) -> Reading:
    from hullwatch.cli.reading import read_image

    console = notes()
    if not console.is_terminal:
        reading = read_image(target, platform, jobs=jobs)
    else:
        with console.status(f"reading {target}") as status:
            reading = read_image(
                target,
                platform,
                jobs=jobs,
                progress=lambda done, total: status.update(f"reading {target}: layer {done} of {total}"),
            )
    if verbose:
        for layer in reading.image.layers:
            digest = layer.descriptor.digest
            seconds = reading.seconds[digest]
            console.print(f"{digest[:19]}  {layer.descriptor.size / 1e6:8.1f} MB  {seconds:6.2f} s")
    return reading


def _match(directory: Path, inventory: Inventory) -> tuple[list[Match], list[str], dict[str, str]]:
    """The matches, what they leave out, and of when every feed's data is."""
    from hullwatch.advisories.ecosystems import only_fixed
    from hullwatch.advisories.match import Advisories as Compiled

    limits = []
    with Compiled.open(directory) as compiled:
        for name in sorted({package.ecosystem for package in inventory.packages if package.ecosystem}):
            if not compiled.covers(name):
                limits.append(f"there are no advisories for {name} in {directory}")
            elif only_fixed(name):
                limits.append(f"advisories for {name} name only what is fixed already")
        return compiled.match(inventory.packages), limits, compiled.manifest.dates()


def _controls(reading: Reading) -> list[Result]:
    from datetime import UTC, datetime

    from hullwatch.posture.images import check_image

    return check_image(reading.built, now=datetime.now(UTC))


def _fails(controls: list[Result], fail_on: FailOnControl) -> bool:
    from hullwatch.posture.engine import SEVERITIES

    lowest = len(SEVERITIES) if fail_on is FailOnControl.any else SEVERITIES.index(fail_on.value)
    return any(item.verdict == "FAILED" and SEVERITIES.index(item.severity) <= lowest for item in controls)


def _at_least(matches: list[Match], fail_on: FailOn) -> bool:
    from hullwatch.advisories.model import SEVERITIES

    # What is under investigation is not known to be a vulnerability.
    known = [match for match in matches if match.status != "under_investigation"]
    if fail_on is FailOn.any:
        return bool(known)
    limit = SEVERITIES.index(fail_on.value)
    return any(SEVERITIES.index(match.vulnerability.severity) <= limit for match in known)


def _print(
    form: Format,
    output: Path | None,
    target: str,
    reading: Reading,
    matches: list[Match],
    controls: list[Result],
    timings: dict[str, float],
    feeds: dict[str, str] | None,
) -> None:
    if form is Format.table:
        show(_table(target, reading, matches, controls, matched=feeds is not None), output)
        return
    if form in (Format.cyclonedx, Format.spdx):
        from hullwatch.inventory import sbom

        make = sbom.cyclonedx if form is Format.cyclonedx else sbom.spdx
        name, repository = _named(target)
        document = make(reading.image, reading.inventory, name=name, repository=repository)
        emit(document.decode(), output)
        return
    if form is Format.asff:
        import json

        from hullwatch.findings.asff import to_asff

        documents = [
            to_asff(finding, account="000000000000", region="us-east-1")
            for finding in _findings(target, reading, matches, controls)
        ]
        emit(json.dumps(documents, indent=2), output)
        return
    from hullwatch.findings.report import scan_report

    report = scan_report(
        target, reading.facts, reading.inventory, matches, controls, _rounded(timings), feeds
    )
    if form is Format.sarif:
        import json

        from hullwatch import __version__
        from hullwatch.findings.sarif import to_sarif

        emit(json.dumps(to_sarif(report, __version__), indent=2), output)
    else:
        emit(report.model_dump_json(indent=2), output)


def _named(target: str) -> tuple[str, str]:
    """What a bill of materials calls the image, and its repository; a local one has the name of its file."""
    from hullwatch.images.reference import parse_target

    wanted = parse_target(target)
    if wanted.kind == "registry":
        return str(wanted), f"{wanted.host}/{wanted.repository}"
    return str(wanted), Path(wanted.path).resolve().name


def _rounded(timings: dict[str, float]) -> dict[str, float]:
    return {step: round(seconds, 3) for step, seconds in timings.items()}


def _findings(
    target: str, reading: Reading, matches: list[Match], controls: list[Result]
) -> tuple[Finding, ...]:
    from datetime import UTC, datetime

    from hullwatch.findings.standalone import findings_of_image
    from hullwatch.posture.failures import failed
    from hullwatch.settings import FindingSettings

    return findings_of_image(
        target,
        str(reading.image.platform),
        reading.inventory,
        matches,
        failed(controls),
        settings=FindingSettings(),
        now=datetime.now(UTC).isoformat(),
    )


def _table(
    target: str, reading: Reading, matches: list[Match], controls: list[Result], *, matched: bool
) -> list[RenderableType]:
    from hullwatch.cli import tables

    parts: list[RenderableType] = [tables.image(target, reading.image, reading.inventory)]
    if matched:
        parts.append(tables.upgrades(_findings(target, reading, matches, controls)))
    else:
        parts.append(tables.packages(reading.inventory))
    parts += tables.configuration(controls)
    if reading.inventory.problems:
        parts.append(tables.problems(reading.inventory))
    return parts
