"""Red Hat: one VEX file per CVE, in CSAF 2.0 (https://security.access.redhat.com/data/csaf/v2/vex/).

All files come as one archive, which is read as a stream, one file at a time: some name tens of thousands of
products. What has changed since the archive was made is listed in ``changes.csv`` and kept as a small archive
of its own; what was deleted is listed in ``deletions.csv``. Of both, the newer word counts.

``fixed`` names binary packages with their versions. The states without a fix name components, which are
source packages, without any version: they hold for every binary package built from them. The main stream of
each major release is an ecosystem, and so is each stream of extended support; which of those a repository
serves, a document of its own tells (:mod:`hullwatch.advisories.streams`). Layered products are left out.
"""

from __future__ import annotations

import csv
import email.utils
import io
import re
import tarfile
import urllib.parse
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Annotated, cast

import msgspec
import zstandard

from hullwatch.advisories import aliases, severity
from hullwatch.advisories.feeds.feed import Ask, Document, content, each, newest, one_line, parse
from hullwatch.advisories.feeds.updateinfo import is_debug
from hullwatch.advisories.model import Cvss
from hullwatch.advisories.record import (
    ANY_STREAM,
    Advisory,
    Affected,
    Event,
    Reading,
    Record,
    Repository,
    RuleStatus,
    is_module_build,
)
from hullwatch.errors import FeedInvalid

NAME = "redhat"
VERSION = 3
MAX_AGE = 7
LICENCE = "CC-BY-4.0 (Red Hat, Inc.)"

URL = "https://security.access.redhat.com/data/csaf/v2/vex/archive_latest.txt"
REPOSITORIES_URL = "https://security.access.redhat.com/data/meta/v1/repository-to-cpe.json"
_PATH = "redhat/csaf_vex.tar.zst"
#: What is read differently lies in folders of its own.
_CHANGES, _DELETIONS, _REPOSITORIES = "changes", "deletions", "repositories"
_PAGE = "https://access.redhat.com/security/cve/{cve}"

_MAX_ENTRY = 64 * 1024 * 1024
_MAX_ENTRIES = 1_000_000
_MAX_DEPTH = 32
_SMALL = 4096
_LISTING = 64 * 1024 * 1024
#: More files than this are not fetched one by one: the newest are, and the others come with the next archive.
_MAX_CHANGED = 2000
_ARCHIVE = re.compile(r"[\w.-]{1,200}\.tar\.zst")
_ENTRY = re.compile(r"(?:.*/)?(cve-\d{4}-\d{4,9})\.json")
_LISTED = re.compile(r"\d{4}/(cve-\d{4}-\d{4,9})\.json")
#: The main stream of a major release, whatever its repository; from 10 on with a minor number.
_MAIN_STREAM = re.compile(r"cpe:/[ao]:redhat:enterprise_linux:(\d+)(?:\.\d+)?(?:::[a-z_]+)?")
#: Extended support of a release, from the first on whose images name their repositories.
#: https://redhatproductsecurity.github.io/security-data-guidelines/cpe/
_STREAM = re.compile(
    r"cpe:/[ao]:redhat:"
    r"((?:rhel|enterprise_linux)_(?:aus|e4s|els|eus|eus_long_life|tus):(?:[7-9]|[1-9]\d)(?:\.\d+)?)(?:::\w+)?"
)
_MODULE = re.compile(r"[\w.+-]+:[\w.+-]+(?::[\w.+-]+)*")

#: How Red Hat words the remedy of an affected component -> what that means.
_STATES: dict[str, RuleStatus] = {
    "affected": "affected",
    "fix deferred": "deferred",
    "out of support scope": "will_not_fix",
    "under investigation": "under_investigation",
    "will not fix": "will_not_fix",
}

_Text = Annotated[str, msgspec.Meta(max_length=2000)]


class _Helper(msgspec.Struct, frozen=True):
    cpe: _Text = ""
    purl: _Text = ""


class _Product(msgspec.Struct):
    product_id: _Text
    product_identification_helper: _Helper = _Helper()


class _Branch(msgspec.Struct):
    product: _Product | None = None
    branches: list[_Branch] = []


class _Relationship(msgspec.Struct):
    full_product_name: _Product
    product_reference: _Text
    relates_to_product_reference: _Text


class _Tree(msgspec.Struct, frozen=True):
    branches: list[_Branch] = []
    relationships: list[_Relationship] = []


class _Remediation(msgspec.Struct):
    category: str
    details: str = ""
    product_ids: list[_Text] = []


