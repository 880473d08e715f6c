"""Photon OS: a list of issues per release."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fakes.feeds import Mirror, records, rpm
from hullwatch.advisories.feeds import photon
from hullwatch.errors import FeedInvalid

PATH = "photon/5.0/cve_data.json"


def issue(**fields: Any) -> dict[str, Any]:
    known = {
        "cve_id": "CVE-2026-0001",
        "pkg": "curl",
        "cve_score": 9.8,
        "res_ver": "8.1-2.ph5",
        "status": "Fixed",
    }
    return known | fields


def fixed(
    mirror: Mirror, *issues: dict[str, Any], version: str = "8.1-1.ph5", release: str = "5.0"
) -> list[str]:
    mirror.write(PATH, json.dumps(list(issues)))
    return [match.fixed for match in mirror.matches(rpm("curl", version, ecosystem=f"Photon OS:{release}"))]


def test_a_fix(mirror: Mirror) -> None:
    assert fixed(mirror, issue()) == ["8.1-2.ph5"]
    assert fixed(mirror, issue(), version="8.1-2.ph5") == []
    assert fixed(mirror, issue(), release="4.0") == []


def test_not_affected_overrules(mirror: Mirror) -> None:
    assert fixed(mirror, issue(), issue(res_ver="NA", aff_ver="", status="Not Affected")) == []


def test_a_fix_without_a_version_says_nothing(mirror: Mirror) -> None:
    found, log = records(photon, mirror.write(PATH, json.dumps([issue(res_ver="NA"), issue(res_ver="")])))
    assert (found, log.skipped["no version"]) == ([], 2)


@pytest.mark.parametrize(
    ("score", "severity"), [(9.8, "critical"), (3.7, "low"), (None, "unknown"), (0, "unknown")]
)
def test_a_missing_score_is_unknown_not_0(mirror: Mirror, score: float | None, severity: str) -> None:
    mirror.write(PATH, json.dumps([issue(cve_score=score)]))
    (match,) = mirror.matches(rpm("curl", "8.1-1.ph5", ecosystem="Photon OS:5.0"))
    assert match.vulnerability.severity == severity


def test_other_names_than_cves_are_names(mirror: Mirror) -> None:
    mirror.write(PATH, json.dumps([issue(cve_id="BDSA-2025-0719")]))
    assert mirror.ids(rpm("curl", "8.1-1.ph5", ecosystem="Photon OS:5.0")) == ["BDSA-2025-0719"]


def test_an_invalid_issue_costs_only_itself_and_another_schema_everything(mirror: Mirror) -> None:
    found, log = records(photon, mirror.write(PATH, json.dumps([{"cve_id": 1}, issue()])))
    assert (len(found), log.skipped["invalid"]) == (1, 1)
    with pytest.raises(FeedInvalid):
        records(photon, mirror.write(PATH, "{}"))
    with pytest.raises(FeedInvalid, match="no release"):
        records(photon, mirror.write("photon/latest/cve_data.json", "[]"))
