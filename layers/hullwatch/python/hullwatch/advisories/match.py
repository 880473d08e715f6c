"""Matching: which vulnerabilities the packages of an image have, and where they are fixed.

A distribution's packages are asked in the shard of their own release only, by source package and source
version where its advisories are keyed so; language packages by their normal name. An answer depends on
ecosystem, name and version alone and is remembered, so that a fleet of images with common layers costs one
dictionary look-up per package.

A package that may be of a stream (:mod:`hullwatch.advisories.streams`) is asked about there, too. The stream
has the word on what it calls vulnerable, and on what it has mended if the package was built for it. On all
else the main stream has: what has no fix yet is said there alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import msgspec

from hullwatch.advisories import aliases, ecosystems, purls, severity, streams
from hullwatch.advisories.model import SEVERITIES, Cvss, Match, Severity, Statement, Status, Vulnerability
from hullwatch.advisories.ranges import BEGINNING, Interval, Key, Scheme, ordered
from hullwatch.advisories.record import ANY_STREAM, is_module_build
from hullwatch.advisories.shards import Rule, Shard, Source
from hullwatch.advisories.store import DirectorySource, Manifest, ShardSource
from hullwatch.inventory.package import OsRelease, Package

#: Answers are forgotten beyond this number per ecosystem, so that a long-lived worker stays small.
_REMEMBERED = 200_000

#: What a container image has of the kernel when it has no kernel: header files.
_KERNEL_HEADERS = re.compile(r"linux-libc-dev|linux-headers(-.*)?|kernel-headers|linux-glibc-devel")


class Verdict(msgspec.Struct, frozen=True):
    """A match without its package: what holds for every package of this name and version."""

    vulnerability: Vulnerability
    status: Status
    fixed: str
    statements: tuple[Statement, ...]
    #: ``False``: errata without a vulnerability speak of the package.
    security: bool = True


class Advisories:
    """One generation of compiled advisories, open for questions.

    Shards are fetched when the first package of their ecosystem is asked about.
    """

    def __init__(self, source: ShardSource) -> None:
        self._source = source
        self.manifest: Manifest = source.manifest()
        self._ecosystems: dict[str, _Ecosystem | None] = {}
        self._enrichment = _Enrichment(self._open(ecosystems.ENRICHMENT))
        self._repositories: Shard | None = None

    @classmethod
    def open(cls, source: ShardSource | Path) -> Advisories:
        """Advisories out of a directory, or wherever a source has them.

        :raises ConfigurationError: the directory holds none.
        :raises FeedInvalid: they are damaged.
        """
        return cls(DirectorySource(source) if isinstance(source, Path) else source)

    @property
    def generation(self) -> str:
        """The name of this set of shards."""
        return self.manifest.generation

    def covers(self, ecosystem: str) -> bool:
        """Whether there are advisories for an ecosystem, and for this release of a distribution."""
        return ecosystems.shard(ecosystem) in self.manifest.shards

    def streams(self, os: OsRelease) -> tuple[str, ...]:
        """The streams that the packages of an image may be of, for :meth:`match`."""
        if not os.content_sets:
            return ()
        if self._repositories is None:
            self._repositories = self._open(ecosystems.REPOSITORIES)
        known = self._repositories
        return () if known is None else streams.resolve(os, known.streams)

    def match(self, packages: Iterable[Package], of_streams: tuple[str, ...] = ()) -> list[Match]:
        """The vulnerabilities of the given packages, in the order of the packages.

        Packages without an ecosystem, and ecosystems without a shard, have no matches: ask :meth:`covers`.

        :param of_streams: those of the image (:meth:`streams`).
        """
        matches: list[Match] = []
        known = self._ecosystems
        for package in packages:
            name = package.ecosystem
            if not name:
                continue
            ecosystem = known[name] if name in known else self._ecosystem(name)
            if ecosystem is None:
                continue
            verdicts = ecosystem.verdicts(package)
            if of_streams and ecosystems.is_distribution(name):
                verdicts = self._in_streams(package, verdicts, of_streams)
            if verdicts:
                matches += [_match(package, verdict) for verdict in verdicts if verdict.security]
        return matches

    def lookup(self, purl: str) -> list[Match]:
        """Everything that is said of a package version, errata without a vulnerability included.

        :raises UserError: not a package URL, or one without a version.
        """
        return self.answer(purls.package_of(purl))

    def answer(self, package: Package) -> list[Match]:
        """As :meth:`lookup`. A distribution without its release is asked in every release we know."""
        found: list[Match] = []
        for name in self._releases(package.ecosystem):
            ecosystem = self._ecosystem(name)
            if ecosystem is not None:
                of_release = msgspec.structs.replace(package, ecosystem=name)
                found += [_match(of_release, verdict) for verdict in ecosystem.verdicts(of_release)]
        return found

    def close(self) -> None:
        """Let go of all files."""
        self._enrichment.close()
        if self._repositories is not None:
            self._repositories.close()
        for ecosystem in self._ecosystems.values():
            if ecosystem is not None:
                ecosystem.close()
        self._ecosystems.clear()

    def __enter__(self) -> Advisories:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _releases(self, ecosystem: str) -> list[str]:
        if not ecosystem or not ecosystems.has_releases(ecosystem) or ecosystems.release(ecosystem):
            return [ecosystem] if ecosystem else []
        prefix = ecosystems.shard(ecosystem) + "-"
        return [
            f"{ecosystem}:{shard.removeprefix(prefix)}"
            for shard in self.manifest.shards
            if shard.startswith(prefix) and not ecosystems.is_stream(shard.removeprefix(prefix))
        ]

    def _in_streams(
        self, package: Package, main: tuple[Verdict, ...], of_streams: tuple[str, ...]
    ) -> tuple[Verdict, ...]:
        found = {verdict.vulnerability.id: verdict for verdict in main}
        asked = [(name, stream) for name in of_streams if (stream := self._ecosystem(name)) is not None]
        for name, stream in asked:
            if streams.is_build_of(name, package.version):
                for mended in stream.mended(package):
                    found.pop(mended, None)
        for _, stream in asked:
            found |= {verdict.vulnerability.id: verdict for verdict in stream.verdicts(package)}
        return tuple(found[identifier] for identifier in sorted(found))

    def _ecosystem(self, name: str) -> _Ecosystem | None:
        if name not in self._ecosystems:
            shard = self._open(ecosystems.shard(name))
            self._ecosystems[name] = (
                None
                if shard is None
                else _Ecosystem(name, shard, self._enrichment, self.manifest.dates(ecosystems.shard(name)))
            )
        return self._ecosystems[name]

    def _open(self, shard: str) -> Shard | None:
        return Shard(self._source.fetch(shard)) if shard in self.manifest.shards else None


def _match(package: Package, verdict: Verdict) -> Match:
    return Match(
        package=package,
        vulnerability=verdict.vulnerability,
        status=verdict.status,
        fixed=verdict.fixed,
        statements=verdict.statements,
    )


class _Enrichment:
    """What is known by CVE, joined to vulnerabilities."""

    def __init__(self, shard: Shard | None) -> None:
        self._shard = shard

    def close(self) -> None:
        if self._shard is not None:
            self._shard.close()

    def join(self, vulnerability: Vulnerability) -> Vulnerability | None:
        """With ratings, EPSS and KEV of its CVEs; ``None`` when every CVE of it was rejected."""
        if self._shard is None:
            return vulnerability
        cves = [name for name in (vulnerability.id, *vulnerability.aliases) if aliases.is_cve(name)]
        known = [found for cve in cves if (found := self._shard.enrichment(cve)) is not None]
        if not known:
            return vulnerability
        if len(known) == len(cves) and all(found.rejected for found in known):
            return None
        ratings: list[Cvss] = [*vulnerability.cvss, *(rating for found in known for rating in found.cvss)]
        return msgspec.structs.replace(
            vulnerability,
            cvss=severity.ordered(ratings),
            epss=max((found.epss for found in known if found.epss is not None), default=None),
            exploited=next((found.exploited for found in known if found.exploited is not None), None),
        )


class _Ecosystem:
    """The shard of one ecosystem or release, and the answers it gave."""

    def __init__(self, name: str, shard: Shard, enrichment: _Enrichment, dates: dict[str, str]) -> None:
        """``dates``: feed -> of when its data in the shard is."""
        self._name = name
        self._shard = shard
        self._enrichment = enrichment
        self._dates = dates
        self._scheme = Scheme(name)
        self._by_source = ecosystems.is_distribution(name) and ecosystems.key_of(name) == "source"
        self._states_by_source = ecosystems.states_by_source(name)
        self._answers: dict[tuple[str, str, str, str], tuple[Verdict, ...]] = {}
        self._mended: dict[tuple[str, str, str], frozenset[str]] = {}
        self._sources: dict[int, Source] = {}
        self._described: dict[int, tuple[Vulnerability, tuple[tuple[str, Severity], ...]] | None] = {}
        self._rated: dict[tuple[int, Severity], Vulnerability] = {}

    def close(self) -> None:
        self._shard.close()

    def verdicts(self, package: Package) -> tuple[Verdict, ...]:
        if self._by_source and package.source_name:
            key = (package.source_name, package.source_version or package.version, package.module, "")
        else:
            component = package.source_name if self._states_by_source else ""
            key = (package.name, package.version, package.module, component)
        answer = self._answers.get(key)
        if answer is None:
            if len(self._answers) >= _REMEMBERED:
                self._answers.clear()
            answer = self._answers[key] = self._ask(*key)
        if answer and self._by_source and _KERNEL_HEADERS.fullmatch(package.name):
            return tuple(_lowered(verdict) for verdict in answer)
        return answer

    def _ask(self, name: str, version: str, module: str, component: str) -> tuple[Verdict, ...]:
        rules = self._rules(name)
        if component and component != name:
            # Versions of the source package are those of another package, but "all of them" holds here too.
            rules = [*rules, *(rule for rule in self._shard.rules(component) if _always(rule))]
        comparable = _comparable(rules, version, module)
        if not comparable:
            return ()
        key = self._scheme.key(version)
        hits: dict[int, list[Rule]] = {}
        said: dict[int, list[Rule]] = {}
        cleared: set[int] = set()
        for rule in comparable:
            holds = _is_state(rule) or _holds(rule, key)
            if rule.status == "not_affected":
                cleared.update(rule.vulnerabilities if holds else ())
                continue
            for number in rule.vulnerabilities:
                said.setdefault(number, []).append(rule)
                if holds:
                    hits.setdefault(number, []).append(rule)
        verdicts = [
            verdict
            for number, matched in hits.items()
            if number not in cleared
            and not _contradicted(matched, said[number])
            and (verdict := self._verdict(number, key, matched, said[number])) is not None
        ]
        return tuple(sorted(verdicts, key=lambda verdict: verdict.vulnerability.id))

    def mended(self, package: Package) -> frozenset[str]:
        """Vulnerabilities of which versions are named, but none that holds the package's."""
        question = (package.name, package.version, package.module)
        answer = self._mended.get(question)
        if answer is None:
            if len(self._mended) >= _REMEMBERED:
                self._mended.clear()
            comparable = _comparable(self._rules(package.name), package.version, package.module)
            key = self._scheme.key(package.version)
            hits = {number for rule in comparable if _holds(rule, key) for number in rule.vulnerabilities}
            said = {number for rule in comparable if not _is_state(rule) for number in rule.vulnerabilities}
            answer = self._mended[question] = frozenset(
                self._shard.described(number).vulnerability.id for number in said - hits
            )
        return answer

    def _rules(self, name: str) -> list[Rule]:
        return self._shard.rules(ecosystems.normal_name(self._name, name))

    def _verdict(self, number: int, key: Key, matched: list[Rule], said: list[Rule]) -> Verdict | None:
        described = self._describe(number)
        if described is None:
            return None
        vulnerability, labels = described
        sources = [self._source(rule.advisory) for rule in matched]
        statements = sorted(
            (
                Statement(
                    advisory=source.id,
                    source=source.feed,
                    fixed=_fix(key, [rule], [rule]),
                    severity=source.severity,
                    modified=source.modified or self._dates.get(source.feed, ""),
                    url=source.url,
                )
                for rule, source in zip(matched, sources, strict=True)
            ),
            key=lambda statement: (statement.advisory, statement.source, statement.fixed),
        )
        rated = severity.decide(
            [*labels, *((source.authority, source.severity) for source in sources)], vulnerability.cvss
        )
        fixed = _fix(key, [rule for rule in matched if rule.status != "fixed_in_pro"], said)
        return Verdict(
            vulnerability=self._with_severity(number, vulnerability, rated),
            status="affected" if fixed else _status(matched),
            fixed=fixed,
            statements=tuple(dict.fromkeys(statements)),
            security=any(rule.status != "bugfix" for rule in matched),
        )

    def _source(self, number: int) -> Source:
        source = self._sources.get(number)
        if source is None:
            source = self._sources[number] = self._shard.source(number)
        return source

    def _describe(self, number: int) -> tuple[Vulnerability, tuple[tuple[str, Severity], ...]] | None:
        if number not in self._described:
            stored = self._shard.described(number)
            joined = self._enrichment.join(stored.vulnerability)
            self._described[number] = None if joined is None else (joined, stored.labels)
        return self._described[number]

    def _with_severity(self, number: int, vulnerability: Vulnerability, rated: Severity) -> Vulnerability:
        # The same object for the same answer: thousands of matches of a fleet share it.
        known = self._rated.get((number, rated))
        if known is None:
            known = msgspec.structs.replace(vulnerability, severity=rated)
            self._rated[number, rated] = known
        return known


