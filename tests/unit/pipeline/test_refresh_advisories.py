"""Fetching into a bucket and compiling out of it: what is asked again, and what is said of a feed."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fakes.feeds import NOW, Mirror, osv_record
from fakes.scripted_http import Answer, Request, ScriptedServer
from hullwatch.pipeline.refresh_advisories import compile_shards, fetch_feed
from hullwatch.settings import Settings


@dataclass
class Folder:
    """A bucket in a directory."""

    root: Path
    uploaded: list[str] = field(default_factory=list)

    def download_all(self, prefix: str, directory: Path) -> dict[str, bytes]:
        source = self.root / prefix
        found = {str(p.relative_to(source)): p.read_bytes() for p in source.rglob("*") if p.is_file()}
        for name, content in found.items():
            (directory / name).parent.mkdir(parents=True, exist_ok=True)
            (directory / name).write_bytes(content)
        return found

    def upload_all(
        self, directory: Path, prefix: str, *, unless: Mapping[str, bytes], leave_out: Collection[str] = ()
    ) -> None:
        for path in directory.rglob("*"):
            name = str(path.relative_to(directory))
            if path.is_file() and name not in leave_out and unless.get(name) != path.read_bytes():
                target = self.root / prefix / name
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, target)
                self.uploaded.append(name)


@dataclass
class Pointer:
    """``advisories/current.json`` of the bucket."""

    root: Path

    def swap(self, generation: str, since: str) -> bool:
        text = f'{{"generation": "{generation}", "since": "{since}"}}'
        (self.root / "advisories" / "current.json").write_text(text)
        return True


@dataclass
class Cloud:
    server: ScriptedServer
    bucket: Folder
    moment: float = NOW.timestamp()

    @property
    def services(self) -> Any:
        return SimpleNamespace(
            evidence=self.bucket,
            generations=Pointer(self.bucket.root),
            environment=SimpleNamespace(settings=Settings(mirror=f"http://{self.server.host}")),
            now=lambda: int(self.moment),
            timestamp=lambda: NOW.isoformat(),
        )

    def refresh(self) -> dict[str, Any]:
        self.bucket.uploaded.clear()
        self.server.requests.clear()
        return compile_shards(self.services, [fetch_feed(self.services, feed) for feed in ("osv", "kev")])


@pytest.fixture
def cloud(mirror: Mirror, tmp_path: Path) -> Iterator[Cloud]:
    def serve(request: Request) -> Answer:
        path = mirror.feeds / request.path.lstrip("/")
        if not path.is_file():
            return Answer(404)
        tag = f'"{path.stat().st_mtime_ns}"'
        if request.headers.get("If-None-Match") == tag:
            return Answer(304)
        return Answer(body=path.read_bytes(), headers={"ETag": tag})

    mirror.osv("npm", osv_record("GHSA-1", "npm", "left", ("introduced", "0")))
    mirror.kev({"cveID": "CVE-2026-0001", "dateAdded": "2026-05-20"})
    with ScriptedServer(serve) as server:
        yield Cloud(server, Folder(tmp_path / "bucket"))


@pytest.fixture
def mirror(tmp_path: Path) -> Mirror:
    return Mirror(tmp_path)


def test_what_has_not_changed_is_neither_fetched_nor_compiled_again(cloud: Cloud, mirror: Mirror) -> None:
    first = cloud.refresh()
    assert set(first["compiled"]) == {"npm", "enrichment"}

    second = cloud.refresh()
    assert (second["changed"], second["compiled"], second["failures"]) == (False, [], {})
    asked = {request.path: request.headers.get("If-None-Match") for request in cloud.server.requests}
    assert asked["/osv/npm/all.zip"]
    assert asked["/kev/known_exploited_vulnerabilities.json"]
    # Only that it was looked at is noted.
    assert set(cloud.bucket.uploaded) <= {f"generations/{first['generation']}.json"}

    mirror.osv("npm", osv_record("GHSA-2", "npm", "left", ("introduced", "0")))
    third = cloud.refresh()
    assert (third["changed"], third["compiled"]) == (True, ["npm"])


def test_a_feed_that_is_too_old_is_named(cloud: Cloud, mirror: Mirror) -> None:
    assert cloud.refresh()["stale"] == ["osv"]
    mirror.osv(
        "npm", osv_record("GHSA-1", "npm", "left", ("introduced", "0"), modified="2026-05-31T00:00:00Z")
    )
    assert cloud.refresh()["stale"] == []
    cloud.moment += 30 * 24 * 3600
    assert cloud.refresh()["stale"] == ["osv", "kev"]


def test_a_feed_that_was_never_had_is_named(cloud: Cloud, mirror: Mirror) -> None:
    mirror.write("kev/known_exploited_vulnerabilities.json", "{")
    done = cloud.refresh()
    assert "kev" in done["stale"]
    assert "kev" in done["failures"]
