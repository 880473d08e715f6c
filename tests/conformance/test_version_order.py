"""Version orders against the recorded truth, and against the tools that define them where they are installed.

The truth is one file per scheme in ``$HULLWATCH_SHARED/truth/version-order``: ``a <op> b`` from the tests of
the projects that define or follow a scheme.
"""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from packaging.version import InvalidVersion, Version

from hullwatch.advisories.versions import compare

_SHARED = Path(os.environ.get("HULLWATCH_SHARED", Path(__file__).resolve().parents[3] / "shared"))
_TRUTH = _SHARED / "truth" / "version-order"
_SIGNS = {"<": {-1}, "<=": {-1, 0}, "=": {0}, ">=": {0, 1}, ">": {1}, "!=": {-1, 1}}
_SCHEMES = (
    *(
        "apk",
        "composer",
        "conan",
        "cran",
        "dpkg",
        "gem",
        "go",
        "hackage",
        "maven",
        "nuget",
        "openssl",
        "pep440",
    ),
    *("pub", "rpm", "rpm-segment", "semver", "semver-loose"),
)

#: Rows that are wrong: scheme, a, op, b, and what shows it.
WRONG = {
    ("composer", "1.0.0", ">", "1.0"): (
        "The row is PHP's version_compare on raw strings. Composer normalises both to 1.0.0.0 first "
        "(VersionParser::normalize), so Comparator::equalTo('1.0', '1.0.0') is true"
    ),
    ("maven", "1.0.0-RC16", "<", "1.0.0.RC8-beta"): (
        "ComparableVersion before 3.8.7 put .RC after -RC whatever the number; the installed Maven disagrees"
    ),
    ("maven", "1.1.0-01-glassfish", "<", "1.1.0.Beta1"): (
        "ComparableVersion before 3.8.7 put .Beta1 after any list; the installed Maven disagrees"
    ),
    ("maven", "1.1.31.sec10", "<", "1.1.31_noneautotype"): (
        "Both are qualifiers of 1.1.31 since Maven 3.8.7, compared by text; the installed Maven disagrees"
    ),
    ("maven", "2-1", "<=", "2.0.0.a"): (
        "2.0.0.a is 2-a since Maven 3.8.7, and 2-a < 2-1; the installed Maven disagrees"
    ),
}

needs_truth = pytest.mark.skipif(not _TRUTH.is_dir(), reason=f"no recorded version orders in {_TRUTH}")


def _rows(scheme: str) -> list[tuple[str, str, str]]:
    lines = (_TRUTH / f"{scheme}.tsv").read_text(encoding="utf-8").splitlines()
    return [(a, op, b) for a, op, b, *_ in (line.split("\t") for line in lines[1:])]


def _versions(scheme: str) -> list[str]:
    return sorted({version for a, _, b in _rows(scheme) for version in (a, b)})


def _mutants(scheme: str, pieces: str, count: int = 3000) -> list[tuple[str, str]]:
    """Pairs of near relatives: two changes of one recorded version, the same ones in every run."""
    chance = random.Random(f"{scheme} {count}")
    recorded = _versions(scheme)

    def mutate(version: str) -> str:
        letters = list(version)
        for _ in range(chance.randint(0, 3)):
            place = chance.randrange(len(letters) + 1)
            letters[place : place + chance.randint(0, 1)] = chance.choices(
                pieces.split(" "), k=chance.randint(0, 1)
            )
        return "".join(letters)

    pairs = []
    while len(pairs) < count:
        version = chance.choice(recorded)
        pairs.append((mutate(version), mutate(version)))
    return pairs


@needs_truth
def test_every_recorded_scheme_is_checked() -> None:
    assert sorted(path.stem for path in _TRUTH.glob("*.tsv")) == sorted(_SCHEMES)


@needs_truth
@pytest.mark.parametrize("scheme", _SCHEMES)
def test_recorded_rows(scheme: str) -> None:
    failed = {
        (scheme, a, op, b)
        for a, op, b in _rows(scheme)
        if compare(scheme, a, b) not in _SIGNS[op] or -compare(scheme, b, a) not in _SIGNS[op]
    }
    assert failed == {row for row in WRONG if row[0] == scheme}


@needs_truth
@pytest.mark.skipif(shutil.which("dpkg") is None, reason="no dpkg here to compare with")
def test_dpkg_agrees() -> None:
    """``dpkg --compare-versions`` is one process per question, so a sample of what Debian allows."""
    questions = [
        (a, b) for a, b in _mutants("dpkg", "~ + . - a z 0 00 1 rc", 400) if _is_debian(a) and _is_debian(b)
    ]
    assert len(questions) > 200
    wrong = []
    for a, b in questions:
        operator = {-1: "lt", 0: "eq", 1: "gt"}[compare("dpkg", a, b)]
        answer = subprocess.run(
            ["dpkg", "--compare-versions", a, operator, b], capture_output=True, text=True
        )
        if answer.returncode != 0:
            wrong.append((a, operator, b, answer.stderr))
    assert not wrong


