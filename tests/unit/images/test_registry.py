import base64
import hashlib
import itertools
import json
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import urllib3
from hypothesis import given
from hypothesis import strategies as st

from fakes.images import FakeImage, FakeIndex, digest_of, layer
from fakes.scripted_http import Answer, Request, ScriptedServer
from hullwatch.errors import (
    AccessRefused,
    DigestMismatch,
    ImageGone,
    LayerCorrupt,
    ManifestInvalid,
    PermanentError,
    SourceUnavailable,
    Throttled,
    UnsupportedImage,
    UserError,
)
from hullwatch.images.credentials import Credentials
from hullwatch.images.image import Descriptor
from hullwatch.images.manifest import MAX_MANIFEST
from hullwatch.images.opening import load_image, parse_platform
from hullwatch.images.sources import resume
from hullwatch.images.sources.registry import Registry, _challenges

IMAGE = FakeImage([layer({"etc/os-release": "ID=debian"})])
ARM = FakeImage([layer({"etc/os-release": "ID=alpine"})], platform="linux/arm64")
INDEX = FakeIndex([IMAGE, ARM], attestations=True)
BLOB = b"".join(hashlib.sha256(bytes([number])).digest() for number in range(256)) * 20
DESCRIPTOR = Descriptor(digest=digest_of(BLOB), size=len(BLOB), media_type="")

Script = Callable[[Request], Answer]


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resume, "_PAUSE", 0.0)


@pytest.fixture(autouse=True)
def _on_amd64(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "x86_64")


def serve(request: Request) -> Answer:
    """What a plain registry answers for the repository ``team/app``."""
    kind, _, reference = request.path.removeprefix("/v2/team/app/").partition("/")
    digest = INDEX.digest if reference == "v1" else reference
    content = (INDEX.blobs() | {DESCRIPTOR.digest: BLOB}).get(digest)
    if content is None or kind not in ("manifests", "blobs"):
        return Answer(404, b'{"errors":[{"code":"MANIFEST_UNKNOWN"}]}')
    if kind == "blobs":
        return Answer(body=content)
    media_type = json.loads(content)["mediaType"]
    return Answer(body=content, headers={"Content-Type": media_type, "Docker-Content-Digest": digest})


def opened(server: ScriptedServer, credentials: Credentials | None = None) -> Registry:
    return Registry(server.host, "team/app", credentials=credentials)


def read_blob(registry: Registry, descriptor: Descriptor = DESCRIPTOR) -> bytes:
    with registry.open_blob(descriptor) as stream:
        return b"".join(iter(lambda: stream.read(1000), b""))


def login(tmp_path: Path, host: str, **entry: str) -> Credentials:
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"auths": {host: entry}}))
    return Credentials([path])


def password(tmp_path: Path, host: str) -> Credentials:
    return login(tmp_path, host, auth=base64.b64encode(b"ada:lovelace").decode())


BASIC = "Basic " + base64.b64encode(b"ada:lovelace").decode()


def test_an_image_by_tag_and_platform() -> None:
    with ScriptedServer(serve) as server:
        image = load_image(opened(server), "v1", parse_platform("linux/arm64"))
    assert image.digest == ARM.digest
    for request in server.requests:
        if "/manifests/" in request.path:
            for media_type in ("image.index.v1", "image.manifest.v1", "manifest.list.v2", "manifest.v2"):
                assert media_type in request.headers["Accept"]
        assert request.headers["User-Agent"].startswith("hullwatch/")
        assert "Authorization" not in request.headers


def test_the_default_tag() -> None:
    with ScriptedServer(lambda _: Answer(404)) as server, pytest.raises(ImageGone, match="image latest"):
        opened(server).manifest()
    assert server.requests[0].path == "/v2/team/app/manifests/latest"


@pytest.mark.parametrize(
    ("host", "repository", "url"),
    [
        ("docker.io", "alpine", "https://registry-1.docker.io/v2/library/alpine/manifests/v1"),
        ("index.docker.io", "team/app", "https://registry-1.docker.io/v2/team/app/manifests/v1"),
        ("ghcr.io", "alpine", "https://ghcr.io/v2/alpine/manifests/v1"),
        ("localhost:5000", "a", "http://localhost:5000/v2/a/manifests/v1"),
        ("[::1]:5000", "a", "http://[::1]:5000/v2/a/manifests/v1"),
        ("127.0.0.1.example.com", "a", "https://127.0.0.1.example.com/v2/a/manifests/v1"),
    ],
)
def test_addresses(host: str, repository: str, url: str) -> None:
    asked: list[str] = []

    class Pool(urllib3.PoolManager):
        def request(self, method: str, url: str, *_: object, **__: object) -> urllib3.BaseHTTPResponse:
            asked.append(url)
            raise urllib3.exceptions.NewConnectionError(None, "nobody there")  # type: ignore[arg-type]

    with pytest.raises(SourceUnavailable, match="does not answer"):
        Registry(host, repository, http=Pool()).manifest("v1")
    assert asked == [url]


