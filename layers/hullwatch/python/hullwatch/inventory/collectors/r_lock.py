"""renv's ``renv.lock``: the R packages of a repository."""

from __future__ import annotations

from collections.abc import Iterable

from hullwatch.inventory import lock_files
from hullwatch.inventory.lock_files import load_json, table, text
from hullwatch.inventory.package import Package

NAME = "r-lock"
VERSION = 1
PATHS = ("**/renv.lock",)
MAX_BYTES = lock_files.MAX_BYTES


def parse(path: str, content: bytes) -> Iterable[Package]:
    """The packages; those of a Git host carry versions that nobody released."""
    if not lock_files.counts(path):
        return
    for name, value in table(load_json(content).get("Packages")).items():
        details = table(value)
        version = text(details.get("Version"))
        if version and details.get("Source") == "Repository":
            yield Package(type="cran", name=name, version=version, locations=(path,), declared_only=True)
