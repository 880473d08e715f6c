from __future__ import annotations

import pytest

from hullwatch.advisories import severity
from hullwatch.advisories.model import Cvss


def rated(source: str, score: float, version: str = "3.1") -> Cvss:
    return Cvss(version=version, vector=f"{source}/{score}/{version}", score=score, source=source)


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("CRITICAL", "critical"),
        ("Important", "high"),
        ("MODERATE", "medium"),
        ("low", "low"),
        ("negligible", "negligible"),
        ("untriaged", "unknown"),
        ("", "unknown"),
    ],
)
def test_words(word: str, expected: str) -> None:
    assert severity.of_label(word) == expected


@pytest.mark.parametrize(
    ("score", "expected"),
    [
        (10.0, "critical"),
        (9.0, "critical"),
        (8.9, "high"),
        (4.0, "medium"),
        (0.1, "low"),
        (0.0, "negligible"),
    ],
)
def test_scores_are_rated_as_the_specification_says(score: float, expected: str) -> None:
    assert severity.of_score(score) == expected


@pytest.mark.parametrize(
    ("vector", "version", "score"),
    [
        ("AV:N/AC:L/Au:N/C:P/I:P/A:P", "2.0", 7.5),
        ("CVSS:3.0/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", "3.0", 9.8),
        ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:L", "3.1", 5.3),
        ("CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N", "4.0", 9.3),
    ],
)
def test_every_version_of_cvss_is_scored(vector: str, version: str, score: float) -> None:
    rating = severity.rate(vector, "nvd")
    assert rating == Cvss(version=version, vector=vector, score=score, source="nvd")


@pytest.mark.parametrize("vector", ["", "CVSS:3.1/AV:N", "CVSS:9.9/AV:N", "high", "A" * 10_000])
def test_what_is_no_vector_is_no_rating(vector: str) -> None:
    assert severity.rate(vector, "nvd") is None


def test_the_vendor_counts_before_github_before_cisa_before_nvd() -> None:
    ratings = [rated("nvd", 9.8), rated("cisa-adp", 7.5), rated("ghsa", 5.0), rated("cna", 3.0)]
    assert severity.decide([("ubuntu", "low")], ratings) == "low"
    assert severity.decide([], ratings) == "medium"
    assert severity.decide([], ratings[:2]) == "high"
    assert severity.decide([], ratings[:1]) == "critical"
    assert severity.decide([], []) == "unknown"


def test_unknown_is_no_opinion() -> None:
    assert severity.decide([("debian", "unknown")], [rated("nvd", 9.8)]) == "critical"


def test_an_authoritys_word_counts_before_its_vector() -> None:
    assert severity.decide([("ghsa", "medium")], [rated("ghsa", 9.1)]) == "medium"


def test_of_one_authority_the_newest_cvss_counts_whatever_its_score() -> None:
    assert severity.decide([], [rated("ghsa", 9.8, "3.1"), rated("ghsa", 5.1, "4.0")]) == "medium"
    first = severity.ordered([rated("nvd", 9.8, "2.0"), rated("nvd", 5.0, "3.1")])[0]
    assert first.version == "3.1"


def test_the_gravest_of_several_vendor_words_counts() -> None:
    assert severity.decide([("almalinux", "low"), ("almalinux", "high")], []) == "high"
