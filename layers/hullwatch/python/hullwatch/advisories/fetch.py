"""Fetching: a mirror directory kept current, from the publishers, an HTTP mirror or another directory.

Every document is asked for conditionally (``If-None-Match`` and ``If-Modified-Since``: some heed only
one), read to the end within its limits, and checked as a build would before it replaces the last good copy.
A feed that does not answer costs only itself.
"""

from __future__ import annotations

import contextlib
import filecmp
import functools
import io
import os
import shutil
import tempfile
import time
import urllib.parse
from collections.abc import Collection, Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import IO, Literal

import msgspec
import urllib3

from hullwatch import __version__
from hullwatch.advisories import build, store
from hullwatch.advisories.feeds import FEEDS, OPT_IN
from hullwatch.advisories.feeds.feed import Document, Feed
from hullwatch.advisories.record import Reading
from hullwatch.errors import ConfigurationError, FeedInvalid, HullwatchError, SourceUnavailable

#: Beside the documents: what is needed to ask again.
_STATE = ".fetched.json"
_CHUNK = 256 * 1024
_REDIRECTS = 5
_SCHEMES = frozenset({"https", "http"})
#: Seconds that one document may take, however steadily it drips.
_DEADLINE = 900
_TIMEOUT = urllib3.Timeout(connect=10, read=60)
_RETRIES = urllib3.Retry(total=3, backoff_factor=1, redirect=0, status_forcelist=(429, 500, 502, 503, 504))

#: ``absent``: not published, or not in this mirror, and never had.
Outcome = Literal["new", "unchanged", "absent", "failed"]


class _AbsentError(Exception):
    """A text on the way to a document is not there."""


