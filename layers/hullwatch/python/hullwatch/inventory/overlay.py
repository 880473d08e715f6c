"""From the layers of an image to what is in it: whiteouts, replaced files, ownership, names.

OCI image specification, layer.md, "Applying Changesets". Only the files that a collector read are followed;
what they say comes and goes with them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterable, Iterator, Sequence

import msgspec
import zstandard

from hullwatch.inventory.collectors import os_release
from hullwatch.inventory.ecosystems import DISTRIBUTION_TYPES, with_names
from hullwatch.inventory.layer_index import Document, LayerIndex
from hullwatch.inventory.package import Inventory, OsRelease, Package, Problem

#: Top-level directories that are links into /usr where a distribution has merged them. Its package database
#: may still speak of the old place (dpkg: "merged-/usr").
_MERGED_INTO_USR = frozenset({"bin", "lib", "lib32", "lib64", "libo32", "libx32", "sbin"})
_PIECE = 1 << 20
_PEP503 = re.compile(r"[-_.]+")

#: A distribution package as an upgrade would change it: type, name, architecture, version.
_Identity = tuple[str, str, str, str]


def assemble(digest: str, layers: Sequence[LayerIndex]) -> Inventory:
    """The inventory of the image ``digest`` from its layers, lowest first.

    A distribution package belongs to the layer since which this version has been there without a break, a
    language package to the layer whose file bears witness of it. Raises :class:`ValueError` when the layers
    were read by different analyzers.
    """
    analyzers = {layer.analyzer for layer in layers}
    if len(analyzers) > 1:
        raise ValueError(f"layers of different analyzers: {', '.join(sorted(analyzers))}")
    image = _Overlay()
    for layer in layers:
        image.apply(layer)
    os = image.os()
    packages, evidence = image.packages()
    return Inventory(
        digest=digest,
        os=os,
        packages=tuple(with_names(packages, os)),
        evidence=tuple(with_names(evidence, os)),
        problems=tuple(image.problems()),
        layers=tuple(layer.digest for layer in layers),
        analyzer=next(iter(analyzers), ""),
    )


def remaining(layers: Sequence[LayerIndex], wanted: Callable[[LayerIndex], Iterable[str]]) -> tuple[str, ...]:
    """Of the files that ``wanted`` names in each layer, lowest first: those that the image has, sorted."""
    image = _Overlay()
    for layer in layers:
        documents = tuple(Document(path=path, collector="") for path in wanted(layer))
        image.apply(msgspec.structs.replace(layer, documents=documents, problems=()))
    return image.paths()


def named(layer: LayerIndex, wanted: Container[str]) -> list[str]:
    """The wanted paths at which a layer has anything but a directory."""
    return [path for paths in _names(layer.names) for path in paths if path in wanted]


class _File(msgspec.Struct, frozen=True):
    """One file that is there after the layers so far: what it says, and the layer that brought it."""

    layer: str
    documents: tuple[Document, ...] = ()
    problems: tuple[Problem, ...] = ()


class _Overlay:
    """The image as far as layers were applied."""

    def __init__(self) -> None:
        self._files: dict[str, _File] = {}
        #: The layer since which each distribution package has been installed.
        self._since: dict[_Identity, str] = {}
        #: By package type: a database that a layer deleted, and that layer.
        self._deleted: dict[str, tuple[str, str]] = {}

    def apply(self, layer: LayerIndex) -> None:
        """Lays one more layer on top."""
        self._remove(layer)
        added: dict[str, _File] = {}
        for document in layer.documents:
            file = added.get(document.path, _File(layer.digest))
            added[document.path] = _File(layer.digest, (*file.documents, document), file.problems)
        for problem in layer.problems:
            file = added.get(problem.path, _File(layer.digest))
            added[problem.path] = _File(layer.digest, file.documents, (*file.problems, problem))
        self._files |= added
        self._since = {
            identity: self._since.get(identity, layer.digest)
            for identity in map(_identity, self._distribution_packages())
        }

    def os(self) -> OsRelease:
        """The distribution, from the best of the files that name one, with all content sets."""
        named = (document.os for path in os_release.PATHS for document in self._documents(path))
        release = next((found for found in named if found), OsRelease())
        content_sets = {
            name
            for file in self._files.values()
            for document in file.documents
            if document.os
            for name in document.os.content_sets
        }
        if not content_sets:
            return release
        return msgspec.structs.replace(release, content_sets=tuple(sorted(content_sets)))

    def paths(self) -> tuple[str, ...]:
        """Every file, sorted."""
        return tuple(sorted(self._files))

    def packages(self) -> tuple[list[Package], list[Package]]:
        """The packages, and the language records that a distribution package already speaks for."""
        owned = {
            _canonical(path)
            for file in self._files.values()
            for document in file.documents
            for path in document.owned
        }
        found: list[Package] = []
        evidence: list[Package] = []
        for path, file in self._files.items():
            for document in file.documents:
                for package in document.packages:
                    if package.type in DISTRIBUTION_TYPES:
                        layer, into = self._since[_identity(package)], found
                    else:
                        layer, into = file.layer, evidence if _canonical(path) in owned else found
                    into.append(msgspec.structs.replace(package, layer=layer))
        return _merge(_installed_first(found)), _merge(evidence)

    def problems(self) -> Iterator[Problem]:
        """What could not be read of the files that are still there, and databases that no longer are."""
        for path in sorted(self._files):
            yield from self._files[path].problems
        present = {package.type for package in self._distribution_packages()}
        for kind, (path, layer) in sorted(self._deleted.items()):
            if kind not in present:
                yield Problem(
                    reason="UNREADABLE",
                    detail=f"the {kind} package database was deleted: what it installed cannot be named",
                    path=path,
                    layer=layer,
                )

    def _documents(self, path: str) -> tuple[Document, ...]:
        file = self._files.get(path)
        return file.documents if file else ()

    def _distribution_packages(self) -> Iterator[Package]:
        for file in self._files.values():
            for document in file.documents:
                for package in document.packages:
                    if package.type in DISTRIBUTION_TYPES:
                        yield package

    def _remove(self, layer: LayerIndex) -> None:
        """Takes away what the layer deletes or puts something else in the place of."""
        if not self._files:
            return
        places = {place for path in self._files for place in _with_parents(path)}
        deleted = places.intersection(layer.whiteouts)
        emptied = places.intersection(layer.opaque)
        replaced = {name for names in _names(layer.names) for name in places.intersection(names)}
        # A directory leaves what is in it below.
        covered = {name for names in _names(layer.directories) for name in self._files.keys() & names}
        if not (deleted or emptied or replaced or covered):
            return
        for path in list(self._files):
            parents = list(_with_parents(path))
            is_deleted = not deleted.isdisjoint(parents) or not emptied.isdisjoint(parents[1:])
            if is_deleted or path in covered or not replaced.isdisjoint(parents):
                file = self._files.pop(path)
                if is_deleted:
                    self._note_deleted(path, file, layer.digest)

    def _note_deleted(self, path: str, file: _File, layer: str) -> None:
        for document in file.documents:
            for package in document.packages[:1]:
                if package.type in DISTRIBUTION_TYPES:
                    self._deleted[package.type] = (path, layer)


def _merge(packages: Iterable[Package]) -> list[Package]:
    """One record per package and version, with every place it was found in; the first gives the rest."""
    merged: dict[_Identity, Package] = {}
    for package in packages:
        identity = _identity(package)
        first = merged.get(identity)
        if first is not None:
            locations = tuple(dict.fromkeys((*first.locations, *package.locations)))
            package = msgspec.structs.replace(first, locations=locations)
        merged[identity] = package
    return [merged[identity] for identity in sorted(merged)]


def _installed_first(packages: list[Package]) -> Iterator[Package]:
    """The installed packages, then what lock files alone speak of.

    A lock file is silent where packages of its kind are installed below its directory, and on versions that
    are installed elsewhere.
    """
    installed = [package for package in packages if not package.declared_only]
    below = {
        (package.type, place)
        for package in installed
        for path in package.locations
        for place in _with_parents(path)
    }
    known = {_normal_identity(package) for package in installed}
    yield from installed
    for package in packages:
        if package.declared_only and _normal_identity(package) not in known:
            directory = package.locations[0].rpartition("/")[0]
            if (package.type, directory) not in below:
                yield package


def _normal_identity(package: Package) -> tuple[str, str, str]:
    """Type, name and version, however Python's names are spelled."""
    is_python = package.type == "pypi"
    return (
        package.type,
        _PEP503.sub("-", package.name).lower() if is_python else package.name,
        package.version,
    )


def _identity(package: Package) -> _Identity:
    return package.type, package.name, package.arch, package.version


def _with_parents(path: str) -> Iterator[str]:
    """The path, then its parents up to the root, which is the empty string."""
    while path:
        yield path
        path = path.rpartition("/")[0]
    yield ""


def _canonical(path: str) -> str:
    """The path where a merged /usr has it."""
    return f"usr/{path}" if path.partition("/")[0] in _MERGED_INTO_USR else path


def _names(compressed: bytes) -> Iterator[list[str]]:
    """The paths of a layer, some at a time."""
    if not compressed:
        return
    rest = b""
    with zstandard.ZstdDecompressor().stream_reader(compressed) as reader:
        while piece := reader.read(_PIECE):
            *names, rest = (rest + piece).split(b"\0")
            yield [name.decode() for name in names]
