"""Amazon Linux: the updateinfo of every repository (https://docs.aws.amazon.com/linux/al2023/ug/alas.html).

Binary packages and versions that are fixed; what is not fixed yet is only on the web pages. Amazon Linux 2
has the extras beside its core, each a line of versions of its own: the same name is fixed in both. The
package database does not say where a package came from, so an extra's advisory holds from the version on
that the extra begins with, ``[5.10, fixed)`` for ``kernel-5.10``.
"""

from __future__ import annotations

import re
import tempfile
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

import msgspec

from hullwatch.advisories.feeds import updateinfo
from hullwatch.advisories.feeds.feed import Ask, Document, each, parse
from hullwatch.advisories.record import Advisory, Affected, Event, Reading
from hullwatch.errors import FeedInvalid

NAME = "amazon"
VERSION = 1
MAX_AGE = 30
LICENCE = "AWS site terms (https://aws.amazon.com/terms/)"

_CDN = "https://cdn.amazonlinux.com"
_CORE = {
    "1": "http://repo.us-west-2.amazonaws.com/2018.03/updates/x86_64/mirror.list",
    "2": f"{_CDN}/2/core/latest/x86_64/mirror.list",
    "2023": f"{_CDN}/al2023/core/mirrors/latest/x86_64/mirror.list",
}
#: Further repositories of Amazon Linux 2023. Live patches have their kernel's version in their name.
_BESIDE_CORE = ("kernel-livepatch", "nvidia")
#: Extras of Amazon Linux 2 that are looked for in a mirror; the publisher has a catalogue of them
#: (https://docs.aws.amazon.com/linux/al2/ug/al2-extras-list.html).
EXTRAS = (
    "ansible2",
    "corretto8",
    "dnsmasq",
    "docker",
    "ecs",
    "firefox",
    "golang1.19",
    "haproxy2",
    "java-openjdk11",
    "kernel-5.4",
    "kernel-5.10",
    "kernel-5.15",
    "livepatch",
    "mariadb10.5",
    "nginx1",
    "php8.0",
    "php8.1",
    "php8.2",
    "postgresql12",
    "postgresql13",
    "postgresql14",
    "python3.8",
    "redis6",
    "ruby3.0",
    "rust1",
    "squid4",
    "tomcat8.5",
    "tomcat9",
    "unbound1.17",
)

_CATALOGUE = f"{_CDN}/2/extras-catalog.json"
_TOPIC = re.compile(r"[A-Za-z0-9][\w.+-]{0,99}")
_MAX_TOPICS = 500

_FILE = "updateinfo.xml.gz"
_TOPIC_VERSION = re.compile(r".*?(\d+(?:\.\d+)*)$")
_FIRST_NUMBER = re.compile(r"\d+")


def documents() -> tuple[Document, ...]:
    """One updateinfo per repository, behind its mirror list."""
    lists = {f"{release}/core": url for release, url in _CORE.items()}
    for repository in _BESIDE_CORE:
        lists[f"2023/{repository}"] = f"{_CDN}/al2023/{repository}/mirrors/latest/x86_64/mirror.list"
    cores = tuple(
        Document(
            path=f"amazon/{repository}/{_FILE}",
            url=url,
            optional=repository not in ("2/core", "2023/core"),
            locate=_locate,
            catalogue=_catalogue if repository == "2/core" else None,
        )
        for repository, url in lists.items()
    )
    return cores + tuple(_extra(topic) for topic in EXTRAS)


def _extra(topic: str) -> Document:
    return Document(
        path=f"amazon/2/extras/{topic}/{_FILE}",
        url=f"{_CDN}/2/extras/{topic}/latest/x86_64/mirror.list",
        optional=True,
        locate=_locate,
    )


class _Topic(msgspec.Struct):
    n: str


class _Catalogue(msgspec.Struct):
    topics: list[_Topic]


def _catalogue(ask: Ask) -> tuple[Document, ...]:
    """The extras that the publisher knows beside those above."""
    catalogue = parse(ask(_CATALOGUE, updateinfo.SMALL), _Catalogue)
    names = sorted({topic.n for topic in catalogue.topics if _TOPIC.fullmatch(topic.n)} - set(EXTRAS))
    if len(names) > _MAX_TOPICS:
        raise FeedInvalid(f"{_CATALOGUE} names {len(names)} extras")
    return tuple(_extra(name) for name in names)


def _locate(url: str, ask: Ask) -> str:
    """Mirror list, first mirror, ``repomd.xml``, updateinfo."""
    mirrors = ask(url, updateinfo.SMALL).decode("utf-8", "replace").split()
    if not mirrors:
        raise FeedInvalid(f"{url} names no mirror")
    root = mirrors[0].rstrip("/") + "/"
    if url.startswith("https://") and root.startswith("http://"):
        # What came encrypted does not lead to what did not.
        root = "https://" + root.removeprefix("http://")
    with tempfile.NamedTemporaryFile() as file:
        file.write(ask(urllib.parse.urljoin(root, "repodata/repomd.xml"), updateinfo.SMALL))
        file.flush()
        place = updateinfo.location(Path(file.name))
    if not place:
        raise FeedInvalid(f"{root} has no updateinfo")
    there = urllib.parse.urljoin(root, place)
    if not there.startswith(root):
        raise FeedInvalid(f"{root} leads to {there[:200]}")
    return there


def find(mirror: Path) -> dict[str, str]:
    """Every repository that the mirror has."""
    return each(mirror, f"amazon/*/*/{_FILE}", f"amazon/*/extras/*/{_FILE}")


def read(path: Path, log: Reading) -> Iterator[Advisory]:
    """The advisories of one repository; release and extra are names of folders."""
    extra = path.parent.name if path.parent.parent.name == "extras" else ""
    release = path.parent.parent.parent.name if extra else path.parent.parent.name
    for erratum in updateinfo.errata(path, log):
        yield Advisory(
            id=erratum.id,
            source=NAME,
            authority="amazon",
            covers=erratum.cves,
            affected=tuple(
                Affected(
                    ecosystem=f"Amazon Linux:{release}",
                    name=name,
                    ranges=((_start(extra, evr), ("fixed", evr)),),
                    status="affected" if erratum.security else "bugfix",
                )
                for name, evr in erratum.packages
            ),
            severity=erratum.severity,
            summary=erratum.summary,
            published=erratum.published,
            modified=erratum.modified,
            url=_page(erratum.id, release),
        )


def _start(extra: str, evr: str) -> Event:
    """Where the line of versions begins that an extra ships: its own version, else the fix's first number."""
    if not extra:
        return "introduced", "0"
    epoch, separator, version = evr.rpartition(":")
    of_topic = _TOPIC_VERSION.fullmatch(extra)
    if of_topic and version.startswith((f"{of_topic[1]}.", f"{of_topic[1]}-")):
        begin = of_topic[1]
    else:
        first = _FIRST_NUMBER.match(version)
        begin = first[0] if first else "0"
    return "introduced", f"{epoch}{separator}{begin}"


def _page(identifier: str, release: str) -> str:
    """``ALAS2-2018-939`` has its page under ``AL2/ALAS-2018-939.html``, extras as ``AL2/ALASDOCKER-...``."""
    prefix = {"1": "ALAS", "2": "ALAS2", "2023": "ALAS2023"}.get(release, "ALAS")
    folder = {"1": "", "2": "AL2/", "2023": "AL2023/"}.get(release, "")
    name = "ALAS" + identifier.removeprefix(prefix) if identifier.startswith(prefix) else identifier
    return f"https://alas.aws.amazon.com/{folder}{urllib.parse.quote(name)}.html"
