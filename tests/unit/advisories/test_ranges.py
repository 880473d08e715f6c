"""The OSV schema's evaluation, on intervals of keys."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hullwatch.advisories.ranges import Scheme
from hullwatch.advisories.record import Event


def affected(ecosystem: str, events: Sequence[Event], version: str) -> bool:
    scheme = Scheme(ecosystem)
    return any(interval.holds(scheme.key(version)) for interval in scheme.intervals([events]))


def test_introduced_0_is_before_everything_even_prereleases() -> None:
    events: list[Event] = [("introduced", "0"), ("fixed", "1.0")]
    assert affected("PyPI", events, "0.dev0")
    assert affected("npm", [("introduced", "0"), ("fixed", "1.0.0")], "0.0.0-alpha")
    assert not affected("PyPI", events, "1.0")


def test_last_affected_is_affected_itself_and_names_no_fix() -> None:
    events: list[Event] = [("introduced", "1.0"), ("last_affected", "1.4")]
    assert affected("PyPI", events, "1.4")
    assert not affected("PyPI", events, "1.4.1")
    assert [interval.fixed for interval in Scheme("PyPI").intervals([events])] == [""]


def test_one_version_introduced_and_last_affected_in_any_order() -> None:
    for events in (
        [("introduced", "5.15.12"), ("last_affected", "5.15.12")],
        [("last_affected", "5.15.12"), ("introduced", "5.15.12")],
    ):
        assert affected("Bitnami", events, "5.15.12")
        assert not affected("Bitnami", events, "5.15.13")


def test_events_are_sorted_by_version_not_by_their_order() -> None:
    events: list[Event] = [
        ("introduced", "2.1"),
        ("fixed", "2.1.10"),
        ("introduced", "2.2"),
        ("fixed", "2.2.3"),
        ("introduced", "1.11"),
        ("fixed", "1.11.22"),
    ]
    answers = {version: affected("PyPI", events, version) for version in ("1.11", "1.12", "2.1.9", "2.2.3")}
    assert answers == {"1.11": True, "1.12": False, "2.1.9": True, "2.2.3": False}


def test_a_fix_and_a_last_affected_version_in_one_span_are_never_combined() -> None:
    events: list[Event] = [("introduced", "0"), ("last_affected", "1.2"), ("fixed", "1.4")]
    (interval,) = Scheme("PyPI").intervals([events])
    assert (interval.fixed, interval.closed) == ("1.4", False)
    assert affected("PyPI", events, "1.3")


def test_spans_of_one_range_may_end_differently() -> None:
    events: list[Event] = [
        ("introduced", "1.0"),
        ("last_affected", "1.2"),
        ("introduced", "2.0"),
        ("fixed", "2.4"),
    ]
    answers = [affected("PyPI", events, version) for version in ("1.2", "1.3", "2.3", "2.4")]
    assert answers == [True, False, True, False]


def test_limit_cuts_off_from_its_version_on() -> None:
    events: list[Event] = [("introduced", "1.0"), ("limit", "2.0")]
    assert affected("PyPI", events, "1.9")
    assert not affected("PyPI", events, "2.0")
    assert affected("PyPI", [("introduced", "1.0"), ("limit", "*")], "99")


def test_an_interval_cut_by_a_limit_loses_its_fix() -> None:
    events: list[Event] = [("introduced", "1.0"), ("fixed", "3.0"), ("limit", "2.0")]
    assert [interval.fixed for interval in Scheme("PyPI").intervals([events])] == [""]


def test_an_empty_span_affects_nothing() -> None:
    assert Scheme("PyPI").intervals([[("introduced", "2.0"), ("fixed", "2.0")]]) == ()


def test_versions_outside_their_scheme_are_counted_and_lie_in_no_range() -> None:
    skipped: Counter[str] = Counter()
    scheme = Scheme("Go", skipped)
    assert scheme.intervals([[("introduced", "(devel)"), ("fixed", "1.0.0")]]) == ()
    assert skipped == {"version not of its scheme": 1}


def test_of_an_unreadable_version_the_readable_front_counts() -> None:
    events: list[Event] = [("introduced", "0"), ("last_affected", "2.6.0-NA")]
    assert affected("PyPI", events, "2.6.0")
    assert not affected("PyPI", events, "2.6.1")


def test_an_unreadable_end_is_endless() -> None:
    assert affected("PyPI", [("introduced", "1.0"), ("fixed", "nightly.1")], "99")


def test_an_ecosystem_without_an_order_knows_equality_only() -> None:
    scheme = Scheme("Android")
    assert scheme.key("13") == scheme.key("13") != scheme.key("13.0")
    assert scheme.intervals([[("introduced", "0"), ("fixed", "13")]])[0].high is None


_EVENTS = st.lists(
    st.tuples(st.sampled_from(["introduced", "fixed"]), st.integers(0, 12)), min_size=1, max_size=6
)


@given(events=_EVENTS, limit=st.one_of(st.none(), st.integers(0, 12)), version=st.integers(0, 12))
def test_intervals_say_what_the_schemas_algorithm_says(
    events: list[tuple[str, int]], limit: int | None, version: int
) -> None:
    """Against the algorithm as the schema words it, event by event."""
    vulnerable = False
    for kind, at in sorted(events, key=lambda event: event[1]):
        if kind == "introduced" and version >= at:
            vulnerable = True
        elif kind == "fixed" and version >= at:
            vulnerable = False
    expected = vulnerable and (limit is None or version < limit)

    given_events: list[Event] = [(kind, f"{at}.0.0-0") for kind, at in events]  # type: ignore[misc]
    if limit is not None:
        given_events.append(("limit", f"{limit}.0.0-0"))
    assert affected("npm", given_events, f"{version}.0.0-0") == expected


@pytest.mark.parametrize(
    ("ecosystem", "inside", "outside"),
    [
        ("Maven", "1.0-alpha", "1.0.0.Final"),
        ("Go", "v0.0.0-20200101000000-abcdefabcdef", "v1.0.0+incompatible"),
        ("Debian:12", "1.0~rc1", "1.0"),
        ("Alpine:v3.16", "1.0_rc1-r0", "1.0-r0"),
        ("AlmaLinux:8", "0:1.0~beta-1.el8", "1.0-1.el8"),
        ("RubyGems", "1.0.pre", "1.0"),
        ("NuGet", "1.0.0-beta", "1.0"),
        ("Packagist", "v1.0.0-RC1", "1.0.0"),
    ],
)
def test_each_ecosystem_has_its_own_order(ecosystem: str, inside: str, outside: str) -> None:
    events: list[Event] = [("introduced", "0"), ("fixed", outside.removeprefix("v").partition("+")[0])]
    assert affected(ecosystem, events, inside)
    assert not affected(ecosystem, events, outside)
