"""The catalogue and the code hold each other, and the page is what the catalogue says."""

from __future__ import annotations

from hullwatch.posture import page, standards
from hullwatch.posture.analysis.pod_security import MEMBERS
from hullwatch.posture.catalogue import catalogue
from hullwatch.posture.engine import CONTROLS

#: Security Hub cuts a remediation text at 512 characters and a title at 256.
MAX_FIX, MAX_TITLE = 512, 256


def test_every_implemented_entry_has_code_and_all_code_has_an_entry() -> None:
    implemented = {entry.id for entry in catalogue().values() if entry.status == "implemented"}
    assert {control_id for control_id, _ in CONTROLS} == implemented


def test_texts_fit_a_finding() -> None:
    for entry in catalogue().values():
        assert entry.why.endswith("."), entry.id
        assert entry.fix.endswith("."), entry.id
        assert 0 < len(entry.title) <= MAX_TITLE
        assert len(entry.fix) <= MAX_FIX
        assert entry.scope in page.SCOPES
        assert entry.references.keys() <= page.NAMES.keys()


def test_subjects_name_their_input() -> None:
    for item in CONTROLS.values():
        assert item.subject.INPUTS
        assert all(item.subject.INPUTS)
        assert all(need for need in item.needs)


def test_pod_security_references_are_the_table() -> None:
    levels = {
        entry.id: entry.references["pss"]
        for entry in catalogue().values()
        if "pss" in entry.references and entry.references["pss"] != ("admission",)
    }
    assert levels.keys() == MEMBERS.keys()
    assert all(MEMBERS[control_id].level in named for control_id, named in levels.items())


def test_every_standard_asks_for_something() -> None:
    for name in standards.STANDARDS:
        assert standards.entries_of(name)
        assert standards.controls_of(name)
