"""Questions that others asked the OSV service, with its answers.

Recall is counted over the identifiers that the feeds hold: all of them must be found. What we say beyond the
answer must have a reason, and the reasons are counted.
"""

from __future__ import annotations

import json
import zipfile
from collections import Counter
from functools import cache
from typing import NamedTuple

from fakes.compiled import FEEDS, SHARED, advisories, needs_feeds
from hullwatch.advisories.model import Match
from hullwatch.inventory.package import Package

pytestmark = needs_feeds


class Question(NamedTuple):
    ecosystem: str
    name: str
    version: str


@cache
def answers() -> dict[Question, tuple[frozenset[str], str]]:
    """Question -> identifiers, of all answers to it, and when the newest of them was changed."""
    found: dict[Question, tuple[frozenset[str], str]] = {}
    for path in sorted((SHARED / "truth" / "osv-answers").glob("*.jsonl")):
        for line in path.read_text("utf-8").splitlines():
            row = json.loads(line)
            question = Question(row["ecosystem"], row["name"], row["version"])
            known, changed = found.get(question, (frozenset(), ""))
            found[question] = (known | set(row["expected"]), max(changed, row.get("max_modified") or ""))
    return found


@cache
def records() -> dict[str, dict[str, str]]:
    """Identifier -> what the feed says of it, as far as a reason needs it."""
    found: dict[str, dict[str, str]] = {}
    for path in sorted((FEEDS / "osv").glob("*/all.zip")):
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                record = json.loads(archive.read(name))
                specific = record.get("database_specific") or {}
                found[record["id"]] = {
                    "published": record["published"],
                    "withdrawn": record.get("withdrawn", ""),
                    "derived": specific.get("derived_from", ""),
                }
    return found


def ask(question: Question) -> list[Match]:
    ecosystem = question.ecosystem
    if ecosystem.startswith("Ubuntu:") and ecosystem.endswith(".04"):
        ecosystem += ":LTS"
    package = Package(type="x", name=question.name, version=question.version, ecosystem=ecosystem)
    return advisories().answer(package)


def test_every_identifier_that_the_feeds_hold_is_found() -> None:
    wanted, missed = 0, []
    for question, (expected, _) in answers().items():
        found = {statement.advisory for match in ask(question) for statement in match.statements}
        present = {name for name in expected if name in records() and not records()[name]["withdrawn"]}
        wanted += len(present)
        missed += [(question, name) for name in sorted(present - found)]
    assert missed == []
    assert wanted > 0


def reason(match: Match, advisory: str, source: str, expected: frozenset[str], changed: str) -> str:
    """Why we know of an advisory that the answer does not hold; empty when there is no reason."""
    if source != "osv":
        return "another feed than OSV"
    record = records()[advisory]
    names = {match.vulnerability.id, *match.vulnerability.aliases}
    if record["derived"] and expected & names:
        return "derived record, answered under another identifier"
    if match.status == "fixed_in_pro":
        return "needs Ubuntu Pro"
    if changed and record["published"] > changed:
        return "published after the answer"
    return ""


def test_everything_beyond_the_answers_has_a_reason() -> None:
    reasons: Counter[str] = Counter()
    unexplained = []
    for question, (expected, changed) in answers().items():
        for match in ask(question):
            for statement in match.statements:
                if statement.advisory in expected:
                    continue
                why = reason(match, statement.advisory, statement.source, expected, changed)
                reasons[why] += 1
                if not why:
                    unexplained.append((question, statement.advisory, match.vulnerability.id))
    print(dict(reasons))
    assert unexplained == []
