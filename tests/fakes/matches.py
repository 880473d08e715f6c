"""Short ways to write packages, matches and the images of a track."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from hullwatch.advisories.model import Cvss, Exploited, Match, Severity, Statement, Status, Vulnerability
from hullwatch.findings import compose
from hullwatch.findings.compose import Subject
from hullwatch.findings.finding import Finding, ImageRef, Track
from hullwatch.inventory.package import Package, Problem
from hullwatch.settings import FindingSettings

ACCOUNT = "111122223333"
REGION = "eu-west-1"
NOW = "2026-05-01T10:00:00.000Z"
LATER = "2026-05-02T10:00:00.000Z"

TRACK = Track(account=ACCOUNT, region=REGION, repository="payments/api", lineage="main-*")
KEV = Exploited(added="2023-05-01", due="2023-05-22")


def digest(name: str) -> str:
    """The digest of some content of that name."""
    return f"sha256:{hashlib.sha256(name.encode()).hexdigest()}"


def deb(name: str = "openssl", version: str = "3.0.9-1", source: str = "openssl", **fields: Any) -> Package:
    """A Debian 12 package."""
    fields = {"arch": "amd64", "layer": digest("base"), "locations": ("var/lib/dpkg/status",)} | fields
    return Package(
        type="deb",
        name=name,
        version=version,
        source_name=source,
        source_version=fields.pop("source_version", version),
        ecosystem="Debian:12",
        purl=f"pkg:deb/debian/{name}@{version}",
        **fields,
    )


def pypi(name: str = "Django", version: str = "4.2.1", **fields: Any) -> Package:
    """A Python package."""
    fields = {"layer": digest("app"), "locations": (f"app/{name}-{version}.dist-info/METADATA",)} | fields
    return Package(
        type="pypi",
        name=name,
        version=version,
        ecosystem="PyPI",
        purl=f"pkg:pypi/{name.lower()}@{version}",
        **fields,
    )


def match(
    package: Package,
    identifier: str = "CVE-2023-0001",
    *,
    severity: Severity = "high",
    fixed: str = "",
    status: Status = "affected",
    **vulnerability: Any,
) -> Match:
    """A match with one advisory, ``exploited`` and the like as fields of the vulnerability."""
    vulnerability = {
        "cvss": (Cvss(version="3.1", vector="CVSS:3.1/AV:N", score=7.5, source="nvd"),)
    } | vulnerability
    return Match(
        package=package,
        vulnerability=Vulnerability(id=identifier, severity=severity, **vulnerability),
        status=status,
        fixed=fixed,
        statements=(
            Statement(
                advisory=f"ADV-{identifier}",
                source="debian",
                fixed=fixed,
                severity=severity,
                modified="2023-06-01",
                url=f"https://security.example/{identifier}",
            ),
        ),
    )


def subject(
    *matches: Match,
    image: str = "image-1",
    platform: str = "linux/amd64",
    problems: tuple[Problem, ...] = (),
    **fields: Any,
) -> Subject:
    """One platform's image with its matches."""
    reference = ImageRef(
        digest=digest(image), platform=platform, tags=("main-3f2a1c9",), pushed_at="2026-05-01T09:00:00+00:00"
    )
    return Subject(image=reference, matches=matches, problems=problems, **fields)


def findings_of(track: Track, subjects: Sequence[Subject], **settings: Any) -> list[Finding]:
    """The findings with the default settings, but for those that are given."""
    return compose.findings_of(track, subjects, FindingSettings(**settings))
