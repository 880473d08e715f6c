"""Bundler's ``Gemfile.lock``: the gems of its sources, not those of a directory or a repository."""

from __future__ import annotations

import re
from collections.abc import Iterable

from hullwatch.inventory import lock_files
from hullwatch.inventory.package import Package

NAME = "ruby-lock"
VERSION = 1
PATHS = ("**/Gemfile.lock", "**/gems.locked")
MAX_BYTES = lock_files.MAX_BYTES

#: A version may have a platform behind it (``1.15.4-x86_64-linux``). Deeper lines are dependencies.
_GEM = re.compile(r"    ([\w.-]+) \(([\w.]+)(?:-[\w.-]+)?\)")


def parse(path: str, content: bytes) -> Iterable[Package]:
    """The gems of all ``GEM`` sections."""
    if not lock_files.counts(path):
        return
    section = ""
    seen: set[tuple[str, str]] = set()
    for line in lock_files.lines(content):
        if line and not line[0].isspace():
            section = line
        elif (
            section == "GEM" and (found := _GEM.fullmatch(line)) and (gem := (found[1], found[2])) not in seen
        ):
            seen.add(gem)
            yield Package(type="gem", name=gem[0], version=gem[1], locations=(path,), declared_only=True)
