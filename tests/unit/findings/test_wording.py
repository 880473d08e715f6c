from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes.matches import TRACK, deb, findings_of, match, pypi, subject
from hullwatch.findings.wording import counted, description, listed, plain, remediation, title
from hullwatch.inventory.package import Problem


@given(st.text(), st.integers(3, 50))
def test_plain_text_is_one_bounded_printable_line(text: str, limit: int) -> None:
    shown = plain(text, limit)
    assert len(shown) <= limit
    assert shown.isprintable()


def test_plain_says_that_it_has_cut() -> None:
    assert plain("abcdef", 6) == "abcdef"
    assert plain("abcdefg", 6) == "abc..."
    assert plain("a\nb\u202ec", 9) == "a?b?c"


def test_lists_say_how_many_more() -> None:
    assert listed(["a", "b"], 2) == "a, b"
    assert listed(["a", "b", "c"], 2) == "a, b and 1 more"


def test_one_vulnerability_of_two_packages_is_counted_once() -> None:
    assert counted([match(deb()), match(deb("libssl3"))]) == "1 vulnerability (1 high)"


def test_several_installed_versions_are_named() -> None:
    matches = [match(pypi(version=version), fixed="5") for version in ("4.1", "4.2", "3.2")]
    (finding,) = findings_of(TRACK, [subject(*matches)])
    assert "contains Django 3.2, 4.1 and 1 more." in description(finding)
    assert remediation(finding) == (
        "Upgrade Django 3.2, 4.1 and 1 more to 5 or later: `pip install 'Django>=5'`, "
        "or upgrade the dependency that brings it."
    )


def test_a_command_is_whole_or_left_out() -> None:
    matches = [match(deb(f"libreoffice-part-{n:03}", source="libreoffice"), fixed="5") for n in range(60)]
    (finding,) = findings_of(TRACK, [subject(*matches)])
    assert remediation(finding) == "Upgrade libreoffice 3.0.9-1 to 5 or later."


def test_a_long_repository_leaves_room_for_what_to_do() -> None:
    track = type(TRACK)(account="1", region="r", repository="team/" * 50 + "app", lineage="v*")
    (finding,) = findings_of(track, [subject(match(deb(), fixed="4"))])
    assert title(finding).startswith("Upgrade openssl to 4 in team/")
    assert title(finding).endswith("...: 1 vulnerability (1 high)")


@pytest.mark.parametrize(
    ("reason", "advice"),
    [
        ("BUDGET_EXCEEDED", "Make the image smaller"),
        ("DIGEST_MISMATCH", "Find out why"),
        ("OTHER", "Rebuild"),
    ],
)
def test_an_unreadable_image_comes_with_advice(reason: str, advice: str) -> None:
    (finding,) = findings_of(TRACK, [subject(problems=(Problem(reason=reason, detail="no"),))])
    assert advice in remediation(finding)
