"""The API of one cluster: what it serves, and lists of objects a page at a time.

Kubernetes documentation, "API Concepts": discovery, "Retrieving large results sets in chunks", "410 Gone".
Only GET is sent, redirects are not followed (a token goes to the cluster alone), and answers are bounded.
"""

from __future__ import annotations

import ssl
import time
import urllib.parse
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from typing import Any, NoReturn

import msgspec
import urllib3
from urllib3.exceptions import HTTPError, SSLError

from hullwatch import __version__
from hullwatch.errors import (
    AccessRefused,
    BudgetExceeded,
    CertificateUntrusted,
    ClusterUnreachable,
    ConfigurationError,
    NotAuthenticated,
    SourceUnavailable,
    Throttled,
)
from hullwatch.images.sources.resume import read_some
from hullwatch.kubernetes.discovery import (
    AGGREGATED,
    Discovery,
    ResourceList,
    Root,
    Served,
    aggregated,
    group_versions,
    listable,
)
from hullwatch.kubernetes.tls import trusting

Document = dict[str, Any]

#: Objects of a page, as kubectl asks for them.
PAGE = 500
#: Bytes of a page, of a discovery document, and of an error's answer. A ConfigMap may have 1 MiB: a page
#: that is too large is asked for again with fewer objects.
MAX_PAGE = 16 << 20
MAX_DISCOVERY = 16 << 20
_MAX_ERROR = 16 << 10
#: Characters of the cluster's own words in a message.
_MAX_COMPLAINT = 200
_TIMEOUT = urllib3.Timeout(connect=5, read=30)
#: Tries for one answer, and seconds before the next; the cluster's own ``Retry-After`` wins, within bounds.
_ATTEMPTS = 4
_PAUSES = (0.5, 1.0, 2.0)
_MAX_PAUSE = 15.0
#: Objects of one resource.
MAX_OBJECTS = 200_000
#: Times that a list may begin anew, or go on inconsistently, because its continue token has expired.
_EXPIRIES = 3
_AGAIN = frozenset({408, 429, 500, 502, 503, 504})


class _Build(msgspec.Struct, rename="camel"):
    """The build of the API server."""

    git_version: str = ""


class _ListMeta(msgspec.Struct):
    next: str = msgspec.field(name="continue", default="")


class _Page(msgspec.Struct):
    #: Objects are decoded one by one: a page's bytes and one object are all that is held.
    items: list[msgspec.Raw] | None = None
    metadata: _ListMeta = msgspec.field(default_factory=_ListMeta)


class _Status(msgspec.Struct):
    message: str = ""
    metadata: _ListMeta = msgspec.field(default_factory=_ListMeta)


class _ObjectMeta(msgspec.Struct):
    uid: str = ""


class _Identified(msgspec.Struct):
    metadata: _ObjectMeta = msgspec.field(default_factory=_ObjectMeta)


class _AbsentError(Exception):
    """404: what was asked for does not exist."""


class _ExpiredError(Exception):
    """410: the snapshot that a continue token names is gone. ``next`` goes on without it, where offered."""

    def __init__(self, following: str) -> None:
        super().__init__()
        self.next = following


