"""Documents that are nothing but structure: their memory must not grow with the number of their lines."""

import tracemalloc

import pytest

from hullwatch.inventory.collectors import apk, dpkg, opkg
from hullwatch.inventory.records import Collector

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
