"""Documents that are nothing but structure: what they cost must not grow faster than they do."""

import time
import tracemalloc
from contextlib import suppress

import pytest

from hullwatch.inventory.collectors import apk, dpkg, opkg
from hullwatch.inventory.dispatch import dispatch_table
from hullwatch.inventory.records import Collector, Unreadable

SIZE = 1 << 19


@pytest.mark.parametrize(
    ("collector", "path", "pattern"),
    [
        (apk, "lib/apk/db/installed", b"R:\n"),
        (apk, "lib/apk/db/installed", b"P:\n"),
        (apk, "lib/apk/db/installed", b"\n"),
        (dpkg, "var/lib/dpkg/status", b"Package:\n"),
        (dpkg, "var/lib/dpkg/status", b"\n"),
        (dpkg, "var/lib/dpkg/status", b":\n"),
        (dpkg, "var/lib/dpkg/info/a.list", b"/ab\n"),
        (dpkg, "var/lib/dpkg/status.d/a.md5sums", b"0" * 34 + b"a\n"),
        (opkg, "usr/lib/opkg/status", b"Package:\n"),
        (opkg, "usr/lib/opkg/info/a.list", b"a\n"),
    ],
)
def test_memory_does_not_grow_with_lines(collector: Collector, path: str, pattern: bytes) -> None:
    content = pattern * (SIZE // len(pattern))
    tracemalloc.start()
    try:
        for _ in collector.parse(path, content):
            pass
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2 * SIZE  # of which a batch of records is the half


@pytest.mark.parametrize(
    ("path", "pattern"),
    [
        ("app/yarn.lock", b"ab\n"),
        ("app/pnpm-lock.yaml", b"ab\n"),
        ("app/requirements.txt", b"ab\n"),
        ("app/go.mod", b"ab\n"),
        ("app/gradle.lockfile", b"ab\n"),
        ("app/Gemfile.lock", b"ab\n"),
        ("app/pubspec.lock", b"ab\n"),
    ],
)
def test_lock_files_are_read_line_by_line(path: str, pattern: bytes) -> None:
    (collector,) = dispatch_table().find(path)
    test_memory_does_not_grow_with_lines(collector, path, pattern)


#: Texts in which one place after another looks like the beginning of something.
COSTLY = {
    "app/pnpm-lock.yaml": (b"packages:\n  /a/1", b"1", b"/x:"),
    "app/requirements.txt": (b"a", b" ", b"x"),
    "app/poetry.lock": (b"", b"1.", b""),
    "app/mix.lock": (b"", b"\n", b""),
    "gems/specifications/a.gemspec": (b"", b"\n", b""),
}


@pytest.mark.parametrize("path", COSTLY)
def test_time_grows_with_the_size_not_its_square(path: str) -> None:
    (collector,) = dispatch_table().find(path)
    before, repeated, after = COSTLY[path]
    content = before + repeated * (SIZE // len(repeated)) + after
    started = time.process_time()
    with suppress(Unreadable):
        assert list(collector.parse(path, content)) == []
    assert time.process_time() - started < 2