def _always(rule: Rule) -> bool:
    """Whether the rule holds for every version."""
    return any(interval.low == BEGINNING and interval.high is None for interval in rule.intervals)


def _holds(rule: Rule, key: Key) -> bool:
    if ordered(key) and any(interval.holds(key) for interval in rule.intervals):
        return True
    return key in rule.versions


def _is_state(rule: Rule) -> bool:
    """Whether the rule names no versions."""
    return not rule.intervals and not rule.versions


def _contradicted(matched: list[Rule], said: list[Rule]) -> bool:
    """Whether only states hold, although versions are named: then the installed one is none of them."""
    return all(_is_state(rule) for rule in matched) and not all(_is_state(rule) for rule in said)


def _comparable(rules: list[Rule], version: str, module: str) -> list[Rule]:
    """The rules for builds of the installed one's module, or for plain builds."""
    if not module and is_module_build(version):
        module = ANY_STREAM
    return [rule for rule in rules if _same_module(rule.module, module)]


def _same_module(rule: str, installed: str) -> bool:
    """Whether a modular build is compared inside its own module and stream, and a plain one outside.

    Builds of one module stream are not comparable with others of the same package. Where a modular build does
    not say of which stream it is, the advisory or the package, any stream will do.
    """
    if not rule or not installed:
        return not rule and not installed
    if ANY_STREAM in (rule, installed):
        return True
    return installed == rule or installed.startswith(f"{rule}:")


