"""Compiling: from a directory of feed documents to a generation of shards.

In two steps, each spread over processes and skipped where nothing changed: a document is read into parts,
one per shard it speaks of, and a shard is compiled from its parts. A document that is damaged, of another
schema, shrunken or older than the copy in use costs only itself: its last good parts stay in use, and the
report says so.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import struct
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import msgspec
import zstandard

from hullwatch.advisories import aliases, ecosystems, shards, store
from hullwatch.advisories.aliases import Spoken
from hullwatch.advisories.feeds import FEEDS
from hullwatch.advisories.record import Advisory, Affected, Enrichment, Reading, Record, Repository
from hullwatch.advisories.store import DocumentState, Manifest, ShardState
from hullwatch.errors import ConfigurationError, FeedInvalid

#: A document may lose this share of its entries, or ten of them, from one copy to the next.
MAY_LOSE = 0.1
_MAY_LOSE_AT_LEAST = 10
#: More invalid entries than this share, or than three of them, and the document is not of its feed's schema.
_MAY_BE_INVALID = 0.01
_MAY_BE_INVALID_AT_LEAST = 3
#: Raised whenever the same records would go to other parts.
_PARTS = 1
_PART_LEVEL = 1
_SHARD_LEVEL = 12
_LENGTH = struct.Struct(">I")
#: No shard has this name.
_REPLACED = "*"

_Task = TypeVar("_Task")
_Outcome = TypeVar("_Outcome")


class BuildReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a build did."""

    manifest: Manifest
    #: The generation that was in use before; empty at the first build.
    previous: str
    #: Documents that were read and shards that were compiled; the others were unchanged.
    read: tuple[str, ...]
    compiled: tuple[str, ...]
    seconds: float

    @property
    def generation(self) -> str:
        """The generation now in use."""
        return self.manifest.generation

    @property
    def changed(self) -> bool:
        """Whether another generation came into use."""
        return self.generation != self.previous

    @property
    def failures(self) -> dict[str, tuple[str, ...]]:
        """Feed -> why a document of it is not in use, or not in its newest copy."""
        return self.manifest.failures


def build(
    feeds: Path,
    output: Path,
    *,
    workers: int | None = None,
    accept: Collection[str] = (),
    failures: Mapping[str, Collection[str]] | None = None,
    now: datetime | None = None,
) -> BuildReport:
    """Compile the documents of a mirror directory and put the result into use.

    :param feeds: the mirror: ``osv/<Ecosystem>/all.zip``, ``alpine/<branch>/main.json``, ``kev/...``, ...
    :param output: where generations lie; the one in use there is built upon.
    :param workers: processes; by default one per processor. With 1, everything happens in this process.
    :param accept: feeds whose documents may shrink, age or vanish this once.
    :param failures: what went wrong already when the documents were fetched, by feed.
    :raises ConfigurationError: the mirror does not exist or holds nothing of any feed.
    """
    started = time.monotonic()
    moment = (now or datetime.now(UTC)).astimezone(UTC).isoformat(timespec="seconds")
    if not feeds.is_dir():
        raise ConfigurationError(f"{feeds} is not a directory of feeds")
    previous = store.read_manifest(output) or Manifest(generation="")
    for folder in ("parts", "shards", "generations"):
        (output / folder).mkdir(parents=True, exist_ok=True)

    with _pool(workers) as pool:
        tasks = _read_tasks(feeds, output, previous, accept, moment)
        read = list(_spread(pool, _read_document, tasks))
        documents = {o.document: o.state for o in read if o.state is not None}
        failed = [(o.feed, o.failure) for o in read if o.failure]
        failed += _keep_vanished(previous, documents, {task.document for task in tasks}, accept)
        _note_unfetched(previous, documents, failures or {})
        if not documents:
            raise ConfigurationError(f"{feeds} holds no readable document of any feed")
        compiled = list(_spread(pool, _compile, _compile_tasks(output, previous, documents)))

    reasons = {name: list(texts) for name, texts in (failures or {}).items() if texts}
    for feed, text in failed:
        reasons.setdefault(feed, []).append(text)
    states = {outcome.shard: outcome.state for outcome in compiled}
    generation = store.generation_of(states)
    manifest = Manifest(
        generation=generation,
        built=previous.built if generation == previous.generation else moment,
        checked=moment,
        documents=dict(sorted(documents.items())),
        shards=dict(sorted(states.items())),
        failures={feed: tuple(sorted(texts)) for feed, texts in sorted(reasons.items())},
    )
    store.write_manifest(output, manifest)
    _forget(output, {generation: manifest, previous.generation: previous})
    return BuildReport(
        manifest=manifest,
        previous=previous.generation,
        read=tuple(outcome.document for outcome in read if outcome.fresh),
        compiled=tuple(outcome.shard for outcome in compiled if outcome.fresh),
        seconds=time.monotonic() - started,
    )


