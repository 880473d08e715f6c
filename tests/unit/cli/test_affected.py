"""``hullwatch affected`` over results that were kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from hullwatch.cli.main import app
from hullwatch.errors import UserError
from hullwatch.findings import results


def run(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, arguments)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.stdout


def ask(query: str, *arguments: str) -> tuple[int, dict[str, Any]]:
    code, text = run("affected", query, "--format", "json", *arguments)
    return code, json.loads(text)


@pytest.fixture(scope="module")
def kept(image: Path, advisories: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's image as every kind of result that can be asked."""
    directory = tmp_path_factory.mktemp("results")
    for form in ("json", "cyclonedx", "spdx"):
        (directory / form).mkdir()
        output = str(directory / form / "result.json")
        run("scan", f"oci:{image}", "--advisories", str(advisories), "--format", form, "--output", output)
    return directory


@pytest.fixture(scope="module")
def report(kept: Path) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((kept / "json/result.json").read_text())
    return read


def purls(answer: dict[str, Any]) -> list[str]:
    return [package["purl"] for image in answer["images"] for package in image["packages"]]


def test_every_form_names_the_same_packages(kept: Path, report: dict[str, Any]) -> None:
    read = {form: results.read(kept / form / "result.json") for form in ("json", "cyclonedx", "spdx")}
    installed = {entry["purl"] for entry in report["packages"]}
    assert installed
    for form, result in read.items():
        assert {package.purl for package in result.packages} == installed, form
        assert result.digest == report["image"]["digest"], form
        for package in result.packages:
            known = next(entry for entry in report["packages"] if entry["purl"] == package.purl)
            assert list(package.locations) == known["locations"], form
            assert package.layer == known["layer"], form


@pytest.mark.parametrize("form", ["json", "cyclonedx", "spdx"])
def test_a_package_is_found_by_name_version_and_range(kept: Path, report: dict[str, Any], form: str) -> None:
    package = next(entry for entry in report["packages"] if entry["ecosystem"] == "PyPI")
    base, version = package["purl"].rsplit("@", 1)
    for query in (base, package["purl"], f"{base}@<={version}", f"{base}@>=0,<9999"):
        code, answer = ask(query, "--results", str(kept / form))
        assert (code, purls(answer), answer["complete"]) == (0, [package["purl"]], True)
        assert answer["images"][0]["digest"] == report["image"]["digest"]
    for query in (f"{base}@9999", f"{base}@<{version}", f"{base}-not"):
        assert ask(query, "--results", str(kept / form))[1]["images"] == []


def test_a_vulnerability_is_found_by_its_name_and_its_aliases(kept: Path, report: dict[str, Any]) -> None:
    entry = next(entry for entry in report["vulnerabilities"] if entry["aliases"])
    having = sorted(found["purl"] for found in report["vulnerabilities"] if found["id"] == entry["id"])
    for name in (entry["id"], entry["id"].lower(), entry["aliases"][0]):
        if name != entry["id"].lower() or entry["id"].startswith("CVE-"):
            code, answer = ask(name, "--results", str(kept / "json"))
            assert (code, sorted(purls(answer))) == (0, having)
            assert {p["vulnerability"] for i in answer["images"] for p in i["packages"]} == {entry["id"]}


def test_a_bill_of_materials_answers_for_vulnerabilities_with_advisories_only(
    kept: Path, advisories: Path, report: dict[str, Any]
) -> None:
    identifier = report["vulnerabilities"][0]["id"]
    code, answer = ask(identifier, "--results", str(kept / "cyclonedx"))
    assert (code, answer["complete"], [i["reason"] for i in answer["issues"]]) == (3, False, ["NOT_MATCHED"])
    code, answer = ask(identifier, "--results", str(kept / "cyclonedx"), "--advisories", str(advisories))
    assert (code, answer["complete"]) == (0, True)
    assert report["vulnerabilities"][0]["purl"] in purls(answer)


def test_a_scan_that_matched_nothing_does_not_deny_a_vulnerability(image: Path, tmp_path: Path) -> None:
    output = str(tmp_path / "result.json")
    run("scan", f"oci:{image}", "--no-match", "--format", "json", "--output", output)
    code, answer = ask("CVE-2021-44228", "--results", output)
    assert (code, [issue["reason"] for issue in answer["issues"]]) == (3, ["NOT_MATCHED"])


def test_what_is_no_result_is_named_and_the_rest_is_searched(
    kept: Path, tmp_path: Path, report: dict[str, Any]
) -> None:
    (tmp_path / "other.json").write_text('{"schema": 7}')
    (tmp_path / "damaged.json").write_text('{"schema": 1, "image": ')
    (tmp_path / "deep.json").write_text("[" * 100_000)
    purl = report["packages"][0]["purl"]
    code, answer = ask(purl, "--results", str(tmp_path), "--results", str(kept / "json"))
    assert (code, [issue["reason"] for issue in answer["issues"]]) == (3, ["NOT_A_RESULT"] * 3)
    assert purls(answer) == [purl]


def test_a_question_nobody_can_answer_is_refused(tmp_path: Path) -> None:
    for arguments in (("CVE-2021-44228",), ("CVE-2021-44228", "--results", str(tmp_path / "nowhere"))):
        with pytest.raises(UserError):
            run("affected", *arguments)


def test_people_get_a_table(kept: Path, report: dict[str, Any]) -> None:
    package = report["packages"][0]
    code, text = run("affected", package["purl"], "--results", str(kept / "json"))
    assert code == 0
    assert package["version"] in text
    assert "1 image: " in text
