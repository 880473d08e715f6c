"""The SELECT of a question: strict text, quoted parameters, and the right rows on a real engine."""

from __future__ import annotations

from pathlib import Path

import duckdb
import msgspec
import pytest
import sqlglot
import zstandard

from hullwatch.advisories.model import Match, Vulnerability
from hullwatch.aws.question_sql import literal, select
from hullwatch.errors import UserError
from hullwatch.findings.question import PackageQuestion, question_of
from hullwatch.findings.rows import DIGITS, KINDS, MatchRow, PackageRow, kind_of, match_rows, package_rows
from hullwatch.inventory.package import Package
from hullwatch.pipeline import keys

LIBSSL = Package(
    type="deb",
    name="libssl3",
    version="3.0.9-1",
    source_name="openssl",
    source_version="3.0.9-1",
    ecosystem="Debian:12",
    purl="pkg:deb/debian/libssl3@3.0.9-1",
)
LODASH = Package(
    type="npm",
    name="lodash",
    version="4.17.15",
    ecosystem="npm",
    purl="pkg:npm/lodash@4.17.15",
    layer="sha256:1",
)
TYPING = Package(type="pypi", name="typing.Extensions", version="4.0", ecosystem="PyPI")
QUOTED = Package(type="npm", name="it's", version="1", ecosystem="npm")
STRANGE = Package(type="brew", name="lodash", version="1")


def test_a_question_about_a_package() -> None:
    asked = select(question_of("pkg:npm/lodash@<4.17.21"))
    assert asked.text == (
        'SELECT DISTINCT "repository", "digest", "analyzer", "type", "name", "source", "version", '
        '"ecosystem", "purl", "layer" FROM "packages" '
        """WHERE "kind" = 'npm' AND "type" = ? AND ("normal" = ? OR "source" = ?)"""
    )
    assert asked.parameters == ("'npm'", "'lodash'", "'lodash'")


def test_a_question_about_a_vulnerability() -> None:
    columns = (
        '"repository", "digest", "analyzer", "id", "type", "name", "version", "ecosystem", "purl", "layer"'
    )
    head = f'SELECT DISTINCT {columns}, "fixed" FROM "matches" WHERE "id" = ?'
    assert select(question_of("CVE-2021-44228")).text == head
    asked = select(question_of("GHSA-jfh8-c2jp-5v3q"))
    assert asked.text == (
        f'{head} OR "id" IN (SELECT DISTINCT "id" FROM "matches" WHERE contains("aliases", ?))'
    )
    assert asked.parameters == ("'GHSA-jfh8-c2jp-5v3q'",) * 2


def test_nothing_that_was_typed_stands_in_the_text() -> None:
    hostile = PackageQuestion(text="", type="x' OR 1=1 --", name="a' OR ''='")
    asked = select(hostile)
    assert "OR 1=1" not in asked.text
    assert asked.text.count("?") == len(asked.parameters)
    assert asked.parameters == ("'x'' OR 1=1 --'", "'a'' OR ''''='''", "'a'' OR ''''='''")
    for text in ("a" * 1023, "'" * 512, "a\nb", "a\0b"):
        with pytest.raises(UserError):
            literal(text)


def test_every_collected_type_has_a_partition_and_an_unknown_one_is_not_lost() -> None:
    assert {kind_of(kind) for kind in ("deb", "apk", "rpm", "opkg", "conda", "npm", "golang")} <= set(KINDS)
    assert kind_of("brew") == "other"
    rows = package_rows("app", "sha256:ab", "1", [LODASH, STRANGE])
    assert list(rows) == ["npm", "other"]