@contextlib.contextmanager
def _pool(workers: int | None) -> Iterator[ProcessPoolExecutor | None]:
    count = workers or os.cpu_count() or 1
    if count == 1:
        # Lambda has no shared memory for a pool's semaphores.
        yield None
    else:
        with ProcessPoolExecutor(count) as pool:
            yield pool


def _spread(
    pool: ProcessPoolExecutor | None, function: Callable[[_Task], _Outcome], tasks: list[_Task]
) -> Iterator[_Outcome]:
    return map(function, tasks) if pool is None else pool.map(function, tasks)


# Reading: a document becomes parts.


class _Read(msgspec.Struct, frozen=True, kw_only=True):
    """A document to read."""

    feed: str
    document: str
    file: Path
    parts: Path
    moment: str
    #: What is in use of it.
    known: DocumentState | None
    #: Whether it may not shrink or age.
    guarded: bool


class _ReadOutcome(msgspec.Struct, frozen=True, kw_only=True):
    feed: str
    document: str
    #: ``None``: there is no good copy of it.
    state: DocumentState | None
    failure: str = ""
    fresh: bool = False


def _read_tasks(
    feeds: Path, output: Path, previous: Manifest, accept: Collection[str], moment: str
) -> list[_Read]:
    tasks = [
        _Read(
            feed=name,
            document=document,
            file=feeds / path,
            parts=output / "parts",
            moment=moment,
            known=previous.documents.get(document),
            guarded=name not in accept,
        )
        for name, feed in FEEDS.items()
        for document, path in feed.find(feeds).items()
    ]
    # The largest first, so that no processor waits for one at the end.
    return sorted(tasks, key=lambda task: (-task.file.stat().st_size, task.document))


def _read_document(task: _Read) -> _ReadOutcome:
    known = task.known
    try:
        state = _read_into_parts(task)
    except FeedInvalid as error:
        failure = f"{task.document}: {error}"
        if known is not None:
            failure += f"; the copy of {known.read[:10]} stays in use"
        kept = None if known is None else msgspec.structs.replace(known, failure=str(error))
        return _ReadOutcome(feed=task.feed, document=task.document, state=kept, failure=failure)
    fresh = known is None or _version(state) != _version(known)
    return _ReadOutcome(feed=task.feed, document=task.document, state=state, fresh=fresh)


def _version(state: DocumentState) -> tuple[str, int, int]:
    return state.sha256, state.reader, state.layout


