"""Ubuntu: what Canonical says of every package and CVE, one OpenVEX document per CVE.

https://documentation.ubuntu.com/security/security-updates/vex/ has the meaning of the states, and
https://github.com/openvex/spec the form. All documents come as one tar.xz, which is read as a stream, one
document at a time: it inflates to hundreds of times its size, because every statement is repeated for every
binary package. Only statements on source packages are taken.

OSV and VEX are written from the same tracker, and each knows what the other cannot say:

1. **Versions come from OSV.** A version in a VEX product is the newest of the package there, not the one that
   has the fix. So a statement names no versions: where OSV names some for the same package and CVE, it holds
   for those and no others; where OSV says nothing, it holds for all.
2. **The state comes from VEX.** OSV has one form for all that is not fixed; VEX tells what will not be fixed,
   what is deferred and what nobody has looked at yet.
3. **A fix in OSV is never overruled by a state without one**, except by ``not_affected``: OSV writes "not
   affected from this version on" as if it were a fix.

A release and its ESM pockets (``esm-infra``, ``esm-apps``) have the same packages with other fixes. The
release's own statement decides. A fix in a pocket needs Ubuntu Pro. ``not_affected`` in a pocket counts where
the release's own statement comes from nobody having looked; other states of a pocket count where the release
has no statement. FIPS, real-time and other variants are different builds and are left out.
"""

from __future__ import annotations

import lzma
import re
import tarfile
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Annotated, Literal, cast

import msgspec

from hullwatch.advisories import aliases
from hullwatch.advisories.feeds.feed import Document, newest, one_line
from hullwatch.advisories.record import Advisory, Affected, Reading, RuleStatus
from hullwatch.errors import FeedInvalid
from hullwatch.inventory.distributions import UBUNTU_RELEASES

NAME = "ubuntu"
VERSION = 1
MAX_AGE = 3
LICENCE = "CC-BY-SA-4.0 (Canonical Ltd.)"

URL = "https://security-metadata.canonical.com/vex/vex-all.tar.xz"
_PATH = "ubuntu/vex-all.tar.xz"

_MIB = 1024 * 1024
#: About four times what the feed is.
_LIMIT = 256 * _MIB
_MAX_INFLATED = 100 * 1024 * _MIB
_MAX_ENTRY = 64 * _MIB
_MAX_ENTRIES = 1_000_000
#: What inflating may take: xz needs its whole dictionary, 64 MiB at its highest level and more on demand.
_MAX_DICTIONARY = 512 * _MIB
_CHUNK = 256 * 1024
_BLOCK = 64 * 1024

#: Security notices lie beside them, in a folder of their own.
_ENTRY = re.compile(r"(?:.*/)?cve/(?:\d{4}/)?CVE-\d{4}-\d{4,9}\.json")
#: Source packages only; the release, or one of its ESM pockets: ``esm-infra/focal``, ``trusty/esm``.
_SOURCE = re.compile(
    r"pkg:deb/ubuntu/(?P<name>[^/@?]+)(?:@[^?]*)?\?arch=source&distro="
    r"(?P<pocket>esm-[a-z-]+/)?(?P<codename>[a-z]+)(?P<esm>/esm)?"
)

#: ``ended`` is affected, and nobody has looked since support has ended.
_State = Literal[
    "not_affected", "fixed", "will_not_fix", "ended", "deferred", "affected", "under_investigation"
]
#: The tracker has more states than OpenVEX: the rest is in fixed sentences. A note that may follow them says
#: anything.
_SENTENCES: tuple[tuple[str, _State], ...] = (
    ("decided to not fix", "will_not_fix"),
    ("no longer supported", "ended"),
    ("deferred", "deferred"),
)
_NOTE = "cve notes"
#: Of what several pockets say.
_OPEN: tuple[_State, ...] = ("will_not_fix", "ended", "deferred", "affected", "under_investigation")

_Text = Annotated[str, msgspec.Meta(max_length=500)]
#: The package in the release itself, and in its ESM pockets.
_Said = tuple[set[_State], set[_State]]


class _Product(msgspec.Struct, gc=False):
    id: Annotated[str, msgspec.Meta(max_length=2000)] = msgspec.field(default="", name="@id")


class _Vulnerability(msgspec.Struct):
    name: _Text
    description: str = ""


class _Statement(msgspec.Struct):
    vulnerability: _Vulnerability
    status: _Text
    products: list[_Product] = []
    justification: _Text = ""
    action_statement: str = ""
    status_notes: str = ""


class _Head(msgspec.Struct, frozen=True):
    timestamp: _Text = ""


class _Document(msgspec.Struct):
    statements: list[_Statement]
    timestamp: _Text = ""
    #: Where documents had their date before they followed the specification.
    metadata: _Head = _Head()


_DECODER = msgspec.json.Decoder(_Document)


def documents() -> tuple[Document, ...]:
    """Everything, in one archive."""
    return (Document(path=_PATH, url=URL, limit=_LIMIT),)