class Copy(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The last good copy of a document."""

    #: Validators of the answer it came with.
    etag: str = ""
    modified: str = ""
    #: Where it came from.
    url: str = ""
    #: When it came, ISO 8601.
    fetched: str = ""
    entries: int = 0
    date: str = ""


class Fetched(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one document."""

    feed: str
    document: str
    outcome: Outcome
    #: Why it failed, in one line.
    detail: str = ""


def update(
    output: Path,
    *,
    base: str = "",
    only: Collection[str] = (),
    accept: Collection[str] = (),
    workers: int | None = None,
    now: datetime | None = None,
) -> build.BuildReport:
    """Fetch the feeds into ``output/feeds`` and compile them.

    :param base: see :func:`fetch`.
    :param only: names of feeds; all of them by default.
    :param accept: feeds whose documents may shrink, age or vanish this once.
    """
    mirror = output / "feeds"
    fetched = fetch(mirror, base=base, only=only, accept=accept, now=now)
    failures: dict[str, list[str]] = {}
    for item in fetched:
        if item.outcome == "failed":
            failures.setdefault(item.feed, []).append(item.detail)
    return build.build(mirror, output, workers=workers, accept=accept, failures=failures, now=now)


def fetch(
    mirror: Path,
    *,
    base: str = "",
    only: Collection[str] = (),
    accept: Collection[str] = (),
    now: datetime | None = None,
    pool: urllib3.PoolManager | None = None,
) -> list[Fetched]:
    """Bring a mirror directory up to date.

    :param base: empty for the publishers; ``https://...`` or ``http://...`` of a mirror with the same layout;
        a directory or ``file://`` URL of another mirror.
    :param only: names of feeds; all of them by default.
    :param accept: feeds whose documents may shrink or age this once.
    :raises ConfigurationError: an unknown feed, or a base that is neither URL nor directory.
    """
    unknown = set(only) - set(FEEDS)
    if unknown:
        raise ConfigurationError(f"no such feed: {', '.join(sorted(unknown))}; there are {', '.join(FEEDS)}")
    moment = (now or datetime.now(UTC)).astimezone(UTC).isoformat(timespec="seconds")
    client = pool or urllib3.PoolManager(timeout=_TIMEOUT, retries=_RETRIES)
    copies = _copies(mirror)
    outcomes = []
    for name, feed in FEEDS.items():
        if name not in only and (only or name in OPT_IN):
            continue
        for document, origin in _origins(feed, base, client):
            if isinstance(origin, HullwatchError):
                outcome = Fetched(feed=name, document=document.path, outcome="failed", detail=str(origin))
            else:
                guarded = name not in accept
                outcome = _fetch_one(feed, document, origin, mirror, copies, guarded, moment, client)
            outcomes.append(outcome)
            if outcome.outcome == "new":
                # At once: what was fetched stays fetched when the next document is interrupted.
                store.write_atomically(mirror / _STATE, msgspec.json.encode(copies))
    return outcomes


def _copies(mirror: Path) -> dict[str, Copy]:
    try:
        return msgspec.json.decode((mirror / _STATE).read_bytes(), type=dict[str, Copy])
    except (FileNotFoundError, msgspec.MsgspecError):
        # Without it everything is fetched again, which is safe.
        return {}


def _origins(
    feed: Feed, base: str, client: urllib3.PoolManager
) -> Iterator[tuple[Document, str | Path | HullwatchError]]:
    """Every document of a feed, with its URL or file at the given base, or why it leads to no others."""
    if not base:
        for document in feed.documents():
            yield document, document.url
            if document.catalogue is not None:
                try:
                    named = document.catalogue(functools.partial(_ask, client))
                except HullwatchError as error:
                    yield document, error
                except (_AbsentError, urllib3.exceptions.HTTPError) as error:
                    yield document, SourceUnavailable(f"no catalogue: {error}")
                else:
                    yield from ((other, other.url) for other in named)
    elif base.startswith(("https://", "http://")):
        root = base.rstrip("/")
        for document in feed.documents():
            # A mirror need not have everything.
            yield (
                msgspec.structs.replace(document, optional=True, locate=None, collect=None, catalogue=None),
                f"{root}/{urllib.parse.quote(document.path)}",
            )
    else:
        directory = _directory(base)
        limits = {document.path: document for document in feed.documents()}
        for name, path in feed.find(directory).items():
            yield limits.get(name, Document(path=name, url="")), directory / path


def _directory(base: str) -> Path:
    parts = urllib.parse.urlsplit(base)
    path = Path(urllib.parse.unquote(parts.path)) if parts.scheme == "file" else Path(base)
    if not path.is_dir():
        raise ConfigurationError(f"{base} is neither an http(s) URL nor a directory")
    return path


def _fetch_one(
    feed: Feed,
    document: Document,
    origin: str | Path,
    mirror: Path,
    copies: dict[str, Copy],
    guarded: bool,
    moment: str,
    client: urllib3.PoolManager,
) -> Fetched:
    target = mirror / document.path
    known = copies.get(document.path) if target.is_file() else None
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=".fetch.")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as out:
            if isinstance(origin, Path):
                copy = _copy(origin, out, document, target if known else None)
            elif document.collect is not None:
                copy = _collect(client, origin, out, document, known, copies.get(document.adds_to))
            else:
                copy = _download(client, origin, out, document, known)
        if copy is None:
            outcome: Outcome = "unchanged" if known is not None else "absent"
            return Fetched(feed=feed.NAME, document=document.path, outcome=outcome)
        log = Reading(today=moment[:10])
        for _ in feed.read(temporary, log):
            pass
        build.check(log, _as_known(feed, known) if guarded and known else None)
        if guarded and known is not None and not log.date:
            _check_modified(copy, known)
        temporary.replace(target)
    except HullwatchError as error:
        detail = f"{document.path}: {error}"
        return Fetched(feed=feed.NAME, document=document.path, outcome="failed", detail=detail)
    finally:
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()
    copies[document.path] = msgspec.structs.replace(copy, fetched=moment, entries=log.entries, date=log.date)
    return Fetched(feed=feed.NAME, document=document.path, outcome="new")


def _check_modified(copy: Copy, known: Copy) -> None:
    """Of a document without a date of its own, only the server can say that it is an older one.

    :raises FeedInvalid: the same server has changed it before the copy in use.
    """
    try:
        before, now = (parsedate_to_datetime(text.modified) for text in (known, copy))
    except ValueError:
        return
    if copy.url == known.url and now < before:
        raise FeedInvalid(f"is of {copy.modified}, older than {known.modified}")


def _as_known(feed: Feed, copy: Copy) -> store.DocumentState:
    return store.DocumentState(
        feed=feed.NAME, reader=feed.VERSION, sha256="", bytes=0, entries=copy.entries, date=copy.date
    )


def _copy(origin: Path, out: IO[bytes], document: Document, known: Path | None) -> Copy | None:
    """Copy a file of another mirror; ``None`` when we have the same bytes already."""
    try:
        if known is not None and filecmp.cmp(origin, known, shallow=False):
            return None
        if origin.stat().st_size > document.limit:
            raise FeedInvalid(f"more than {document.limit} bytes")
        with origin.open("rb") as source:
            shutil.copyfileobj(source, out, _CHUNK)
    except OSError as error:
        raise SourceUnavailable(f"{origin}: {error.strerror}") from error
    return Copy(url=str(origin))


