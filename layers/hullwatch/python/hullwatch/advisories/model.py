"""Advisories and what becomes of them: the words that feeds, shards, matching and findings share."""

from __future__ import annotations

from typing import Literal

import msgspec

from hullwatch.inventory.package import Package

Severity = Literal["critical", "high", "medium", "low", "negligible", "unknown"]
#: Highest first: a lower index is worse.
SEVERITIES: tuple[Severity, ...] = ("critical", "high", "medium", "low", "negligible", "unknown")

#: What a source says of a package version. ``affected`` has a fix or none; ``will_not_fix`` and ``deferred``
#: are affected without a promise; ``fixed_in_pro`` has a fix that needs a subscription;
#: ``under_investigation`` is not known yet. ``not_affected`` never becomes a match.
Status = Literal["affected", "will_not_fix", "deferred", "fixed_in_pro", "under_investigation"]


class Cvss(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One CVSS rating, with who gave it."""

    #: ``2.0``, ``3.0``, ``3.1`` or ``4.0``.
    version: str
    vector: str
    score: float
    #: The feed or authority: ``ghsa``, ``nvd``, ``cisa-adp``, ``debian``, ...
    source: str


class Exploited(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The entry in CISA's catalogue of known exploited vulnerabilities (dates as ``YYYY-MM-DD``)."""

    added: str
    due: str = ""
    ransomware: bool = False


class Statement(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One advisory's word on one package: the provenance of a match."""

    #: The record's id in its feed: ``GHSA-...``, ``PYSEC-...``, ``DSA-...``.
    advisory: str
    #: The feed's name, as in ``hullwatch advisories status``.
    source: str
    #: The first fixed version this advisory gives for the installed branch; empty when it gives none.
    fixed: str = ""
    severity: Severity = "unknown"
    #: Date of the record or, where the feed dates none, of the feed's data; ISO 8601.
    modified: str = ""
    url: str = ""


class Vulnerability(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An alias group of advisories, under its CVE when it has one."""

    id: str
    aliases: tuple[str, ...] = ()
    severity: Severity = "unknown"
    cvss: tuple[Cvss, ...] = ()
    #: EPSS probability 0..1; ``None`` is unknown, not zero.
    epss: float | None = None
    exploited: Exploited | None = None
    summary: str = ""
    published: str = ""
    modified: str = ""
    urls: tuple[str, ...] = ()
    #: A record of malicious code rather than of a mistake (OSV ``MAL-``).
    malware: bool = False


class Match(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A package that a vulnerability affects, and where it is fixed."""

    package: Package
    vulnerability: Vulnerability
    status: Status = "affected"
    #: The version to upgrade to on the installed branch; empty when there is none.
    fixed: str = ""
    statements: tuple[Statement, ...] = ()
