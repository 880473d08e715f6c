"""What one layer holds: everything later steps need of it, so that its bytes are read once.

The index of a layer depends on the layer and the analyzer alone, never on what lies below it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

import msgspec
import zstandard

from hullwatch.errors import BudgetExceeded, PermanentError
from hullwatch.images.image import Layer
from hullwatch.images.sources import Readable
from hullwatch.indexing.budget import Budget
from hullwatch.indexing.stream import LayerStream
from hullwatch.indexing.tar import Entry, TarWalk
from hullwatch.inventory import binaries, elf
from hullwatch.inventory.dispatch import analyzer, dispatch_table, program_collectors
from hullwatch.inventory.package import OsRelease, Package, Problem
from hullwatch.inventory.records import Collector, Ownership, ProgramCollector, Record, Unreadable

_WHITEOUT = ".wh."
_OPAQUE = ".wh..wh..opq"
#: AUFS' own files, which say nothing about the image (OCI image specification, layer.md, "Whiteouts").
_AUFS = ".wh..wh."

_EXECUTABLE = 0o111
_SETUID, _SETGID, _STICKY, _WORLD_WRITABLE = 0o4000, 0o2000, 0o1000, 0o0002
#: Directories of distributions without programs, and what the names of programs end in when in letters.
_WITHOUT_PROGRAMS = (
    "usr/share/doc",
    "usr/share/man",
    "usr/share/locale",
    "usr/share/zoneinfo",
    "usr/include",
)
_PROGRAM_EXTENSIONS = frozenset({"", "bin", "so", "node", "real", "distrib"})
#: Characters in which ``.so`` of a shared library must be, with the version behind it (``.so.1.2.30``).
_LIBRARY_SUFFIX = 16
#: Paths that one list of facts names; beyond that it only counts.
_MAX_FACTS = 1000
#: Characters of a collector's complaint, and of all that it says of one package.
_MAX_DETAIL = 300
_MAX_PACKAGE = 8192
#: Bytes that a record takes beside its text, about.
_RECORD_BYTES = 500
#: Bytes of a stored index, compressed and not: more than two million paths take.
_MAX_STORED = 1 << 30
_COMPRESSION_LEVEL = 6


class Document(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a collector made of one file. The file's fate in the overlay is that of all it says."""

    path: str
    collector: str
    packages: tuple[Package, ...] = ()
    os: OsRelease | None = None
    #: Files of distribution packages, those only that some collector wants.
    owned: tuple[str, ...] = ()