def _read_into_parts(task: _Read) -> DocumentState:
    feed, known = FEEDS[task.feed], task.known
    try:
        with task.file.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise FeedInvalid(f"not readable: {error.strerror}") from error
    if (
        known is not None
        and _version(known) == (sha256, feed.VERSION, _PARTS)
        and all((task.parts / _part_name(digest)).exists() for digest in _digests(known))
    ):
        return msgspec.structs.replace(known, failure="", checked=task.moment)

    log = Reading(today=task.moment[:10])
    writers: dict[str, _PartWriter] = {}
    try:
        for record in feed.read(task.file, log):
            for shard, part in _by_shard(record):
                if shard not in writers:
                    writers[shard] = _PartWriter(task.parts)
                writers[shard].write(part)
        check(log, known if task.guarded else None)
        parts = {shard: writer.finish() for shard, writer in sorted(writers.items())}
        replaced = ""
        if log.replaced:
            writers[_REPLACED] = _PartWriter(task.parts)
            for advisory, since in sorted(log.replaced.items()):
                writers[_REPLACED].write(_Voided(advisory, since))
            replaced = writers[_REPLACED].finish()
    finally:
        for writer in writers.values():
            writer.discard()
    return DocumentState(
        feed=task.feed,
        reader=feed.VERSION,
        layout=_PARTS,
        sha256=sha256,
        bytes=task.file.stat().st_size,
        entries=log.entries,
        date=log.date,
        read=task.moment,
        checked=task.moment,
        skipped=dict(sorted(log.skipped.items())),
        parts=parts,
        replaced=replaced,
    )


def _digests(state: DocumentState) -> list[str]:
    """Of every file that was made from a document."""
    return [*state.parts.values(), *([state.replaced] if state.replaced else [])]


def check(log: Reading, known: DocumentState | None) -> None:
    """Refuse a document that cannot be what its publisher meant.

    :param known: the copy in use; ``None`` when the document may differ from it at will.
    :raises FeedInvalid: it is empty, poisoned, shrunken, or older than the copy in use.
    """
    if log.entries == 0 and not log.partial:
        raise FeedInvalid("holds no entries")
    invalid = log.skipped["invalid"]
    if 0 < invalid == log.entries or invalid > max(_MAY_BE_INVALID_AT_LEAST, _MAY_BE_INVALID * log.entries):
        raise FeedInvalid(f"{invalid} of {log.entries} entries are not of the feed's schema")
    unnamed = log.skipped["no identifier"]
    if unnamed > max(_MAY_LOSE_AT_LEAST, MAY_LOSE * log.entries):
        raise FeedInvalid(f"{unnamed} of {log.entries} entries name no vulnerability")
    if known is None or log.partial:
        return
    lost = known.entries - log.entries
    if lost > max(_MAY_LOSE_AT_LEAST, MAY_LOSE * known.entries):
        raise FeedInvalid(f"shrank from {known.entries} to {log.entries} entries")
    if log.date < known.date:
        raise FeedInvalid(f"is of {log.date or 'no date'}, older than {known.date}")


def _by_shard(record: Record) -> Iterator[tuple[str, Record | Spoken]]:
    if isinstance(record, Enrichment):
        yield ecosystems.ENRICHMENT, record
        return
    if isinstance(record, Repository):
        yield ecosystems.REPOSITORIES, record
        return
    by_shard: dict[str, list[Affected]] = {}
    for affected in record.affected:
        by_shard.setdefault(ecosystems.shard(affected.ecosystem), []).append(affected)
    for shard, entries in by_shard.items():
        yield shard, msgspec.structs.replace(record, affected=tuple(entries))
        if not record.covers:
            yield ecosystems.ALIASES, Spoken(shard, record.id, record.aliases)
        for name in record.covers:
            if not aliases.is_cve(name):
                yield ecosystems.ALIASES, Spoken(shard, name)


def _keep_vanished(
    previous: Manifest, documents: dict[str, DocumentState], found: set[str], accept: Collection[str]
) -> list[tuple[str, str]]:
    """Keep what the mirror no longer has: a missing document is a failure, not an empty one."""
    failed = []
    for document, state in previous.documents.items():
        if document not in found and state.feed not in accept and state.feed in FEEDS:
            failure = f"{document}: no longer in the mirror"
            documents[document] = msgspec.structs.replace(state, failure=failure)
            failed.append((state.feed, f"{failure}; the copy of {state.read[:10]} stays in use"))
    return failed


