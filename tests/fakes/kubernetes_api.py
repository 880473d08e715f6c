"""A cluster's API over HTTPS, with an authority of its own, that takes nothing but discovery and lists.

    with KubernetesApiServer([Kind("pods", "Pod", objects=[...])]) as server:
        ...  # server.endpoint and server.ca_data to connect, server.requests is what was asked

As the real one does, it answers 401 before anything else, and 403 before it looks whether a resource exists.
Whatever a reader has no business to send is an offence, and the context fails when it is left.
"""

from __future__ import annotations

import base64
import datetime
import functools
import ipaddress
import json
import ssl
import tempfile
import threading
import time
import urllib.parse
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

Object = dict[str, Any]
TOKEN = "k8s-aws-v1.aHR0cHM"
_LIST_PARAMETERS = {"limit", "continue", "fieldSelector"}


@dataclass
class Kind:
    """A resource that the server has. ``stale``: the server behind its group does not answer."""

    plural: str
    kind: str
    group: str = ""
    versions: tuple[str, ...] = ("v1",)
    objects: list[Object] = field(default_factory=list)
    forbidden: bool = False
    stale: bool = False

    @property
    def paths(self) -> dict[str, str]:
        """Version by path."""
        root = f"/apis/{self.group}" if self.group else "/api"
        return {f"{root}/{version}/{self.plural}": version for version in self.versions}


@dataclass(frozen=True)
class Fault:
    """What is answered instead; ``drip`` seconds pass before each byte of the body."""

    status: int = 200
    body: bytes = b"{}"
    headers: Mapping[str, str] = field(default_factory=dict)
    drip: float = 0.0


#: Path and query of a request, and how often that path was asked before: a fault, or None to go on.
Script = Callable[[str, Mapping[str, str], int], Fault | None]


class KubernetesApiServer:
    """Listens on 127.0.0.1 while it is a context. Without ``aggregated`` it is a cluster before 1.27.

    ``client_certificates``: it takes those of its own authority, and no token.
    """

    def __init__(
        self,
        kinds: list[Kind],
        *,
        aggregated: bool = True,
        script: Script = lambda *_: None,
        certificate_for: str = "127.0.0.1",
        accepts: Callable[[str], bool] = lambda token: token == TOKEN,
        client_certificates: bool = False,
        version: str = "v1.33.0",
    ) -> None:
        self.kinds = kinds
        self.version = version
        self.requests: list[str] = []
        self.offences: list[str] = []
        authority, chain = certificates(certificate_for)
        self.ca_data = base64.b64encode(authority).decode()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with tempfile.NamedTemporaryFile() as file:
            Path(file.name).write_bytes(chain)
            context.load_cert_chain(file.name)
        self._by_certificate = client_certificates
        if client_certificates:
            context.load_verify_locations(cadata=authority.decode())
            context.verify_mode = ssl.CERT_REQUIRED
        self._server = _Server(("127.0.0.1", 0), _handler(self, script))
        self._server.socket = context.wrap_socket(
            self._server.socket, server_side=True, do_handshake_on_connect=False
        )
        self.endpoint = f"https://127.0.0.1:{self._server.server_address[1]}"
        self._aggregated = aggregated
        self._accepts = accepts
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    def _is_known(self, authorization: str | None) -> bool:
        """Whether a certificate, which the handshake has checked, or the token says who asks."""
        if self._by_certificate:
            return authorization is None
        scheme, _, token = (authorization or "").partition(" ")
        return scheme == "Bearer" and self._accepts(token)

    def answer(self, path: str, query: Mapping[str, str], headers: Mapping[str, str]) -> tuple[int, Object]:
        """Status and document, in the order in which the real server decides."""
        if not self._is_known(headers.get("Authorization")):
            return _status(401, "Unauthorized")
        if not query and (answer := self._discovery(path, headers.get("Accept", ""))):
            return answer
        if path == "/version":
            return 200, {"major": "1", "gitVersion": self.version}
        for kind in self.kinds:
            if version := kind.paths.get(path):
                if kind.stale:
                    return _status(503, "service unavailable")
                if kind.forbidden:
                    break
                return self._list(kind, version, query)
        resource = path.rpartition("/")[2]
        return _status(403, f'{resource} is forbidden: User "reader" cannot list resource "{resource}"')

    def _list(self, kind: Kind, version: str, query: Mapping[str, str]) -> tuple[int, Object]:
        if set(query) - _LIST_PARAMETERS or not query.get("limit", "").isdecimal():
            self.offences.append(f"{kind.plural} {query}")
            return _status(400, "not a list of pages")
        following = query.get("continue")
        start = int(base64.b64decode(following)) if following else 0
        limit = int(query["limit"])
        wanted = [item for item in kind.objects if _selected(item, query.get("fieldSelector", ""))]
        end = start + limit
        metadata: Object = {"resourceVersion": "1"}
        if end < len(wanted):
            metadata |= {"continue": continue_token(end), "remainingItemCount": len(wanted) - end}
        api_version = f"{kind.group}/{version}" if kind.group else version
        return 200, {
            "kind": f"{kind.kind}List",
            "apiVersion": api_version,
            "metadata": metadata,
            "items": wanted[start:end] or None,  # as Go marshals an empty slice
        }

    def _discovery(self, path: str, accept: str) -> tuple[int, Object] | None:
        core = self._in("")
        groups = sorted({kind.group for kind in self.kinds} - {""})
        if path in ("/api", "/apis") and self._aggregated and "as=APIGroupDiscoveryList" in accept:
            named = [("", core)] if path == "/api" else [(name, self._in(name)) for name in groups]
            return 200, {
                "kind": "APIGroupDiscoveryList",
                "apiVersion": "apidiscovery.k8s.io/v2",
                "items": [_aggregated(*item) for item in named],
            }
        if path == "/api":
            return 200, {"kind": "APIVersions", "versions": ["v1"]}
        if path == "/apis":
            listed = [_group(name, self._in(name)) for name in groups]
            return 200, {"kind": "APIGroupList", "groups": listed}
        root, _, version = path.rpartition("/")
        group = root.removeprefix("/api").removeprefix("s/")
        served = [kind for kind in self._in(group) if version in kind.versions]
        if not served:
            return None
        if any(kind.stale for kind in served):
            return _status(503, "service unavailable")
        return 200, {"kind": "APIResourceList", "resources": [*map(_resource, served), *_SUBRESOURCES]}

    def _in(self, group: str) -> list[Kind]:
        return [kind for kind in self.kinds if kind.group == group]

    def __enter__(self) -> KubernetesApiServer:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        assert not self.offences, self.offences


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        pass  # a client that turns away in the handshake


