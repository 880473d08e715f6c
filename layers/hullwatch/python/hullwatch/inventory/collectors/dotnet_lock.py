"""NuGet's ``packages.lock.json``: what was resolved for each target framework."""

from __future__ import annotations

from collections.abc import Iterable

from hullwatch.inventory import lock_files
from hullwatch.inventory.lock_files import load_json, table, text
from hullwatch.inventory.package import Package

NAME = "dotnet-lock"
VERSION = 1
PATHS = ("**/packages.lock.json",)
MAX_BYTES = lock_files.MAX_BYTES


def parse(path: str, content: bytes) -> Iterable[Package]:
    """The packages; other projects of the solution have no resolved version."""
    if not lock_files.counts(path):
        return
    frameworks = table(load_json(content).get("dependencies")).values()
    found = {
        (name, text(table(details).get("resolved")))
        for framework in frameworks
        for name, details in table(framework).items()
    }
    for name, version in sorted(found):
        if version:
            yield Package(type="nuget", name=name, version=version, locations=(path,), declared_only=True)
