"""Cargo's ``Cargo.lock``: the crates that came from a registry."""

from __future__ import annotations

from collections.abc import Iterable

from hullwatch.inventory import lock_files
from hullwatch.inventory.lock_files import load_toml, tables, text
from hullwatch.inventory.package import Package

NAME = "rust-lock"
VERSION = 1
PATHS = ("**/Cargo.lock",)
MAX_BYTES = lock_files.MAX_BYTES


def parse(path: str, content: bytes) -> Iterable[Package]:
    """The crates; a workspace's own have no source."""
    if not lock_files.counts(path):
        return
    for item in tables(load_toml(content).get("package")):
        name, version = text(item.get("name")), text(item.get("version"))
        if name and version and text(item.get("source")).startswith(("registry+", "sparse+")):
            yield Package(type="cargo", name=name, version=version, locations=(path,), declared_only=True)
