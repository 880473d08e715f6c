from __future__ import annotations

from datetime import datetime
from pathlib import Path

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from fakes.feeds import Mirror, osv_record
from fakes.matches import LATER, NOW, TRACK, deb, digest, findings_of, match, pypi, subject
from hullwatch.findings.diff import Changes, diff
from hullwatch.findings.finding import Finding
from hullwatch.inventory.package import Problem

HEAD, NEXT = digest("image-1"), digest("image-2")


def apply(stored: dict[str, Finding], changes: Changes[Finding]) -> dict[str, Finding]:
    """The table afterwards."""
    written = (*changes.to_send, *changes.kept)
    return stored | {finding.id: finding for finding in written}


def counts(changes: Changes[Finding]) -> dict[str, int]:
    return {name: len(value) for name, value in msgspec.structs.asdict(changes).items() if value}


OPENSSL = match(deb(), fixed="4")
DJANGO = match(pypi(), "CVE-2023-0009", fixed="5")
STORED = apply({}, diff({}, findings_of(TRACK, [subject(OPENSSL, DJANGO)]), head=HEAD, now=NOW, unread=()))


def test_what_is_new_is_opened_with_where_it_came_from() -> None:
    changes = diff({}, findings_of(TRACK, [subject(OPENSSL)]), head=HEAD, now=NOW, unread=())
    (finding,) = changes.opened
    assert counts(changes) == {"opened": 1}
    assert (finding.introduced_by, finding.introduced_layer) == (HEAD, digest("base"))
    assert (finding.first_seen, finding.updated_at, finding.state) == (NOW, NOW, "OPEN")


def test_a_rebuild_that_fixes_nothing_says_nothing_and_names_the_new_image() -> None:
    rebuilt = msgspec.structs.replace(OPENSSL, package=deb(layer=digest("rebuilt")))
    changes = diff(
        STORED,
        findings_of(TRACK, [subject(rebuilt, DJANGO, image="image-2")]),
        head=NEXT,
        now=LATER,
        unread=(),
    )
    assert counts(changes) == {"kept": 2}
    assert changes.to_send == ()
    for finding in changes.kept:
        before = STORED[finding.id]
        assert [image.digest for image in finding.images] == [NEXT]
        assert finding.updated_at == before.updated_at == NOW
        assert finding.introduced_by == HEAD
        assert finding.introduced_layer == before.introduced_layer


def test_a_rebuild_that_fixes_something_resolves_exactly_that() -> None:
    changes = diff(
        STORED, findings_of(TRACK, [subject(DJANGO, image="image-2")]), head=NEXT, now=LATER, unread=()
    )
    (finding,) = changes.resolved
    assert counts(changes) == {"kept": 1, "resolved": 1}
    assert (finding.package, finding.state, finding.resolved_by) == ("openssl", "RESOLVED", NEXT)
    assert (finding.updated_at, finding.first_seen) == (LATER, NOW)
    assert finding.fingerprint != STORED[finding.id].fingerprint


def test_a_record_that_is_withdrawn_takes_its_finding_with_it(tmp_path: Path) -> None:
    mirror, package = Mirror(tmp_path), pypi()
    record = osv_record("PYSEC-2026-1", "PyPI", package.name, ("introduced", "0"), aliases=["CVE-2026-0001"])

    def wanted() -> list[Finding]:
        return list(findings_of(TRACK, [subject(*mirror.matches(package))]))

    mirror.osv("PyPI", record)
    stored = apply({}, diff({}, wanted(), head=HEAD, now=NOW, unread=()))
    assert len(stored) == 1
    mirror.osv("PyPI", {**record, "withdrawn": "2026-05-31T00:00:00Z"})
    changes = diff(stored, wanted(), head=HEAD, now=LATER, unread=())
    assert [finding.id for finding in changes.resolved] == list(stored)


def test_what_reads_differently_is_updated_and_keeps_its_history() -> None:
    worse = match(deb(), fixed="4", severity="critical")
    changes = diff(
        STORED, findings_of(TRACK, [subject(worse, DJANGO, image="image-2")]), head=NEXT, now=LATER, unread=()
    )
    (finding,) = changes.updated
    assert counts(changes) == {"updated": 1, "kept": 1}
    assert (finding.first_seen, finding.updated_at, finding.introduced_by) == (NOW, LATER, HEAD)


