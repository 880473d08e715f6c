"""A blob over HTTP, over as many transfers as it takes: what breaks off goes on by range."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

import urllib3
from urllib3.exceptions import HTTPError

from hullwatch.errors import ImageGone, LayerCorrupt, SourceUnavailable
from hullwatch.images.image import Descriptor

#: Tries to go on with a transfer, until so many bytes more have come.
_TRIES = 5
_PROGRESS = 16 << 20
#: Seconds before the second of those tries, doubled with each.
_PAUSE = 0.5
_CHUNK = 1 << 20
#: Seconds that passing over what has been read may take.
_SKIP_SECONDS = 120
#: Seconds after which fewer bytes than asked for will do.
_PATIENCE = 1.0
_CONTENT_RANGE = re.compile(r"bytes (\d+)-", re.ASCII)

#: Asks for a blob with some headers. The answer's body has not been read yet.
Request = Callable[[dict[str, str]], urllib3.BaseHTTPResponse]


class ResumedDownload:
    """The bytes of one blob, as they are stored, from the start.

    A body that ends before ``descriptor.size`` bytes has broken off. Raises
    :class:`~hullwatch.errors.SourceUnavailable` when that, or a server's own error, comes again and again,
    :class:`~hullwatch.errors.LayerCorrupt` when the server has fewer bytes than it should, and whatever
    ``request`` raises. More bytes than there should be are passed on: the reader refuses them.
    """

    def __init__(
        self, request: Request, descriptor: Descriptor, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._request = request
        self._descriptor = descriptor
        self._sleep = sleep
        self._response: urllib3.BaseHTTPResponse | None = None
        self._offset = 0
        self._failures = 0
        self._failed_at = 0

    def read(self, size: int = -1, /) -> bytes:
        """Up to ``size`` bytes, none only at the end. A slow server's bytes are passed on as they come, for
        the reader to look at the clock."""
        if size < 0:
            size = max(self._descriptor.size - self._offset, 0) + 1
        while True:
            try:
                content = read_some(self._response or self._open(), size)
            except HTTPError as error:
                if self._offset >= self._descriptor.size:
                    return b""  # what broke is only the end of the transfer
                self._fail(str(error))
                continue
            self._offset += len(content)
            # urllib3 takes a body of unknown length that ended early for a whole one.
            if not content and size and self._offset < self._descriptor.size:
                self._fail("the transfer ended early")
                continue
            return content

    def close(self) -> None:
        """Ends the transfer."""
        if self._response is not None:
            self._response.close()
            self._response = None

    def _open(self) -> urllib3.BaseHTTPResponse:
        """The transfer of what is still missing."""
        offset = self._offset
        response = self._request({"Range": f"bytes={offset}-"} if offset else {})
        if response.status == 200 or (response.status == 206 and _first_byte(response) == offset):
            self._response = response
            if response.status == 200:
                # From the start, whatever was asked for.
                _skip(response, offset)
            return response
        response.close()
        if response.status == 416:
            raise LayerCorrupt(f"blob {self._descriptor.digest} is shorter than its manifest says")
        if response.status >= 500:
            raise HTTPError(f"the registry answered {response.status}")
        if response.status in (404, 410):
            raise ImageGone(f"the registry no longer has blob {self._descriptor.digest}")
        raise SourceUnavailable(f"blob {self._descriptor.digest}: the registry answered {response.status}")

    def _fail(self, why: str) -> None:
        self.close()
        if self._offset >= self._failed_at + _PROGRESS:
            self._failures = 0
        self._failures += 1
        self._failed_at = self._offset
        if self._failures > _TRIES:
            raise SourceUnavailable(f"blob {self._descriptor.digest}: {why}, {self._failures} times")
        if self._failures > 1:
            self._sleep(_PAUSE * 2 ** (self._failures - 2))


def read_some(response: urllib3.BaseHTTPResponse, size: int) -> bytes:
    """Up to ``size`` bytes of a body as it was sent: all of them, or what has come within a second or so."""
    parts: list[bytes] = []
    end = time.monotonic() + _PATIENCE
    while size:
        try:
            part = response.read1(size, decode_content=False)
        except HTTPError:
            if parts:
                break  # what has come is good; the next call meets the error
            raise
        if not part:
            break
        parts.append(part)
        size -= len(part)
        if time.monotonic() > end:
            break
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _first_byte(response: urllib3.BaseHTTPResponse) -> int:
    """Where a partial answer begins (RFC 9110, 14.4); -1 when it does not say."""
    found = _CONTENT_RANGE.match(response.headers.get("Content-Range", ""))
    return int(found[1]) if found else -1


def _skip(response: urllib3.BaseHTTPResponse, count: int) -> None:
    end = time.monotonic() + _SKIP_SECONDS
    while count and (part := read_some(response, min(count, _CHUNK))):
        count -= len(part)
        if time.monotonic() > end:
            raise HTTPError(f"coming to where the transfer broke off takes over {_SKIP_SECONDS} seconds")