def _note_unfetched(
    previous: Manifest, documents: dict[str, DocumentState], failures: Mapping[str, Collection[str]]
) -> None:
    """A copy that lies there because no newer one could be fetched is not known to be the newest."""
    for document, state in documents.items():
        for text in failures.get(state.feed, ()):
            reason = text.removeprefix(f"{document}: ")
            known = previous.documents.get(document)
            if reason != text and known is not None:
                documents[document] = msgspec.structs.replace(state, failure=reason, checked=known.checked)


# Parts: records between the two steps, as length-prefixed MessagePack in one zstd frame.


def _part_name(digest: str) -> str:
    return f"{digest[:32]}.zst"


class _Voided(msgspec.Struct, frozen=True, array_like=True):
    """An advisory, and the moment from which older documents no longer count for it."""

    advisory: str
    since: str


class _PartWriter:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        handle, temporary = tempfile.mkstemp(dir=folder, prefix=".part.")
        self._temporary = Path(temporary)
        self._file = os.fdopen(handle, "wb")
        self._stream = zstandard.ZstdCompressor(level=_PART_LEVEL).stream_writer(self._file)
        self._digest = hashlib.sha256()
        self._encoder = msgspec.msgpack.Encoder()

    def write(self, record: Record | Spoken | _Voided) -> None:
        data = self._encoder.encode(record)
        data = _LENGTH.pack(len(data)) + data
        self._digest.update(data)
        self._stream.write(data)

    def finish(self) -> str:
        self._stream.flush(zstandard.FLUSH_FRAME)
        self._file.close()
        digest = self._digest.hexdigest()
        self._temporary.replace(self._folder / _part_name(digest))
        return digest

    def discard(self) -> None:
        """Remove what was not finished."""
        self._file.close()
        with contextlib.suppress(FileNotFoundError):
            self._temporary.unlink()


_Form = TypeVar("_Form")


def _part_records(path: Path, form: type[_Form]) -> Iterator[_Form]:
    decoder = msgspec.msgpack.Decoder(form)
    with path.open("rb") as file, zstandard.ZstdDecompressor().stream_reader(file) as stream:
        while head := stream.read(_LENGTH.size):
            yield decoder.decode(stream.read(_LENGTH.unpack(head)[0]))


# Compiling: parts become a shard.


class _Part(msgspec.Struct, frozen=True, order=True):
    """What one document says of a shard, and the lists of what others have replaced of it."""

    digest: str
    replaced: tuple[str, ...] = ()
    #: Of the document; only where something may be replaced.
    date: str = ""


class _Compile(msgspec.Struct, frozen=True, kw_only=True):
    """A shard to compile."""

    shard: str
    output: Path
    parts: tuple[_Part, ...]
    feeds: tuple[str, ...]
    #: What other shards say about aliases of what this one speaks of.
    elsewhere: tuple[aliases.Statement, ...]
    known: ShardState | None


class _CompileOutcome(msgspec.Struct, frozen=True, kw_only=True):
    shard: str
    state: ShardState
    fresh: bool


def _compile_tasks(output: Path, previous: Manifest, documents: dict[str, DocumentState]) -> list[_Compile]:
    parts: dict[str, set[_Part]] = {}
    sources: dict[str, set[str]] = {}
    replacing = {name: state for name, state in documents.items() if state.replaced}
    for document, state in documents.items():
        replaced = tuple(
            sorted(o.replaced for name, o in replacing.items() if o.feed == state.feed and name != document)
        )
        for shard, digest in state.parts.items():
            part = _Part(digest, replaced, state.date) if replaced else _Part(digest)
            parts.setdefault(shard, set()).add(part)
            sources.setdefault(shard, set()).add(state.feed)
    elsewhere = aliases.said_elsewhere(
        spoken
        for part in sorted(parts.pop(ecosystems.ALIASES, set()))
        for void in [_void(output, part)]
        for spoken in _part_records(_part_file(output, part.digest), Spoken)
        if spoken.identifier not in void
    )
    tasks = [
        _Compile(
            shard=shard,
            output=output,
            parts=tuple(sorted(found)),
            feeds=tuple(sorted(sources[shard])),
            elsewhere=elsewhere.get(shard, ()),
            known=previous.shards.get(shard),
        )
        for shard, found in parts.items()
    ]

    def size(task: _Compile) -> int:
        return sum(_part_file(task.output, part.digest).stat().st_size for part in task.parts)

    return sorted(tasks, key=lambda task: (-size(task), task.shard))


