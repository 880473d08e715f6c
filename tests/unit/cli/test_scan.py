"""``scan``, ``lookup`` and ``advisories`` as a user runs them: what they print, and how they end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from fakes.feeds import Mirror
from fakes.images import FakeImage, FakeIndex, layer, write_oci_layout
from fakes.vex import merged, packed, repositories, vex


def run(*arguments: str | Path, stdin: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from hullwatch.cli.main import main; main()", *map(str, arguments)]
    environment = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    return subprocess.run(
        command, capture_output=True, text=True, input=stdin, check=False, timeout=60, env=environment
    )


def test_json_has_the_image_its_packages_and_its_vulnerabilities(image: Path, advisories: Path) -> None:
    done = run("scan", f"oci:{image}:v1", "--advisories", advisories, "--format", "json")
    report = json.loads(done.stdout)

    assert done.returncode == 0
    assert report["schema"] == 1
    assert report["complete"] is True
    assert report["image"]["platform"] == "linux/amd64"
    assert report["image"]["os"]["id"] == "debian"
    purls = {package["purl"].partition("?")[0] for package in report["packages"]}
    assert {"pkg:pypi/django@2.2.0", "pkg:npm/lodash@4.17.15", "pkg:deb/debian/libssl3@3.0.9-1"} <= purls
    found = {(entry["id"], entry["package"], entry["fixed"]) for entry in report["vulnerabilities"]}
    assert ("CVE-2019-14234", "Django", "2.2.4") in found
    assert ("CVE-2023-45853", "zlib1g", None) in found
    assert {"debian", "kev", "osv"} <= report["feeds"].keys()
    exploited = [entry["id"] for entry in report["vulnerabilities"] if entry["kev"]]
    assert exploited == ["CVE-2023-4863"]


def test_an_image_of_extended_support_gets_its_own_fixes(tmp_path: Path) -> None:
    mirror = Mirror(tmp_path)
    builds = ("enterprise_linux:8", "12.el8_10"), ("rhel_eus:8.8", "9.el8_8")
    says = [
        vex(
            cpe=f"cpe:/o:redhat:{product}::baseos",
            purl=f"pkg:rpm/redhat/openssl-libs@1.1.1k-{release}?arch=x86_64",
        )
        for product, release in builds
    ]
    eus = "rhel-8-for-x86_64-baseos-eus-rpms__8_DOT_8"
    mirror.write("redhat/csaf_vex.tar.zst", packed(merged(*says)))
    mirror.write(
        "redhat/repositories/repository-to-cpe.json",
        repositories({eus: ["cpe:/o:redhat:rhel_eus:8.8::baseos"]}),
    )
    mirror.build()

    def fixes(*content_sets: str) -> list[str]:
        files = {
            "etc/os-release": "ID=rhel\nVERSION_ID=8.8\n",
            "root/buildinfo/content_manifests/a.json": json.dumps({"content_sets": content_sets}),
            "var/lib/rpmmanifest/container-manifest-2": (
                "openssl-libs\t1.1.1k-8.el8_8\t1\t1\t(none)\t(none)\t1\tx86_64\t0\t"
                "openssl-1.1.1k-8.el8_8.src.rpm\n"
            ),
        }
        image = FakeImage(layers=[layer(files)])
        layout = write_oci_layout(tmp_path / f"image-{len(content_sets)}", {"v1": image})
        done = run("scan", layout, "--advisories", mirror.output, "--format", "json")
        return [entry["fixed"] for entry in json.loads(done.stdout)["vulnerabilities"]]

    assert fixes("rhel-8-for-x86_64-baseos-rpms") == ["1.1.1k-12.el8_10"]
    assert fixes("rhel-8-for-x86_64-baseos-rpms", eus) == ["1.1.1k-9.el8_8"]


def test_the_table_says_what_to_upgrade(image: Path, advisories: Path) -> None:
    done = run("scan", image, "--advisories", advisories)

    assert done.returncode == 0
    assert "Debian GNU/Linux 12 (bookworm)" in done.stdout
    assert "1.2.4-0.2+deb12u1" in done.stdout
    assert "6 packages have known vulnerabilities" in done.stdout
    assert done.stderr == ""


@pytest.mark.parametrize(("limit", "code"), [("critical", 1), ("any", 1)])
def test_a_severity_to_fail_on(image: Path, advisories: Path, limit: str, code: int) -> None:
    done = run("scan", image, "--advisories", advisories, "--fail-on", limit, "--format", "json")

    assert done.returncode == code
    assert json.loads(done.stdout)["vulnerabilities"]


def test_the_configuration_of_the_image_is_judged(image: Path) -> None:
    done = run("scan", image, "--no-match", "--format", "json", "--fail-on-control", "critical")
    verdicts = {entry["control"]: entry["verdict"] for entry in json.loads(done.stdout)["controls"]}
    assert done.returncode == 0
    assert (verdicts["image.user.root"], verdicts["image.healthcheck.missing"]) == ("PASSED", "FAILED")

    shown = run("scan", image, "--no-match", "--fail-on-control", "any")
    assert shown.returncode == 1
    assert "image.healthcheck.missing" in shown.stdout


def test_without_matching_only_packages_are_listed(image: Path) -> None:
    done = run("scan", image, "--no-match", "--format", "json")

    assert done.returncode == 0
    assert json.loads(done.stdout)["vulnerabilities"] == []
    assert "minimist" in run("scan", image, "--no-match").stdout


def test_machine_formats_are_documents_of_their_kind(image: Path, advisories: Path, tmp_path: Path) -> None:
    common = ("scan", image, "--advisories", advisories)
    sarif = json.loads(run(*common, "--format", "sarif").stdout)
    assert sarif["version"] == "2.1.0"

    asff = json.loads(run(*common, "--format", "asff").stdout)
    assert {finding["SchemaVersion"] for finding in asff} == {"2018-10-08"}

    target = tmp_path / "report.json"
    done = run(*common, "--format", "json", "--output", target)
    assert done.stdout == ""
    assert json.loads(target.read_text())["schema"] == 1


def bad_targets(image: Path, work: Path) -> dict[str, str]:
    """What may be wrong with an image, each as a target."""
    truncated = work / "truncated"
    subprocess.run(["cp", "-r", image, truncated], check=True)
    largest = max(
        (truncated / "blobs/sha256").iterdir(), key=lambda path: path.read_bytes()[:2] == b"\x1f\x8b"
    )
    largest.write_bytes(largest.read_bytes()[:-20])
    empty = work / "empty.tar"
    tarfile.open(empty, "w").close()
    text = work / "text.tar"
    text.write_text("not an archive")
    (work / "hollow").mkdir()
    return {
        "missing": f"docker-archive:{work / 'absent.tar'}",
        "truncated": f"oci:{truncated}:v1",
        "empty": f"docker-archive:{empty}",
        "text": f"docker-archive:{text}",
        "hollow": f"oci:{work / 'hollow'}",
        "tag": f"oci:{image}:v9",
        "words": "no such thing!",
    }


@pytest.mark.parametrize("what", ["missing", "truncated", "empty", "text", "hollow", "tag", "words"])
def test_what_cannot_be_read_is_one_clear_line_and_exit_2(what: str, image: Path, tmp_path: Path) -> None:
    done = run("scan", bad_targets(image, tmp_path)[what], "--no-match", "--format", "json")

    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert "Traceback" not in done.stderr


def test_without_advisories_it_says_how_to_get_them(image: Path, tmp_path: Path) -> None:
    done = run("scan", image, "--advisories", tmp_path / "none")

    assert done.returncode == 2
    assert "hullwatch advisories update" in done.stderr


def test_wrong_usage_is_exit_2(image: Path) -> None:
    assert run("scan", image, "--format", "nonsense").returncode == 2
    assert run("scan").returncode == 2


def test_a_lookup_answers_one_object_a_line_in_the_order_of_the_question(advisories: Path) -> None:
    questions = "pkg:pypi/Django@2.2.0\n\npkg:npm/lodash@4.17.21\n"
    done = run("lookup", "-", "--advisories", advisories, "--format", "json", stdin=questions)
    answers = [json.loads(line) for line in done.stdout.splitlines()]

    assert done.returncode == 0
    assert [answer["purl"] for answer in answers] == ["pkg:pypi/Django@2.2.0", "pkg:npm/lodash@4.17.21"]
    (entry,) = answers[0]["vulnerabilities"]
    assert entry["id"] == "CVE-2019-14234"
    assert entry["advisories"] == ["GHSA-6r97-cj55-9hrq"]
    assert entry["fixed"] == "2.2.4"
    assert answers[1]["vulnerabilities"] == []


@pytest.mark.parametrize("purl", ["nonsense", "pkg:", "pkg:pypi/django"])
def test_a_purl_that_is_none_is_exit_2(advisories: Path, purl: str) -> None:
    done = run("lookup", purl, "--advisories", advisories, "--format", "json")

    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert done.stdout == ""


def test_the_status_of_advisories(advisories: Path, tmp_path: Path) -> None:
    done = run("advisories", "status", advisories, "--format", "json")
    status = json.loads(done.stdout)
    states = {feed["name"]: feed["condition"] for feed in status["feeds"]}

    assert done.returncode == 0
    assert states["osv"] in {"ok", "stale"}
    assert states["alpine"] == "absent"
    assert "osv" in run("advisories", "status", advisories).stdout
    assert run("advisories", "status", tmp_path).returncode == 2


def test_a_build_of_nothing_is_exit_2(tmp_path: Path) -> None:
    done = run("advisories", "build", "--feeds", tmp_path / "none", "--output", tmp_path / "out")

    assert done.returncode == 2
    assert done.stderr.startswith("error: ")


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index of two platforms; only one of them has a vulnerable package."""
    old, new = (
        FakeImage(
            layers=[
                layer(
                    {
                        "etc/os-release": b"ID=alpine\nVERSION_ID=3.20.1\n",
                        f"app/lib/python3.11/site-packages/Django-{version}.dist-info/METADATA": (
                            f"Metadata-Version: 2.1\nName: Django\nVersion: {version}\n".encode()
                        ),
                    }
                )
            ],
            platform=f"linux/{architecture}",
        )
        for version, architecture in (("2.2.0", "amd64"), ("5.1", "arm64"))
    )
    return write_oci_layout(tmp_path_factory.mktemp("index"), {"v1": FakeIndex(images=[old, new])})