def test_a_manifest_without_a_media_type_or_digest_header() -> None:
    document = json.loads(IMAGE.manifest)
    del document["mediaType"]
    content = json.dumps(document).encode()
    with ScriptedServer(lambda _: Answer(body=content)) as server:
        manifest = opened(server).manifest("v1")
    assert (manifest.digest, manifest.media_type) == (digest_of(content), "")


@pytest.mark.parametrize("reference", ["v1", INDEX.digest])
def test_a_manifest_with_another_digest(reference: str) -> None:
    answer = Answer(body=IMAGE.manifest, headers={"Docker-Content-Digest": INDEX.digest})
    with ScriptedServer(lambda _: answer) as server, pytest.raises(DigestMismatch):
        opened(server).manifest(reference)


def test_schema_1_is_refused_by_its_name() -> None:
    headers = {
        "Content-Type": "application/vnd.docker.distribution.manifest.v1+prettyjws",
        "Docker-Content-Digest": INDEX.digest,
    }
    answer = Answer(body=b'{"schemaVersion": 1, "fsLayers": []}', headers=headers)
    with ScriptedServer(lambda _: answer) as server, pytest.raises(UnsupportedImage, match="schema 1"):
        load_image(opened(server), "v1")


@pytest.mark.parametrize("length", [True, False])
def test_a_manifest_without_end(length: bool) -> None:
    def script(_: Request) -> Answer:
        return Answer(body=b" " * (MAX_MANIFEST + 1) if length else itertools.repeat(b" " * 65536))

    with ScriptedServer(script) as server, pytest.raises(ManifestInvalid, match="more than"):
        opened(server).manifest("v1")


def test_a_manifest_that_breaks_off() -> None:
    answer = Answer(body=INDEX.manifest, sent=100)
    with ScriptedServer(lambda _: answer) as server, pytest.raises(SourceUnavailable):
        opened(server).manifest("v1")


def test_a_page_in_place_of_a_manifest() -> None:
    with ScriptedServer(lambda _: Answer(body=b"<html>")) as server, pytest.raises(ManifestInvalid):
        load_image(opened(server), "v1")


@pytest.mark.parametrize(
    ("answer", "error", "message"),
    [
        (Answer(404), ImageGone, "team/app has no image v1"),
        (Answer(403), AccessRefused, "docker login"),
        (
            Answer(403, b'{"errors":[{"message":"pull\\u001b[31m denied"}]}'),
            AccessRefused,
            r"\(pull\[31m denied\)",
        ),
        (Answer(403, b'{"errors":[]}'), AccessRefused, "does not let us read team/app"),
        (Answer(403, b"[" * 16_000), AccessRefused, "does not let us read team/app"),
        (Answer(429, headers={"Retry-After": "17"}), Throttled, "again in 17 seconds"),
        (Answer(429, headers={"Retry-After": "\x1b]0;x"}), Throttled, "slow down$"),
        (Answer(503), SourceUnavailable, "answered 503"),
        (Answer(400, b'{"errors":[{"message":"no"}]}'), PermanentError, r"answered 400 .*\(no\)"),
        (Answer(401), AccessRefused, "docker login"),
        (Answer(401, headers={"WWW-Authenticate": "Negotiate"}), AccessRefused, "docker login"),
        (Answer(401, headers={"WWW-Authenticate": 'Basic realm="x"'}), AccessRefused, "docker login"),
    ],
)
def test_refusals(answer: Answer, error: type[Exception], message: str) -> None:
    with ScriptedServer(lambda _: answer) as server:
        with pytest.raises(error, match=message):
            opened(server).manifest("v1")
        assert len(server.requests) == 1
        with pytest.raises(error):
            read_blob(opened(server))
    # Of a blob, what may pass is asked for again.
    assert len(server.requests) == (7 if answer.status >= 500 else 2)


