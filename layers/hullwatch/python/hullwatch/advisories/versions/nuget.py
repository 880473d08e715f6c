"""NuGet: up to four numbers, semantic-version labels without regard to case, metadata ignored.

https://learn.microsoft.com/en-us/nuget/concepts/package-versioning and NuGet.Versioning's VersionComparer:
missing numbers are zero (``1.0`` is ``1.0.0.0``), labels compare as ordinal text ignoring case.
"""

from __future__ import annotations

from hullwatch.advisories.versions import semver


def key(version: str) -> bytes:
    """The place of a NuGet version."""
    return semver.key(version.upper())
