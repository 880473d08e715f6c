"""Ecosystems as OSV spells them: their shards, their names in normal form, and what advisories are keyed by.

The spelling is that of the OSV schema, "Defined ecosystems" (https://ossf.github.io/osv-schema/).
"""

from __future__ import annotations

import re
from typing import Literal

from hullwatch.inventory.distributions import PROGRAMS
from hullwatch.inventory.ecosystems import language_ecosystem

#: Whether a distribution's advisories name source or binary packages; language packages have but one name.
Key = Literal["source", "binary"]

#: Enrichment by CVE has a shard of its own.
ENRICHMENT = "enrichment"
#: So have the names of repositories.
REPOSITORIES = "repositories"
#: What every shard's records are called, gathered before any is compiled; no shard of its own.
ALIASES = "aliases"

_KEYED_BY_SOURCE = frozenset({"Alpine", "Chainguard", "Debian", "SUSE", "Ubuntu", "Wolfi", "openSUSE"})
_KEYED_BY_BINARY = frozenset(
    {
        "AlmaLinux",
        "Amazon Linux",
        "Azure Linux",
        "Bottlerocket",
        "Oracle Linux",
        "Photon OS",
        "Red Hat",
        "Rocky Linux",
    }
)
#: Fixes name binary packages, but states without a fix name the source package.
_STATES_BY_SOURCE = frozenset({"Red Hat"})
#: Their advisories are errata, and lists of what was fixed: what has no fix yet is not in them.
_ONLY_FIXED = frozenset(
    {
        "AlmaLinux",
        "Alpine",
        "Amazon Linux",
        "Bottlerocket",
        "Chainguard",
        "Oracle Linux",
        "Rocky Linux",
        "SUSE",
        "Wolfi",
        "openSUSE",
    }
)
_UNRELEASED = frozenset({"Bottlerocket", "Chainguard", "Wolfi"})

_PURL_TYPES = {"bitnami": "Bitnami", "github": "GitHub Actions", "hackage": "Hackage"}

_CASE_INSENSITIVE = frozenset({"Packagist", "NuGet", "GitHub Actions", "SwiftURL"})
_PEP503 = re.compile(r"[-_.]+")
_NOT_IN_A_NAME = re.compile(r"[^a-z0-9.]+")


#: How the release of a stream begins, in an ecosystem and in the name of its shard.
_STREAM = re.compile(r"(?:rhel|enterprise[_-]linux)[_-](?:aus|e4s|els|eus|tus)(?![a-z0-9])")
#: SUSE sells and fixes its server in modules; an installed system is of one service pack.
_SUSE_MODULE = re.compile(r"SUSE:Linux Enterprise Module for .+ (\d+(?: SP\d+)?)")


def installed_as(ecosystem: str) -> str:
    """The ecosystem that a system belongs to which has packages of the given one.

    ``SUSE:Linux Enterprise Server 15 SP5`` for the packages of any module of that service pack; every other
    ecosystem itself.
    """
    module = _SUSE_MODULE.fullmatch(ecosystem)
    return f"SUSE:Linux Enterprise Server {module[1]}" if module else ecosystem


def family(ecosystem: str) -> str:
    """The ecosystem without its release: ``Debian`` of ``Debian:12``."""
    return ecosystem.partition(":")[0]


def release(ecosystem: str) -> str:
    """The release of a distribution: ``12`` of ``Debian:12``, ``22.04`` of ``Ubuntu:22.04:LTS``."""
    rest = ecosystem.partition(":")[2]
    return rest.removesuffix(":LTS") if family(ecosystem) == "Ubuntu" else rest


def is_distribution(ecosystem: str) -> bool:
    """Whether these are an operating system's packages."""
    return family(ecosystem) in _KEYED_BY_SOURCE or family(ecosystem) in _KEYED_BY_BINARY


def key_of(ecosystem: str) -> Key:
    """What the advisories of a distribution are keyed by."""
    return "source" if family(ecosystem) in _KEYED_BY_SOURCE else "binary"


def states_by_source(ecosystem: str) -> bool:
    """Whether advisories without a fix name source packages although fixes name binary ones."""
    return family(ecosystem) in _STATES_BY_SOURCE


def only_fixed(ecosystem: str) -> bool:
    """Whether the advisories of a distribution name a vulnerability only once it is fixed."""
    return family(ecosystem) in _ONLY_FIXED


def has_releases(ecosystem: str) -> bool:
    """Whether advisories of this distribution are only true of one release."""
    return is_distribution(ecosystem) and family(ecosystem) not in _UNRELEASED


def is_stream(release: str) -> bool:
    """Whether this is no release but a stream of it, whose builds only some images have: ``rhel_eus:8.8``."""
    return _STREAM.match(release) is not None


def shard(ecosystem: str) -> str:
    """The name of the shard: ``pypi``, ``debian-12``, ``alpine-v3.16``, ``ubuntu-22.04``, ``rocky-linux-9``.

    Names are made of lower-case letters, digits, dots and hyphens only, so that they are safe as file names
    and object keys whatever a feed calls an ecosystem.
    """
    name = f"{family(ecosystem)}-{release(ecosystem)}" if release(ecosystem) else family(ecosystem)
    return _NOT_IN_A_NAME.sub("-", name.lower()).strip("-.")


def normal_name(ecosystem: str, name: str) -> str:
    """The name under which advisories are filed.

    PyPI as PEP 503 says; Packagist, NuGet and a few others without case; everything else as it is spelled
    (npm with its scope, Maven as ``group:artifact``, Go with its major version suffix). Programs of type
    ``generic`` as Bitnami calls them.
    """
    kind = family(ecosystem)
    if kind == "PyPI":
        return _PEP503.sub("-", name).lower()
    if kind == "Bitnami":
        return PROGRAMS.get(name, name.lower())
    if kind in _CASE_INSENSITIVE:
        return name.lower()
    return name


def of_purl(purl_type: str, name: str) -> str:
    """The ecosystem of a package of a language, or of a program; empty when it is a distribution's, or has
    no advisories."""
    return _PURL_TYPES.get(purl_type) or language_ecosystem(purl_type, name)
