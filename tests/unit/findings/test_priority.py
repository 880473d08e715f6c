from __future__ import annotations

from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes.matches import KEV, deb, match
from hullwatch.advisories.model import SEVERITIES, Match, Severity
from hullwatch.findings.priority import PRIORITIES, Ranking, worst
from hullwatch.findings.priority import rank as rank_at


def rank(matches: list[Match], *, epss_threshold: float = 0.5, **what: Any) -> Ranking:
    return rank_at(matches, epss_threshold=epss_threshold, **what)


@pytest.mark.parametrize(
    ("severity", "fixed", "running", "priority"),
    [
        ("critical", "2", True, "P2"),
        ("critical", "2", None, "P2"),
        ("critical", "2", False, "P3"),
        ("high", "2", True, "P2"),
        ("high", "", True, "P3"),
        ("medium", "2", True, "P3"),
        ("medium", "", None, "P3"),
        ("low", "2", False, "P3"),
        ("low", "", True, "P4"),
        ("negligible", "", None, "P4"),
        ("unknown", "", True, "P4"),
        ("unknown", "2", True, "P3"),
    ],
)
def test_by_severity_fix_and_running(
    severity: Severity, fixed: str, running: bool | None, priority: str
) -> None:
    assert rank([match(deb(), severity=severity, fixed=fixed)], running=running).priority == priority


def test_known_exploited_is_first_where_it_runs() -> None:
    matches = [match(deb(), severity="low", exploited=KEV)]
    assert rank(matches, running=True).priority == "P1"
    assert rank(matches, running=None).priority == "P1"
    assert rank(matches, running=False).priority == "P4"
    assert rank(matches, running=True).reasons[0] == "known to be exploited (CISA KEV): CVE-2023-0001"


@pytest.mark.parametrize(("epss", "priority"), [(None, "P4"), (0.0999, "P4"), (0.1, "P1"), (0.9, "P1")])
def test_epss_counts_from_the_threshold_on(epss: float | None, priority: str) -> None:
    matches = [match(deb(), severity="low", epss=epss)]
    assert rank(matches, running=True, epss_threshold=0.1).priority == priority


def test_malicious_code_is_first_even_where_it_does_not_run() -> None:
    ranking = rank([match(deb(), "MAL-2024-1", severity="unknown", malware=True)], running=False)
    assert ranking.priority == "P1"
    assert "malicious code" in ranking.reasons[0]


def test_a_fix_for_subscribers_alone_is_no_fix() -> None:
    assert rank([match(deb(), fixed="2", status="fixed_in_pro")], running=True).priority == "P3"
    assert (
        rank([match(deb(), severity="low", fixed="2", status="fixed_in_pro")], running=True).priority == "P4"
    )


def test_the_reasons_tell_a_presumption_from_a_fact() -> None:
    matches = [match(deb())]
    assert "presumed to run: running workloads are not surveyed" in rank(matches, running=None).reasons
    assert "running" in rank(matches, running=True).reasons
    assert "not running" in rank(matches, running=False).reasons


def test_many_ids_are_counted() -> None:
    matches = [match(deb(), f"CVE-2023-{n}", exploited=KEV) for n in range(1, 6)]
    assert rank(matches, running=True).reasons[0].endswith("CVE-2023-1, CVE-2023-2, CVE-2023-3 and 2 more")


def test_exposure_raises_what_runs_by_one_and_no_further_than_the_first() -> None:
    public = ["reachable from the internet"]
    medium, urgent = [match(deb(), severity="medium")], [match(deb(), exploited=KEV)]
    assert rank(medium, running=True, exposure=public).priority == "P2"
    assert rank(medium, running=False, exposure=public).priority == "P3"
    assert rank(urgent, running=True, exposure=public).priority == "P1"
    assert rank(medium, running=True, exposure=public).reasons[-1] == "exposed: reachable from the internet"


def test_a_priority_never_falls_as_things_get_worse() -> None:
    by_priority = PRIORITIES.index
    for severity, fixed, exploited in product(SEVERITIES[:-1], ("", "2"), (None, KEV)):
        one = [match(deb(), severity=severity, fixed=fixed, exploited=exploited)]
        stopped, started = rank(one, running=False).priority, rank(one, running=True).priority
        assert by_priority(started) <= by_priority(stopped)
        mended = [match(deb(), severity=severity, fixed="2", exploited=exploited)]
        assert by_priority(rank(mended, running=True).priority) <= by_priority(started)
        for worse in SEVERITIES[: SEVERITIES.index(severity)]:
            raised = [match(deb(), severity=worse, fixed=fixed, exploited=exploited)]
            assert by_priority(rank(raised, running=True).priority) <= by_priority(started)


@given(st.lists(st.sampled_from(SEVERITIES), min_size=1, max_size=5))
def test_the_worst_is_the_highest_severity(severities: list[Severity]) -> None:
    matches = [match(deb(), severity=severity) for severity in severities]
    assert worst(matches) == min(severities, key=SEVERITIES.index)
