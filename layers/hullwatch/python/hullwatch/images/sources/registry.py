"""A repository of an OCI registry (OCI distribution specification 1.1, "Pull") over HTTP.

Tokens: Distribution project, "Token Authentication" and "OAuth2 Token Authentication". The registry is not
trusted with more than its own credential: that goes to its own address and, over TLS, to the token service
that it names; where it redirects to gets none. What it answers is bounded, and vouched for by digests.
"""

from __future__ import annotations

import base64
import re
import ssl
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from typing import NoReturn

import msgspec
import urllib3
from urllib3.exceptions import HTTPError, SSLError

from hullwatch import __version__
from hullwatch.errors import (
    AccessRefused,
    DigestMismatch,
    ImageGone,
    ManifestInvalid,
    PermanentError,
    SourceUnavailable,
    Throttled,
    UserError,
)
from hullwatch.images.credentials import DOCKER_HUB_NAMES, Credential, Credentials
from hullwatch.images.digest import hasher, is_digest, sha256_digest, verify
from hullwatch.images.image import Descriptor
from hullwatch.images.manifest import ACCEPTED, MAX_MANIFEST, is_schema1
from hullwatch.images.sources import Manifest, Readable
from hullwatch.images.sources.resume import ResumedDownload, read_some

_DOCKER_HUB_HOST = "registry-1.docker.io"
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_TIMEOUT = urllib3.Timeout(connect=10, read=60)
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MAX_REDIRECTS = 5
#: Bytes of a token service's answer, and of an error's.
_MAX_TOKEN = 1 << 20
_MAX_ERROR = 16 << 10
#: Characters of a registry's own words in a message.
_MAX_COMPLAINT = 200
#: Challenges that are looked at, and characters of each.
_MAX_CHALLENGES = 8
_MAX_CHALLENGE = 4096
#: Connections to one host that are kept: layers may be read side by side.
_CONNECTIONS = 8
#: Seconds that a small answer may take, however steadily it drips.
_BODY_SECONDS = 120

#: RFC 9110, 11.2: a parameter of a challenge, its value a token or a quoted string.
_PARAMETER = re.compile(r'([A-Za-z]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))')
_CHALLENGE = re.compile(r"(?:^|,)\s*(bearer|basic)(?=\s|,|$)", re.IGNORECASE)


class _TokenAnswer(msgspec.Struct, frozen=True):
    token: str = ""
    access_token: str = ""