class _ProductStatus(msgspec.Struct, frozen=True):
    fixed: list[_Text] = []
    known_affected: list[_Text] = []
    under_investigation: list[_Text] = []


class _Rating(msgspec.Struct, rename="camel"):
    vector_string: _Text


class _Score(msgspec.Struct):
    cvss_v2: _Rating | None = None
    cvss_v3: _Rating | None = None
    cvss_v4: _Rating | None = None


class _Vulnerability(msgspec.Struct):
    cve: _Text
    product_status: _ProductStatus = _ProductStatus()
    remediations: list[_Remediation] = []
    scores: list[_Score] = []
    release_date: str = ""


class _Severity(msgspec.Struct, frozen=True):
    text: str = ""


class _Tracking(msgspec.Struct):
    id: _Text
    current_release_date: str
    initial_release_date: str = ""
    status: str = ""


class _Document(msgspec.Struct):
    tracking: _Tracking
    title: str = ""
    aggregate_severity: _Severity = _Severity()


class _File(msgspec.Struct):
    document: _Document
    product_tree: _Tree = _Tree()
    vulnerabilities: list[_Vulnerability] = []


class _Repository(msgspec.Struct):
    cpes: list[_Text] = []


class _Repositories(msgspec.Struct):
    data: dict[_Text, _Repository]


class _Component(msgspec.Struct, frozen=True):
    """A package as a purl names it; a state without a fix has no version."""

    name: str
    version: str
    module: str
    arch: str


_DECODER = msgspec.json.Decoder(_File)


def documents() -> tuple[Document, ...]:
    """The newest archive, what has changed since, what was deleted, and what repositories serve."""
    return (
        Document(path=_PATH, url=URL, limit=4096 * 1024 * 1024, locate=_locate),
        Document(
            path=f"redhat/{_CHANGES}/csaf_vex.tar.zst",
            url=urllib.parse.urljoin(URL, "changes.csv"),
            limit=_LISTING,
            adds_to=_PATH,
            collect=_collect,
        ),
        Document(
            path=f"redhat/{_DELETIONS}/deletions.csv",
            url=urllib.parse.urljoin(URL, "deletions.csv"),
            limit=_LISTING,
        ),
        Document(path=f"redhat/{_REPOSITORIES}/repository-to-cpe.json", url=REPOSITORIES_URL, limit=_LISTING),
    )


def _locate(url: str, ask: Ask) -> str:
    """``archive_latest.txt`` holds the name of the archive beside it."""
    name = ask(url, _SMALL).decode("utf-8", "replace").strip()
    if not _ARCHIVE.fullmatch(name):
        raise FeedInvalid(f"{url} names no archive: {name[:100]!r}")
    return urllib.parse.urljoin(url, name)


def _collect(listing: bytes, since: str, ask: Ask, out: IO[bytes]) -> None:
    """An archive of the files that were changed after ``since``, each with the moment of its change."""
    try:
        begin = email.utils.parsedate_to_datetime(since)
    except ValueError as error:
        raise FeedInvalid(f"the archive is of no date: {since[:100]!r}") from error
    changed = sorted(
        ((moment, path) for path, _, moment in _rows(listing) if path and moment > begin), reverse=True
    )
    with (
        zstandard.ZstdCompressor().stream_writer(out, closefd=False) as packed,
        tarfile.open(fileobj=packed, mode="w|") as archive,
    ):
        for moment, path in changed[:_MAX_CHANGED]:
            data = ask(urllib.parse.urljoin(URL, path), _MAX_ENTRY)
            entry = tarfile.TarInfo(path)
            entry.size, entry.mtime = len(data), int(moment.timestamp())
            archive.addfile(entry, io.BytesIO(data))


def _rows(listing: bytes) -> Iterator[tuple[str, str, datetime]]:
    """Path, CVE and moment of every line of ``"2026/cve-2026-1.json","2026-05-01T10:00:00+00:00"``.

    A line that is none yields an empty path.
    """
    for row in csv.reader(io.StringIO(listing.decode("utf-8", "replace"))):
        found = _LISTED.fullmatch(row[0]) if len(row) == 2 else None
        try:
            moment = datetime.fromisoformat(row[1]).astimezone(UTC) if found else None
        except ValueError:
            moment = None
        if found and moment:
            yield row[0], found[1].upper(), moment
        else:
            yield "", "", datetime.min.replace(tzinfo=UTC)


def _text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S")


