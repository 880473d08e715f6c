"""Oracle Linux and Azure Linux: OVAL definitions, and the builds they do not speak of."""

from __future__ import annotations

import pytest

from fakes.feeds import Mirror, records, rpm
from hullwatch.advisories.feeds import azure_linux, oracle
from hullwatch.errors import FeedInvalid

NAMESPACES = (
    'xmlns="http://oval.mitre.org/XMLSchema/oval-definitions-5"'
    ' xmlns:oval="http://oval.mitre.org/XMLSchema/oval-common-5"'
    ' xmlns:l="http://oval.mitre.org/XMLSchema/oval-definitions-5#linux"'
)
ELSA = "oracle/com.oracle.elsa-all.xml.bz2"
AZURE = "azure-linux/3/oval.xml"


def document(definitions: str, checks: str = "") -> str:
    return (
        f"<oval_definitions {NAMESPACES}><generator><oval:timestamp>2026-05-31T00:00:00Z</oval:timestamp>"
        f"</generator><definitions>{definitions}</definitions>{checks}</oval_definitions>"
    )


def elsa(*criteria: str, release: str = "Oracle Linux 8 is installed", module: str = "") -> str:
    enabled = f'<criterion test_ref="m" comment="{module}"/>' if module else ""
    inner = "".join(f'<criteria operator="AND">{each}</criteria>' for each in criteria)
    return document(
        '<definition id="d" class="patch"><metadata><title>\nELSA-2026-0001:  update (IMPORTANT)\n</title>'
        '<advisory><severity>IMPORTANT</severity><issued date="2026-05-20"/>'
        "<cve>CVE-2026-0001</cve></advisory>"
        f'</metadata><criteria operator="AND"><criterion test_ref="r" comment="{release}"/>{enabled}'
        f'<criteria operator="OR">{inner}</criteria></criteria></definition>'
    )


def earlier(name: str, evr: str) -> str:
    return f'<criterion test_ref="t" comment="{name} is earlier than {evr}"/>'


def test_an_erratum_of_oracle(mirror: Mirror) -> None:
    signed = '<criterion test_ref="s" comment="openssl is signed with the Oracle Linux 8 key"/>'
    mirror.write(ELSA, elsa(earlier("openssl", "1:1.1.1k-14.el8_6") + signed))
    (match,) = mirror.matches(rpm("openssl", "1:1.1.1k-12.el8", ecosystem="Oracle Linux:8"))
    assert (match.vulnerability.id, match.vulnerability.severity) == ("CVE-2026-0001", "high")
    assert match.statements[0].url == "https://linux.oracle.com/errata/ELSA-2026-0001.html"
    assert mirror.ids(rpm("openssl", "1:1.1.1k-14.el8_6", ecosystem="Oracle Linux:8")) == []
    assert mirror.ids(rpm("openssl", "1:1.1.1k-12.el8", ecosystem="Oracle Linux:9")) == []


@pytest.mark.parametrize("evr", ["2:2.17-326.0.9.ksplice1.el7", "10:1.1.1k-14.el8_6_fips"])
def test_builds_for_ksplice_and_fips_are_not_compared(mirror: Mirror, evr: str) -> None:
    mirror.write(ELSA, elsa(earlier("openssl", evr), earlier("curl", "7.61.1-34.el8")))
    assert mirror.ids(rpm("openssl", "1:1.1.1k-12.el8", ecosystem="Oracle Linux:8")) == []


def test_of_two_architectures_the_lower_fix_counts(mirror: Mirror) -> None:
    mirror.write(ELSA, elsa(earlier("a", "1-0.4.el8"), earlier("a", "1-0.1.el8")))
    (match,) = mirror.matches(rpm("a", "1-0.0.el8", ecosystem="Oracle Linux:8"))
    assert match.fixed == "1-0.1.el8"