def test_what_comes_back_is_reopened() -> None:
    gone = apply(STORED, diff(STORED, [], head=NEXT, now=LATER, unread=()))
    changes = diff(
        gone,
        findings_of(TRACK, [subject(OPENSSL, image="image-3")]),
        head=digest("image-3"),
        now=LATER,
        unread=(),
    )
    (finding,) = changes.reopened
    assert counts(changes) == {"reopened": 1}
    assert (finding.state, finding.resolved_by, finding.introduced_by) == ("OPEN", "", digest("image-3"))
    assert finding.first_seen == NOW
    assert finding.updated_at > LATER


def test_resolved_once_is_not_resolved_again() -> None:
    gone = apply(STORED, diff(STORED, [], head="", now=LATER, unread=()))
    assert diff(gone, [], head="", now=LATER, unread=()) == Changes()
    assert {finding.resolved_by for finding in gone.values()} == {""}


def test_an_update_is_always_newer_than_the_last_even_when_the_clock_is_not() -> None:
    worse = findings_of(TRACK, [subject(match(deb(), severity="critical"))])
    (finding,) = diff(STORED, worse, head=HEAD, now="2020-01-01T00:00:00Z", unread=()).updated
    assert finding.updated_at == "2026-05-01T10:00:00.001Z"


def test_nothing_is_closed_by_an_image_that_could_not_be_read() -> None:
    unread = (Problem(reason="LAYER_CORRUPT", detail="ends early"),)
    wanted = findings_of(TRACK, [subject(image="image-2", problems=unread)])
    changes = diff(STORED, wanted, head=NEXT, now=LATER, unread=unread)
    assert counts(changes) == {"opened": 1, "kept": 2}
    assert {finding.id: finding for finding in changes.kept} == STORED


def test_a_file_that_could_not_be_read_holds_back_only_what_it_bears_witness_to() -> None:
    (witness,) = DJANGO.package.locations
    unread = (Problem(reason="UNREADABLE", detail="no metadata", path=witness),)
    changes = diff(STORED, [], head=NEXT, now=LATER, unread=unread)
    assert [finding.package for finding in changes.kept] == ["Django"]
    assert [finding.package for finding in changes.resolved] == ["openssl"]


def test_without_its_matches_a_finding_gets_the_benefit_of_doubt() -> None:
    bare = {key: msgspec.structs.replace(finding, matches=()) for key, finding in STORED.items()}
    unread = (Problem(reason="UNREADABLE", detail="no metadata", path="app/other"),)
    assert counts(diff(bare, [], head=NEXT, now=LATER, unread=unread)) == {"kept": 2}
    assert counts(diff(bare, [], head=NEXT, now=LATER, unread=())) == {"resolved": 2}


packages = st.sampled_from([deb(name, source=name) for name in "abcd"])
found = st.lists(
    st.builds(
        match,
        packages,
        st.sampled_from(["CVE-1", "CVE-2"]),
        severity=st.sampled_from(["critical", "low"]),
        fixed=st.sampled_from(["", "4"]),
    ),
    max_size=6,
)
moments = st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1)).map(lambda m: m.isoformat() + "Z")  # noqa: DTZ001


@given(
    st.lists(st.tuples(found, moments), min_size=1, max_size=5), st.randoms(use_true_random=False), moments
)
def test_settling_a_track_twice_changes_nothing_and_order_does_not_matter(history, random, again) -> None:
    stored: dict[str, Finding] = {}
    for number, (matches, now) in enumerate(history):
        wanted = findings_of(TRACK, [subject(*matches, image=f"image-{number}")])
        head = digest(f"image-{number}")
        changes = diff(stored, wanted, head=head, now=now, unread=())
        shuffled = dict(random.sample(list(stored.items()), len(stored)))
        assert diff(shuffled, random.sample(wanted, len(wanted)), head=head, now=now, unread=()) == changes
        for finding in changes.to_send:
            before = stored.get(finding.id)
            assert before is None or finding.updated_at > before.updated_at
            assert finding.updated_at >= finding.first_seen
        stored = apply(stored, changes)
        repeated = diff(stored, wanted, head=head, now=again, unread=())
        assert repeated.to_send == ()
        assert apply(stored, repeated) == stored
        assert {key for key, finding in stored.items() if finding.state == "OPEN"} == {f.id for f in wanted}