def find(mirror: Path) -> dict[str, str]:
    """The archive, else the one with the newest date in its name; the other documents beside it."""
    archives = newest(mirror, _PATH, "redhat/csaf_vex_*.tar.zst") or each(mirror, "redhat/vex/*.tar.zst")
    return archives | each(
        mirror,
        f"redhat/{_CHANGES}/*.tar.zst",
        f"redhat/{_DELETIONS}/*.csv",
        f"redhat/{_REPOSITORIES}/*.json",
    )


def read(path: Path, log: Reading) -> Iterator[Record]:
    """One record per CVE that concerns a release or stream of RHEL, or per repository that serves one."""
    if path.parent.name == _DELETIONS:
        _note_deleted(path, log)
        return
    if path.parent.name == _REPOSITORIES:
        yield from _repositories(path, log)
        return
    log.partial = path.parent.name == _CHANGES
    for cve, changed, data in _files(path):
        log.entries += 1
        try:
            file = _DECODER.decode(data)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            log.skipped["invalid"] += 1
            continue
        log.dated(file.document.tracking.current_release_date)
        if log.partial:
            log.replaced[cve] = changed
        if file.document.tracking.status == "deleted":
            log.skipped["withdrawn"] += 1
            continue
        found = [advisory for v in file.vulnerabilities if (advisory := _advisory(file, v)) is not None]
        if not found:
            log.skipped["affects no package here"] += 1
        yield from found


def _note_deleted(path: Path, log: Reading) -> None:
    for listed, cve, moment in _rows(content(path, _LISTING)):
        log.entries += 1
        if listed:
            log.dated(_text(moment))
            log.replaced[cve] = max(log.replaced.get(cve, ""), _text(moment))
        else:
            log.skipped["invalid"] += 1


def _repositories(path: Path, log: Reading) -> Iterator[Repository]:
    """What is said of repositories of the main streams and of layered products is of no use here."""
    for name, repository in parse(content(path, _LISTING), _Repositories).data.items():
        log.entries += 1
        streams = {f"Red Hat:{found[1]}" for cpe in repository.cpes if (found := _STREAM.fullmatch(cpe))}
        if streams:
            yield Repository(name, tuple(sorted(streams)))
        else:
            log.skipped["serves no stream"] += 1


def _files(path: Path) -> Iterator[tuple[str, str, bytes]]:
    """CVE, moment and content of the archive's VEX files. Names are only looked at, nothing is written."""
    seen = 0
    try:
        with (
            path.open("rb") as packed,
            zstandard.ZstdDecompressor(max_window_size=2**27).stream_reader(
                packed, read_across_frames=True
            ) as plain,
            tarfile.open(fileobj=cast("IO[bytes]", plain), mode="r|") as archive,
        ):
            for member in archive:
                # A stream keeps its members unless they are let go of.
                archive.members = []  # type: ignore[attr-defined]
                seen += 1
                if seen > _MAX_ENTRIES or member.size > _MAX_ENTRY:
                    raise FeedInvalid("the archive is larger than the limit")
                named = _ENTRY.fullmatch(member.name)
                file = archive.extractfile(member) if named and member.isreg() else None
                if named and file is not None:
                    changed = _text(datetime.fromtimestamp(member.mtime, UTC))
                    yield named[1].upper(), changed, file.read()
    except (tarfile.TarError, zstandard.ZstdError, EOFError, OSError, ValueError, OverflowError) as error:
        raise FeedInvalid(f"not a readable archive: {error}") from error


def _advisory(file: _File, vulnerability: _Vulnerability) -> Advisory | None:
    cve = vulnerability.cve
    if not aliases.is_cve(cve):
        return None
    products = _Products(file.product_tree)
    affected = list(dict.fromkeys(_affected(products, vulnerability)))
    if not affected:
        return None
    return Advisory(
        id=cve,
        source=NAME,
        authority="redhat",
        covers=(cve,),
        affected=tuple(affected),
        severity=severity.of_label(file.document.aggregate_severity.text),
        cvss=_ratings(vulnerability),
        summary=one_line(file.document.title),
        published=vulnerability.release_date or file.document.tracking.initial_release_date,
        modified=file.document.tracking.current_release_date,
        url=_PAGE.format(cve=cve),
    )