class Registry:
    """One repository as a :class:`~hullwatch.images.sources.Source`; its methods may run in several threads.

    Besides the errors of a source they raise :class:`~hullwatch.errors.AccessRefused` and
    :class:`~hullwatch.errors.Throttled`. ``plain_http`` leaves out TLS; with a registry on this machine, that
    goes without saying.
    """

    def __init__(
        self,
        host: str,
        repository: str,
        *,
        credentials: Credentials | None = None,
        plain_http: bool = False,
        http: urllib3.PoolManager | None = None,
    ) -> None:
        self._host = host
        self._repository = repository
        address = host
        if host.lower() in DOCKER_HUB_NAMES:
            address = _DOCKER_HUB_HOST
            # Docker's own images are written without a namespace and are stored in one.
            if "/" not in repository:
                self._repository = f"library/{repository}"
        name = urllib.parse.urlsplit(f"//{address}").hostname or ""
        self._plain = plain_http or name in _LOOPBACK
        scheme = "http" if self._plain else "https"
        self._base = f"{scheme}://{address}/v2/{self._repository}"
        self._credentials = credentials
        self._http = http or _pool(name, scheme)
        #: The value of ``Authorization`` that the registry asked for last.
        self._authorization = ""

    def __str__(self) -> str:
        return f"{self._host}/{self._repository}"

    def manifest(self, reference: str = "") -> Manifest:
        """The manifest under a tag (``latest`` when empty) or digest."""
        reference = reference or "latest"
        path = f"/manifests/{urllib.parse.quote(reference, safe=':')}"
        response = self._get(path, {"Accept": ", ".join(ACCEPTED)})
        self._check(response, f"image {reference}")
        content = self._body(response, MAX_MANIFEST)
        if content is None:
            raise ManifestInvalid(f"the manifest of {self}:{reference} has more than {MAX_MANIFEST} bytes")
        media_type = response.headers.get("Content-Type", "")
        stated = response.headers.get("Docker-Content-Digest", "")
        if is_digest(reference):
            verify(content, reference)
            return Manifest(digest=reference, media_type=media_type, content=content)
        # The digest of a schema 1 manifest leaves its signature out.
        if is_digest(stated) and not is_schema1(media_type):
            try:
                verify(content, stated)
            except DigestMismatch:
                raise DigestMismatch(f"{self}: the manifest of {reference} is not {stated}") from None
        return Manifest(digest=sha256_digest(content), media_type=media_type, content=content)

    @contextmanager
    def open_blob(self, descriptor: Descriptor) -> Iterator[Readable]:
        """The blob as a stream; a transfer that breaks off goes on where it was."""
        hasher(descriptor.digest)  # nothing but a digest becomes part of an address
        download = ResumedDownload(partial(self._get_blob, descriptor.digest), descriptor)
        try:
            yield download
        finally:
            download.close()

    def _get_blob(self, digest: str, headers: dict[str, str]) -> urllib3.BaseHTTPResponse:
        response = self._send(f"{self._base}/blobs/{digest}", headers)
        # Ranges, and errors that may pass, are the download's to judge.
        if response.status not in (200, 206, 416) and response.status < 500:
            self._check(response, f"blob {digest}")
        return response

    def _get(self, path: str, headers: dict[str, str]) -> urllib3.BaseHTTPResponse:
        try:
            return self._send(self._base + path, headers)
        except HTTPError as error:
            raise self._unreachable(error) from None

    def _send(self, url: str, headers: dict[str, str]) -> urllib3.BaseHTTPResponse:
        """An answer that is neither a redirect nor a challenge that can be met."""
        authorization = self._authorization
        response, elsewhere = self._follow("GET", url, headers, authorization)
        if response.status != 401 or elsewhere:
            return response
        # Another thread may have met the challenge meanwhile.
        if self._authorization == authorization:
            renewed = self._authorize(response.headers.getlist("WWW-Authenticate"))
            if not renewed:
                return response
            self._authorization = renewed
        self._discard(response)
        return self._follow("GET", url, headers, self._authorization)[0]

    def _follow(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        authorization: str = "",
        fields: Mapping[str, str] | None = None,
    ) -> tuple[urllib3.BaseHTTPResponse, bool]:
        """The answer at the end of all redirects, and whether they led elsewhere.

        ``authorization`` is shown to the first address only.
        """
        origin = self._allowed_origin(url)
        elsewhere = False
        for _ in range(_MAX_REDIRECTS + 1):
            sent = {**headers, "User-Agent": f"hullwatch/{__version__}"}
            if authorization and not elsewhere:
                sent["Authorization"] = authorization
            response = self._request(method, url, sent, urllib.parse.urlencode(fields) if fields else None)
            location = response.headers.get("Location")
            if response.status not in _REDIRECTS or not location or fields:
                return response, elsewhere
            self._discard(response)
            try:
                url = urllib.parse.urljoin(url, location)
            except ValueError:
                url = location
            elsewhere = elsewhere or self._allowed_origin(url) != origin
        raise PermanentError(f"{self._host} redirects more than {_MAX_REDIRECTS} times")

    def _request(
        self, method: str, url: str, headers: dict[str, str], body: str | None
    ) -> urllib3.BaseHTTPResponse:
        """One answer, its body not yet read. Raises urllib3's errors but for a certificate's."""
        try:
            return self._http.request(
                method,
                url,
                headers=headers,
                body=body,
                preload_content=False,
                redirect=False,
                retries=False,
                timeout=_TIMEOUT,
            )
        except SSLError as error:
            cause = error.args[0] if error.args else error
            if not isinstance(cause, ssl.SSLCertVerificationError):
                raise
            host = urllib.parse.urlsplit(url).netloc
            raise UserError(f"the certificate of {host} is not trusted: {cause.verify_message}") from None

    def _allowed_origin(self, url: str) -> tuple[str, str, int]:
        """Scheme, host and port of an address that we may be sent to: with TLS, unless the registry is
        without itself."""
        ports = {"https": 443, "http": 80} if self._plain else {"https": 443}
        try:
            parts = urllib.parse.urlsplit(url)
            if parts.scheme in ports and parts.hostname and parts.username is None:
                return parts.scheme, parts.hostname, parts.port or ports[parts.scheme]
        except ValueError:
            pass
        raise AccessRefused(
            f"{self._host} sends us to {url[:_MAX_COMPLAINT]!r}, which is no {' or '.join(ports)} address"
        )

    def _authorize(self, challenges: list[str]) -> str:
        """The authorization that meets one of the challenges; empty when there is none."""
        known = dict(_challenges(challenges))
        if not known:
            return ""
        credential = self._credentials.find(self._host, self._repository) if self._credentials else None
        if "bearer" in known:
            return f"Bearer {self._token(known['bearer'], credential)}"
        if credential is None or not credential.username:
            return ""
        return _basic(credential)

    def _token(self, challenge: dict[str, str], credential: Credential | None) -> str:
        realm = challenge.get("realm", "")
        fields = {"scope": f"repository:{self._repository}:pull"}
        if challenge.get("service"):
            fields["service"] = challenge["service"]
        try:
            if credential and credential.identity_token:
                fields |= {
                    "client_id": "hullwatch",
                    "grant_type": "refresh_token",
                    "refresh_token": credential.identity_token,
                }
                headers = {"Content-Type": "application/x-www-form-urlencoded"}
                response, _ = self._follow("POST", realm, headers, fields=fields)
            else:
                url = f"{realm}{'&' if '?' in realm else '?'}{urllib.parse.urlencode(fields)}"
                response, _ = self._follow("GET", url, {}, _basic(credential) if credential else "")
        except HTTPError as error:
            raise self._unreachable(error) from None
        if response.status in (401, 403):
            self._refuse(response, "the login is not accepted" if credential else "a login is needed")
        self._check(response, "a token")
        content = self._body(response, _MAX_TOKEN)
        try:
            answer = msgspec.json.decode(content or b"", type=_TokenAnswer)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            answer = _TokenAnswer()
        token = answer.token or answer.access_token
        # It becomes part of a header.
        if not token or not token.isascii() or not token.isprintable():
            raise SourceUnavailable(f"{self._host}: its token service gave no token")
        return token

    def _check(self, response: urllib3.BaseHTTPResponse, what: str) -> None:
        """Raises what an answer other than the one asked for means."""
        status = response.status
        if status == 200:
            return
        if status in (404, 410):
            response.close()
            raise ImageGone(f"{self} has no {what}")
        if status in (401, 403):
            self._refuse(response, f"it does not let us read {self._repository}")
        complaint = self._complaint(response)
        if status == 429:
            pause = response.headers.get("Retry-After", "")
            when = f"; try again in {pause} seconds" if pause.isdigit() else ""
            raise Throttled(f"{self._host} asks us to slow down{when}{complaint}")
        if status >= 500 or status == 408:
            raise SourceUnavailable(f"{self._host} answered {status} for {what}{complaint}")
        raise PermanentError(f"{self._host} answered {status} for {what}{complaint}")

    def _refuse(self, response: urllib3.BaseHTTPResponse, why: str) -> NoReturn:
        complaint = self._complaint(response)
        raise AccessRefused(f"{self._host}: {why}{complaint}. Log in with 'docker login {self._host}'")

    def _complaint(self, response: urllib3.BaseHTTPResponse) -> str:
        """The registry's own words, in brackets; empty when it has none."""
        try:
            content = self._body(response, _MAX_ERROR) or b""
            document = msgspec.json.decode(content)
            message = document["errors"][0]["message"]
        except SourceUnavailable:
            return ""
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, LookupError, TypeError):
            return ""  # not the form that the specification gives errors
        text = "".join(letter for letter in str(message) if letter.isprintable())[:_MAX_COMPLAINT]
        return f" ({text})" if text else ""

    def _body(self, response: urllib3.BaseHTTPResponse, limit: int) -> bytes | None:
        """A whole body; ``None`` when it has more than ``limit`` bytes."""
        parts: list[bytes] = []
        left = limit + 1
        end = time.monotonic() + _BODY_SECONDS
        try:
            while left and (part := read_some(response, left)):
                parts.append(part)
                left -= len(part)
                if time.monotonic() > end:
                    raise SourceUnavailable(f"{self._host} takes more than {_BODY_SECONDS} seconds to answer")
        except HTTPError as error:
            raise self._unreachable(error) from None
        finally:
            response.close()
        return b"".join(parts) if left else None

    def _discard(self, response: urllib3.BaseHTTPResponse) -> None:
        """Reads what nobody wants, so that the connection can be used again."""
        with suppress(SourceUnavailable):
            self._body(response, _MAX_ERROR)

    def _unreachable(self, error: HTTPError) -> SourceUnavailable:
        return SourceUnavailable(f"{self._host} does not answer: {error}")


