"""``docs/coverage.md`` says what the collectors do."""

from pathlib import Path

from hullwatch.inventory.binaries import SIGNATURES
from hullwatch.inventory.coverage import package_types, page
from hullwatch.inventory.dispatch import all_collectors, program_collectors
from hullwatch.inventory.distributions import LANGUAGES
from hullwatch.inventory.records import Collector, ProgramCollector

EVERYONE: list[Collector | ProgramCollector] = [*all_collectors(), *program_collectors()]
DOCUMENT = Path(__file__).parents[3] / "docs" / "coverage.md"


def test_the_page_is_up_to_date() -> None:
    assert DOCUMENT.read_text(encoding="utf-8") == page(), "docs/coverage.md is out of date: run `make docs`"


def test_the_page_names_every_collector_and_path() -> None:
    rows = {
        line.split(" | ")[0].removeprefix("| "): line for line in page().splitlines() if line.startswith("| ")
    }
    for collector in all_collectors():
        assert all(f"`{path}`" in rows[collector.NAME] for path in collector.PATHS)
    for program in program_collectors():
        assert program.NAME in rows
    for signature in SIGNATURES:
        assert all(f"`{file}`" in rows[f"`{signature.name}`"] for file in signature.files)


def test_types_are_read_off_the_code() -> None:
    types = {collector.NAME: package_types(collector) for collector in EVERYONE}

    assert types["dpkg"] == ["deb"]
    assert types["go"] == ["golang"]
    assert types["os-release"] == []


def test_no_language_has_advisories_but_no_collector() -> None:
    found = {name for collector in EVERYONE for name in package_types(collector)}
    assert set(LANGUAGES) <= found
