"""A question as one SELECT for Athena.

Whatever somebody typed travels as an execution parameter, never in the text. Parameters are SQL literals all
the same, so they are quoted here
(https://docs.aws.amazon.com/athena/latest/ug/querying-with-prepared-statements.html).
"""

from __future__ import annotations

import msgspec

from hullwatch.errors import UserError
from hullwatch.findings.question import PackageQuestion, Question
from hullwatch.findings.rows import MatchRow, PackageRow, kind_of

PACKAGES, MATCHES = "packages", "matches"

#: Characters of one execution parameter, its quotes included (StartQueryExecution).
_MAX_PARAMETER = 1024


class Select(msgspec.Struct, frozen=True):
    """The text of a query, its parameters in order, and the columns of its rows."""

    text: str
    parameters: tuple[str, ...]
    columns: tuple[str, ...]


_PACKAGE_COLUMNS = tuple(name for name in PackageRow.__struct_fields__ if name != "normal")
_MATCH_COLUMNS = tuple(name for name in MatchRow.__struct_fields__ if name != "aliases")


def select(question: Question) -> Select:
    """The rows that a question is about; versions are compared by whoever reads them.

    :raises UserError: a name is longer than a parameter may be.
    """
    if isinstance(question, PackageQuestion):
        name = literal(question.name)
        # The kind is one of a closed list and stands in the text, so that only its partitions are read.
        where = f'"kind" = \'{kind_of(question.type)}\' AND "type" = ? AND ("normal" = ? OR "source" = ?)'
        return _select(_PACKAGE_COLUMNS, PACKAGES, where, literal(question.type), name, name)
    identifier = literal(question.identifier)
    if question.identifier.startswith("CVE-"):
        return _select(_MATCH_COLUMNS, MATCHES, '"id" = ?', identifier)
    # A distribution's rows know a vulnerability by its CVE alone; those of a language know what else it is.
    named = _select(("id",), MATCHES, 'contains("aliases", ?)', identifier)
    where = f'"id" = ? OR "id" IN ({named.text})'
    return _select(_MATCH_COLUMNS, MATCHES, where, identifier, identifier)


def _select(columns: tuple[str, ...], table: str, where: str, *parameters: str) -> Select:
    listed = ", ".join(f'"{column}"' for column in columns)
    return Select(f'SELECT DISTINCT {listed} FROM "{table}" WHERE {where}', parameters, columns)  # noqa: S608


def literal(text: str) -> str:
    """A string literal of Trino's SQL.

    :raises UserError: it is longer than a parameter may be, or holds characters that no name has.
    """
    quoted = "'" + text.replace("'", "''") + "'"
    if len(quoted) > _MAX_PARAMETER or not text.isprintable():
        raise UserError("a name in the question is too long, or holds unprintable characters")
    return quoted