def _pool(host: str, scheme: str) -> urllib3.PoolManager:
    """Connections to a host, through the proxy that the environment names for it."""
    proxy = urllib.request.getproxies().get(scheme)
    if not proxy or host in _LOOPBACK or urllib.request.proxy_bypass(host):
        return urllib3.PoolManager(maxsize=_CONNECTIONS)
    parts = urllib3.util.parse_url(proxy)
    headers = urllib3.make_headers(proxy_basic_auth=urllib.parse.unquote(parts.auth)) if parts.auth else None
    url = parts._replace(scheme=parts.scheme or "http", auth=None).url
    return urllib3.ProxyManager(url, proxy_headers=headers, maxsize=_CONNECTIONS)


def _basic(credential: Credential) -> str:
    pair = f"{credential.username}:{credential.password}".encode()
    return "Basic " + base64.b64encode(pair).decode()


def _challenges(headers: list[str]) -> Iterator[tuple[str, dict[str, str]]]:
    """Scheme and parameters of each challenge that is known."""
    for header in headers[:_MAX_CHALLENGES]:
        pieces = _CHALLENGE.split(header[:_MAX_CHALLENGE])
        for scheme, text in zip(pieces[1::2], pieces[2::2], strict=True):
            parameters = {
                found[1].lower(): re.sub(r"\\(.)", r"\1", found[2]) if found[2] is not None else found[3]
                for found in _PARAMETER.finditer(text)
            }
            yield scheme.lower(), parameters
