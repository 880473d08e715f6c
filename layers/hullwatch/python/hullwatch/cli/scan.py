"""``hullwatch scan``: what is in an image, what is known to be wrong with it, and what to upgrade."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hullwatch.cli.check import FailOn as FailOnControl
from hullwatch.cli.options import Advisories, advisories_directory
from hullwatch.cli.terminal import FINDINGS, INCOMPLETE, emit, notes, show
from hullwatch.errors import UserError

if TYPE_CHECKING:
    from rich.console import RenderableType

    from hullwatch.advisories.model import Match
    from hullwatch.cli.reading import Reading
    from hullwatch.findings.finding import Finding
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


#: ``--platform`` for every image of an index.
ALL = "all"
#: Formats of which a document is about one image.
_ONE_IMAGE = (Format.cyclonedx, Format.spdx)


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
        str,
        typer.Option(
            metavar="OS/ARCH", help="Which image of an index to scan, or all; default this machine's."
        ),
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
    from hullwatch.images.reference import parse_target

    every = platform == ALL
    if every and form in _ONE_IMAGE:
        raise UserError(f"--format {form} is about one image: name its --platform instead of {ALL}")
    wanted = parse_target(target)
    directory = None if no_match else advisories_directory(advisories)
    scans = [
        _judge(reading, seconds, directory) for reading, seconds in _read(wanted, platform, jobs, verbose)
    ]
    _print(form, output, target, scans, every=every)
    for limit in dict.fromkeys(limit for scanned in scans for limit in scanned.limits):
        notes().print(f"note: {limit}")
    matches = [match for scanned in scans for match in scanned.matches]
    controls = [result for scanned in scans for result in scanned.controls]
    if (fail_on and _at_least(matches, fail_on)) or (fail_on_control and _fails(controls, fail_on_control)):
        raise typer.Exit(FINDINGS)
    if not all(scanned.reading.inventory.complete for scanned in scans):
        raise typer.Exit(INCOMPLETE)


@dataclass(frozen=True)
class _Scanned:
    """One image: what it holds, what is known to be wrong with it, and seconds by step."""

    reading: Reading
    matches: list[Match]
    controls: list[Result]
    #: What the advisories leave out, and of when every feed's data is; ``None`` where nothing was matched.
    limits: list[str]
    feeds: dict[str, str] | None
    timings: dict[str, float]


def _read(target: Target, platform: str, jobs: int, verbose: bool) -> Iterator[tuple[Reading, float]]:
    """The images, each with the seconds that reading it took."""
    from hullwatch.cli.reading import read_image, read_images
    from hullwatch.images.opening import parse_platform

    console = notes()
    status = console.status(f"reading {target}") if console.is_terminal else None

    def progress(done: int, total: int) -> None:
        if status:
            status.update(f"reading {target}: layer {done} of {total}")

    def readings() -> Iterator[Reading]:
        if platform == ALL:
            yield from read_images(target, jobs=jobs, progress=progress)
        else:
            only = parse_platform(platform) if platform else None
            yield read_image(target, only, jobs=jobs, progress=progress)

    images = readings()
    while True:
        begun = time.perf_counter()
        with status or nullcontext():
            reading = next(images, None)
        if reading is None:
            return
        if verbose:
            for layer in reading.image.layers:
                digest = layer.descriptor.digest
                seconds = reading.seconds[digest]
                console.print(f"{digest[:19]}  {layer.descriptor.size / 1e6:8.1f} MB  {seconds:6.2f} s")
        yield reading, time.perf_counter() - begun


def _judge(reading: Reading, seconds: float, directory: Path | None) -> _Scanned:
    begun = time.perf_counter()
    timings = {"read": seconds}
    matches: list[Match] = []
    limits: list[str] = []
    feeds: dict[str, str] | None = None
    if directory is not None:
        matches, limits, feeds = _match(directory, reading.inventory)
        timings["match"] = time.perf_counter() - begun
    controls = _controls(reading)
    timings["total"] = seconds + time.perf_counter() - begun
    rounded = {step: round(spent, 3) for step, spent in timings.items()}
    return _Scanned(reading, matches, controls, limits, feeds, rounded)


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
        matches = compiled.match(inventory.packages, compiled.streams(inventory.os))
        return matches, limits, compiled.manifest.dates()


def _controls(reading: Reading) -> list[Result]:
    from datetime import UTC, datetime

    from hullwatch.posture.images import built_image, check_image

    built = built_image(reading.image, reading.inventory, reading.layers, files=reading.facts.files)
    return check_image(built, now=datetime.now(UTC))


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


def _print(form: Format, output: Path | None, target: str, scans: list[_Scanned], *, every: bool) -> None:
    if form is Format.table:
        show([part for scanned in scans for part in _table(target, scanned)], output)
        return
    if form in _ONE_IMAGE:
        from hullwatch.inventory import sbom

        make = sbom.cyclonedx if form is Format.cyclonedx else sbom.spdx
        name, repository = _named(target)
        (reading,) = (scanned.reading for scanned in scans)
        document = make(reading.image, reading.inventory, name=name, repository=repository)
        emit(document.decode(), output)
        return
    if form is Format.asff:
        from hullwatch.findings.asff import to_asff

        documents = [
            to_asff(finding, account="000000000000", region="us-east-1")
            for finding in _findings(target, scans)
        ]
        emit(json.dumps(documents, indent=2), output)
        return
    from hullwatch.findings.report import scan_report

    reports = [
        scan_report(
            target,
            scanned.reading.facts,
            scanned.reading.inventory,
            scanned.matches,
            scanned.controls,
            scanned.timings,
            scanned.feeds,
        )
        for scanned in scans
    ]
    if form is Format.sarif:
        from hullwatch import __version__
        from hullwatch.findings.sarif import to_sarif

        logs = [to_sarif(report, __version__) for report in reports]
        runs = [
            # What tells the runs of one tool apart (SARIF 2.1.0, 3.14.3).
            {**run, "automationDetails": {"id": f"{report.image.platform}/"}} if every else run
            for report, log in zip(reports, logs, strict=True)
            for run in log["runs"]
        ]
        emit(json.dumps({**logs[0], "runs": runs}, indent=2), output)
        return
    texts = [report.model_dump_json(indent=2) for report in reports]
    emit(f"[{','.join(texts)}]" if every else texts[0], output)


def _named(target: str) -> tuple[str, str]:
    """What a bill of materials calls the image, and its repository; a local one has the name of its file."""
    from hullwatch.images.reference import parse_target

    wanted = parse_target(target)
    if wanted.kind == "registry":
        return str(wanted), f"{wanted.host}/{wanted.repository}"
    return str(wanted), Path(wanted.path).resolve().name


def _findings(target: str, scans: list[_Scanned]) -> tuple[Finding, ...]:
    from datetime import UTC, datetime

    from hullwatch.findings.standalone import findings_of_images, subject_of
    from hullwatch.posture.failures import failed
    from hullwatch.settings import FindingSettings

    return findings_of_images(
        target,
        [
            subject_of(
                str(scanned.reading.image.platform),
                scanned.reading.inventory,
                scanned.matches,
                failed(scanned.controls),
            )
            for scanned in scans
        ],
        settings=FindingSettings(),
        now=datetime.now(UTC).isoformat(),
    )


def _table(target: str, scanned: _Scanned) -> list[RenderableType]:
    from hullwatch.cli import tables

    inventory = scanned.reading.inventory
    parts: list[RenderableType] = [tables.image(target, scanned.reading.image, inventory)]
    if scanned.feeds is not None:
        parts.append(tables.upgrades(_findings(target, [scanned])))
    else:
        parts.append(tables.packages(inventory))
    parts += tables.configuration(scanned.controls)
    if inventory.problems:
        parts.append(tables.problems(inventory))
    return parts