def test_a_module_of_oracle_is_compared_inside_its_stream(mirror: Mirror) -> None:
    fix = earlier("nodejs", "1:18.20.2-1.module+el8.9.0+1")
    mirror.write(ELSA, elsa(fix, module="Module nodejs:18 is enabled"))
    of = "Oracle Linux:8"
    assert (
        mirror.ids(rpm("nodejs", "1:18.1.0-1.module+el8.9.0+1", module="nodejs:18:1:a", ecosystem=of)) != []
    )
    assert (
        mirror.ids(rpm("nodejs", "1:16.1.0-1.module+el8.9.0+1", module="nodejs:16:1:a", ecosystem=of)) == []
    )


def test_without_a_release_nothing_is_said(mirror: Mirror) -> None:
    path = mirror.write(ELSA, elsa(earlier("a", "1-2"), release="Something is installed"))
    found, log = records(oracle, path)
    assert (found, log.skipped["affects no package here"], log.date) == ([], 1, "2026-05-31T00:00:00")


def azure(*states: tuple[str, str], patchable: str = "true") -> str:
    numbers = range(len(states))
    tests = "".join(
        f'<l:rpminfo_test id="t{n}"><l:object object_ref="o"/><l:state state_ref="s{n}"/></l:rpminfo_test>'
        for n in numbers
    )
    values = "".join(
        f'<l:rpminfo_state id="s{n}"><l:evr operation="{operation}">{evr}</l:evr></l:rpminfo_state>'
        for n, (operation, evr) in enumerate(states)
    )
    return document(
        '<definition id="d" class="vulnerability"><metadata><title>CVE-2026-0001 affecting golang</title>'
        f'<reference ref_id="CVE-2026-0001" source="CVE"/><patchable>{patchable}</patchable>'
        "<advisory_date>2026-05-20T00:00:00Z</advisory_date><advisory_id>1-1</advisory_id>"
        '<severity>High</severity></metadata><criteria operator="AND">'
        + "".join(f'<criterion test_ref="t{n}" comment="golang"/>' for n in numbers)
        + "</criteria></definition>",
        f'<tests>{tests}</tests><objects><l:rpminfo_object id="o"><l:name>golang</l:name></l:rpminfo_object>'
        f"</objects><states>{values}</states>",
    )


def golang(mirror: Mirror, version: str, release: int = 3) -> list[str]:
    found = mirror.matches(rpm("golang", version, ecosystem=f"Azure Linux:{release}"))
    return [match.fixed for match in found]


def test_a_definition_of_azure_linux(mirror: Mirror) -> None:
    mirror.write(AZURE, azure(("less than", "0:1.20.7-1.azl3"), ("greater than", "0:1.19.0.azl3")))
    assert golang(mirror, "1.20.6-1.azl3") == ["1.20.7-1.azl3"]
    assert golang(mirror, "1.20.7-1.azl3") == []
    assert golang(mirror, "1.18.0-1.azl3") == []
    assert golang(mirror, "1.20.6-1.cm2", release=2) == []


def test_less_than_or_equal_has_no_fix(mirror: Mirror) -> None:
    mirror.write(AZURE, azure(("less than or equal", "0:1.20.7-1.azl3"), patchable="false"))
    assert golang(mirror, "1.20.7-1.azl3") == [""]
    assert golang(mirror, "1.20.8-1.azl3") == []


def test_what_does_not_apply_is_not_affected(mirror: Mirror) -> None:
    data = azure(("less than or equal", "0:1.20.7-1.azl3"), patchable="Not Applicable")
    found, log = records(azure_linux, mirror.write(AZURE, data))
    assert (found, log.skipped["not affected"]) == ([], 1)


def test_an_operation_that_nobody_knows_says_nothing(mirror: Mirror) -> None:
    found, log = records(azure_linux, mirror.write(AZURE, azure(("pattern match", "1.*"))))
    assert (found, log.skipped["affects no package here"]) == ([], 1)


@pytest.mark.parametrize("data", ["", "<oval_definitions>", "{}"])
def test_what_is_no_oval_is_refused(mirror: Mirror, data: str) -> None:
    with pytest.raises(FeedInvalid):
        records(oracle, mirror.write(ELSA, data))
    with pytest.raises(FeedInvalid):
        records(azure_linux, mirror.write(AZURE, data))