def test_every_platform_of_an_index_is_scanned(index: Path, advisories: Path) -> None:
    command = ("scan", f"oci:{index}:v1", "--platform", "all", "--advisories", advisories)
    done = run(*command, "--format", "json")

    reports = json.loads(done.stdout)
    assert [report["image"]["platform"] for report in reports] == ["linux/amd64", "linux/arm64"]
    assert [len(report["vulnerabilities"]) > 0 for report in reports] == [True, False]
    assert run(*command, "--fail-on", "critical").returncode == 1

    runs = json.loads(run(*command, "--format", "sarif").stdout)["runs"]
    assert [entry["automationDetails"]["id"] for entry in runs] == ["linux/amd64/", "linux/arm64/"]

    findings = json.loads(run(*command, "--format", "asff").stdout)
    assert len({finding["Id"] for finding in findings}) == len(findings)

    table = run(*command, "--verbose")
    assert table.stdout.index("linux/amd64") < table.stdout.index("linux/arm64")
    assert table.stderr.count("sha256:") == 2


def test_a_bill_of_materials_is_about_one_platform(index: Path) -> None:
    done = run("scan", f"oci:{index}:v1", "--platform", "all", "--no-match", "--format", "spdx")

    assert done.returncode == 2
    assert done.stderr == "error: --format spdx is about one image: name its --platform instead of all\n"