def _compile(task: _Compile) -> _CompileOutcome:
    inputs = hashlib.sha256(msgspec.msgpack.encode((shards.VERSION, task.parts, task.elsewhere))).hexdigest()
    folder, known = task.output / "shards", task.known
    if known is not None and known.inputs == inputs and (folder / known.file_name(task.shard)).exists():
        return _CompileOutcome(shard=task.shard, state=known, fresh=False)

    with tempfile.TemporaryDirectory(dir=task.output, prefix=".compile.") as scratch:
        plain = Path(scratch) / f"{task.shard}.sqlite"
        if task.shard == ecosystems.ENRICHMENT:
            counts = shards.compile_enrichment(_records(task, Enrichment), plain)
        elif task.shard == ecosystems.REPOSITORIES:
            counts = shards.compile_repositories(_records(task, Repository), plain)
        else:
            counts = shards.compile_advisories(*_advisories(task), plain, task.elsewhere)
        packed = Path(scratch) / f"{task.shard}.zst"
        with plain.open("rb") as source, packed.open("wb") as target:
            zstandard.ZstdCompressor(level=_SHARD_LEVEL).copy_stream(
                source, target, size=plain.stat().st_size
            )
        with plain.open("rb") as source:
            digest = hashlib.file_digest(source, "sha256").hexdigest()
        state = ShardState(
            digest=digest,
            inputs=inputs,
            bytes=plain.stat().st_size,
            compressed=packed.stat().st_size,
            packages=counts.packages,
            advisories=counts.advisories,
            vulnerabilities=counts.vulnerabilities,
            skipped=counts.skipped,
            feeds=task.feeds,
        )
        packed.replace(folder / state.file_name(task.shard))
    return _CompileOutcome(shard=task.shard, state=state, fresh=True)


def _records(task: _Compile, form: type[_Form]) -> Iterator[_Form]:
    for part in task.parts:
        yield from _part_records(_part_file(task.output, part.digest), form)


def _advisories(task: _Compile) -> tuple[str, list[Advisory]]:
    """The shard's ecosystem, and the advisories that no newer document has replaced."""
    ecosystem = ""
    advisories = []
    for part in task.parts:
        void = _void(task.output, part)
        for advisory in _part_records(_part_file(task.output, part.digest), Advisory):
            ecosystem = ecosystem or advisory.affected[0].ecosystem
            if advisory.id not in void:
                advisories.append(advisory)
    return ecosystem, advisories


def _void(output: Path, part: _Part) -> set[str]:
    """The advisories in a part that a newer document has replaced."""
    return {
        voided.advisory
        for digest in part.replaced
        for voided in _part_records(_part_file(output, digest), _Voided)
        if part.date < voided.since
    }


def _part_file(output: Path, digest: str) -> Path:
    return output / "parts" / _part_name(digest)


def _forget(output: Path, kept: dict[str, Manifest]) -> None:
    """Remove what neither the new generation nor the one before it needs."""
    needed = {
        *(f"{generation}.json" for generation in kept),
        *(state.file_name(name) for manifest in kept.values() for name, state in manifest.shards.items()),
        *(
            _part_name(digest)
            for manifest in kept.values()
            for state in manifest.documents.values()
            for digest in _digests(state)
        ),
    }
    for folder in ("generations", "shards", "parts"):
        for path in (output / folder).iterdir():
            # A name with a dot in front is another build's, under way.
            if path.name not in needed and not path.name.startswith("."):
                path.unlink(missing_ok=True)