def test_nobody_listens() -> None:
    with ScriptedServer(serve) as server:
        registry = opened(server)
    with pytest.raises(SourceUnavailable, match="does not answer"):
        registry.manifest("v1")
    with pytest.raises(SourceUnavailable):
        read_blob(registry)


def test_a_server_that_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    timeout = urllib3.Timeout(connect=1, read=0.05)
    monkeypatch.setattr("hullwatch.images.sources.registry._TIMEOUT", timeout)
    over = threading.Event()

    def script(_: Request) -> Answer:
        over.wait(10)
        return Answer(404)

    with ScriptedServer(script) as server:
        with pytest.raises(SourceUnavailable, match="does not answer"):
            opened(server).manifest("v1")
        with pytest.raises(SourceUnavailable, match="timed out"):
            read_blob(opened(server))
        over.set()


def test_tls_is_not_left_out_for_others() -> None:
    with ScriptedServer(serve) as server:
        port = server.host.rpartition(":")[2]
        # A name of this machine that does not say so.
        elsewhere = f"127.0.0.2:{port}"
        with pytest.raises(SourceUnavailable):
            Registry(elsewhere, "team/app").manifest("v1")
    assert server.requests == []


# Authentication


def token_registry(*, user: str = "", lifetime: int = 1000) -> tuple[Script, list[str]]:
    """A registry and its token service in one; each token is good for ``lifetime`` requests."""
    issued: list[str] = []
    used: dict[str, int] = {}

    def script(request: Request) -> Answer:
        parts = urllib.parse.urlsplit(request.path)
        host = request.headers["Host"]
        if parts.path == "/token":
            if user and request.headers.get("Authorization") != user:
                return Answer(401)
            query = urllib.parse.parse_qs(parts.query or request.body.decode())
            assert query["scope"] == ["repository:team/app:pull"]
            assert query["service"] == ["the, registry"]
            issued.append(f"token-{len(issued)}")
            return Answer(body=json.dumps({"token": issued[-1]}).encode())
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        used[token] = used.get(token, 0) + 1
        if token not in issued or used[token] > lifetime:
            challenge = f'Bearer realm="http://{host}/token",service="the, registry",scope="x",error="e"'
            return Answer(401, headers=[("WWW-Authenticate", "Negotiate"), ("WWW-Authenticate", challenge)])
        return serve(request)

    return script, issued


def test_an_anonymous_token_is_asked_for_once() -> None:
    script, issued = token_registry()
    with ScriptedServer(script) as server:
        assert load_image(opened(server), "v1").digest == IMAGE.digest
    assert issued == ["token-0"]


def test_a_token_that_ran_out_is_renewed() -> None:
    script, issued = token_registry(lifetime=1)
    with ScriptedServer(script) as server:
        registry = opened(server)
        assert load_image(registry, "v1").digest == IMAGE.digest
        assert read_blob(registry) == BLOB
    assert len(issued) == 4


def test_a_token_for_a_user(tmp_path: Path) -> None:
    script, _ = token_registry(user=BASIC)
    with ScriptedServer(script) as server:
        assert load_image(opened(server, password(tmp_path, server.host)), "v1").digest == IMAGE.digest
        with pytest.raises(AccessRefused, match="a login is needed"):
            opened(server).manifest("v1")
        wrong = login(tmp_path, server.host, username="eve", password="x")
        with pytest.raises(AccessRefused, match="not accepted"):
            opened(server, wrong).manifest("v1")


def test_an_identity_token_is_exchanged(tmp_path: Path) -> None:
    script, _ = token_registry()
    with ScriptedServer(script) as server:
        credentials = login(tmp_path, server.host, identitytoken="refresh-me")
        assert opened(server, credentials).manifest("v1").digest == INDEX.digest
    (exchange,) = [request for request in server.requests if request.method == "POST"]
    fields = urllib.parse.parse_qs(exchange.body.decode())
    assert (fields["grant_type"], fields["refresh_token"]) == (["refresh_token"], ["refresh-me"])
    assert fields["client_id"] == ["hullwatch"]
    assert not any("refresh-me" in request.path for request in server.requests)


@pytest.mark.parametrize(
    "answer",
    [
        Answer(body=b""),
        Answer(body=b"[]"),
        Answer(body=b'{"token": 5}'),
        Answer(body=b'{"token": ""}'),
        Answer(body=b'{"token": "a\\r\\nHost: x"}'),
        Answer(body=b" " * (2 << 20)),
        Answer(body=b'{"x": ' + b"[" * 100_000),
        Answer(500),
    ],
)
def test_a_token_service_that_gives_no_token(answer: Answer) -> None:
    def script(request: Request) -> Answer:
        if request.path.startswith("/token"):
            return answer
        realm = f"http://{request.headers['Host']}/token"
        return Answer(401, headers={"WWW-Authenticate": f'Bearer realm="{realm}"'})

    with ScriptedServer(script) as server, pytest.raises(SourceUnavailable):
        opened(server).manifest("v1")


