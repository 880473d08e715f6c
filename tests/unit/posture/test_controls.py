"""Every control against its fixtures, and each failing fixture against its one decisive field."""

from __future__ import annotations

import pytest

from hullwatch.posture.catalogue import catalogue
from hullwatch.posture.engine import SEVERITIES

from .cases import ROOT, VERDICTS, Case, cases, mended, results


@pytest.mark.parametrize("case", cases("fail"), ids=str)
def test_fails(case: Case) -> None:
    found = results(case)
    failed = [result for result in found if result.verdict == "FAILED"]
    assert failed
    assert len({result.id for result in found}) == len(found)
    for result in failed:
        assert result.control == case.control
        assert result.violations
        assert all(violation.path for violation in result.violations)
        assert result.severity in SEVERITIES


@pytest.mark.parametrize("case", cases("pass"), ids=str)
def test_passes(case: Case) -> None:
    verdicts = {result.verdict for result in results(case)}
    assert "FAILED" not in verdicts
    assert "NOT_AVAILABLE" not in verdicts
    assert "PASSED" in verdicts


@pytest.mark.parametrize("case", cases("not-available", "not-applicable"), ids=str)
def test_says_why_there_is_no_verdict(case: Case) -> None:
    expected = case.verdict.replace("-", "_").upper()
    found = results(case)
    assert expected in {result.verdict for result in found}
    assert all(result.reason for result in found if result.verdict == expected)
    assert "FAILED" not in {result.verdict for result in found}


@pytest.mark.parametrize("case", cases("fail"), ids=str)
def test_the_decisive_field_alone_flips_the_verdict(case: Case) -> None:
    before = {result.id for result in results(case) if result.verdict == "FAILED"}
    after = {result.id: result.verdict for result in results(case, mended(case))}
    assert before
    assert "FAILED" not in after.values()
    assert "NOT_AVAILABLE" not in after.values()


def test_every_control_has_failing_and_passing_fixtures() -> None:
    implemented = {entry.id for entry in catalogue().values() if entry.status == "implemented"}
    assert {case.control for case in cases("fail")} == implemented
    assert {case.control for case in cases("pass")} == implemented


def test_every_fixture_file_is_a_case_or_stands_beside_one() -> None:
    known = {case.path.with_suffix("") for case in cases(*VERDICTS)}
    for path in ROOT.rglob("*"):
        if path.is_file():
            name = path.name.split(".")[0]
            assert path.parent / name in known, path
