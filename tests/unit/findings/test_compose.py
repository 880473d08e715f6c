from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes.matches import TRACK, deb, digest, findings_of, match, pypi, subject
from hullwatch.findings.compose import MAX_ID, finding_id
from hullwatch.findings.finding import Track
from hullwatch.inventory.package import Problem

CORRUPT = Problem(reason="LAYER_CORRUPT", detail=f"layer {digest('top')} ends early", layer=digest("top"))


def test_the_binary_packages_of_one_source_are_one_finding() -> None:
    openssl = deb("openssl")
    libssl = deb("libssl3", version="3.0.9-1+b1", source_version="3.0.9-1")
    (finding,) = findings_of(
        TRACK,
        [
            subject(
                match(openssl, "CVE-2023-0001", fixed="3.0.11-1~deb12u1"),
                match(libssl, "CVE-2023-0001", fixed="3.0.11-1~deb12u1"),
                match(libssl, "CVE-2023-0002", fixed="3.0.11-1~deb12u2"),
                match(libssl, "CVE-2023-0003"),
            )
        ],
    )
    assert finding.kind == "package"
    assert (finding.type, finding.package) == ("deb", "openssl")
    assert finding.installed == ("3.0.9-1",)
    assert finding.fixed == "3.0.11-1~deb12u2"
    assert {entry.package.name for entry in finding.matches} == {"openssl", "libssl3"}
    assert finding.id == "hullwatch/111122223333/eu-west-1/payments%2Fapi/main-*/deb/openssl"


def test_versions_are_ordered_as_the_ecosystem_orders_them() -> None:
    (finding,) = findings_of(
        TRACK,
        [
            subject(
                match(pypi(version="4.2.10"), "CVE-1", fixed="4.2.9"),
                match(pypi(version="4.2.9"), "CVE-2", fixed="4.2.11"),
                match(pypi(version="4.2.9"), "CVE-3", fixed="4.2.2"),
            )
        ],
    )
    assert finding.installed == ("4.2.9", "4.2.10")
    assert finding.fixed == "4.2.11"


def test_two_spellings_of_a_python_package_are_one_finding() -> None:
    (finding,) = findings_of(
        TRACK,
        [subject(match(pypi("PyYAML"), "CVE-1"), match(pypi("pyyaml", locations=("poetry.lock",)), "CVE-1"))],
    )
    assert finding.package == "PyYAML"
    assert finding.id.endswith("/pypi/pyyaml")


def test_a_package_of_the_distribution_and_one_of_a_language_are_two() -> None:
    findings = findings_of(
        TRACK, [subject(match(deb("python3-django", source="django")), match(pypi("django")))]
    )
    assert [finding.type for finding in findings] == ["deb", "pypi"]


def test_one_finding_for_each_vulnerability_by_configuration() -> None:
    matches = [match(deb(), "CVE-1"), match(deb("libssl3"), "CVE-1"), match(deb(), "CVE-2")]
    findings = findings_of(TRACK, [subject(*matches)], group_by="vulnerability")
    assert [finding.id.rpartition("/")[2] for finding in findings] == ["CVE-1", "CVE-2"]
    assert {finding.kind for finding in findings} == {"vulnerability"}
    assert len(findings[0].matches) == 2


def test_platforms_are_united() -> None:
    (finding,) = findings_of(
        TRACK,
        [
            subject(match(deb(arch="amd64"), fixed="4"), image="amd"),
            subject(match(deb(arch="arm64"), fixed="4"), image="arm", platform="linux/arm64"),
        ],
    )
    assert [image.platform for image in finding.images] == ["linux/amd64", "linux/arm64"]
    assert len(finding.matches) == 2


def test_an_image_without_matches_is_no_resource_of_the_finding() -> None:
    (finding,) = findings_of(TRACK, [subject(match(deb()), image="old"), subject(image="new")])
    assert [image.digest for image in finding.images] == [digest("old")]


def test_running_anywhere_is_running_and_unknown_is_not_stopped() -> None:
    stopped, unknown, running = (
        subject(match(deb(), fixed="4"), image=str(state), running=state) for state in (False, None, True)
    )
    assert "running" in findings_of(TRACK, [stopped, unknown, running])[0].reasons
    assert "presumed to run" in " ".join(findings_of(TRACK, [stopped, unknown])[0].reasons)
    assert "not running" in findings_of(TRACK, [stopped])[0].reasons


def test_an_image_that_cannot_be_read_is_a_finding() -> None:
    (finding,) = findings_of(
        TRACK, [subject(problems=(Problem(reason="ARCHIVED", detail="in archive storage"),))]
    )
    assert finding.kind == "unscannable"
    assert (finding.reason, finding.detail) == ("ARCHIVED", "in archive storage")
    assert finding.id.endswith("/main-*/unscannable")
    assert [image.digest for image in finding.images] == [digest("image-1")]