@pytest.mark.parametrize("realm", ["", "file:///etc/passwd", "http://u:p@127.0.0.1/", "http://[", "/token"])
def test_a_token_service_that_is_no_address(realm: str) -> None:
    answer = Answer(401, headers={"WWW-Authenticate": f'Bearer realm="{realm}"'})
    with ScriptedServer(lambda _: answer) as server, pytest.raises(AccessRefused, match="no https or http"):
        opened(server).manifest("v1")
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        (['Basic realm="a"'], {"basic": {"realm": "a"}}),
        (["bearer Realm=https://a/t , scope = x"], {"bearer": {"realm": "https://a/t", "scope": "x"}}),
        (['Bearer realm="a,b\\"c", Basic realm=d'], {"bearer": {"realm": 'a,b"c'}, "basic": {"realm": "d"}}),
        (["Negotiate", "Basic"], {"basic": {}}),
        (["Digest realm=a", ""], {}),
    ],
)
def test_challenges(headers: list[str], expected: dict[str, dict[str, str]]) -> None:
    assert dict(_challenges(headers)) == expected


@given(st.lists(st.text() | st.from_regex(r"Bearer( [a-z]+=\"?[^\"]*\"?,?)*")))
def test_arbitrary_challenges(headers: list[str]) -> None:
    for scheme, parameters in _challenges(headers):
        assert scheme in ("basic", "bearer")
        assert all(key.islower() for key in parameters)


def test_a_challenge_without_end() -> None:
    answer = Answer(401, headers=[("WWW-Authenticate", "Bearer " + "a" * 60_000)] * 50)
    started = time.monotonic()
    with ScriptedServer(lambda _: answer) as server, pytest.raises(AccessRefused):
        opened(server).manifest("v1")
    assert time.monotonic() - started < 5


def test_connections_are_used_again() -> None:
    script, _ = token_registry()
    with ScriptedServer(script) as server:
        registry = opened(server)
        load_image(registry, "v1")
        port = int(server.host.rpartition(":")[2])
        pool = registry._http.connection_from_host("127.0.0.1", port)
    assert len(server.requests) == 5
    # The second for the token, which is asked for while the challenge is still open.
    assert pool.num_connections == 2


def test_basic_authentication(tmp_path: Path) -> None:
    def script(request: Request) -> Answer:
        if request.headers.get("Authorization") != BASIC:
            return Answer(401, headers={"WWW-Authenticate": 'Basic realm="it"'})
        return serve(request)

    with ScriptedServer(script) as server:
        assert load_image(opened(server, password(tmp_path, server.host)), "v1").digest == IMAGE.digest
        assert [request for request in server.requests if "Authorization" not in request.headers] == (
            server.requests[:1]
        )
        wrong = login(tmp_path, server.host, username="eve", password="x")
        count = len(server.requests)
        with pytest.raises(AccessRefused):
            opened(server, wrong).manifest("v1")
        assert len(server.requests) == count + 2


# Redirects


def test_credentials_do_not_follow_a_redirect(tmp_path: Path) -> None:
    with ScriptedServer(lambda _: Answer(body=BLOB)) as storage:

        def script(request: Request) -> Answer:
            if request.headers.get("Authorization") != BASIC:
                return Answer(401, headers={"WWW-Authenticate": 'Basic realm="it"'})
            if "again" not in request.path:
                return Answer(307, headers={"Location": "/again"})
            return Answer(307, headers={"Location": f"http://{storage.host}/bucket/x?signature=1"})

        with ScriptedServer(script) as server:
            assert read_blob(opened(server, password(tmp_path, server.host))) == BLOB
    # On the registry's own address they are shown again.
    assert [request.headers.get("Authorization") for request in server.requests] == [None, BASIC, BASIC]
    assert storage.requests[0].headers.get("Authorization") is None
    assert storage.requests[0].path == "/bucket/x?signature=1"


