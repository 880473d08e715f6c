"""Modules of Go programs: the build information that the linker leaves in every binary.

Go's ``debug/buildinfo``. Since Go 1.18 the toolchain's version and the list of modules follow the mark as
strings, each after its length as a varint. Before, pointers stood there: the list has marks of its own at
both ends (``runtime/debug``), by which it is found without them; the toolchain's version is not.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from hullwatch.inventory.package import Package
from hullwatch.inventory.records import Unreadable

NAME = "go"
VERSION = 2
_BUILD_INFO = b"\xff Go buildinf:"
_LIST_BEGIN = bytes.fromhex("3077af0c9274080241e1c107e6d618e6")
_LIST_END = bytes.fromhex("f932433186182072008242104116d8f2")
MARKS = (_BUILD_INFO, _LIST_BEGIN)
MAPPED = True
MAX_BYTES = 1 << 20

_INLINE = 2
#: Mark, pointer size and flags, padded to 32 bytes.
_HEADER = 32
_MAX_VARINT = 5
_VERSION = re.compile(rb"(?:go\d+\.\d+|devel )")
#: A variable that the linker sets to a version: its package and the value.
_LINKED = re.compile(r"""-X[ =]["'\\]*([\w./~-]+)\.(?:version|ver)=(v?\d+\.\d+[\w.+-]*)""", re.IGNORECASE)
#: Last names of the packages whose version is the program's.
_OWN = frozenset({"cmd", "common", "main", "version"})
_TOOLCHAIN = re.compile(r"go(\d+(?:\.\d+)*)(?:(beta|rc)(\d+))?")


def begins(head: bytes) -> bool:
    """Whether a mark is followed by build information: Go's own tools hold the bare mark as a constant."""
    if head.startswith(_LIST_BEGIN):
        return head.startswith(b"path\t", len(_LIST_BEGIN))
    if len(head) <= _HEADER or not head[15] & _INLINE:
        return False
    _, at = _varint(head, _HEADER)
    return _VERSION.match(head, at) is not None


def parse(path: str, excerpt: bytes) -> Iterable[Package]:
    """The modules of a program, and the standard library as the package ``stdlib``."""
    if excerpt.startswith(_LIST_BEGIN):
        end = excerpt.find(_LIST_END)
        if end < 0:
            raise Unreadable("the list of Go modules has no end")
        return _modules(path, excerpt[len(_LIST_BEGIN) : end])
    version, at = _text(excerpt, _HEADER)
    modules, _ = _text(excerpt, at)
    return _inline(path, version, modules.removeprefix(_LIST_BEGIN).removesuffix(_LIST_END))


def _inline(path: str, version: bytes, modules: bytes) -> Iterator[Package]:
    if toolchain := _toolchain(version.decode("utf-8", "replace")):
        yield Package(type="golang", name="stdlib", version=toolchain, locations=(path,))
    yield from _modules(path, modules)


def _toolchain(version: str) -> str:
    """As the Go vulnerability database spells it (``1.22.0-rc.1``); empty for a development build."""
    found = _TOOLCHAIN.match(version)
    if found is None:
        return ""
    numbers, stage, counter = found.groups()
    if not stage:
        return numbers
    return f"{numbers}{'.0' if numbers.count('.') < 2 else ''}-{stage}.{counter}"


def _modules(path: str, listed: bytes) -> Iterator[Package]:
    """The lines ``mod`` (the program's own), ``dep``, and ``=>`` (what replaces the one before)."""
    module: tuple[str, str] | None = None
    lines = listed.decode("utf-8", "replace").split("\n")
    for line in lines:
        kind, *fields = line.split("\t")
        if kind == "=>" and len(fields) > 1:
            # A directory in place of a module has no version.
            module = (fields[0], fields[1])
            continue
        if module and (package := _package(path, *module)):
            yield package
        module = (fields[0], fields[1]) if kind in ("mod", "dep") and len(fields) > 1 else None
        if kind == "mod" and module and module[1] == "(devel)":
            flags = next((flags for flags in lines if flags.startswith("build\t-ldflags=")), "")
            module = (module[0], _linked_version(module[0], flags) or module[1])
    if module and (package := _package(path, *module)):
        yield package


def _linked_version(module: str, flags: str) -> str:
    """The version that the linker was told to write into the program; empty when there are several.

    Variables of the module's own commands say it before those of packages named for it, and these before any.
    """
    ranked: dict[int, set[str]] = {}
    for package, value in _LINKED.findall(flags):
        is_own = package.rpartition("/")[2].partition(".")[0].lower() in _OWN
        rank = 0 if package.startswith(f"{module}/cmd/") else 1 if is_own else 2
        ranked.setdefault(rank, set()).add("v" + value.lstrip("vV"))
    best = ranked[min(ranked)] if ranked else set()
    return best.pop() if len(best) == 1 else ""


def _package(path: str, name: str, version: str) -> Package | None:
    """Nothing for what was built from a working directory: ``(devel)`` is no version."""
    if not name or not version or version == "(devel)" or name.startswith((".", "/")):
        return None
    return Package(type="golang", name=name, version=version, locations=(path,))


def _text(content: bytes, at: int) -> tuple[bytes, int]:
    length, at = _varint(content, at)
    if at + length > len(content):
        raise Unreadable("the build information of a Go program breaks off")
    return content[at : at + length], at + length


def _varint(content: bytes, at: int) -> tuple[int, int]:
    """A number of ``encoding/binary``, and where it ends."""
    number = 0
    for position, byte in enumerate(content[at : at + _MAX_VARINT]):
        number |= (byte & 0x7F) << 7 * position
        if byte < 0x80:
            return number, at + position + 1
    raise Unreadable("the build information of a Go program has a length without end")
