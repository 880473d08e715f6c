"""Alpine's security database: per branch and repository, which version of a package fixed what.

It is keyed by the source ("origin") package and lists fixed issues only: what has no fix yet is not in it.
A fix in version ``0`` means that the package was never affected (https://secdb.alpinelinux.org/).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import msgspec

from hullwatch.advisories.feeds.feed import Document, content, each, parse
from hullwatch.advisories.record import Advisory, Affected, Reading

NAME = "alpine"
VERSION = 1
MAX_AGE = 7
LICENCE = "CC-BY-SA-4.0"

URL = "https://secdb.alpinelinux.org"
_FIRST, _LATEST = 10, 24
_REPOSITORIES = ("main", "community")

_Text = Annotated[str, msgspec.Meta(max_length=500)]


class _Package(msgspec.Struct):
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=500)]
    secfixes: dict[_Text, list[_Text] | None] | None = None


class _Entry(msgspec.Struct):
    pkg: _Package


class _Database(msgspec.Struct):
    reponame: _Text
    packages: list[_Entry] | None


_BRANCH = re.compile(r"v\d+\.\d+|edge")
_CVE = re.compile(r"\bCVE[-_](\d{4})[-_](\d{4,9})(?!\d)")
_OTHER = re.compile(r"(?:GHSA(?:-[0-9a-z]{4}){3}|[A-Z][A-Z0-9]+(?:-[A-Z]+)*-\d[\w.-]*)")


def documents() -> tuple[Document, ...]:
    """Both repositories of every branch; the next branch may appear any day."""
    branches = ["edge", *(f"v3.{minor}" for minor in range(_FIRST, _LATEST + 1))]
    return tuple(
        Document(
            path=f"alpine/{branch}/{repository}.json",
            url=f"{URL}/{branch}/{repository}.json",
            limit=64 * 1024 * 1024,
            optional=branch == f"v3.{_LATEST}",
        )
        for branch in branches
        for repository in _REPOSITORIES
    )


def find(mirror: Path) -> dict[str, str]:
    """The branches that the mirror has; dated copies of a branch are left alone."""
    found = each(mirror, *(f"alpine/*/{repository}.json" for repository in _REPOSITORIES))
    return {name: path for name, path in found.items() if _BRANCH.fullmatch(path.split("/")[1])}


def read(path: Path, log: Reading) -> Iterator[Advisory]:
    """The records of one branch's repository, one per package and identifier."""
    yield from secdb(
        path, log, f"Alpine:{path.parent.name}", NAME, "https://security.alpinelinux.org/vuln/{cve}"
    )


def secdb(path: Path, log: Reading, ecosystem: str, authority: str, page: str) -> Iterator[Advisory]:
    """The records of a security database in Alpine's form, which others publish too.

    :param page: URL of a CVE's page at the authority, with ``{cve}``.
    """
    database = parse(content(path), _Database)
    for entry in database.packages or ():
        fixes: dict[tuple[str, ...], list[str]] = {}
        for version, texts in (entry.pkg.secfixes or {}).items():
            for text in texts or ():
                log.entries += 1
                names = _identifiers(text)
                if not names:
                    log.skipped["no identifier"] += 1
                for name in names:
                    fixes.setdefault(name, []).append(version)
        for (identifier, *others), versions in fixes.items():
            url = page.format(cve=identifier) if identifier.startswith("CVE-") else ""
            yield Advisory(
                id=identifier,
                source=authority,
                authority=authority,
                aliases=tuple(others),
                covers=(identifier,),
                affected=(_affected(ecosystem, entry.pkg.name, versions),),
                url=url,
            )


def _identifiers(text: str) -> list[tuple[str, ...]]:
    """The issues that one line names, each with its other names.

    Real lines hold several identifiers, remarks and misspellings: ``CVE-2019-14697 ALPINE-13661``,
    ``CVE-2017-2616 (+ regression fix)``. Several CVEs on one line are several issues.
    """
    cves = [f"CVE-{year}-{number}" for year, number in _CVE.findall(text)]
    others = tuple(dict.fromkeys(word for word in _OTHER.findall(text) if not word.startswith("CVE")))
    if cves:
        return [(cve, *others) for cve in dict.fromkeys(cves)]
    return [others] if others else []


def _affected(ecosystem: str, package: str, versions: list[str]) -> Affected:
    # A later entry under a real version corrects an earlier "0"; of two fixes, the older was not complete.
    fixes = sorted({version for version in versions if version != "0"})
    return Affected(
        ecosystem=ecosystem,
        name=package,
        ranges=tuple((("introduced", "0"), ("fixed", version)) for version in fixes)
        or ((("introduced", "0"),),),
        status="affected" if fixes else "not_affected",
    )