def test_a_challenge_from_elsewhere_is_not_met(tmp_path: Path) -> None:
    challenge = Answer(401, headers={"WWW-Authenticate": 'Basic realm="it"'})
    with ScriptedServer(lambda _: challenge) as thief:
        answer = Answer(302, headers={"Location": f"http://{thief.host}/"})
        with ScriptedServer(lambda _: answer) as server:
            credentials = password(tmp_path, server.host)
            with pytest.raises(AccessRefused):
                opened(server, credentials).manifest("v1")
    assert [request.headers.get("Authorization") for request in thief.requests] == [None]


def test_endless_redirects() -> None:
    def script(request: Request) -> Answer:
        return Answer(302, headers={"Location": request.path + "x"})

    with ScriptedServer(script) as server, pytest.raises(PermanentError, match="redirects more than"):
        opened(server).manifest("v1")
    assert len(server.requests) == 6


@pytest.mark.parametrize("location", ["file:///etc/passwd", "ftp://a/", "http://u@127.0.0.1/", "http://["])
def test_redirects_to_what_is_no_address(location: str) -> None:
    answer = Answer(302, headers={"Location": location})
    with ScriptedServer(lambda _: answer) as server, pytest.raises(AccessRefused, match="sends us to"):
        opened(server).manifest("v1")


def test_a_redirect_from_tls_to_none() -> None:
    class Pool(urllib3.PoolManager):
        def request(self, method: str, url: str, *_: object, **__: object) -> urllib3.BaseHTTPResponse:
            assert url.startswith("https://")
            return urllib3.HTTPResponse(status=302, headers={"Location": "http://127.0.0.1/"})

    with pytest.raises(AccessRefused, match="no https address"):
        Registry("registry.example", "a", http=Pool()).manifest("v1")


# Blobs


def test_only_a_digest_is_asked_for() -> None:
    with ScriptedServer(serve) as server, pytest.raises(ManifestInvalid):
        read_blob(opened(server), Descriptor(digest="../../x", size=1, media_type=""))
    assert server.requests == []


def breaking(pieces: int, *, length: bool, ranges: bool = True) -> Script:
    """Blobs of which every transfer brings some 1/``pieces``."""
    size = len(BLOB) // pieces + 1

    def script(request: Request) -> Answer:
        start = int(request.headers.get("Range", "bytes=0-")[6:-1])
        if not ranges or not start:
            sent = (start + size) if not ranges else size
            return Answer(body=BLOB, sent=min(sent, len(BLOB)), length=length)
        headers = {"Content-Range": f"bytes {start}-{len(BLOB) - 1}/{len(BLOB)}"}
        return Answer(206, BLOB[start:], headers, sent=size, length=length)

    return script


@pytest.mark.parametrize("length", [True, False])
@pytest.mark.parametrize("ranges", [True, False])
def test_a_transfer_that_breaks_off_goes_on(length: bool, ranges: bool) -> None:
    with ScriptedServer(breaking(4, length=length, ranges=ranges)) as server:
        assert read_blob(opened(server)) == BLOB
    starts = [request.headers.get("Range") for request in server.requests]
    assert len(starts) == 4
    assert starts[0] is None
    assert starts[1] == f"bytes={len(BLOB) // 4 + 1}-"


def test_a_server_that_recovers() -> None:
    answers = iter([Answer(503), Answer(body=BLOB, sent=1000), Answer(500)])
    with ScriptedServer(lambda request: next(answers, None) or serve(request)) as server:
        assert read_blob(opened(server)) == BLOB
    assert len(server.requests) == 4


def test_a_transfer_that_breaks_off_for_ever() -> None:
    pauses: list[float] = []
    with ScriptedServer(lambda _: Answer(body=BLOB, sent=0)) as server:
        registry = opened(server)
        download = resume.ResumedDownload(
            lambda headers: registry._get_blob(DESCRIPTOR.digest, headers), DESCRIPTOR, pauses.append
        )
        with pytest.raises(SourceUnavailable, match="6 times"):
            download.read(10)
    assert len(server.requests) == 6
    assert len(pauses) == 4


def test_progress_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    with ScriptedServer(breaking(20, length=True)) as server:
        with pytest.raises(SourceUnavailable):
            read_blob(opened(server))
        monkeypatch.setattr(resume, "_PROGRESS", 1000)
        assert read_blob(opened(server)) == BLOB


def test_a_blob_shorter_than_its_manifest_says() -> None:
    def script(request: Request) -> Answer:
        return Answer(416) if "Range" in request.headers else Answer(body=BLOB[:1000])

    with ScriptedServer(script) as server, pytest.raises(LayerCorrupt, match="shorter"):
        read_blob(opened(server))