class _Products:
    """The product tree: what a product id of a status means."""

    def __init__(self, tree: _Tree) -> None:
        self._releases: dict[str, str] = {}
        self._components: dict[str, _Component] = {}
        self._relations = {
            relation.full_product_name.product_id: (
                relation.relates_to_product_reference,
                relation.product_reference,
            )
            for relation in tree.relationships
        }
        for product in _products(tree.branches):
            helper = product.product_identification_helper
            release = _MAIN_STREAM.fullmatch(helper.cpe) or _STREAM.fullmatch(helper.cpe)
            component = _component(helper.purl)
            if release is not None:
                self._releases[product.product_id] = f"Red Hat:{release[1]}"
            if component is not None:
                self._components[product.product_id] = component

    def resolve(self, product_id: str) -> tuple[str, _Component] | None:
        """Ecosystem and component; ``None`` in layered products."""
        parent, reference = self._relations.get(product_id, ("", ""))
        # A package of a module is a component of the module, which is a component of the product.
        for _ in range(_MAX_DEPTH):
            if parent not in self._relations:
                break
            parent = self._relations[parent][0]
        ecosystem, component = self._releases.get(parent), self._components.get(reference)
        return None if ecosystem is None or component is None else (ecosystem, component)


def _products(branches: list[_Branch]) -> Iterator[_Product]:
    waiting = list(branches)
    while waiting:
        branch = waiting.pop()
        if branch.product is not None:
            yield branch.product
        waiting += branch.branches


def _component(purl: str) -> _Component | None:
    """The package of ``pkg:rpm/redhat/name@version?arch=...&epoch=...&rpmmod=...``."""
    if not purl.startswith("pkg:rpm/redhat/"):
        return None
    path, _, query = purl.removeprefix("pkg:rpm/redhat/").partition("?")
    name, _, version = path.partition("@")
    qualifiers = dict(urllib.parse.parse_qsl(query))
    module = qualifiers.get("rpmmod", "")
    if not name or (module and not _MODULE.fullmatch(module)):
        return None
    version, epoch = urllib.parse.unquote(version), qualifiers.get("epoch", "0")
    if version and epoch != "0":
        version = f"{epoch}:{version}"
    return _Component(
        name=urllib.parse.unquote(name),
        version=version,
        module=":".join(module.split(":")[:2]),
        arch=qualifiers.get("arch", ""),
    )


def _affected(products: _Products, vulnerability: _Vulnerability) -> Iterator[Affected]:
    status = vulnerability.product_status
    for product_id in status.fixed:
        resolved = products.resolve(product_id)
        if resolved is None:
            continue
        ecosystem, component = resolved
        # Sources are installed nowhere, and a live patch mends a running kernel only.
        if component.arch == "src" or not component.version or _is_separate(component.name):
            continue
        module = component.module or (ANY_STREAM if is_module_build(component.version) else "")
        yield _entry(ecosystem, component, ("fixed", component.version), "affected", module)

    states = _states(vulnerability)
    unfixed = [(product_id, states.get(product_id, "affected")) for product_id in status.known_affected]
    unfixed += [(product_id, "under_investigation") for product_id in status.under_investigation]
    for product_id, state in unfixed:
        resolved = products.resolve(product_id)
        if resolved is not None:
            yield _entry(*resolved, None, state, resolved[1].module)


def _is_separate(name: str) -> bool:
    return name.startswith("kpatch-patch") or is_debug(name)


def _entry(
    ecosystem: str, component: _Component, end: Event | None, status: RuleStatus, module: str
) -> Affected:
    begin: Event = ("introduced", "0")
    return Affected(
        ecosystem=ecosystem,
        name=component.name,
        ranges=((begin,) if end is None else (begin, end),),
        status=status,
        module=module,
    )


def _states(vulnerability: _Vulnerability) -> dict[str, RuleStatus]:
    """Product id -> state, by the remedy that is offered for it."""
    states: dict[str, RuleStatus] = {}
    for remediation in vulnerability.remediations:
        default: RuleStatus = "will_not_fix" if remediation.category == "no_fix_planned" else "affected"
        if remediation.category in ("no_fix_planned", "none_available"):
            state = _STATES.get(remediation.details.strip().lower(), default)
            states.update(dict.fromkeys(remediation.product_ids, state))
    return states


def _ratings(vulnerability: _Vulnerability) -> tuple[Cvss, ...]:
    vectors = {
        vector.vector_string
        for score in vulnerability.scores
        for vector in (score.cvss_v4, score.cvss_v3, score.cvss_v2)
        if vector is not None
    }
    rated = (severity.rate(vector, "redhat") for vector in vectors)
    return severity.ordered(rating for rating in rated if rating is not None)
