"""The tree of errors, whose names are what the state machines match."""

from __future__ import annotations

from hullwatch import errors
from hullwatch.errors import HullwatchError, PermanentError, TransientError, UserError, kind_of, names_below


def test_every_error_is_a_users_a_permanent_or_a_passing_one() -> None:
    branches = [names_below(branch) for branch in (UserError, PermanentError, TransientError)]
    together = sorted(name for names in branches for name in names)

    assert together == sorted(set(names_below(HullwatchError)) - {"HullwatchError"})


def test_a_name_leads_back_to_its_class() -> None:
    assert kind_of("LayerCorrupt") is errors.LayerCorrupt
    assert kind_of("States.Timeout") is None


def test_permanent_errors_have_reasons_of_their_own() -> None:
    kinds = [kind_of(name) for name in names_below(PermanentError)]
    reasons = [kind.reason for kind in kinds if kind and issubclass(kind, PermanentError)]

    assert len(set(reasons)) == len(reasons)
    assert all(reason.isupper() for reason in reasons)