def test_a_range_that_was_not_asked_for() -> None:
    def script(request: Request) -> Answer:
        if "Range" not in request.headers:
            return Answer(body=BLOB, sent=1000)
        return Answer(206, BLOB[5:], {"Content-Range": f"bytes 5-{len(BLOB) - 1}/{len(BLOB)}"})

    with ScriptedServer(script) as server, pytest.raises(SourceUnavailable, match="answered 206"):
        read_blob(opened(server))


def test_a_transfer_that_breaks_at_its_end() -> None:
    # All bytes have come, but not the chunk that says so.
    body = f"{len(BLOB):x}\r\n".encode() + BLOB + b"\r\n"
    answer = Answer(body=body, headers={"Transfer-Encoding": "chunked"}, length=False)
    with ScriptedServer(lambda _: answer) as server:
        assert read_blob(opened(server)) == BLOB
    assert len(server.requests) == 1


def test_passing_over_what_was_read_takes_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resume, "_SKIP_SECONDS", -1)
    script = breaking(4, length=True, ranges=False)
    with ScriptedServer(script) as server, pytest.raises(SourceUnavailable, match="where the transfer broke"):
        read_blob(opened(server))


def test_a_blob_that_goes_while_it_is_read() -> None:
    def script(request: Request) -> Answer:
        return Answer(404) if "Range" in request.headers else Answer(body=BLOB, sent=1000)

    with ScriptedServer(script) as server, pytest.raises(ImageGone):
        read_blob(opened(server))


def test_more_bytes_than_there_should_be_are_left_to_the_reader() -> None:
    with ScriptedServer(lambda _: Answer(body=BLOB + b"more")) as server:
        registry = opened(server)
        assert read_blob(registry) == BLOB + b"more"
        with registry.open_blob(DESCRIPTOR) as stream:
            assert stream.read() == BLOB + b"m"


def test_a_blob_is_passed_on_as_it_is_stored() -> None:
    answer = Answer(body=BLOB, headers={"Content-Encoding": "gzip"})
    with ScriptedServer(lambda _: answer) as server:
        assert read_blob(opened(server)) == BLOB


def test_a_slow_transfer_lets_the_reader_look_at_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resume, "_PATIENCE", -1.0)
    looked = threading.Event()

    def body() -> Iterator[bytes]:
        yield b"first"
        assert looked.wait(10)
        yield b"second"

    answer = Answer(body=body(), length=False)
    descriptor = Descriptor(digest=DESCRIPTOR.digest, size=11, media_type="")
    with ScriptedServer(lambda _: answer) as server, opened(server).open_blob(descriptor) as stream:
        assert stream.read(1 << 20) == b"first"
        looked.set()
        assert stream.read(1 << 20) == b"second"


def test_an_answer_that_drips(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hullwatch.images.sources.registry._BODY_SECONDS", -1)
    with ScriptedServer(serve) as server, pytest.raises(SourceUnavailable, match="to answer"):
        opened(server).manifest("v1")


# Environment


@pytest.mark.parametrize(
    ("variables", "proxied"),
    [
        ({"https_proxy": "http://user:p%40ss@proxy.example:3128"}, True),
        ({"https_proxy": "proxy.example:3128"}, True),
        ({"https_proxy": "http://proxy.example:3128", "no_proxy": "registry.example"}, False),
        ({}, False),
    ],
)
def test_proxies(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], proxied: bool) -> None:
    for name in ("http_proxy", "https_proxy", "no_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    pool = Registry("registry.example", "a")._http
    assert isinstance(pool, urllib3.ProxyManager) == proxied
    if isinstance(pool, urllib3.ProxyManager):
        assert pool.proxy is not None
        assert (pool.proxy.host, pool.proxy.port) == ("proxy.example", 3128)
        if "user" in variables["https_proxy"]:
            expected = base64.b64encode(b"user:p@ss").decode()
            assert pool.proxy_headers == {"proxy-authorization": f"Basic {expected}"}


def test_a_certificate_that_is_not_trusted() -> None:
    import ssl

    cause = ssl.SSLCertVerificationError(1, "certificate verify failed")
    cause.verify_message = "self-signed certificate"

    class Pool(urllib3.PoolManager):
        def request(self, method: str, url: str, *_: object, **__: object) -> urllib3.BaseHTTPResponse:
            raise urllib3.exceptions.SSLError(cause)

    with pytest.raises(UserError, match=r"registry\.example is not trusted: self-signed"):
        Registry("registry.example", "a", http=Pool()).manifest("v1")