def _fix(key: Key, matched: list[Rule], said: list[Rule]) -> str:
    """The version to upgrade to.

    The lowest fix above the installed version, out of the intervals that hold it, which no rule calls
    affected itself; when the rules contradict each other so much that there is none, the lowest fix.
    """
    candidates: dict[Key, str] = {}
    for rule in matched:
        holding = [interval for interval in rule.intervals if interval.holds(key)]
        for interval in holding or rule.intervals:
            if interval.fixed and interval.high is not None and interval.high > key:
                candidates.setdefault(interval.high, interval.fixed)
    for high in sorted(candidates):
        if not any(_open_at(rule.intervals, high) or high in rule.versions for rule in said):
            return candidates[high]
    return candidates[min(candidates)] if candidates else ""


def _open_at(intervals: tuple[Interval, ...], key: Key) -> bool:
    return any(interval.holds(key) for interval in intervals)


def _status(matched: list[Rule]) -> Status:
    """The status of a vulnerability without a fix, from the rules that hold.

    A state was published to tell what versions alone do not, so it counts for more than a plain "affected".
    """
    order: tuple[Status, ...] = (
        "fixed_in_pro",
        "will_not_fix",
        "deferred",
        "affected",
        "under_investigation",
    )
    states = [rule for rule in matched if _is_state(rule) or rule.status == "fixed_in_pro"]
    spoken = {rule.status for rule in states or matched}
    return next((status for status in order if status in spoken), "affected")


def _lowered(verdict: Verdict) -> Verdict:
    """A kernel's vulnerability, seen from its header files: no kernel runs in a container."""
    vulnerability = verdict.vulnerability
    if SEVERITIES.index(vulnerability.severity) >= SEVERITIES.index("low"):
        return verdict
    return msgspec.structs.replace(
        verdict, vulnerability=msgspec.structs.replace(vulnerability, severity="low")
    )
