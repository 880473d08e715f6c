"""Every scheme is a total order on every string, whatever a feed or an image calls a version."""

from __future__ import annotations

import functools
import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hullwatch.advisories.versions import SCHEMES, compare, key

_PIECES = [
    *"0123456789.-_+~^:!@ abcmprvxzXZ*#",
    *(
        "00",
        "10",
        "rc",
        "alpha",
        "beta",
        "dev",
        "post",
        "pre",
        "snapshot",
        "final",
        "ga",
        "sp",
        "patch",
        "go1.",
    ),
    *(
        "-r1",
        "_p",
        "_alpha",
        ".el9",
        "+deb12u1",
        "-0ubuntu1",
        ".dev1",
        "+incompatible",
        "-SNAPSHOT",
        "1!",
        "2:",
    ),
    *("ß", "İ", "\u0663", "\x00", "\ud800", "\U0001f600"),
]
_REAL = [
    *(
        "1.2.3",
        "0.9.8zh",
        "2:8.2.3995-1ubuntu2.1",
        "1.36.1-r29",
        "3.0.7-27.el9",
        "1.0.0-beta.11+x",
        "v1.2.3-0.2020-a",
    ),
    *(
        "5.0.0.RELEASE",
        "31.1-jre",
        "1.0rc1.post2.dev3+local.1",
        "7.0.0.rc2",
        "v10.0.0-BETA1",
        "2.1.x-dev",
        "1.0-1",
    ),
    *("6.6.1p1-r2", "go1.22rc1", "1.1.0.Beta-1", "20100102", "1.0~rc1^git1-1.module+el8+1"),
]


@st.composite
def versions(draw: st.DrawFn) -> str:
    """A real version with a few pieces put in, left out or replaced."""
    version = list(draw(st.sampled_from(_REAL)))
    for _ in range(draw(st.integers(0, 4))):
        place = draw(st.integers(0, len(version)))
        version[place : place + draw(st.integers(0, 2))] = draw(
            st.lists(st.sampled_from(_PIECES), max_size=2)
        )
    return "".join(version)


@pytest.mark.parametrize("scheme", sorted(SCHEMES))
@given(found=st.lists(versions() | st.text(max_size=12), min_size=3, max_size=6))
@settings(max_examples=120, deadline=None)
def test_compare_is_a_total_order_and_agrees_with_key(scheme: str, found: list[str]) -> None:
    for a, b in itertools.product(found, repeat=2):
        sign = compare(scheme, a, b)
        assert sign == -compare(scheme, b, a)
        assert sign == (key(scheme, a) > key(scheme, b)) - (key(scheme, a) < key(scheme, b))
    ordered = sorted(found, key=functools.cmp_to_key(functools.partial(compare, scheme)))
    for (low, a), (high, b) in itertools.combinations(enumerate(ordered), 2):
        assert compare(scheme, a, b) <= 0, (low, high)


@pytest.mark.parametrize("scheme", sorted(SCHEMES))
@given(version=versions(), more=versions())
@settings(max_examples=60, deadline=None)
def test_no_key_is_the_beginning_of_another(scheme: str, version: str, more: str) -> None:
    """A key that went on after another's end would compare by length, not by what is written."""
    a, b = key(scheme, version), key(scheme, more)
    assert a == b or a[:1] == b"\x00" or not b.startswith(a)


@pytest.mark.parametrize("scheme", sorted(SCHEMES))
@pytest.mark.parametrize(
    "unit", ["1.", "1-", "a", "1", "1a", "_p1", ".a1", "~", "-.", "0.0-", "1!", "+1", " "]
)
@pytest.mark.parametrize("tail", ["", "!", "\n1"])
def test_a_hostile_length_costs_no_more_than_its_length(scheme: str, unit: str, tail: str) -> None:
    """No backtracking, no recursion, no quadratic numbers: 100,000 characters in well under a second."""
    version = unit * (100_000 // len(unit)) + tail
    assert len(key(scheme, version)) <= 8 * len(version) + 64