#: What deb-version(7) allows; dpkg warns about the rest or refuses it.
_is_debian = re.compile(r"(?:[0-9]+:)?[0-9][0-9A-Za-z.+~]*(?:-[0-9A-Za-z.+~]+)*").fullmatch


@needs_truth
@pytest.mark.skipif(shutil.which("rpm") is None, reason="no rpm here to compare with")
@pytest.mark.parametrize("scheme", ["rpm", "dpkg"])
def test_rpm_agrees(scheme: str) -> None:
    """``rpm.vercmp`` compares EVRs. Debian versions are as good a source of strings as RPM's own."""
    pairs = [pair for pair in _mutants(scheme, "~ ^ + . - : _ a z 0 00 1 rc el9") if all(pair)]
    answers: list[int] = []
    for start in range(0, len(pairs), 500):
        table = ",".join(f"{{[=[{a}]=],[=[{b}]=]}}" for a, b in pairs[start : start + 500])
        script = f"for _, p in ipairs({{{table}}}) do print(rpm.vercmp(p[1], p[2]) .. ' ') end"
        found = subprocess.run(
            ["rpm", "--eval", f"%{{lua:{script}}}"], capture_output=True, text=True, check=True
        )
        answers += map(int, found.stdout.split())
    assert len(answers) == len(pairs)
    assert [
        (pair, answer) for pair, answer in zip(pairs, answers, strict=True) if compare("rpm", *pair) != answer
    ] == []


@needs_truth
def test_packaging_agrees() -> None:
    checked = 0
    for a, b in _mutants("pep440", ". - _ + ! a b rc c post dev alpha preview r v 0 00 1 .dev1", 20_000):
        try:
            first, second = Version(a), Version(b)
        except InvalidVersion:
            continue
        checked += 1
        assert compare("pep440", a, b) == (first > second) - (first < second), (a, b)
    assert checked > 5_000


_NODE_SEMVER = next(
    (str(path) for root in ("/usr/lib/node_modules", "/usr/local/lib/node_modules", "/usr/share/nodejs")
     for path in (Path(root) / "npm/node_modules/semver", Path(root) / "semver") if path.is_dir()),
    "",
)  # fmt: skip


@needs_truth
@pytest.mark.skipif(
    not _NODE_SEMVER or shutil.which("node") is None, reason="no node-semver here to compare with"
)
def test_node_semver_agrees() -> None:
    pairs = _mutants("semver", ". - + a b R 0 1 10 rc", 8_000)
    script = (
        "const semver = require(process.argv[1]);"
        "const pairs = JSON.parse(require('fs').readFileSync(0, 'utf8'));"
        "const answer = ([a, b]) => semver.valid(a) && semver.valid(b) && semver.compare(a, b);"
        "console.log(JSON.stringify(pairs.map(answer)))"
    )
    found = subprocess.run(
        ["node", "-e", script, _NODE_SEMVER],
        input=json.dumps(pairs),
        capture_output=True,
        text=True,
        check=True,
    )
    answers = [
        (pair, answer)
        for pair, answer in zip(pairs, json.loads(found.stdout), strict=True)
        if answer is not None
    ]
    assert len(answers) > 500
    assert [(pair, answer) for pair, answer in answers if compare("npm", *pair) != answer] == []


def _maven_class_path() -> str:
    command = shutil.which("mvn")
    libraries = Path(command).resolve().parents[1] / "lib" if command and shutil.which("java") else None
    if libraries is None or not any(libraries.glob("maven-artifact-*.jar")):
        return ""
    return str(libraries / "*")


@needs_truth
@pytest.mark.skipif(not _maven_class_path(), reason="no Maven here to compare with")
def test_maven_agrees() -> None:
    """``ComparableVersion.main`` compares each argument with the one before: every second answer is a row."""
    rows = _rows("maven")
    found = subprocess.run(
        ["java", "-cp", _maven_class_path(), "org.apache.maven.artifact.versioning.ComparableVersion"]
        + [version for a, _, b in rows for version in (a, b)],
        capture_output=True,
        text=True,
        check=True,
    )
    answers = [line.split()[1] for line in found.stdout.splitlines() if line.startswith("   ")][::2]
    assert len(answers) == len(rows)
    signs = {"<": -1, "==": 0, ">": 1}
    wrong = [
        (row, answer)
        for row, answer in zip(rows, answers, strict=True)
        if compare("maven", row[0], row[2]) != signs[answer]
    ]
    assert wrong == []
    disowned = {
        ("maven", *row)
        for row, answer in zip(rows, answers, strict=True)
        if signs[answer] not in _SIGNS[row[1]]
    }
    assert disowned == {row for row in WRONG if row[0] == "maven"}
