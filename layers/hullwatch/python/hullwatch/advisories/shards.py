"""Shards: the compiled advisories of one ecosystem or release, as one SQLite file that matching asks.

A package's rules lie in one row, so that a look-up is one read; a rule names its advisory and its
vulnerabilities by number. Version keys are computed when the shard is compiled. The bytes depend on the
records alone, neither on their order nor on the machine.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path

import msgspec

from hullwatch.advisories import aliases, severity
from hullwatch.advisories.model import Cvss, Exploited, Severity, Vulnerability
from hullwatch.advisories.ranges import Interval, Scheme, ordered
from hullwatch.advisories.record import Advisory, Affected, Enrichment, Repository, RuleStatus

#: Raised whenever the same records would be compiled differently, or the tables change.
VERSION = 3

_PAGE = 8192
_MAX_URLS = 6
_TABLES = """
CREATE TABLE package (name TEXT PRIMARY KEY, rules BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE advisory (number INTEGER PRIMARY KEY, source BLOB NOT NULL);
CREATE TABLE vulnerability (number INTEGER PRIMARY KEY, record BLOB NOT NULL);
"""
_ENRICHMENT_TABLES = "CREATE TABLE cve (number INTEGER PRIMARY KEY, record BLOB NOT NULL);"
_REPOSITORY_TABLES = "CREATE TABLE repository (name TEXT PRIMARY KEY, streams BLOB NOT NULL) WITHOUT ROWID;"


class Rule(msgspec.Struct, frozen=True, array_like=True):
    """When one advisory holds for a package.

    Without intervals and versions it is a state, which names no versions: see :class:`Affected`.
    """

    advisory: int
    #: Several where one advisory of a distribution mends several CVEs.
    vulnerabilities: tuple[int, ...]
    intervals: tuple[Interval, ...] = ()
    #: Keys of enumerated versions that no interval holds, sorted.
    versions: tuple[bytes, ...] = ()
    status: RuleStatus = "affected"
    module: str = ""


class Source(msgspec.Struct, frozen=True, array_like=True):
    """Where a rule comes from."""

    id: str
    feed: str
    authority: str
    severity: Severity = "unknown"
    modified: str = ""
    url: str = ""


class Described(msgspec.Struct, frozen=True, array_like=True):
    """A vulnerability as its advisories describe it, before it is rated and enriched."""

    vulnerability: Vulnerability
    #: Severity words that hold for the vulnerability whatever the package, with their authority.
    labels: tuple[tuple[str, Severity], ...] = ()


class Counts(msgspec.Struct, frozen=True):
    """What a compiled shard holds."""

    packages: int = 0
    advisories: int = 0
    vulnerabilities: int = 0
    #: Why parts of records were left out.
    skipped: dict[str, int] = {}


_encode = msgspec.msgpack.Encoder().encode


class Shard:
    """A compiled shard, open for reading."""

    _rules = msgspec.msgpack.Decoder(list[Rule])
    _source = msgspec.msgpack.Decoder(Source)
    _described = msgspec.msgpack.Decoder(Described)
    _enrichment = msgspec.msgpack.Decoder(Enrichment)
    _streams = msgspec.msgpack.Decoder(tuple[str, ...])

    def __init__(self, path: Path) -> None:
        # The file never changes once it has its name, so neither locks nor a journal are looked for.
        self._connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True, check_same_thread=False
        )

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def rules(self, name: str) -> list[Rule]:
        """Everything that may hold for a package of this normal name."""
        blob = self._one("SELECT rules FROM package WHERE name = ?", name)
        return [] if blob is None else self._rules.decode(blob)

    def source(self, number: int) -> Source:
        """The advisory of this number."""
        return self._source.decode(self._existing("SELECT source FROM advisory WHERE number = ?", number))

    def described(self, number: int) -> Described:
        """The vulnerability of this number."""
        return self._described.decode(
            self._existing("SELECT record FROM vulnerability WHERE number = ?", number)
        )

    def enrichment(self, cve: str) -> Enrichment | None:
        """What is known about a CVE; only the enrichment shard can be asked."""
        number = aliases.cve_number(cve)
        if number is None:
            return None
        blob = self._one("SELECT record FROM cve WHERE number = ?", number)
        return None if blob is None else self._enrichment.decode(blob)

    def streams(self, repository: str) -> tuple[str, ...]:
        """The streams that a repository serves; only the shard of repositories can be asked."""
        blob = self._one("SELECT streams FROM repository WHERE name = ?", repository)
        return () if blob is None else self._streams.decode(blob)

    def packages(self) -> Iterator[tuple[str, bytes]]:
        """Every package with a digest of all that is said of it: comparable between two generations."""
        for name, blob in self._connection.execute("SELECT name, rules FROM package"):
            digest = hashlib.sha256()
            for rule in self._rules.decode(blob):
                # Numbers are those of this shard alone: what they stand for counts.
                digest.update(_encode(msgspec.structs.replace(rule, advisory=0, vulnerabilities=())))
                digest.update(_encode(self.source(rule.advisory)))
                digest.update(_encode([self.described(number) for number in rule.vulnerabilities]))
            yield name, digest.digest()

    def cves(self) -> Iterator[tuple[str, bytes]]:
        """Every CVE with what is known of it; only the enrichment shard can be asked."""
        for number, blob in self._connection.execute("SELECT number, record FROM cve"):
            yield aliases.cve_of(number), blob

    def repositories(self) -> Iterator[tuple[str, bytes]]:
        """Every repository with its streams; only the shard of repositories can be asked."""
        yield from self._connection.execute("SELECT name, streams FROM repository")

    def _one(self, query: str, value: str | int) -> bytes | None:
        row = self._connection.execute(query, (value,)).fetchone()
        return None if row is None else row[0]

    def _existing(self, query: str, value: int) -> bytes:
        blob = self._one(query, value)
        if blob is None:
            raise LookupError(f"the shard names {value} but does not hold it")
        return blob


def compile_advisories(
    ecosystem: str,
    advisories: Iterable[Advisory],
    path: Path,
    elsewhere: Iterable[aliases.Statement] = (),
) -> Counts:
    """Write the shard of an ecosystem or release to ``path``, which must not exist.

    :param elsewhere: what other shards say about aliases of what this one speaks of.
    """
    merged = _merge(advisories)
    numbers, described = _describe(merged, elsewhere)
    skipped: Counter[str] = Counter()
    scheme = Scheme(ecosystem, skipped)

    rules: dict[str, list[Rule]] = {}
    for number, advisory in enumerate(merged):
        for affected in advisory.affected:
            rule = _rule(scheme, number, numbers[number], affected)
            if rule is None:
                skipped["no readable version"] += 1
            else:
                rules.setdefault(affected.name, []).append(rule)

    rules = {name: told for name, found in rules.items() if (told := _telling(found))}

    with closing(_create(path, _TABLES)) as database:
        database.executemany(
            "INSERT INTO package VALUES (?, ?)", ((name, _encode(rules[name])) for name in sorted(rules))
        )
        database.executemany(
            "INSERT INTO advisory VALUES (?, ?)",
            ((number, _encode(_source(advisory))) for number, advisory in enumerate(merged)),
        )
        database.executemany(
            "INSERT INTO vulnerability VALUES (?, ?)",
            ((number, _encode(record)) for number, record in enumerate(described)),
        )
        database.execute("COMMIT")
    _normalise(path)
    return Counts(
        packages=len(rules), advisories=len(merged), vulnerabilities=len(described), skipped=dict(skipped)
    )


def compile_enrichment(records: Iterable[Enrichment], path: Path) -> Counts:
    """Write the shard of what is known by CVE to ``path``, which must not exist."""
    merged: dict[int, Enrichment] = {}
    for record in records:
        number = aliases.cve_number(record.cve)
        if number is None:
            continue
        known = merged.get(number)
        merged[number] = record if known is None else _enrich(known, record)
    with closing(_create(path, _ENRICHMENT_TABLES)) as database:
        database.executemany(
            "INSERT INTO cve VALUES (?, ?)",
            ((number, _encode(msgspec.structs.replace(merged[number], cve=""))) for number in sorted(merged)),
        )
        database.execute("COMMIT")
    _normalise(path)
    return Counts(vulnerabilities=len(merged))


def compile_repositories(records: Iterable[Repository], path: Path) -> Counts:
    """Write the shard of repositories to ``path``, which must not exist."""
    streams: dict[str, set[str]] = {}
    for record in records:
        streams.setdefault(record.name, set()).update(record.streams)
    with closing(_create(path, _REPOSITORY_TABLES)) as database:
        database.executemany(
            "INSERT INTO repository VALUES (?, ?)",
            ((name, _encode(sorted(streams[name]))) for name in sorted(streams)),
        )
        database.execute("COMMIT")
    _normalise(path)
    return Counts()


def _create(path: Path, tables: str) -> sqlite3.Connection:
    database = sqlite3.connect(path, isolation_level=None)
    database.executescript(
        f"PRAGMA page_size = {_PAGE}; PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;"
    )
    database.executescript(tables)
    database.execute("BEGIN")
    return database


def _normalise(path: Path) -> None:
    """Take the writing library's own version number out of the file (SQLite file format, offset 96)."""
    with path.open("r+b") as file:
        file.seek(96)
        file.write(bytes(4))


def _merge(advisories: Iterable[Advisory]) -> list[Advisory]:
    """One record per feed and identifier, sorted: several documents may speak of the same advisory."""
    merged: dict[tuple[str, str], Advisory] = {}
    for advisory in sorted(advisories, key=lambda a: (a.id, a.source, _encode(a))):
        known = merged.get((advisory.id, advisory.source))
        merged[advisory.id, advisory.source] = (
            advisory
            if known is None
            else msgspec.structs.replace(
                known, affected=tuple(dict.fromkeys(known.affected + advisory.affected))
            )
        )
    return list(merged.values())


def _describe(
    advisories: list[Advisory], elsewhere: Iterable[aliases.Statement]
) -> tuple[list[tuple[int, ...]], list[Described]]:
    """Which vulnerabilities each advisory speaks of, by number, and the vulnerabilities."""
    groups = aliases.Groups()
    for advisory in advisories:
        if not advisory.covers:
            groups.join(advisory.id, advisory.aliases)
    for identifier, others in elsewhere:
        groups.join(identifier, others)
    names = groups.names()
    # What a distribution mends may be known under another name, too.
    spoken = [
        sorted({name for own in advisory.covers or (advisory.id,) for name in names.get(own, (own,))})
        for advisory in advisories
    ]
    members_of: dict[str, set[str]] = {}
    for member, shown in names.items():
        if len(shown) == 1:
            members_of.setdefault(shown[0], set()).add(member)
    speakers: dict[str, list[Advisory]] = {}
    # What an advisory on several vulnerabilities says is true of the advisory, not of each of them.
    alone: dict[str, list[Advisory]] = {}
    for advisory, speaks in zip(advisories, spoken, strict=True):
        for name in speaks:
            speakers.setdefault(name, []).append(advisory)
        if len(speaks) == 1:
            alone.setdefault(speaks[0], []).append(advisory)

    number_of = {name: number for number, name in enumerate(sorted(speakers))}
    numbers = [tuple(number_of[name] for name in speaks) for speaks in spoken]
    described = [
        _description(name, members_of.get(name, set()), alone.get(name, []), speakers[name])
        for name in sorted(speakers)
    ]
    return numbers, described


def _description(name: str, members: set[str], own: list[Advisory], advisories: list[Advisory]) -> Described:
    others = members.union(*(advisory.aliases for advisory in own if advisory.covers)) - {name}
    ratings: list[Cvss] = [rating for advisory in own for rating in advisory.cvss]
    dates = sorted(date for a in own if (date := a.published) and not date.startswith("0001-"))
    changes = sorted(date for a in own if (date := a.modified) and not date.startswith("0001-"))
    urls = dict.fromkeys(a.url for a in own if a.url) | dict.fromkeys(
        reference for a in own for reference in a.references
    )
    return Described(
        vulnerability=Vulnerability(
            id=name,
            aliases=tuple(sorted(others)),
            cvss=severity.ordered(ratings),
            summary=next((a.summary for a in [*own, *advisories] if a.summary), ""),
            published=dates[0] if dates else "",
            modified=changes[-1] if changes else "",
            urls=tuple(urls)[:_MAX_URLS],
            malware=any(a.malware for a in own),
        ),
        labels=tuple(
            sorted({(a.authority, a.severity) for a in own if not a.covers and a.severity != "unknown"})
        ),
    )


def _source(advisory: Advisory) -> Source:
    return Source(
        id=advisory.id,
        feed=advisory.source,
        authority=advisory.authority,
        severity=advisory.severity,
        modified="" if advisory.modified.startswith("0001-") else advisory.modified,
        url=advisory.url,
    )


def _rule(scheme: Scheme, advisory: int, vulnerabilities: tuple[int, ...], affected: Affected) -> Rule | None:
    intervals = scheme.intervals(affected.ranges)
    keys = {scheme.key(version) for version in affected.versions}
    listed = sorted(
        key for key in keys if not (ordered(key) and any(interval.holds(key) for interval in intervals))
    )
    if not intervals and not listed and (affected.ranges or affected.versions):
        return None
    return Rule(
        advisory=advisory,
        vulnerabilities=vulnerabilities,
        intervals=intervals,
        versions=tuple(listed),
        status=affected.status,
        module=affected.module,
    )


def _telling(rules: list[Rule]) -> list[Rule]:
    """A package's rules without those that clear it of what nothing says it has."""
    said = {number for rule in rules if rule.status != "not_affected" for number in rule.vulnerabilities}
    return [
        rule for rule in rules if rule.status != "not_affected" or not said.isdisjoint(rule.vulnerabilities)
    ]


def _enrich(known: Enrichment, more: Enrichment) -> Enrichment:
    exploited: Exploited | None = known.exploited or more.exploited
    return Enrichment(
        cve=known.cve,
        cvss=severity.ordered(known.cvss + more.cvss),
        epss=known.epss if known.epss is not None else more.epss,
        exploited=exploited,
        rejected=known.rejected or more.rejected,
    )
