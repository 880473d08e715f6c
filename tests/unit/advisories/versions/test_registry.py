"""Scheme names, OSV's ecosystem names, and what importing the room costs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import hullwatch
from hullwatch.advisories.versions import SCHEMES, compare, key, key_function, scheme_of
from hullwatch.advisories.versions.ordered_bytes import Table, number, word

#: Defined ecosystems of the OSV schema with an order, and a release suffix where they have one.
ECOSYSTEMS = {
    "AlmaLinux:9": "rpm",
    "Alpine": "apk",
    "Alpine:v3.16": "apk",
    "Bitnami": "bitnami",
    "CRAN": "cran",
    "Chainguard": "apk",
    "ConanCenter": "conan",
    "Debian:12": "dpkg",
    "GitHub Actions": "semver",
    "Go": "go",
    "Hackage": "hackage",
    "Hex": "hex",
    "Maven": "maven",
    "Maven:https://repo.example/maven": "maven",
    "NuGet": "nuget",
    "Packagist": "composer",
    "Photon OS:5.0": "rpm",
    "Pub": "pub",
    "PyPI": "pep440",
    "Red Hat:rhel_eus:8.8::baseos": "rpm",
    "Rocky Linux:9": "rpm",
    "RubyGems": "gem",
    "SUSE:Linux Enterprise Server 15 SP5": "rpm",
    "SwiftURL": "semver",
    "Ubuntu:Pro:18.04:LTS": "dpkg",
    "Wolfi": "apk",
    "crates.io": "cargo",
    "npm": "npm",
    "openSUSE:Leap 15.5": "rpm",
}


@pytest.mark.parametrize(("ecosystem", "scheme"), ECOSYSTEMS.items())
def test_scheme_of(ecosystem: str, scheme: str) -> None:
    assert scheme_of(ecosystem) == scheme
    assert scheme in SCHEMES


@pytest.mark.parametrize("ecosystem", ["", "GIT", "OSS-Fuzz", "Android", "debian:12", "Linux"])
def test_an_ecosystem_without_an_order_has_no_scheme(ecosystem: str) -> None:
    assert scheme_of(ecosystem) is None


@pytest.mark.parametrize("scheme", sorted(SCHEMES))
def test_every_scheme_has_a_key_function(scheme: str) -> None:
    assert key(scheme, "1.0") == key_function(scheme)("1.0")
    assert compare(scheme, "1.9", "1.10") == -1
    assert compare(scheme, "1.10", "1.9") == 1
    assert compare(scheme, "1.10", "1.10") == 0


def test_an_unknown_scheme_is_a_key_error() -> None:
    with pytest.raises(KeyError, match="debian"):
        compare("debian", "1", "2")


def test_schemes_are_loaded_when_needed() -> None:
    code = (
        "import sys; import hullwatch.advisories.versions as v; v.key('dpkg', '1');"
        "print(*sorted(m.rpartition('.')[2] for m in sys.modules if m.startswith(v.__name__ + '.')))"
    )
    root = str(Path(hullwatch.__file__).parents[1])
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root)
    assert found.stdout.split() == ["dpkg", "ordered_bytes"]


def test_numbers_sort_by_value_whatever_their_length() -> None:
    digits = ["", "1", "9", "10", "99", "9" * 95, "1" + "0" * 95, "9" * 96, "1" + "0" * 96, "9" * 5000]
    encoded = [number(text) for text in digits]
    assert encoded == sorted(encoded)
    assert len(set(encoded)) == len(encoded)
    assert number("007") == number("7")
    assert number("000") == number("")


def test_words_sort_before_their_continuations() -> None:
    words = [word(text) for text in ("", "a", "aa", "ab", "b")]
    assert words == sorted(words)
    assert word("a\x00") == word("a")


def test_a_table_is_bounded() -> None:
    table = Table(number)
    for value in range(20_000):
        assert table[str(value)] == number(str(value))
    long = "1" * 1000
    assert table[long] == number(long)
    assert long not in table
    assert len(table) < 10_000
