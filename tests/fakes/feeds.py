"""Feeds for tests: a mirror directory filled record by record, and the advisories compiled from it."""

from __future__ import annotations

import gzip
import json
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hullwatch.advisories.build import BuildReport, build
from hullwatch.advisories.feeds.feed import Feed
from hullwatch.advisories.match import Advisories
from hullwatch.advisories.model import Match
from hullwatch.advisories.record import Reading, Record
from hullwatch.advisories.store import DirectorySource
from hullwatch.inventory.package import Package

NOW = datetime(2026, 6, 1, tzinfo=UTC)


class Mirror:
    """Feeds in their layout, and a place for what is compiled from them."""

    def __init__(self, root: Path) -> None:
        self.feeds = root / "feeds"
        self.output = root / "advisories"
        self.cache = root / "cache"
        self.feeds.mkdir()

    def write(self, path: str, data: bytes | str | dict[str, Any]) -> Path:
        target = self.feeds / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(data, dict):
            data = json.dumps(data)
        target.write_bytes(data.encode() if isinstance(data, str) else data)
        return target

    def osv(self, ecosystem: str, *records: dict[str, Any]) -> Path:
        target = self.feeds / "osv" / ecosystem / "all.zip"
        target.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
            for record in records:
                archive.writestr(f"{record['id']}.json", json.dumps(record))
        return target

    def alpine(
        self, branch: str, packages: dict[str, dict[str, list[str]]], repository: str = "main"
    ) -> Path:
        return self.write(
            f"alpine/{branch}/{repository}.json",
            {
                "distroversion": branch,
                "reponame": repository,
                "packages": [{"pkg": {"name": name, "secfixes": fixes}} for name, fixes in packages.items()],
            },
        )

    def debian(self, tracker: dict[str, Any]) -> Path:
        return self.write("debian/tracker-data.json", tracker)

    def kev(self, *entries: dict[str, str], released: str = "2026-05-30T10:00:00.0000Z") -> Path:
        return self.write(
            "kev/known_exploited_vulnerabilities.json",
            {"dateReleased": released, "vulnerabilities": list(entries)},
        )

    def epss(self, *rows: str, date: str = "2026-05-31") -> Path:
        head = f"#model_version:v2026.03.01,score_date:{date}T00:00:00+0000\ncve,epss,percentile\n"
        text = head + "".join(f"{row}\n" for row in rows)
        return self.write("epss/epss_scores-current.csv.gz", gzip.compress(text.encode()))

    def cve5(self, *records: dict[str, Any]) -> Path:
        target = self.feeds / "nvd" / "vulnrichment.zip"
        target.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
            for record in records:
                cve = record["cveMetadata"]["cveId"]
                archive.writestr(f"vulnrichment-develop/2026/{cve}.json", json.dumps(record))
        return target

    def build(self, **options: Any) -> BuildReport:
        return build(self.feeds, self.output, **{"workers": 1, "now": NOW, **options})

    def open(self) -> Advisories:
        return Advisories(DirectorySource(self.output, cache=self.cache))

    def matches(self, *packages: Package) -> list[Match]:
        """Of the packages, in advisories compiled from what the mirror holds now."""
        self.build()
        with self.open() as advisories:
            return advisories.match(packages)

    def ids(self, *packages: Package) -> list[str]:
        return [match.vulnerability.id for match in self.matches(*packages)]


def osv_record(
    identifier: str,
    ecosystem: str,
    name: str,
    *events: tuple[str, str],
    versions: list[str] | None = None,
    **fields: Any,
) -> dict[str, Any]:
    """An OSV record for one package, with one range of the given events."""
    affected: dict[str, Any] = {"package": {"ecosystem": ecosystem, "name": name}}
    if events:
        kind = "SEMVER" if ecosystem in ("npm", "crates.io", "Go") else "ECOSYSTEM"
        affected["ranges"] = [{"type": kind, "events": [{key: value} for key, value in events]}]
    if versions is not None:
        affected["versions"] = versions
    return {
        "id": identifier,
        "modified": "2026-05-01T00:00:00Z",
        "published": "2026-04-01T00:00:00Z",
        "affected": [affected],
        **fields,
    }


def python(name: str, version: str) -> Package:
    return Package(type="pypi", name=name, version=version, ecosystem="PyPI")


def deb(name: str, version: str, ecosystem: str = "Debian:12", source: str = "", of: str = "") -> Package:
    return Package(
        type="deb",
        name=name,
        version=version,
        ecosystem=ecosystem,
        source_name=source or name,
        source_version=of or version,
    )


def apk(name: str, version: str, branch: str = "v3.16", origin: str = "") -> Package:
    return Package(
        type="apk",
        name=name,
        version=version,
        ecosystem=f"Alpine:{branch}",
        source_name=origin or name,
        source_version=version,
    )


def rpm(name: str, version: str, module: str = "", ecosystem: str = "AlmaLinux:8") -> Package:
    return Package(
        type="rpm",
        name=name,
        version=version,
        module=module,
        ecosystem=ecosystem,
        source_name=f"{name}-source",
        source_version=version,
    )


def records(feed: Feed, path: Path) -> tuple[list[Record], Reading]:
    """Everything a feed's reader yields for a document, and what it noted."""
    log = Reading(today=NOW.date().isoformat())
    return list(feed.read(path, log)), log
