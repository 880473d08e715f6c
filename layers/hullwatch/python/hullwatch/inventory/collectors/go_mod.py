"""Go's ``go.mod``: the modules it requires, replacements applied (Go Modules Reference, "go.mod files")."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from hullwatch.inventory import lock_files
from hullwatch.inventory.package import Package

NAME = "go-mod"
VERSION = 1
PATHS = ("**/go.mod",)
MAX_BYTES = lock_files.MAX_BYTES


def parse(path: str, content: bytes) -> Iterable[Package]:
    """The required modules; one that a directory replaces has no version."""
    if not lock_files.counts(path):
        return
    required: dict[str, str] = {}
    replaced: dict[tuple[str, str], tuple[str, str]] = {}
    for verb, words in _directives(lock_files.lines(content)):
        match verb, words:
            case "require", [name, version]:
                required[name] = version
            case "replace", [name, "=>", *new]:
                replaced[name, ""] = _module(new)
            case "replace", [name, version, "=>", *new]:
                replaced[name, version] = _module(new)
    for old in required.items():
        name, version = replaced.get(old) or replaced.get((old[0], "")) or old
        if name and version:
            yield Package(type="golang", name=name, version=version, locations=(path,), declared_only=True)


def _module(words: list[str]) -> tuple[str, str]:
    return (words[0], words[1]) if len(words) == 2 else ("", "")


def _directives(lines: Iterable[str]) -> Iterator[tuple[str, list[str]]]:
    """Each with its verb, those of a block included."""
    block = ""
    for line in lines:
        words = [word.strip('"`') for word in line.partition("//")[0].split()]
        if words == [")"]:
            block = ""
        elif block and words:
            yield block, words
        elif words[1:] == ["("]:
            block = words[0]
        elif words:
            yield words[0], words[1:]
