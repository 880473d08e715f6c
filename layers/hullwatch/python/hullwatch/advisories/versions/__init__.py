"""Version orders: one key function per scheme, all of them byte strings that sort by ``memcmp``.

``key(scheme, a) < key(scheme, b)`` exactly when ``a`` is the older version, so a key can be stored as a BLOB
and compared by SQLite, or by Python at the speed of bytes. ``b""`` sorts below every key ("from the
beginning", OSV's ``introduced: 0``). What each scheme follows is written in its module and in
``docs/versions.md``.

No string raises. A string that the scheme cannot read has a key that begins with ``OUTSIDE`` and sorts below
every version of the scheme; schemes whose rules cover any text (dpkg, rpm, maven, ...) have none.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from typing import Literal

from hullwatch.advisories.versions.ordered_bytes import OUTSIDE

__all__ = ["OUTSIDE", "SCHEMES", "compare", "key", "key_function", "readable", "scheme_of"]

#: A version's place in its scheme's order.
KeyFunction = Callable[[str], bytes]

#: Scheme -> module of this package and the key function in it. A module is loaded when it is first needed.
_FUNCTIONS: dict[str, tuple[str, str]] = {
    "apk": ("apk", "key"),
    "bitnami": ("bitnami", "key"),
    "cargo": ("semver", "key"),
    "composer": ("composer", "key"),
    "conan": ("conan", "key"),
    "cran": ("cran", "key"),
    "dpkg": ("dpkg", "key"),
    "gem": ("gem", "key"),
    "go": ("go", "key"),
    "hackage": ("hackage", "key"),
    "hex": ("semver", "key"),
    "maven": ("maven", "key"),
    "npm": ("semver", "key"),
    "nuget": ("nuget", "key"),
    "openssl": ("openssl", "key"),
    "pep440": ("pep440", "key"),
    "pub": ("pub", "key"),
    "rpm": ("rpm", "key"),
    "rpm-segment": ("rpm", "segment_key"),
    "semver": ("semver", "key"),
    "semver-loose": ("semver", "key"),
}
#: Every scheme name that ``key`` and ``compare`` take.
SCHEMES: frozenset[str] = frozenset(_FUNCTIONS)

#: OSV ecosystem without its release suffix -> scheme. Ecosystems without a defined order (Android, GIT,
#: OSS-Fuzz, ...) are not here: their advisories match by enumerated versions only.
#: https://ossf.github.io/osv-schema/#defined-ecosystems
_ECOSYSTEMS: dict[str, str] = {
    "AlmaLinux": "rpm",
    "Alpaquita": "apk",
    "Alpine": "apk",
    "Amazon Linux": "rpm",
    "Azure Linux": "rpm",
    "BellSoft Hardened Containers": "apk",
    "Bioconductor": "cran",
    "Bitnami": "bitnami",
    "Bottlerocket": "rpm",
    "CRAN": "cran",
    "Chainguard": "apk",
    "CleanStart": "apk",
    "ConanCenter": "conan",
    "Debian": "dpkg",
    "Echo": "dpkg",
    "Fedora": "rpm",
    "GHC": "hackage",
    "GitHub Actions": "semver",
    "Go": "go",
    "Hackage": "hackage",
    "Hex": "hex",
    "Julia": "semver",
    "Mageia": "rpm",
    "Maven": "maven",
    "MinimOS": "apk",
    "NuGet": "nuget",
    "Oracle Linux": "rpm",
    "Packagist": "composer",
    "Photon OS": "rpm",
    "Pub": "pub",
    "PyPI": "pep440",
    "Red Hat": "rpm",
    "Rocky Linux": "rpm",
    "RubyGems": "gem",
    "SUSE": "rpm",
    "SwiftURL": "semver",
    "Ubuntu": "dpkg",
    "VSCode": "semver",
    "Wolfi": "apk",
    "crates.io": "cargo",
    "npm": "npm",
    "openEuler": "rpm",
    "openSUSE": "rpm",
}


@functools.cache
def key_function(scheme: str) -> KeyFunction:
    """The key function of ``scheme``, for callers with many versions of one. ``KeyError`` if unknown."""
    module, name = _FUNCTIONS[scheme]
    function: KeyFunction = getattr(importlib.import_module(f"{__name__}.{module}"), name)
    return function


def key(scheme: str, version: str) -> bytes:
    """Where ``version`` stands in the order of ``scheme``. ``KeyError`` if the scheme is unknown."""
    return key_function(scheme)(version)


def compare(scheme: str, a: str, b: str) -> Literal[-1, 0, 1]:
    """-1 when ``a`` is older than ``b``, 1 when newer, 0 when the scheme calls them the same version."""
    key_of = key_function(scheme)
    key_a, key_b = key_of(a), key_of(b)
    if key_a == key_b:
        return 0
    return -1 if key_a < key_b else 1


def readable(version_key: bytes) -> bool:
    """False for the key of a string that its scheme cannot read, such as Go's ``(devel)``."""
    return not version_key.startswith(OUTSIDE)


def scheme_of(ecosystem: str) -> str | None:
    """The scheme of an OSV ecosystem, with or without release (``Debian:12``, ``PyPI``), if it has one."""
    return _ECOSYSTEMS.get(ecosystem.partition(":")[0])
