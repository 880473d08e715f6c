"""Gradle's ``gradle.lockfile``: ``group:artifact:version=configurations``, one line each."""

from __future__ import annotations

import re
from collections.abc import Iterable

from hullwatch.inventory import lock_files
from hullwatch.inventory.package import Package

NAME = "gradle"
VERSION = 1
PATHS = ("**/gradle.lockfile", "**/buildscript-gradle.lockfile")
MAX_BYTES = lock_files.MAX_BYTES

_LINE = re.compile(r"([^:=#\s]+:[^:=\s]+):([^:=\s]+)=(\S*)")


def parse(path: str, content: bytes) -> Iterable[Package]:
    """The artifacts of any configuration that is not only for tests."""
    if not lock_files.counts(path):
        return
    for line in lock_files.lines(content):
        found = _LINE.fullmatch(line.strip())
        if found and not all(name.lower().startswith("test") for name in found[3].split(",")):
            yield Package(
                type="maven", name=found[1], version=found[2], locations=(path,), declared_only=True
            )
