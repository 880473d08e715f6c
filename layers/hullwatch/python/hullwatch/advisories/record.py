"""What a feed's reader yields: advisories before they are compiled, in the feed's own version strings.

The records are written as MessagePack arrays between reading and compiling, so the order of the fields is a
format: new fields go to the end, with a default.
"""

from __future__ import annotations

from collections import Counter
from typing import Literal

import msgspec

from hullwatch.advisories.model import Cvss, Exploited, Severity

#: ``not_affected`` overrules what a coarser record of the same distribution says. ``bugfix`` is an erratum
#: that names no vulnerability: it answers a look-up and never becomes a match.
RuleStatus = Literal[
    "affected", "will_not_fix", "deferred", "fixed_in_pro", "under_investigation", "not_affected", "bugfix"
]

EventKind = Literal["introduced", "fixed", "last_affected", "limit"]
#: One event of an OSV range, for example ``("fixed", "2.2.3")``.
Event = tuple[EventKind, str]


#: The module stream of a modular build that does not say which.
ANY_STREAM = "?"


def is_module_build(version: str) -> bool:
    """Whether an RPM was built in a module, by its release (``1.module+el8.4.0+...``, ``1.module_el8``)."""
    return ".module+" in version or ".module_" in version


class Affected(msgspec.Struct, frozen=True, array_like=True):
    """The versions of one package that an advisory speaks of: any of the ranges, or any of the versions.

    With neither, it is a state that names no versions: it holds for those that other advisories name for the
    same package and vulnerability, and for all where none does.
    """

    #: OSV's spelling with the release, ``Debian:12``.
    ecosystem: str
    #: In the ecosystem's normal form, see :mod:`hullwatch.advisories.ecosystems`.
    name: str
    ranges: tuple[tuple[Event, ...], ...] = ()
    versions: tuple[str, ...] = ()
    status: RuleStatus = "affected"
    #: RPM module and stream (``nodejs:18``) or ``ANY_STREAM``; empty outside modules.
    module: str = ""


class Advisory(msgspec.Struct, frozen=True, array_like=True):
    """One record of one feed."""

    id: str
    #: Name of the feed.
    source: str
    #: Who vouches for it and for its rating: ``ghsa``, ``debian``, ``almalinux``, ...
    authority: str
    #: Other names of the same mistake.
    aliases: tuple[str, ...] = ()
    #: The CVEs that a distribution's advisory mends. Each is a vulnerability of its own: unlike aliases, they
    #: are not the same mistake. Empty where the record is itself the description of one vulnerability.
    covers: tuple[str, ...] = ()
    affected: tuple[Affected, ...] = ()
    severity: Severity = "unknown"
    cvss: tuple[Cvss, ...] = ()
    summary: str = ""
    #: ISO 8601, as the feed has it.
    published: str = ""
    modified: str = ""
    url: str = ""
    references: tuple[str, ...] = ()
    malware: bool = False


class Enrichment(msgspec.Struct, frozen=True, array_like=True):
    """What a feed knows about a CVE, whichever package has it."""

    cve: str
    cvss: tuple[Cvss, ...] = ()
    epss: float | None = None
    exploited: Exploited | None = None
    #: The CVE list has withdrawn the number.
    rejected: bool = False


class Repository(msgspec.Struct, frozen=True, array_like=True):
    """A repository of packages and the streams that it serves, see :mod:`hullwatch.advisories.streams`."""

    name: str
    #: Ecosystems, sorted.
    streams: tuple[str, ...]


Record = Advisory | Enrichment | Repository


class Reading:
    """What a reader notes beside the records it yields."""

    def __init__(self, today: str = "9999-12-31") -> None:
        """``today`` as ``YYYY-MM-DD``: dates after it are mistakes of the feed and do not date it."""
        self._today = today
        #: Entries seen in the document, including those left out: what the shrink guard compares.
        self.entries = 0
        #: The document's own date, ISO 8601 to the second; empty when it carries none.
        self.date = ""
        #: Why entries were left out, counted: ``withdrawn``, ``invalid``, ``no identifier``, ...
        self.skipped: Counter[str] = Counter()
        #: Advisory -> moment from which what the feed's other documents say under this name is void, unless
        #: they are newer: the publisher has changed or deleted it since.
        self.replaced: dict[str, str] = {}
        #: Whether the document holds only what has changed lately, so that fewer entries are no loss.
        self.partial = False

    def dated(self, date: str) -> None:
        """Note a date of the document or of one of its records; the newest counts."""
        # To the second: fractions are written with more or fewer digits.
        if self.date < date[:19] and date[:10] <= self._today:
            self.date = date[:19]
