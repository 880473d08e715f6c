"""Installed Node.js modules: the ``package.json`` at the root of each, npm's package.json(5).

Only what Node's module resolution would find: a direct child of ``node_modules`` (or of a scope in it), and
Debian's own module directories. A ``package.json`` anywhere else is source code, a fixture or part of a
module. pnpm's store (``node_modules/.pnpm``) has the same layout. Yarn's Plug'n'Play has no ``node_modules``:
its resolver, ``.pnp.cjs``, says which archive of the cache every module is run from.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from hullwatch.inventory.package import Package
from hullwatch.inventory.records import Unreadable

NAME = "node"
VERSION = 2
PATHS = (
    "**/node_modules/*/package.json",
    "**/node_modules/@*/*/package.json",
    "usr/share/nodejs/*/package.json",
    "usr/share/nodejs/@*/*/package.json",
    "**/.pnp.cjs",
    "**/.pnp.js",
    "**/.pnp.data.json",
)
MAX_BYTES = 32 << 20

#: Directories in which a module keeps other modules for its own tests.
_FIXTURES = {"__tests__", "test", "tests", "fixture", "fixtures", "example", "examples", "testdata", "spec"}
_MAX_NAME = 214  # package.json(5)
_MAX_VERSION = 256
#: Plug'n'Play: where a module is, and an archive's name: slug, source, version, two checksums.
_LOCATION = re.compile(r'"packageLocation":\s*"([^"]{1,1000})"')
_ARCHIVE = re.compile(r"-npm-(\d.*)-[0-9a-f]{10}-\w+\.zip$")


class _Manifest(msgspec.Struct):
    name: Any = None
    version: Any = None
    license: Any = None
    licenses: Any = None


_decoder = msgspec.json.Decoder(_Manifest)


def parse(path: str, content: bytes) -> Iterable[Package]:
    """The module that a ``package.json`` describes, or those that a resolver knows.

    Nothing for one without a name or version.
    """
    if "/.pnp." in f"/{path}":
        yield from _plugged(path, content.decode("utf-8", "replace"))
        return
    if _is_fixture(path):
        return
    try:
        manifest = _decoder.decode(content.removeprefix(b"\xef\xbb\xbf"))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Unreadable(f"not valid JSON: {error}") from None
    name, version = manifest.name, manifest.version
    if not (isinstance(name, str) and 0 < len(name) <= _MAX_NAME):
        return
    if not (isinstance(version, str) and 0 < len(version) <= _MAX_VERSION):
        return
    yield Package(
        type="npm",
        name=name,
        version=version,
        licenses=_licenses(manifest),
        locations=(path,),
    )


def _plugged(path: str, text: str) -> Iterator[Package]:
    """The modules in archives; those that are unpacked have a ``package.json`` to be found."""
    seen: set[tuple[str, str]] = set()
    for location in _LOCATION.findall(text):
        archive, _, name = location.rstrip("/").rpartition("/node_modules/")
        version = _ARCHIVE.search(archive.rpartition("/")[2])
        if name and version and (module := (name, version[1])) not in seen:
            seen.add(module)
            yield Package(type="npm", name=name, version=version[1], locations=(path,))


def _is_fixture(path: str) -> bool:
    """Whether the module lies in the test directories of another; a module may well be called ``test``."""
    _, *modules = f"/{path}".split("/node_modules/")
    for module in modules[:-1]:
        scope_and_name = 2 if module.startswith("@") else 1
        if not _FIXTURES.isdisjoint(module.lower().split("/")[scope_and_name:]):
            return True
    return False


def _licenses(manifest: _Manifest) -> tuple[str, ...]:
    """``license`` is an expression; before npm 3 an object or, as ``licenses``, a list of objects."""
    found = manifest.licenses if isinstance(manifest.licenses, list) else [manifest.license]
    names = (item.get("type") if isinstance(item, dict) else item for item in found)
    return tuple(name for name in names if isinstance(name, str) and name)