def _download(
    client: urllib3.PoolManager, url: str, out: IO[bytes], document: Document, known: Copy | None
) -> Copy | None:
    """Fetch a document; ``None`` when it is unchanged, or not there and was never expected to be."""
    headers = {"User-Agent": f"hullwatch/{__version__}", "Accept-Encoding": "identity"}
    try:
        if document.locate is not None:
            url = document.locate(url, functools.partial(_ask, client))
        if known is not None and known.url == url:
            headers |= {"If-None-Match": known.etag} if known.etag else {}
            headers |= {"If-Modified-Since": known.modified} if known.modified else {}
        with contextlib.closing(_open(client, url, headers)) as response:
            if response.status == 304 and known is not None:
                return None
            if response.status in (404, 410) and document.optional and known is None:
                return None
            if response.status != 200:
                raise SourceUnavailable(f"{url} answered {response.status}")
            _receive(response, out, document.limit)
            return Copy(
                etag=response.headers.get("ETag", ""),
                modified=response.headers.get("Last-Modified", ""),
                url=url,
            )
    except _AbsentError as absent:
        if document.optional and known is None:
            return None
        raise SourceUnavailable(str(absent)) from absent
    except urllib3.exceptions.HTTPError as error:
        raise SourceUnavailable(f"{url} did not answer or broke off: {error}") from error


def _collect(
    client: urllib3.PoolManager,
    url: str,
    out: IO[bytes],
    document: Document,
    known: Copy | None,
    base: Copy | None,
) -> Copy | None:
    """Put together what has changed since another document; ``None`` when the listing is as it was."""
    assert document.collect is not None
    if base is None or not base.modified:
        # Nothing to add to, or no moment from which on.
        return None
    # The same listing says something else after another document.
    mark = f"{url}#{base.modified}"
    listed = msgspec.structs.replace(known, url=url) if known is not None and known.url == mark else None
    listing = io.BytesIO()
    plain = msgspec.structs.replace(document, collect=None)
    copy = _download(client, url, listing, plain, listed)
    if copy is None:
        return None
    try:
        document.collect(listing.getvalue(), base.modified, functools.partial(_ask, client), out)
    except _AbsentError as absent:
        raise SourceUnavailable(str(absent)) from absent
    except urllib3.exceptions.HTTPError as error:
        raise SourceUnavailable(f"{url} leads to what did not answer or broke off: {error}") from error
    return msgspec.structs.replace(copy, url=mark)


def _ask(client: urllib3.PoolManager, url: str, limit: int) -> bytes:
    """A small text on the way to a document.

    :raises SourceUnavailable: no answer, or none that is a text.
    :raises FeedInvalid: empty, or more than ``limit`` bytes.
    """
    if urllib.parse.urlsplit(url).scheme not in _SCHEMES:
        raise FeedInvalid(f"{url[:200]} is no web address")
    with contextlib.closing(_open(client, url, {"User-Agent": f"hullwatch/{__version__}"})) as response:
        if response.status in (404, 410):
            raise _AbsentError(f"{url} answered {response.status}")
        if response.status != 200:
            raise SourceUnavailable(f"{url} answered {response.status}")
        out = io.BytesIO()
        _receive(response, out, limit)
        return out.getvalue()


def _open(client: urllib3.PoolManager, url: str, headers: dict[str, str]) -> urllib3.BaseHTTPResponse:
    """The answer behind redirects, which never lead from https to anything else."""
    here = url
    for _ in range(_REDIRECTS + 1):
        response = client.request("GET", here, headers=headers, preload_content=False, redirect=False)
        location = response.get_redirect_location()
        if not location:
            return response
        response.close()
        there = urllib.parse.urljoin(here, location)
        if urllib.parse.urlsplit(there).scheme not in ({"https"} if here.startswith("https:") else _SCHEMES):
            raise SourceUnavailable(f"{url} redirects to {there[:200]}, which is not followed")
        here = there
    raise SourceUnavailable(f"{url} redirects more than {_REDIRECTS} times")


def _receive(response: urllib3.BaseHTTPResponse, out: IO[bytes], limit: int) -> None:
    deadline = time.monotonic() + _DEADLINE
    size = 0
    for chunk in response.stream(_CHUNK, decode_content=False):
        size += len(chunk)
        if size > limit:
            raise FeedInvalid(f"more than {limit} bytes")
        if time.monotonic() > deadline:
            raise SourceUnavailable(f"took more than {_DEADLINE} seconds")
        out.write(chunk)
    if size == 0:
        raise FeedInvalid("no bytes")
