"""Coverage-guided fuzzing of what reads a stranger's bytes, with Atheris (not part of the test run).

    pip install atheris msgspec zstandard isal pyyaml urllib3 packageurl-python
    PYTHONPATH=layers/hullwatch/python python tests/fuzz/fuzz.py TARGET FINDS CORPUS -max_total_time=600

An input may be refused with the errors that a target names and nothing else. Whatever else it raises is kept
once per place in the directory FINDS, and the run goes on; libFuzzer itself reports what takes too long or
too much memory. A find becomes a test.
"""

from __future__ import annotations

import hashlib
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import ModuleType

import atheris  # type: ignore[import-not-found,import-untyped,unused-ignore]

with atheris.instrument_imports(include=["hullwatch"]):
    from hullwatch.aws import change_events
    from hullwatch.errors import HullwatchError, MessageInvalid, PermanentError, SourceUnavailable, UserError
    from hullwatch.images import manifest
    from hullwatch.images.sources import Manifest
    from hullwatch.indexing import tar
    from hullwatch.indexing.budget import Budget
    from hullwatch.inventory import binaries, elf
    from hullwatch.inventory.collectors import apk, content_manifest, dpkg, opkg, os_release, rpm
    from hullwatch.inventory.dispatch import all_collectors, program_collectors
    from hullwatch.inventory.records import Record, Unreadable
    from hullwatch.inventory.rpmdb.header import Header, HeaderInvalid
    from hullwatch.kubernetes import api
    from hullwatch.posture.readers import documents, snapshot

_DIGEST = "sha256:" + "0" * 64
_BUDGET = Budget(entries=10_000)


def _pieces(content: bytes, size: int) -> Iterator[bytes]:
    return (content[start : start + size] for start in range(0, len(content), size))


def _tar(data: bytes) -> None:
    size = 1 + data[0] * 16 if data else 1
    for number, entry in enumerate(tar.TarWalk(_pieces(data[1:], size), _BUDGET)):
        if number % 2:
            entry.read()


def _accept_any_checksum() -> None:
    """No mutation would get past a header's checksum: it is computed, and then said to fit."""
    check = tar._checksum_fits
    tar._checksum_fits = lambda header: check(header) or True


def _manifest(data: bytes) -> None:
    split = data.find(b"\n")
    content, config = (data[:split], data[split + 1 :]) if split >= 0 else (data, b"")
    parsed = manifest.parse_manifest(Manifest(digest=_DIGEST, media_type="", content=content))
    if parsed.kind == "image":
        manifest.read_image(parsed, config)


def _rpm_header_or_sqlite(data: bytes) -> None:
    if data[:1] == b"\0":
        list(rpm.parse("var/lib/rpm/rpmdb.sqlite", data[1:]))
    elif data[:1] == b"\1":
        list(rpm.parse("var/lib/rpm/rpmdb.sqlite-wal", data[1:]))
    else:
        header = Header(data[1:])
        header.package("Packages")
        header.files()


def _collector(collector: ModuleType, *paths: str) -> Callable[[bytes], None]:
    def run(data: bytes) -> None:
        if data:
            records: Iterable[Record] = collector.parse(paths[data[0] % len(paths)], data[1:])
            for _ in records:
                pass

    return run


#: A collector and a path that it wants, for every pattern of every collector, in an order that stays.
_WANTED = [
    (collector, pattern.replace("**/", "srv/app/").replace("*", "a"))
    for collector in all_collectors()
    for pattern in collector.PATHS
]


def _document(data: bytes) -> None:
    """Two bytes choose the collector and its path, the rest is the file."""
    if len(data) >= 2:
        collector, path = _WANTED[int.from_bytes(data[:2], "big") % len(_WANTED)]
        for _ in collector.parse(path, data[2:]):
            pass


def _program(data: bytes) -> None:
    """The first byte chooses what reads the rest: one language's collector, or the search of a whole file."""
    if not data:
        return
    choices = [*program_collectors(), None]
    collector = choices[data[0] % len(choices)]
    if collector is not None:
        if collector.begins(data[1:257]):
            for _ in collector.parse("bin/a", data[1 : collector.MAX_BYTES]):
                pass
        return
    name, _, content = data[1:].partition(b"\0")
    search = binaries.search_of(name.decode("utf-8", "replace"))
    pieces = _pieces(content, 16 * (1 + data[0]))
    watched = search.watch(pieces) if search else pieces
    for collector, excerpt in elf.excerpts(watched, program_collectors()):
        for _ in collector.parse("bin/a", excerpt):
            pass
    for _ in watched:
        pass
    if search:
        list(search.packages())


_PODS = api.Served(group="", version="v1", plural="pods", kind="Pod")
_GROUPS = ("", "apps")


def _cluster_or_event(data: bytes) -> None:
    """A list's page, a discovery document, or the body of a message."""
    kind, content = data[:1], data[1:]
    if kind == b"l":
        list(api._objects(api._decoded(content, api._Page, "pods"), _PODS, set()))
    elif kind == b"d":
        list(api._aggregated(api._decoded(content, api._Root, "/apis"), _GROUPS, {}))
    else:
        change_events.read(content.decode("utf-8", "replace"))


def _configuration(data: bytes) -> None:
    snapshot.build(documents.parse(data, "a.yaml"))


_TARGETS: dict[str, tuple[Callable[[bytes], None], tuple[type[Exception], ...]]] = {
    "tar": (_tar, (PermanentError,)),
    "manifest": (_manifest, (HullwatchError,)),
    "dpkg": (
        _collector(
            dpkg, "var/lib/dpkg/status", "var/lib/dpkg/info/a.list", "var/lib/dpkg/status.d/a.md5sums"
        ),
        (Unreadable,),
    ),
    "apk": (_collector(apk, "lib/apk/db/installed"), (Unreadable,)),
    "opkg": (_collector(opkg, "usr/lib/opkg/status", "usr/lib/opkg/info/a.list"), (Unreadable,)),
    "content-manifest": (_collector(content_manifest, content_manifest.PATHS[1]), (Unreadable,)),
    "os-release": (_collector(os_release, *os_release.PATHS), (Unreadable,)),
    "rpm-sqlite": (_rpm_header_or_sqlite, (Unreadable, HeaderInvalid)),
    "rpm-ndb": (_collector(rpm, "usr/lib/sysimage/rpm/Packages.db"), (Unreadable,)),
    "rpm-bdb": (_collector(rpm, "var/lib/rpm/Packages"), (Unreadable,)),
    "documents": (_document, (Unreadable,)),
    "programs": (_program, (Unreadable,)),
    "cluster": (_cluster_or_event, (SourceUnavailable, MessageInvalid)),
    "configuration": (_configuration, (UserError,)),
}


def main() -> None:
    """Runs one target until libFuzzer's own options end it."""
    name, finds = sys.argv.pop(1), Path(sys.argv.pop(1))
    target, refusals = _TARGETS[name]
    finds.mkdir(parents=True, exist_ok=True)
    if name == "tar":
        _accept_any_checksum()
    seen: set[tuple[str, str, int | None]] = set()

    def run(data: bytes) -> None:
        try:
            target(data)
        except refusals:
            pass
        except Exception as error:
            frame = traceback.extract_tb(error.__traceback__)[-1]
            place = (type(error).__name__, frame.filename, frame.lineno)
            if place not in seen:
                seen.add(place)
                kept = finds / f"{name}-{hashlib.sha256(data).hexdigest()[:16]}"
                kept.write_bytes(data)
                print(f"FIND {kept}: {type(error).__name__}: {error} at {frame.filename}:{frame.lineno}")

    atheris.Setup(sys.argv, run)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