def _handler(server: KubernetesApiServer, script: Script) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            parts = urllib.parse.urlsplit(self.path)
            query = dict(urllib.parse.parse_qsl(parts.query, strict_parsing=bool(parts.query)))
            before = sum(item.partition("?")[0] == parts.path for item in server.requests)
            server.requests.append(self.path)
            fault = script(parts.path, query, before)
            if fault is None:
                status, document = server.answer(parts.path, query, dict(self.headers))
                fault = Fault(status, json.dumps(document).encode())
            self._send(fault)

        def _send(self, fault: Fault) -> None:
            self.send_response(fault.status)
            for name, value in {"Content-Type": "application/json", **fault.headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(fault.body)))
            self.end_headers()
            try:
                if fault.drip:
                    for byte in fault.body:
                        time.sleep(fault.drip)
                        self.wfile.write(bytes([byte]))
                else:
                    self.wfile.write(fault.body)
            except OSError:
                self.close_connection = True

        def _offend(self) -> None:
            server.offences.append(f"{self.command} {self.path}")
            self.send_error(405)

        do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = _offend  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    return Handler


_SUBRESOURCES = [
    {"name": "pods/exec", "kind": "PodExecOptions", "verbs": ["create", "get"]},
    {"name": "tokenreviews", "kind": "TokenReview", "verbs": ["create"]},
]


def _resource(kind: Kind) -> Object:
    return {"name": kind.plural, "kind": kind.kind, "verbs": ["get", "list", "watch"]}


def _group(name: str, kinds: list[Kind]) -> Object:
    versions = list(dict.fromkeys(version for kind in kinds for version in kind.versions))
    listed = [{"groupVersion": f"{name}/{version}", "version": version} for version in versions]
    return {"name": name, "versions": listed, "preferredVersion": listed[0]}


def _aggregated(name: str, kinds: list[Kind]) -> Object:
    versions = dict.fromkeys(version for kind in kinds for version in kind.versions)
    return {
        "metadata": {"name": name, "creationTimestamp": None} if name else {"creationTimestamp": None},
        "versions": [
            {
                "version": version,
                "freshness": "Stale" if any(kind.stale for kind in kinds) else "Current",
                "resources": [
                    {
                        "resource": kind.plural,
                        "responseKind": {"group": name, "version": version, "kind": kind.kind},
                        "scope": "Namespaced",
                        "verbs": ["get", "list", "watch"],
                        "subresources": [{"subresource": "status", "verbs": ["get"]}],
                    }
                    for kind in kinds
                    if version in kind.versions and not kind.stale
                ],
            }
            for version in versions
        ],
    }


def _status(code: int, message: str) -> tuple[int, Object]:
    return code, {"kind": "Status", "metadata": {}, "message": message, "code": code}


def continue_token(position: int) -> str:
    """What a list goes on with after so many objects."""
    return base64.b64encode(str(position).encode()).decode()


def _selected(item: Object, selector: str) -> bool:
    for term in filter(None, selector.split(",")):
        path, _, value = term.partition("!=")
        found: Any = item
        for key in path.split("."):
            found = found.get(key, {})
        if found == value:
            return False
    return True


@functools.cache
def certificates(name: str) -> tuple[bytes, bytes]:
    """An authority's certificate, and a server's certificate and key for ``name``, both PEM."""
    now = datetime.datetime.now(datetime.UTC)
    authority_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "kubernetes")])

    def certificate(
        subject: x509.Name, public: ec.EllipticCurvePublicKey, extension: x509.ExtensionType
    ) -> bytes:
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(public)
        builder = builder.serial_number(x509.random_serial_number())
        builder = builder.not_valid_before(now - datetime.timedelta(days=1))
        builder = builder.not_valid_after(now + datetime.timedelta(days=1))
        signed = builder.add_extension(extension, critical=False).sign(authority_key, hashes.SHA256())
        return signed.public_bytes(serialization.Encoding.PEM)

    authority = certificate(
        issuer, authority_key.public_key(), x509.BasicConstraints(ca=True, path_length=None)
    )
    try:
        named: x509.GeneralName = x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        named = x509.DNSName(name)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "server")])
    server = certificate(subject, key.public_key(), x509.SubjectAlternativeName([named]))
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return authority, server + private
