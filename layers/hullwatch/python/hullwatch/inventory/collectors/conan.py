"""Conan's ``conan.lock``: references ``name/version@user/channel#revision``, of Conan 1 and 2."""

from __future__ import annotations

import re
from collections.abc import Iterable

from hullwatch.inventory import lock_files
from hullwatch.inventory.lock_files import load_json, table, text
from hullwatch.inventory.package import Package

NAME = "conan"
VERSION = 1
PATHS = ("**/conan.lock",)
MAX_BYTES = lock_files.MAX_BYTES

_REFERENCE = re.compile(r"([\w.+-]+)/([\w.+-]+)(?:[@#%].*)?")


def parse(path: str, content: bytes) -> Iterable[Package]:
    """The required packages: not what only the build needs."""
    if not lock_files.counts(path):
        return
    document = load_json(content)
    nodes = table(table(document.get("graph_lock")).get("nodes")).values()
    required = document.get("requires")
    references = [table(node).get("ref") for node in nodes] + (required if isinstance(required, list) else [])
    for reference in dict.fromkeys(map(text, references)):
        if found := _REFERENCE.fullmatch(reference):
            yield Package(
                type="conan", name=found[1], version=found[2], locations=(path,), declared_only=True
            )