class Paths(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Files of one property: ``total`` of them, the first of which are named."""

    named: tuple[str, ...] = ()
    total: int = 0


class LayerIndex(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One layer, read and verified. Sizes in bytes; paths relative to the root, without a leading slash."""

    digest: str
    diff_id: str
    analyzer: str
    compressed_bytes: int
    uncompressed_bytes: int
    entries: int
    documents: tuple[Document, ...] = ()
    problems: tuple[Problem, ...] = ()
    #: Paths that this layer deletes from the layers below.
    whiteouts: tuple[str, ...] = ()
    #: Directories that it empties first.
    opaque: tuple[str, ...] = ()
    #: Its directories, in the same form as ``names``: each takes the place of a file of the same path.
    directories: bytes = b""
    #: The path of everything that is no directory, in the order of the archive: zstd over NUL-terminated
    #: UTF-8. Any of them replaces what the layers below have there, a whole directory included.
    names: bytes = b""
    setuid: Paths = Paths()
    setgid: Paths = Paths()
    #: Files, and directories in which anybody may replace what others own (no sticky bit).
    world_writable: Paths = Paths()
    #: Files with Linux capabilities.
    capabilities: Paths = Paths()


def index_layer(source: Readable, layer: Layer, budget: Budget | None = None) -> LayerIndex:
    """Reads a layer once, from its compressed bytes to its index.

    A file that a collector cannot read is a :class:`~hullwatch.inventory.package.Problem` of the index. What
    concerns the whole layer is an error: those of :class:`~hullwatch.indexing.stream.LayerStream` and
    :class:`~hullwatch.indexing.tar.TarWalk`.
    """
    budget = budget or Budget()
    stream = LayerStream(source, layer, budget)
    pieces = iter(stream)
    walk = TarWalk(pieces, budget)
    builder = _Builder(budget)
    try:
        for entry in walk:
            builder.add(entry)
    finally:
        pieces.close()
    return builder.build(stream, walk, layer)


def encode(index: LayerIndex) -> bytes:
    """The index as it is stored: JSON, zstd-compressed, the same bytes for the same index."""
    return zstandard.ZstdCompressor(level=_COMPRESSION_LEVEL).compress(msgspec.json.encode(index))


def decode(stored: bytes) -> LayerIndex:
    """The index from what :func:`encode` made."""
    content = zstandard.ZstdDecompressor().decompress(stored, max_output_size=_MAX_STORED)
    return msgspec.json.decode(content, type=LayerIndex)


class _Builder:
    """Collects what an index says while the entries pass by."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._allowance = _Allowance(budget)
        self._table = dispatch_table()
        self._programs = program_collectors()
        # By path and collector, since a later entry of the same path replaces the earlier one.
        self._documents: dict[str, list[Document]] = {}
        self._problems: dict[str, list[Problem]] = {}
        self._whiteouts: list[str] = []
        self._opaque: list[str] = []
        self._directories = _Names(self._allowance)
        self._names = _Names(self._allowance)
        self._setuid, self._setgid, self._world_writable, self._capabilities = (_PathList() for _ in range(4))

    def add(self, entry: Entry) -> None:
        path = entry.path
        if entry.kind == "directory":
            if entry.mode & _WORLD_WRITABLE and not entry.mode & _STICKY:
                self._world_writable.add(path)
            self._forget(path)
            self._directories.add(path)
            return
        directory, _, name = path.rpartition("/")
        if name.startswith(_WHITEOUT):
            self._add_whiteout(directory, name)
            return
        self._names.add(path)
        if entry.kind == "file":
            self._add_facts(entry)
        self._forget(path)
        if wanted_by := self._table.find(path):
            self._collect(entry, wanted_by)
        if entry.kind == "file" and not entry.sparse and not wanted_by and _is_program(entry):
            self._collect_program(entry)
        elif entry.kind == "hardlink" and not wanted_by and entry.link in self._documents:
            self._collect_link(entry)

    def build(self, stream: LayerStream, walk: TarWalk, layer: Layer) -> LayerIndex:
        digest = layer.descriptor.digest
        return LayerIndex(
            digest=digest,
            diff_id=layer.diff_id,
            analyzer=analyzer(),
            compressed_bytes=stream.compressed_bytes,
            uncompressed_bytes=stream.uncompressed_bytes,
            entries=walk.entries,
            documents=tuple(document for found in self._documents.values() for document in found),
            problems=tuple(
                msgspec.structs.replace(problem, layer=digest)
                for found in self._problems.values()
                for problem in found
            ),
            whiteouts=tuple(self._whiteouts),
            opaque=tuple(self._opaque),
            directories=self._directories.finish(),
            names=self._names.finish(),
            setuid=self._setuid.finish(),
            setgid=self._setgid.finish(),
            world_writable=self._world_writable.finish(),
            capabilities=self._capabilities.finish(),
        )

    def _add_whiteout(self, directory: str, name: str) -> None:
        if name == _OPAQUE:
            self._opaque.append(directory)
        elif not name.startswith(_AUFS):
            deleted = name.removeprefix(_WHITEOUT)
            self._whiteouts.append(f"{directory}/{deleted}" if directory else deleted)
        self._allowance.take(len(directory) + len(name))

    def _add_facts(self, entry: Entry) -> None:
        mode = entry.mode
        if mode & _SETUID:
            self._setuid.add(entry.path)
        if mode & _SETGID:
            self._setgid.add(entry.path)
        if mode & _WORLD_WRITABLE:
            self._world_writable.add(entry.path)
        if entry.capabilities:
            self._capabilities.add(entry.path)

    def _collect(self, entry: Entry, wanted_by: list[Collector]) -> None:
        if entry.kind == "hardlink":
            self._collect_link(entry)
        if entry.kind != "file":
            return  # a symbolic link: what it points to speaks for itself
        if entry.sparse:
            self._problem(entry.path, "UNREADABLE", "a sparse file is not read")
            return
        largest = min(self._budget.document_bytes, max(collector.MAX_BYTES for collector in wanted_by))
        if entry.size > largest:
            detail = f"the file has {entry.size} bytes, over {largest}"
            self._problem(entry.path, BudgetExceeded.reason, detail)
            return
        content = entry.read()
        for collector in wanted_by:
            self._run(collector.NAME, entry.path, _lazily(collector, entry.path, content))

    def _collect_program(self, entry: Entry) -> None:
        """What a program says of itself; any other executable file says nothing."""
        path = entry.path
        search = binaries.search_of(path)
        pieces = search.watch(entry.pieces()) if search else entry.pieces()
        found: dict[str, list[Iterable[Package]]] = {}
        try:
            for collector, excerpt in elf.excerpts(pieces, self._programs):
                found.setdefault(collector.NAME, []).append(_lazily(collector, path, excerpt))
        except Unreadable as error:
            self._problem(path, "UNREADABLE", str(error))
        if search:
            # Whatever the others have left.
            for _ in pieces:
                pass
            found[binaries.NAME] = [search.packages()]
        for name, packages in found.items():
            self._run(name, path, _distinct(chain.from_iterable(packages)))

    def _collect_link(self, entry: Entry) -> None:
        """A second name of a file of this layer: it says the same, from another place."""
        found = self._documents.get(entry.link)
        if found is None:
            if not self._table.find(entry.link):
                detail = f"a hard link to {entry.link[:_MAX_DETAIL]}, which was not read"
                self._problem(entry.path, "UNREADABLE", detail)
            return
        moved = [_moved(document, entry.path) for document in found if _speaks_at(document, entry.path)]
        if moved:
            self._documents[entry.path] = moved

    def _run(self, name: str, path: str, records: Iterable[Record]) -> None:
        packages: list[Package] = []
        owned: list[str] = []
        release: OsRelease | None = None
        try:
            for record in records:
                release = self._sort(record, packages, owned) or release
        except PermanentError:
            raise
        except Unreadable as error:
            self._problem(path, "UNREADABLE", str(error))
        except Exception as error:  # one file must never cost the others
            self._problem(path, "UNREADABLE", f"collector {name}: {type(error).__name__}: {error}")
        if packages or owned or release:
            document = Document(
                path=path, collector=name, packages=tuple(packages), os=release, owned=tuple(owned)
            )
            self._documents.setdefault(path, []).append(document)

    def _sort(self, record: Record, packages: list[Package], owned: list[str]) -> OsRelease | None:
        match record:
            case Package():
                self._allowance.take(_RECORD_BYTES + _checked_length(record))
                packages.append(record)
            case Ownership():
                wanted = [path for path in record.paths if _may_be_program(path) or self._table.find(path)]
                self._allowance.take(sum(map(len, wanted)))
                owned.extend(wanted)
            case OsRelease():
                return record
        return None

    def _forget(self, path: str) -> None:
        self._documents.pop(path, None)
        self._problems.pop(path, None)

    def _problem(self, path: str, reason: str, detail: str) -> None:
        self._allowance.take(_RECORD_BYTES)
        problem = Problem(reason=reason, detail=detail[:_MAX_DETAIL], path=path)
        self._problems.setdefault(path, []).append(problem)


class _Allowance:
    """The memory that an index may still take."""

    def __init__(self, budget: Budget) -> None:
        self._allowed = self._left = budget.index_bytes

    def take(self, size: int) -> None:
        self._left -= size
        if self._left < 0:
            raise BudgetExceeded(f"the index of the layer would take more than {self._allowed} bytes")


class _Names:
    """Compresses paths as they come."""

    _BATCH = 4096

    def __init__(self, allowance: _Allowance) -> None:
        self._allowance = allowance
        self._compressor = zstandard.ZstdCompressor(level=3).compressobj()
        self._batch: list[str] = []
        self._parts: list[bytes] = []

    def add(self, path: str) -> None:
        self._batch.append(path)
        if len(self._batch) == self._BATCH:
            self._flush()

    def finish(self) -> bytes:
        self._flush()
        self._keep(self._compressor.flush())
        return b"".join(self._parts)

    def _flush(self) -> None:
        if self._batch:
            self._keep(self._compressor.compress(("\0".join(self._batch) + "\0").encode()))
            self._batch.clear()

    def _keep(self, part: bytes) -> None:
        self._allowance.take(len(part))
        self._parts.append(part)


class _PathList:
    """The first paths, and how many there were."""

    def __init__(self) -> None:
        self._named: list[str] = []
        self._total = 0

    def add(self, path: str) -> None:
        self._total += 1
        if self._total <= _MAX_FACTS:
            self._named.append(path)

    def finish(self) -> Paths:
        return Paths(named=tuple(self._named), total=self._total)


def _lazily(collector: Collector | ProgramCollector, path: str, content: bytes) -> Iterator[Any]:
    """What a collector makes of a file, whose errors come with the first record at the earliest."""
    yield from collector.parse(path, content)


def _distinct(packages: Iterable[Package]) -> Iterator[Package]:
    """The packages of a program: it may say the same in several places."""
    seen = set[Package]()
    for package in packages:
        if package not in seen:
            seen.add(package)
            yield package


def _is_program(entry: Entry) -> bool:
    """Whether the file may be a program or shared library: distributions install those without permission
    to execute them."""
    return (
        entry.mode & _EXECUTABLE != 0 or entry.path.endswith(".so") or ".so." in entry.path[-_LIBRARY_SUFFIX:]
    )


def _may_be_program(path: str) -> bool:
    """Whether a distribution may have put a program there: by its name alone."""
    directory, _, name = path.rpartition("/")
    extension = name.rpartition(".")[2] if "." in name else ""
    return not directory.startswith(_WITHOUT_PROGRAMS) and (
        extension in _PROGRAM_EXTENSIONS or not extension.isalpha()
    )


def _moved(document: Document, path: str) -> Document:
    packages = tuple(msgspec.structs.replace(package, locations=(path,)) for package in document.packages)
    return msgspec.structs.replace(document, path=path, packages=packages)


def _speaks_at(document: Document, path: str) -> bool:
    """Whether a second name of a file says the same: not busybox under the name of each of its applets."""
    return document.collector != binaries.NAME or binaries.search_of(path) is not None


def _checked_length(package: Package) -> int:
    """Characters of a package's text. Raises :class:`Unreadable` when nobody can mean that much."""
    texts = (
        package.name,
        package.version,
        package.arch,
        package.source_name,
        package.source_version,
        package.vendor,
        package.module,
        *package.licenses,
    )
    length = sum(map(len, texts))
    if length > _MAX_PACKAGE:
        raise Unreadable(f"a package of {length} characters, over {_MAX_PACKAGE}")
    return length
