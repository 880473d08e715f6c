"""Well-known programs that came without a package manager, by their name and the version they carry.

What each program says of itself is data, :data:`SIGNATURES`. A file is looked up by its base name first, and
those that nobody knows are not searched, so that the table may grow. A program of a distribution speaks
through its package.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cache

import msgspec

from hullwatch.inventory.elf import MAGIC
from hullwatch.inventory.package import Package

NAME = "binaries"
#: Counted up with every change of the table.
VERSION = 1

#: Bytes around a mark in which the version must be.
_AROUND = 192
_LONGEST_VERSION = 64
#: Version, host, time, whether the source was changed, and its commit, in one constant without blanks. A
#: released source has neither of the last two; a reproducible build has no host.
_REDIS_BUILD = rb"(?<![\d.])(\d+\.\d+\.\d+?)(?:(?:[0-9a-f]{12}|[A-Za-z][\w.-]*)-)?\d{10}000000000\0"


class Signature(msgspec.Struct, frozen=True):
    """How one program is known."""

    #: The package; its purl type is ``generic``.
    name: str
    #: Base names, without a release behind them: ``python`` stands for ``python3.11``, ``libcrypto`` for
    #: ``libcrypto.so.3``.
    files: tuple[str, ...]
    #: Bytes near the version.
    mark: bytes
    #: Finds the version, as its only group, in what is around the mark. ``{release}`` is here and in the mark
    #: the release that the file's name ends in; a file without one is no candidate.
    version: bytes


SIGNATURES = (
    Signature("bash", ("bash",), b"@(#)Bash version ", rb"Bash version (\d+\.\d+\.\d+)"),
    # The first applet is the file in a tree of hard links.
    Signature("busybox", ("busybox", "["), b"BusyBox v", rb"BusyBox v(\d+\.\d+\.\d+)"),
    Signature("curl", ("curl",), b"curl/", rb"(?<!lib)curl/(\d+\.\d+\.\d+)"),
    Signature("curl", ("libcurl",), b"libcurl/", rb"libcurl/(\d+\.\d+\.\d+)"),
    Signature(
        "haproxy", ("haproxy",), b", released 20", rb"version (\d+\.\d+(?:\.|-dev|-rc)\d+)[^ ]*, released"
    ),
    Signature("haproxy", ("haproxy",), b"HA-Proxy version ", rb"version (\d+\.\d+(?:\.|-dev|-rc)\d+)"),
    Signature("httpd", ("httpd", "apache"), b"Apache/", rb"Apache/(\d+\.\d+\.\d+)"),
    Signature("mariadb", ("mariadbd", "mysqld"), b"-MariaDB", rb"(\d+\.\d+\.\d+)-MariaDB"),
    # The directory it was compiled in.
    Signature("mysql", ("mysqld",), b"/mysql-", rb"/mysql-(\d+\.\d+\.\d+)/"),
    Signature("nginx", ("nginx",), b"nginx version: ", rb"nginx version: nginx/(\d+\.\d+\.\d+)"),
    Signature("openresty", ("nginx",), b"nginx version: ", rb"nginx version: openresty/(\d+(?:\.\d+)+)"),
    Signature("node", ("node", "nodejs"), b"node.js/v", rb"node\.js/v(\d+\.\d+\.\d+)"),
    Signature("openjdk", ("libjvm",), b" JRE (", rb" JRE \((\d[\w.]*)[^)]*\), built on"),
    Signature(
        "openssl",
        ("libcrypto", "libssl", "openssl"),
        b"OpenSSL ",
        rb"OpenSSL (\d+\.\d+\.\d+[a-z]*(?:-(?:alpha|beta)\d+)?)(?:-fips)? +\d{1,2} [A-Z][a-z]{2} \d{4}",
    ),
    Signature("perl", ("perl", "libperl"), b"/perl", rb"/perl5?/(?:(?:site|vendor)_perl/)?(5\.\d+\.\d+)"),
    Signature(
        "php",
        ("php", "php-cgi", "php-fpm", "libphp"),
        b"X-Powered-By: PHP/",
        rb"PHP/(\d+\.\d+\.\d+(?:(?:alpha|beta|RC)\d+)?)",
    ),
    Signature(
        "postgresql",
        ("postgres",),
        b"PostgreSQL ",
        rb"PostgreSQL (\d+(?:\.\d+)*(?:(?:alpha|beta|rc)\d+)?)[^\0]* on [^\0]+, compiled by",
    ),
    Signature(
        "python",
        ("python", "libpython"),
        b"{release}.",
        # Linkers may store it as the end of a longer text, such as the directory it was compiled in.
        rb"(?<![\w.])({release}\.\d+(?:(?:a|b|rc)\d+)?)\+?\0",
    ),
    Signature(
        "redis",
        ("redis-server", "redis-check-rdb"),
        b"000000000\0",
        _REDIS_BUILD,
    ),
    Signature(
        "ruby",
        ("ruby", "libruby"),
        b"ruby ",
        rb"ruby (\d+\.\d+\.\d+(?:preview\d+|rc\d+)?)(?:p\d+)? \(20\d\d-",
    ),
    Signature(
        "valkey",
        ("valkey-server",),
        b"000000000\0",
        _REDIS_BUILD,
    ),
)

#: The name of a program or shared library, and the release behind it (``libpython3.7m.so.1.0``: ``3.7``).
_FILE = re.compile(
    r"(?P<library>lib.+?)-?(?P<release>\d[\d.]*m?)?\.so[.\d]*|(?P<program>.+?)(?P<of>\d[\d.]*m?)?", re.DOTALL
)
_RELEASE = b"{release}"


class Search:
    """Looks for the version of one program while its bytes pass by. Anything but ELF says nothing."""

    def __init__(self, path: str, signatures: Iterable[Signature]) -> None:
        self._path = path
        self._open = [(signature, re.compile(signature.version)) for signature in signatures]
        self._versions: dict[str, str] = {}

    def watch(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        """The same pieces; all of them were looked through when the iteration is over."""
        carry = b""
        for number, piece in enumerate(pieces):
            if number == 0 and not piece.startswith(MAGIC[: len(piece)]):
                self._open.clear()
            if self._open:
                window = carry + piece
                # A mark near the end comes again with the next piece, its version whole.
                self._look(window, len(window) - _AROUND)
                carry = window[-2 * _AROUND :]
            yield piece
        self._look(carry, len(carry))

    def packages(self) -> Iterator[Package]:
        """What was found."""
        for name, version in sorted(self._versions.items()):
            yield Package(type="generic", name=name, version=version, locations=(self._path,))

    def _look(self, window: bytes, until: int) -> None:
        for candidate in list(self._open):
            signature, pattern = candidate
            at = window.find(signature.mark)
            while 0 <= at < until:
                found = pattern.search(window[max(at - _AROUND, 0) : at + _AROUND])
                if found and len(found[1]) <= _LONGEST_VERSION:
                    self._versions.setdefault(signature.name, found[1].decode())
                    self._open.remove(candidate)
                    break
                at = window.find(signature.mark, at + 1)


def search_of(path: str) -> Search | None:
    """The search that the file at ``path`` is worth, by its name; mostly none."""
    file = path.rpartition("/")[2]
    if (parts := _FILE.fullmatch(file)) is None:
        return None
    signatures = _by_file().get(parts["library"] or parts["program"] or "")
    if signatures is None:
        return None
    release = (parts["release"] or parts["of"] or "").rstrip("m").encode()
    named = [signature for signature in signatures if b"." in release or _RELEASE not in signature.mark]
    return Search(path, (_of_release(signature, release) for signature in named)) if named else None


def _of_release(signature: Signature, release: bytes) -> Signature:
    return msgspec.structs.replace(
        signature,
        mark=signature.mark.replace(_RELEASE, release),
        version=signature.version.replace(_RELEASE, re.escape(release)),
    )


@cache
def _by_file() -> dict[str, list[Signature]]:
    table: dict[str, list[Signature]] = {}
    for signature in SIGNATURES:
        for name in signature.files:
            table.setdefault(name, []).append(signature)
    return table