def test_an_image_read_in_part_has_both() -> None:
    findings = findings_of(TRACK, [subject(match(deb()), problems=(CORRUPT,))])
    assert [finding.kind for finding in findings] == ["package", "unscannable"]


def test_of_many_problems_the_costliest_names_the_reason() -> None:
    files = tuple(
        Problem(reason="BUDGET_EXCEEDED", detail="nested too deep", path=f"app/{n}.jar") for n in range(9)
    )
    (finding,) = findings_of(TRACK, [subject(problems=(*files, CORRUPT))])
    assert finding.reason == "LAYER_CORRUPT"
    assert finding.detail.startswith("layer sha256:")
    assert finding.detail.endswith("app/3.jar: nested too deep; and 5 more")


def test_a_rebuild_that_fixes_nothing_has_the_same_fingerprint() -> None:
    before = subject(match(deb(), fixed="4", epss=0.011), problems=(CORRUPT,))
    problem = Problem(
        reason=CORRUPT.reason, detail=f"layer {digest('other')} ends early", layer=digest("other")
    )
    after = subject(
        match(deb(layer=digest("rebuilt")), fixed="4", epss=0.012, modified="2026-05-01"),
        image="image-2",
        problems=(problem,),
    )
    for one, other in zip(findings_of(TRACK, [before]), findings_of(TRACK, [after]), strict=True):
        assert one.fingerprint == other.fingerprint
        assert one.images != other.images


@pytest.mark.parametrize(
    "after",
    [
        subject(match(deb(version="3.0.10-1"), fixed="4")),
        subject(match(deb(), fixed="5")),
        subject(match(deb(), fixed="4", severity="critical")),
        subject(match(deb(), fixed="4", status="will_not_fix")),
        subject(match(deb(), fixed="4", epss=0.9)),
        subject(match(deb(), fixed="4"), match(deb(), "CVE-2023-0002", fixed="4")),
        subject(match(deb(locations=("var/lib/dpkg/status.d/openssl",)), fixed="4")),
        subject(match(deb(), fixed="4"), platform="linux/arm64"),
        subject(match(deb(), fixed="4"), running=False),
    ],
    ids=[
        "installed", "fix", "severity", "status", "priority", "vulnerability", "place", "platform", "running"
    ],
)  # fmt: skip
def test_what_a_reader_would_notice_changes_the_fingerprint(after) -> None:
    (one,) = findings_of(TRACK, [subject(match(deb(), fixed="4"))])
    (other,) = findings_of(TRACK, [after])
    assert one.id == other.id
    assert one.fingerprint != other.fingerprint


@given(st.randoms(use_true_random=False))
def test_the_order_of_what_was_found_does_not_matter(random) -> None:
    matches = [match(deb(name), cve, fixed="4") for name in ("a", "b", "c") for cve in ("CVE-1", "CVE-2")]
    subjects = [
        subject(*matches, image=str(n), problems=(CORRUPT, Problem(reason="GONE", detail="gone")))
        for n in range(3)
    ]
    expected = msgspec.json.encode(findings_of(TRACK, subjects))
    shuffled = [
        msgspec.structs.replace(
            m, matches=tuple(random.sample(m.matches, len(m.matches))), problems=m.problems[::-1]
        )
        for m in random.sample(subjects, len(subjects))
    ]
    assert msgspec.json.encode(findings_of(TRACK, shuffled)) == expected


names = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)


@given(st.tuples(names, names, names), st.tuples(names, names, names))
def test_ids_are_short_printable_and_never_meet(
    one: tuple[str, str, str], other: tuple[str, str, str]
) -> None:
    def identify(repository: str, lineage: str, package: str) -> str:
        return finding_id(
            Track(account="1", region="r", repository=repository, lineage=lineage), "npm", package
        )

    first, second = identify(*one), identify(*other)
    assert (first == second) == ([n or "-" for n in one] == [n or "-" for n in other])
    assert len(first) <= MAX_ID
    assert first.isascii()
    assert first.isprintable()


def test_a_scoped_name_stays_readable() -> None:
    assert finding_id(TRACK, "npm", "@scope/name").endswith("/npm/@scope%2Fname")


def test_what_is_under_investigation_is_no_finding() -> None:
    unknown = match(deb("curl"), "CVE-2023-0009", status="under_investigation")
    assert findings_of(TRACK, [subject(unknown)]) == []
    known = match(deb(), fixed="4")
    assert findings_of(TRACK, [subject(known, unknown)]) == findings_of(TRACK, [subject(known)])