class Lake:
    """The rows of images where the pipeline puts them, asked by an engine that speaks Trino's functions."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for prefix in ("questions/packages/npm/0", "questions/matches/0"):
            (root / prefix).mkdir(parents=True)

    def add(self, repository: str, digest: str, *packages: Package, matches: tuple[Match, ...] = ()) -> None:
        for kind, lines in package_rows(repository, digest, "r1", packages).items():
            self._write(keys.packages(kind, repository, digest), lines)
        self._write(keys.matches(repository, digest), match_rows(repository, digest, "r1", matches))

    def ask(self, query: str) -> list[dict[str, str]]:
        asked = select(question_of(query))
        parsed = sqlglot.parse_one(asked.text, read="trino")
        literals = [sqlglot.parse_one(text, read="trino") for text in asked.parameters]
        for placeholder, value in zip(list(parsed.find_all(sqlglot.exp.Placeholder)), literals, strict=True):
            placeholder.replace(value)
        with duckdb.connect() as engine:
            for table, row, depth in (("packages", PackageRow, "*/*"), ("matches", MatchRow, "*")):
                columns = {
                    field.name: "VARCHAR[]" if field.type is not str else "VARCHAR"
                    for field in msgspec.structs.fields(row)
                }
                files = sorted(map(str, self.root.glob(f"questions/{table}/{depth}/*.zst")))
                # What partition projection gives: a column out of the path.
                position = len(self.root.joinpath("questions", table).parts) + 1
                engine.sql(
                    f"CREATE VIEW {table} AS SELECT *, split_part(filename, '/', {position}) AS kind "
                    f"FROM read_json({files!r}, format='newline_delimited', compression='zstd', "
                    f"columns={columns!r}, filename=true)"
                )
            found = engine.sql(parsed.sql("duckdb")).fetchall()
        return [
            dict(zip(asked.columns, (value or "" for value in row), strict=True)) for row in sorted(found)
        ]

    def _write(self, key: str, lines: bytes) -> None:
        path = self.root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(zstandard.compress(lines))


def digest(first: str) -> str:
    return f"sha256:{first * 64}"


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    lake = Lake(tmp_path)
    bad = Vulnerability(id="CVE-2020-8203", aliases=("GHSA-p6mc-m468-83gw",))
    # As a distribution's shard knows it: by its CVE alone.
    worse = Vulnerability(id="CVE-2020-8203")
    lake.add(
        "team/app",
        digest("a"),
        LODASH,
        TYPING,
        STRANGE,
        matches=(Match(package=LODASH, vulnerability=bad, fixed="4.17.20"),),
    )
    lake.add("team/db", digest("b"), LIBSSL, QUOTED, matches=(Match(package=LIBSSL, vulnerability=worse),))
    lake.add("team/copy", digest("a"), LODASH)
    return lake


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("pkg:npm/lodash", [("team/app", "lodash"), ("team/copy", "lodash")]),
        ("pkg:brew/lodash", [("team/app", "lodash")]),
        ("pkg:pypi/Typing_extensions", [("team/app", "typing.Extensions")]),
        ("pkg:deb/debian/openssl", [("team/db", "libssl3")]),
        ("pkg:npm/it's", [("team/db", "it's")]),
        ("pkg:npm/it", []),
        ("CVE-2020-8203", [("team/app", "lodash"), ("team/db", "libssl3")]),
        ("GHSA-p6mc-m468-83gw", [("team/app", "lodash"), ("team/db", "libssl3")]),
        ("CVE-2020-820", []),
    ],
)
def test_the_engine_finds_the_rows(lake: Lake, query: str, found: list[tuple[str, str]]) -> None:
    assert [(row["repository"], row["name"]) for row in lake.ask(query)] == found


def test_a_row_comes_back_whole(lake: Lake) -> None:
    assert lake.ask("CVE-2020-8203")[0] == {
        "repository": "team/app",
        "digest": digest("a"),
        "analyzer": "r1",
        "id": "CVE-2020-8203",
        "type": "npm",
        "name": "lodash",
        "version": "4.17.15",
        "ecosystem": "npm",
        "purl": "pkg:npm/lodash@4.17.15",
        "layer": "sha256:1",
        "fixed": "4.17.20",
    }


def test_rows_lie_where_the_partitions_are_projected() -> None:
    assert keys.packages("npm", "team/app", digest("c")).startswith("questions/packages/npm/c/" + "c" * 64)
    assert keys.matches("team/app", digest("d")).startswith("questions/matches/d/" + "d" * 64)
    assert keys.matches("team/app", digest("d")) != keys.matches("team/copy", digest("d"))
    assert set(DIGITS) == set("0123456789abcdef")