class KubernetesApi:
    """Reads one cluster. ``endpoint`` and ``ca_data`` (base64, or PEM) are as ``eks:DescribeCluster`` says.

    ``token`` is asked before every request; an empty one is not sent. All requests together may take
    ``seconds``. ``http`` replaces the connections, which trust the cluster's own authority and no other.

    Methods raise :class:`~hullwatch.errors.NotAuthenticated` for a token that is not taken,
    :class:`~hullwatch.errors.AccessRefused` for what is not allowed,
    :class:`~hullwatch.errors.ClusterUnreachable` and :class:`~hullwatch.errors.CertificateUntrusted` when
    there is no connection, and :class:`~hullwatch.errors.Throttled`,
    :class:`~hullwatch.errors.SourceUnavailable` or :class:`~hullwatch.errors.BudgetExceeded` when there is
    one and no usable answer.
    """

    def __init__(
        self,
        endpoint: str,
        ca_data: str,
        token: Callable[[], str],
        *,
        seconds: float = 300,
        http: urllib3.PoolManager | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._base = _checked(endpoint)
        self._token = token
        self._http = http or urllib3.PoolManager(ssl_context=trusting(ca_data), maxsize=1)
        self._sleep = sleep
        self._seconds = seconds
        self._end = time.monotonic() + seconds

    def version(self) -> str:
        """``gitVersion`` of the API server, such as ``v1.33.1``; empty when it does not say."""
        try:
            content = self._get("/version", limit=_MAX_ERROR)
        except (_AbsentError, _ExpiredError):
            return ""
        return str(_decoded(content, _Build, "/version").git_version)

    def discovery(self, groups: Collection[str]) -> Discovery:
        """What can be listed of these API groups, each in the version that the cluster prefers."""
        resources: dict[str, Served] = {}
        unknown: dict[str, str] = {}
        for path in ("/api", "/apis"):
            try:
                content = self._get(path, accept=f"{AGGREGATED},application/json", limit=MAX_DISCOVERY)
            except (_AbsentError, _ExpiredError):
                raise SourceUnavailable(f"{self._base} has no {path}: it is no Kubernetes API") from None
            root = _decoded(content, Root, path)
            if root.kind == "APIGroupDiscoveryList":
                found = aggregated(root, groups, unknown)
            else:
                found = self._one_by_one(root, groups, unknown)
            for item in found:
                resources.setdefault(item.name, item)
        return Discovery(resources=resources, unknown=unknown)

    def _one_by_one(self, root: Root, groups: Collection[str], unknown: dict[str, str]) -> Iterator[Served]:
        """Discovery of a cluster before 1.27: a document for every version of every group."""
        for group_name, version in group_versions(root, groups):
            path = f"/apis/{group_name}/{version}" if group_name else f"/api/{version}"
            try:
                answer = _decoded(self._get(path, limit=MAX_DISCOVERY), ResourceList, path)
            except (_AbsentError, _ExpiredError):
                continue
            except (AccessRefused, SourceUnavailable, Throttled) as error:
                if isinstance(error, NotAuthenticated | ClusterUnreachable):
                    raise
                unknown[group_name] = str(error)
                continue
            yield from listable(answer, group_name, version)

    def list(self, resource: Served, **query: str) -> Iterator[Document]:
        """Every object of a resource in all namespaces, once, with ``apiVersion`` and ``kind``.

        ``query`` goes with each page (``fieldSelector``). An error after some objects means that the rest is
        lost. Of what changes meanwhile, either state may be seen.
        """
        limit, following, expiries = PAGE, "", 0
        seen: set[str] = set()
        while True:
            asked = {**query, "limit": str(limit)} | ({"continue": following} if following else {})
            try:
                content = self._get(resource.path, asked, limit=MAX_PAGE)
            except _AbsentError:
                return  # its definition was removed since discovery
            except _ExpiredError as expired:
                expiries += 1
                if expiries > _EXPIRIES:
                    raise SourceUnavailable(
                        f"{resource.name}: changes faster than it can be listed"
                    ) from None
                following = expired.next  # empty: from the beginning, past what was seen
                continue
            except BudgetExceeded:
                if limit == 1:
                    raise
                limit = max(1, limit // 8)
                continue
            page = _decoded(content, _Page, resource.name)
            yield from _objects(page, resource, seen)
            if not page.metadata.next or page.metadata.next == following:
                return
            following = page.metadata.next

    def _get(
        self,
        path: str,
        query: Mapping[str, str] | None = None,
        *,
        accept: str = "application/json",
        limit: int,
    ) -> bytes:
        """The body of an answer, asked for again while that may help."""
        url = f"{self._base}{path}{'?' + urllib.parse.urlencode(query) if query else ''}"
        for attempt in range(_ATTEMPTS):
            last = attempt == _ATTEMPTS - 1
            pause = _PAUSES[attempt] if not last else 0.0
            try:
                response = self._send(url, accept)
                content = self._body(response, limit if response.status == 200 else _MAX_ERROR)
            except ClusterUnreachable:
                if attempt:
                    raise
                self._wait(pause)
                continue
            except HTTPError as error:
                if last:
                    raise SourceUnavailable(f"the cluster broke off: {error}") from None
                self._wait(pause)
                continue
            if response.status == 200:
                if content is None:
                    raise BudgetExceeded(f"the cluster answers {path} with more than {limit >> 20} MiB")
                return content
            if response.status not in _AGAIN or last:
                self._refuse(response.status, path, content or b"")
            stated = response.headers.get("Retry-After", "")
            self._wait(min(float(stated), _MAX_PAUSE) if stated.isdecimal() else pause)
        raise AssertionError  # the last attempt returns or raises

    def _send(self, url: str, accept: str) -> urllib3.BaseHTTPResponse:
        token = self._token()
        headers = {
            **({"Authorization": f"Bearer {token}"} if token else {}),
            "Accept": accept,
            "Accept-Encoding": "identity",
            "User-Agent": f"hullwatch/{__version__}",
        }
        try:
            return self._http.request(
                "GET",
                url,
                headers=headers,
                preload_content=False,
                redirect=False,
                retries=False,
                timeout=_TIMEOUT,
            )
        except SSLError as error:
            cause = error.args[0] if error.args else error
            if not isinstance(cause, ssl.SSLCertVerificationError):
                raise ClusterUnreachable(f"no TLS with {self._base}: {error}") from None
            raise CertificateUntrusted(
                f"{self._base} shows a certificate that the cluster's authority did not give: "
                f"{cause.verify_message}"
            ) from None
        except (urllib3.exceptions.NewConnectionError, urllib3.exceptions.ConnectTimeoutError) as error:
            raise ClusterUnreachable(f"{self._base} does not answer: {error}") from None

    def _body(self, response: urllib3.BaseHTTPResponse, limit: int) -> bytes | None:
        """A whole body; ``None`` when it has more than ``limit`` bytes."""
        parts: list[bytes] = []
        left = limit + 1
        whole = False
        try:
            while left and (part := read_some(response, left)):
                parts.append(part)
                left -= len(part)
                self._wait(0)
            whole = bool(left)
        finally:
            # What was read to its end may be used again; anything else is not worth the rest.
            response.release_conn() if whole else response.close()
        return b"".join(parts) if whole else None

    def _wait(self, pause: float) -> None:
        if time.monotonic() + pause > self._end:
            raise SourceUnavailable(f"the cluster was not read within {self._seconds:.0f} seconds")
        if pause:
            self._sleep(pause)

    def _refuse(self, status: int, path: str, content: bytes) -> NoReturn:
        """Raises what an answer other than 200 means."""
        said = _Status()
        with suppress(msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            said = msgspec.json.decode(content, type=_Status)
        words = "".join(letter for letter in said.message if letter.isprintable())[:_MAX_COMPLAINT]
        text = f"{path}: {words or f'status {status}'}"
        match status:
            case 401:
                raise NotAuthenticated(text)
            case 403:
                raise AccessRefused(text)
            case 404:
                raise _AbsentError
            case 410:
                raise _ExpiredError(said.metadata.next)
            case 429:
                raise Throttled(text)
        raise SourceUnavailable(text)


def _objects(page: _Page, resource: Served, seen: set[str]) -> Iterator[Document]:
    """The objects of a page that are not in ``seen`` yet, by their uid."""
    for raw in page.items or ():
        uid = _decoded(raw, _Identified, resource.name).metadata.uid
        if uid and uid in seen:
            continue
        seen.add(uid or str(len(seen)))
        if len(seen) > MAX_OBJECTS:
            raise BudgetExceeded(f"{resource.name}: more than {MAX_OBJECTS} objects")
        document = _decoded(raw, dict[str, Any], resource.name)
        yield {**document, "apiVersion": resource.api_version, "kind": resource.kind}


def _decoded(content: bytes | msgspec.Raw, kind: Any, what: str) -> Any:
    try:
        return msgspec.json.decode(content, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise SourceUnavailable(f"{what}: the answer is not what the API promises: {error}") from None


def _checked(endpoint: str) -> str:
    """The endpoint as ``https://HOST[:PORT][/PATH]``; anything else is a mistake or a trap."""
    with suppress(ValueError):
        parts = urllib.parse.urlsplit(endpoint)
        if parts.scheme == "https" and parts.hostname and parts.username is None and not parts.query:
            return f"https://{parts.netloc}{parts.path.rstrip('/')}"
    raise ConfigurationError(f"the cluster's endpoint is no https address: {endpoint[:100]!r}")
