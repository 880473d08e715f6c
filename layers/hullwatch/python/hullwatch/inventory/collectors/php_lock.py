"""Composer's ``composer.lock``: what is not only for development."""

from __future__ import annotations

from collections.abc import Iterable

from hullwatch.inventory import lock_files
from hullwatch.inventory.lock_files import load_json, tables, text
from hullwatch.inventory.package import Package

NAME = "php-lock"
VERSION = 1
PATHS = ("**/composer.lock",)
MAX_BYTES = lock_files.MAX_BYTES


def parse(path: str, content: bytes) -> Iterable[Package]:
    """The packages; versions go without the ``v`` of their tags, as in advisories."""
    if not lock_files.counts(path):
        return
    for item in tables(load_json(content).get("packages")):
        name, version = text(item.get("name")), text(item.get("version"))
        if version[:1] == "v" and version[1:2].isdigit():
            version = version[1:]
        if name and version:
            yield Package(type="composer", name=name, version=version, locations=(path,), declared_only=True)