def find(mirror: Path) -> dict[str, str]:
    """The archive, else the last one with something else in its name."""
    return newest(mirror, _PATH, "ubuntu/vex*.tar.xz")


def read(path: Path, log: Reading) -> Iterator[Advisory]:
    """One record per CVE that something is said of beside its fixes, which are OSV's to name."""
    for data in _entries(path):
        log.entries += 1
        try:
            document = _DECODER.decode(data)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            log.skipped["invalid"] += 1
            continue
        modified = document.timestamp or document.metadata.timestamp
        log.dated(modified)
        advisory = _advisory(document, modified)
        if advisory is None:
            log.skipped["affects no package here"] += 1
        else:
            yield advisory


def _advisory(document: _Document, modified: str) -> Advisory | None:
    cves = {statement.vulnerability.name for statement in document.statements}
    cve = cves.pop() if len(cves) == 1 else ""
    if not aliases.is_cve(cve):
        return None
    affected = tuple(
        Affected(ecosystem=f"Ubuntu:{release}", name=name, status=status)
        for (release, name), said in _said(document.statements).items()
        if (status := _status(*said)) is not None
    )
    if not affected:
        return None
    return Advisory(
        id=cve,
        source=NAME,
        authority="ubuntu",
        covers=(cve,),
        affected=affected,
        summary=one_line(document.statements[0].vulnerability.description),
        modified=modified,
        url=f"https://ubuntu.com/security/{cve}",
    )


def _said(statements: list[_Statement]) -> dict[tuple[str, str], _Said]:
    """Release and source package -> what is said of it."""
    said: dict[tuple[str, str], _Said] = {}
    for statement in statements:
        state = _state(statement)
        if state is None:
            continue
        # Nearly all products are binary packages.
        for purl in [product.id for product in statement.products if "arch=source" in product.id]:
            found = _SOURCE.fullmatch(purl)
            release = UBUNTU_RELEASES.get(found["codename"]) if found else None
            if found is None or release is None:
                continue
            own, pockets = said.setdefault((release, urllib.parse.unquote(found["name"])), (set(), set()))
            (pockets if found["pocket"] or found["esm"] else own).add(state)
    return said


def _state(statement: _Statement) -> _State | None:
    match statement.status:
        case "not_affected":
            # A package that the release does not have is no news about one that is installed.
            return None if statement.justification == "component_not_present" else "not_affected"
        case "affected" | "under_investigation":
            text = (statement.action_statement or statement.status_notes).lower().partition(_NOTE)[0]
            return next((state for words, state in _SENTENCES if words in text), statement.status)
        case "fixed":
            return "fixed"
        case _:
            return None


def _status(own: set[_State], pockets: set[_State]) -> RuleStatus | None:
    """What the states of a package in a release and in its pockets come to; ``None``: OSV says all of it."""
    if "fixed" in own:
        return None
    if "not_affected" in own:
        return "not_affected"
    if "fixed" in pockets:
        return "fixed_in_pro"
    if "not_affected" in pockets and own <= {"ended", "under_investigation"}:
        return "not_affected"
    state = next((state for state in _OPEN if state in (own or pockets)), None)
    return "will_not_fix" if state == "ended" else cast("RuleStatus | None", state)


def _entries(path: Path) -> Iterator[bytes]:
    """The documents on CVEs. Names are only looked at, nothing is written."""
    seen = 0
    try:
        with path.open("rb") as packed:
            inflated = _Inflated(packed)
            with tarfile.open(fileobj=cast("IO[bytes]", inflated), mode="r|", bufsize=_BLOCK) as archive:
                for member in archive:
                    # A stream keeps its members unless they are let go of.
                    archive.members = []  # type: ignore[attr-defined]
                    seen += 1
                    if seen > _MAX_ENTRIES or member.size > _MAX_ENTRY:
                        raise FeedInvalid("the archive is larger than the limit")
                    wanted = member.isreg() and _ENTRY.fullmatch(member.name)
                    file = archive.extractfile(member) if wanted else None
                    if file is not None:
                        yield file.read()
            # The checksums are behind the last entry.
            while inflated.read(_BLOCK):
                pass
    except (tarfile.TarError, lzma.LZMAError, EOFError, OSError, ValueError, OverflowError) as error:
        raise FeedInvalid(f"not a readable archive: {error}") from error


class _Inflated:
    """An xz file inflated while it is read, within limits of memory and of bytes: ``lzma.open`` has none."""

    def __init__(self, packed: IO[bytes]) -> None:
        self._packed = packed
        self._decompressor = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_MAX_DICTIONARY)
        self._left = _MAX_INFLATED

    def read(self, size: int) -> bytes:
        """At most ``size`` bytes; none at the end."""
        data = b""
        while not data and not self._decompressor.eof:
            more = self._packed.read(_CHUNK) if self._decompressor.needs_input else b""
            if not more and self._decompressor.needs_input:
                raise EOFError("it is truncated")
            data = self._decompressor.decompress(more, max_length=size)
        self._left -= len(data)
        if self._left < 0:
            raise FeedInvalid("the archive inflates to more than the limit")
        return data
