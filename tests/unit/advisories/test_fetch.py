"""Fetching over HTTP from a real server on this machine, and from directories."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import msgspec
import pytest
import urllib3

from fakes.feeds import NOW, Mirror, osv_record, records
from fakes.vex import packed, repositories, vex
from hullwatch.advisories import fetch as fetching
from hullwatch.advisories.feeds import amazon, kev, redhat
from hullwatch.advisories.feeds.feed import Document
from hullwatch.advisories.fetch import Fetched, fetch, update
from hullwatch.errors import ConfigurationError

KEV = "kev/known_exploited_vulnerabilities.json"
MODIFIED = "Fri, 29 May 2026 10:00:00 GMT"

Answer = Callable[[BaseHTTPRequestHandler], None]


class Server:
    """Serves a mirror; single paths can be given an answer of their own."""

    def __init__(self, root: Path) -> None:
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.answers: dict[str, Answer] = {}
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                path = self.path.lstrip("/")
                server.asked.append((path, dict(self.headers)))
                if path in server.answers:
                    server.answers[path](self)
                elif (root / path).is_file():
                    reply(self, 200, (root / path).read_bytes(), {"ETag": '"1"', "Last-Modified": MODIFIED})
                else:
                    reply(self, 404)

            def log_message(self, *_: object) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._http.server_port}"
        threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True).start()

    def headers(self, path: str) -> dict[str, str]:
        """Of the last question for a path."""
        return next(headers for asked, headers in reversed(self.asked) if asked == path)

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()


def reply(
    handler: BaseHTTPRequestHandler, status: int, body: bytes = b"", headers: dict[str, str] | None = None
) -> None:
    handler.send_response(status)
    for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(body)


@pytest.fixture
def server(mirror: Mirror) -> Iterator[Server]:
    mirror.kev({"cveID": "CVE-2026-0001", "dateAdded": "2026-05-20"})
    serving = Server(mirror.feeds)
    yield serving
    serving.close()


@pytest.fixture
def local(tmp_path: Path) -> Path:
    return tmp_path / "local"


def fetch_kev(local: Path, base: str) -> Fetched:
    pool = urllib3.PoolManager(retries=urllib3.Retry(total=0, redirect=0), timeout=5)
    (outcome,) = fetch(local, base=base, only={"kev"}, now=NOW, pool=pool)
    return outcome


def test_a_document_is_fetched_and_then_asked_for_conditionally(server: Server, local: Path) -> None:
    assert fetch_kev(local, server.url).outcome == "new"
    assert (local / KEV).read_bytes()
    assert "If-None-Match" not in server.headers(KEV)

    server.answers[KEV] = lambda handler: reply(handler, 304)
    assert fetch_kev(local, server.url).outcome == "unchanged"
    headers = server.headers(KEV)
    assert (headers["If-None-Match"], headers["If-Modified-Since"]) == ('"1"', MODIFIED)


def test_validators_of_one_server_are_not_shown_to_another(
    server: Server, mirror: Mirror, local: Path
) -> None:
    fetch_kev(local, server.url)
    other = Server(mirror.feeds)
    assert fetch_kev(local, other.url).outcome == "new"
    assert "If-None-Match" not in other.headers(KEV)
    other.close()


def test_a_document_whose_copy_was_lost_is_fetched_again(server: Server, local: Path) -> None:
    fetch_kev(local, server.url)
    (local / KEV).unlink()
    assert fetch_kev(local, server.url).outcome == "new"
    assert "If-None-Match" not in server.headers(KEV)


def test_redirects_are_followed(server: Server, mirror: Mirror, local: Path) -> None:
    body = (mirror.feeds / KEV).read_bytes()
    server.answers[KEV] = lambda handler: reply(handler, 302, headers={"Location": "/elsewhere"})
    server.answers["elsewhere"] = lambda handler: reply(handler, 200, body)
    assert fetch_kev(local, server.url).outcome == "new"
    assert (local / KEV).read_bytes() == body


@pytest.mark.parametrize("location", [f"/{KEV}", "file:///etc/passwd", "ftp://127.0.0.1/x"])
def test_redirects_that_lead_nowhere_fail(server: Server, local: Path, location: str) -> None:
    server.answers[KEV] = lambda handler: reply(handler, 302, headers={"Location": location})
    outcome = fetch_kev(local, server.url)
    assert outcome.outcome == "failed"
    assert "redirects" in outcome.detail


def broken_off(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "100000")
    handler.end_headers()
    handler.wfile.write(b"{")
    handler.close_connection = True


def too_long(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.end_headers()
    handler.close_connection = True
    handler.wfile.write(b" " * 200_000)


@pytest.mark.parametrize(
    ("answer", "detail"),
    [
        (lambda handler: reply(handler, 500), "answered 500"),
        (lambda handler: reply(handler, 404), "answered 404"),
        (lambda handler: reply(handler, 200, b""), "no bytes"),
        (lambda handler: reply(handler, 200, b"<html>maintenance</html>"), "schema"),
        (
            lambda handler: reply(handler, 200, b'{"dateReleased": "2026", "vulnerabilities": []}'),
            "no entries",
        ),
        (broken_off, "broke off"),
        (too_long, "more than 100000 bytes"),
    ],
)
def test_the_last_good_copy_is_kept(
    server: Server, local: Path, monkeypatch: pytest.MonkeyPatch, answer: Answer, detail: str
) -> None:
    fetch_kev(local, server.url)
    good = (local / KEV).read_bytes()
    monkeypatch.setattr(kev, "documents", lambda: (Document(path=KEV, url="", limit=100_000),))
    server.answers[KEV] = answer
    outcome = fetch_kev(local, server.url)
    assert (outcome.outcome, detail in outcome.detail) == ("failed", True), outcome
    assert (local / KEV).read_bytes() == good
    assert not list((local / "kev").glob(".fetch.*"))


def test_an_older_copy_is_refused(server: Server, mirror: Mirror, local: Path) -> None:
    fetch_kev(local, server.url)
    mirror.kev({"cveID": "CVE-2026-0001", "dateAdded": "2026-05-20"}, released="2026-05-29T00:00:00Z")
    assert "older" in fetch_kev(local, server.url).detail


@pytest.mark.parametrize(
    ("modified", "outcome"),
    [
        ("Thu, 28 May 2026 10:00:00 GMT", "failed"),
        (MODIFIED, "new"),
        ("Sat, 30 May 2026 10:00:00 GMT", "new"),
        ("yesterday", "new"),
        ("", "new"),
    ],
)
def test_an_older_copy_of_a_document_without_a_date_is_known_by_its_server(
    server: Server, mirror: Mirror, local: Path, modified: str, outcome: str
) -> None:
    path = mirror.debian({"a": {"CVE-2026-0001": {"releases": {"bookworm": {"status": "open"}}}}})
    name = path.relative_to(mirror.feeds).as_posix()
    (first,) = fetch(local, base=server.url, only={"debian"}, now=NOW)
    good = (local / name).read_bytes()
    other = path.read_bytes().replace(b"open", b"undetermined")
    server.answers[name] = lambda handler: reply(handler, 200, other, {"Last-Modified": modified})
    (second,) = fetch(local, base=server.url, only={"debian"}, now=NOW)
    assert (first.outcome, second.outcome) == ("new", outcome)
    assert (local / name).read_bytes() == (good if outcome == "failed" else other)


def test_a_slow_server_is_given_up(server: Server, local: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "_DEADLINE", -1)
    assert "seconds" in fetch_kev(local, server.url).detail


def test_nobody_there(local: Path) -> None:
    outcome = fetch_kev(local, "http://127.0.0.1:9")
    assert outcome.outcome == "failed"
    assert "did not answer" in outcome.detail


def test_what_a_mirror_does_not_have_is_absent_until_it_was_there_once(server: Server, local: Path) -> None:
    (outcome,) = fetch(local, base=server.url, only={"epss"}, now=NOW)
    assert outcome.outcome == "absent"


def test_another_directory_is_a_mirror_too(mirror: Mirror, local: Path) -> None:
    mirror.osv("Rocky Linux", osv_record("RLSA-1", "Rocky Linux:9", "a", ("introduced", "0")))
    mirror.epss("CVE-2026-0001,0.5,0.5")
    for base in (str(mirror.feeds), mirror.feeds.as_uri()):
        outcomes = {item.document: item.outcome for item in fetch(local, base=base, now=NOW)}
        assert set(outcomes) == {"osv/Rocky Linux/all.zip", "epss/epss_scores-current.csv.gz"}
    assert set(outcomes.values()) == {"unchanged"}


def test_mistakes_of_the_caller_are_said(local: Path) -> None:
    with pytest.raises(ConfigurationError, match="no such feed: nvdd"):
        fetch(local, only={"nvdd"})
    with pytest.raises(ConfigurationError, match="neither"):
        fetch(local, base="/no/such/mirror")


def test_update_fetches_and_compiles_and_reports_both(server: Server, mirror: Mirror) -> None:
    mirror.osv("PyPI", osv_record("PYSEC-1", "PyPI", "a", ("introduced", "0")))
    first = update(mirror.output, base=server.url, workers=1, now=NOW)
    assert set(first.manifest.shards) == {"pypi", "enrichment"}
    server.answers[KEV] = lambda handler: reply(handler, 403)
    second = update(mirror.output, base=server.url, workers=1, now=NOW)
    assert second.generation == first.generation
    assert "answered 403" in second.failures["kev"][0]


def test_a_lost_record_of_what_was_fetched_only_costs_a_transfer(server: Server, local: Path) -> None:
    fetch_kev(local, server.url)
    state = local / ".fetched.json"
    assert msgspec.json.decode(state.read_bytes())[KEV]["etag"] == '"1"'
    state.write_text("{")
    assert fetch_kev(local, server.url).outcome == "new"


REPOSITORY = "amazon/2/core"


def amazon_answers(server: Server, updateinfo: bytes) -> None:
    repomd = b'<repomd><data type="updateinfo"><location href="repodata/u.xml"/></data></repomd>'
    server.answers["mirror.list"] = lambda h: reply(h, 200, f"{server.url}/r1/\n".encode())
    server.answers["r1/repodata/repomd.xml"] = lambda h: reply(h, 200, repomd)
    server.answers["r1/repodata/u.xml"] = lambda h: reply(h, 200, updateinfo)


UPDATEINFO = (
    b'<updates><update><id>ALAS2-1</id><pkglist><package name="a" version="1" release="2" epoch="0"/>'
    b"</pkglist></update></updates>"
)


def amazon_only(server: Server, monkeypatch: pytest.MonkeyPatch, *, optional: bool = False) -> None:
    (document,) = [d for d in amazon.documents() if d.path.startswith(REPOSITORY)]
    changed = msgspec.structs.replace(
        document, url=f"{server.url}/mirror.list", optional=optional, catalogue=None
    )
    monkeypatch.setattr(amazon, "documents", lambda: (changed,))


def test_a_document_under_changing_names_is_looked_for(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    amazon_only(server, monkeypatch)
    amazon_answers(server, UPDATEINFO)
    (fetched,) = fetch(tmp_path / "m", only=["amazon"], now=NOW)
    assert fetched.outcome == "new"
    assert (tmp_path / "m" / REPOSITORY / "updateinfo.xml.gz").read_bytes() == UPDATEINFO


@pytest.mark.parametrize("missing", ["mirror.list", "r1/repodata/repomd.xml", "r1/repodata/u.xml"])
@pytest.mark.parametrize(("optional", "outcome"), [(True, "absent"), (False, "failed")])
def test_a_way_that_ends_is_absence_for_what_is_optional_and_failure_else(
    server: Server,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    missing: str,
    optional: bool,
    outcome: str,
) -> None:
    amazon_only(server, monkeypatch, optional=optional)
    amazon_answers(server, UPDATEINFO)
    del server.answers[missing]
    (fetched,) = fetch(tmp_path / "m", only=["amazon"], now=NOW)
    assert fetched.outcome == outcome


def test_a_text_on_the_way_that_never_ends_is_refused(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    amazon_only(server, monkeypatch)
    amazon_answers(server, UPDATEINFO)
    server.answers["mirror.list"] = lambda h: reply(h, 200, b"x" * (5 * 1024 * 1024))
    (fetched,) = fetch(tmp_path / "m", only=["amazon"], now=NOW)
    assert (fetched.outcome, "more than" in fetched.detail) == ("failed", True)


@pytest.mark.parametrize(
    ("catalogue", "outcomes"),
    [
        (
            b'{"version": 1, "topics": [{"n": "emacs"}, {"n": "docker"}, {"n": "../core"}, {"n": "R4"}]}',
            {f"{REPOSITORY}/updateinfo.xml.gz": "new", "amazon/2/extras/emacs/updateinfo.xml.gz": "new"}
            | {"amazon/2/extras/R4/updateinfo.xml.gz": "absent"},
        ),
        (b'[{"n": "emacs"}]', {f"{REPOSITORY}/updateinfo.xml.gz": "failed"}),
        (None, {f"{REPOSITORY}/updateinfo.xml.gz": "failed"}),
    ],
)
def test_a_catalogue_names_further_documents(
    server: Server,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    catalogue: bytes | None,
    outcomes: dict[str, str],
) -> None:
    (core,) = [d for d in amazon.documents() if d.path.startswith(REPOSITORY)]
    core = msgspec.structs.replace(core, url=f"{server.url}/mirror.list")
    monkeypatch.setattr(amazon, "documents", lambda: (core,))
    monkeypatch.setattr(amazon, "_CDN", server.url)
    monkeypatch.setattr(amazon, "_CATALOGUE", f"{server.url}/2/extras-catalog.json")
    amazon_answers(server, UPDATEINFO)
    server.answers["2/extras/emacs/latest/x86_64/mirror.list"] = server.answers["mirror.list"]
    if catalogue is not None:
        server.answers["2/extras-catalog.json"] = lambda h: reply(h, 200, catalogue)
    fetched = fetch(tmp_path / "m", only=["amazon"], now=NOW)
    assert {item.document: item.outcome for item in fetched} == outcomes
    # Without a catalogue, what is known by name is there all the same.
    assert fetched[0].outcome == "new"


def test_what_has_changed_since_an_archive_is_asked_for_once(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror = tmp_path / "m"
    monkeypatch.setattr(redhat, "URL", f"{server.url}/archive_latest.txt")
    monkeypatch.setattr(redhat, "REPOSITORIES_URL", f"{server.url}/repository-to-cpe.json")
    texts = {
        "archive_latest.txt": b"csaf_vex_1.tar.zst",
        "csaf_vex_1.tar.zst": packed(vex("CVE-2026-0000")),
        "changes.csv": b'"2026/cve-2026-0001.json","2026-05-30T00:00:00+00:00"\n',
        "2026/cve-2026-0001.json": json.dumps(vex("CVE-2026-0001")).encode(),
        "deletions.csv": b'"2025/cve-2025-0001.json","2026-05-30T00:00:00+00:00"\n',
        "repository-to-cpe.json": repositories({"a": []}),
    }

    def answer(name: str, etag: str = "") -> Answer:
        def reply_to(handler: BaseHTTPRequestHandler) -> None:
            known = etag and handler.headers.get("If-None-Match") == etag
            body = b"" if known else texts[name]
            reply(handler, 304 if known else 200, body, {"Last-Modified": MODIFIED, "ETag": etag})

        return reply_to

    def outcomes() -> list[str]:
        server.asked.clear()
        return [fetched.outcome for fetched in fetch(mirror, only=["redhat"], now=NOW)]

    for name in texts:
        server.answers[name] = answer(name, f'"{name}"' if "/" not in name and "latest" not in name else "")
    assert outcomes() == ["new", "new", "new", "new"]
    _, log = records(redhat, mirror / "redhat/changes/csaf_vex.tar.zst")
    assert log.replaced == {"CVE-2026-0001": "2026-05-30T00:00:00"}

    assert outcomes() == ["unchanged"] * 4
    assert "2026/cve-2026-0001.json" not in [asked for asked, _ in server.asked]

    # After another archive the same listing says something else.
    texts["archive_latest.txt"] = b"csaf_vex_2.tar.zst"
    server.answers["csaf_vex_2.tar.zst"] = lambda handler: reply(
        handler, 200, texts["csaf_vex_1.tar.zst"], {"Last-Modified": "Sun, 31 May 2026 10:00:00 GMT"}
    )
    assert outcomes() == ["new", "new", "unchanged", "unchanged"]
    _, log = records(redhat, mirror / "redhat/changes/csaf_vex.tar.zst")
    assert log.replaced == {}

    # A listed file that is not there leaves the last copy in use.
    del server.answers["2026/cve-2026-0001.json"]
    texts["changes.csv"] = b'"2026/cve-2026-0001.json","2026-06-02T00:00:00+00:00"\n'
    server.answers["changes.csv"] = answer("changes.csv", '"2"')
    assert outcomes()[1:] == ["failed", "unchanged", "unchanged"]
