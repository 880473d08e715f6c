"""Reading from a real registry (Distribution) what a real client (skopeo) pushed, however it is guarded."""

import base64
import datetime
import json
import shutil
import socket
import subprocess
import time
import urllib.parse
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
import urllib3
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

from fakes.images import FakeImage, FakeIndex, File, layer, write_oci_layout
from fakes.scripted_http import Answer, Request, ScriptedServer
from hullwatch.errors import AccessRefused, ImageGone
from hullwatch.images.credentials import Credentials
from hullwatch.images.image import Layer
from hullwatch.images.opening import load_image, parse_platform
from hullwatch.images.sources.registry import Registry
from hullwatch.inventory.layer_index import index_layer

REGISTRY, SKOPEO = shutil.which("docker-registry"), shutil.which("skopeo")
pytestmark = [
    pytest.mark.skipif(REGISTRY is None, reason="docker-registry is not installed (Debian: docker-registry)"),
    pytest.mark.skipif(SKOPEO is None, reason="skopeo is not installed (Debian: skopeo)"),
]

#: "lovelace", as htpasswd -B hashes it.
HTPASSWD = "ada:$2y$05$abcdefghijklmnopqrstuuugyJgZetmHGvxwCJ1rpgM8bgT8KJ8.i\n"
NOISE = "".join(f"{number:x}" for number in range(300_000))
AMD = FakeImage([layer({"etc/os-release": "ID=debian\nVERSION_ID=12\n"}), layer({"noise": File(NOISE)})])
ARM = FakeImage([layer({"etc/os-release": "ID=alpine"})], platform="linux/arm64")
INDEX = FakeIndex([AMD, ARM])


@contextmanager
def registry(tmp_path: Path, auth: Mapping[str, object]) -> Iterator[str]:
    """A running registry; gives its HOST:PORT."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{probe.getsockname()[1]}"
    # JSON is YAML.
    config = {
        "version": "0.1",
        "log": {"level": "error", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(tmp_path / "registry")}},
        "http": {"addr": host, "secret": "x"},
        **({"auth": auth} if auth else {}),
    }
    path = tmp_path / "registry.yml"
    path.write_text(json.dumps(config))
    with (tmp_path / "registry.log").open("wb") as log:
        process = subprocess.Popen([str(REGISTRY), "serve", str(path)], stdout=log, stderr=log)
    try:
        wait_for(host, process, tmp_path / "registry.log")
        yield host
    finally:
        process.terminate()
        process.wait(timeout=10)


def wait_for(host: str, process: subprocess.Popen[bytes], log: Path) -> None:
    name, _, port = host.rpartition(":")
    for _ in range(200):
        assert process.poll() is None, log.read_text()
        try:
            socket.create_connection((name, int(port)), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(log.read_text())


def push(tmp_path: Path, host: str, *options: str) -> None:
    layout = write_oci_layout(tmp_path / "layout", {"v1": INDEX})
    command = [str(SKOPEO), "--insecure-policy", "copy", "--all", "--quiet", "--dest-tls-verify=false"]
    target = f"docker://{host}/team/app:v1"
    result = subprocess.run(
        [*command, *options, f"oci:{layout}:v1", target],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert result.returncode == 0, result.stderr


def login(tmp_path: Path, host: str, name: str = "ada", password: str = "lovelace") -> Credentials:
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"auths": {host: {"username": name, "password": password}}}))
    return Credentials([path])


def check(host: str, credentials: Credentials | None = None) -> None:
    """Everything a scan asks for."""
    source = Registry(host, "team/app", credentials=credentials)
    assert source.manifest("v1").digest == INDEX.digest
    assert load_image(source, INDEX.digest, parse_platform("linux/arm64")).digest == ARM.digest
    image = load_image(source, "v1", parse_platform("linux/amd64"))
    assert image.digest == AMD.digest
    assert [read(source, item) for item in image.layers] == [1, 1]
    with pytest.raises(ImageGone, match="no image v2"):
        source.manifest("v2")


def read(source: Registry, item: Layer) -> int:
    """The number of entries; the digests are verified."""
    with source.open_blob(item.descriptor) as stream:
        return index_layer(stream, item).entries


def test_a_registry_open_to_all(tmp_path: Path) -> None:
    with registry(tmp_path, {}) as host:
        push(tmp_path, host)
        check(host)


def test_a_registry_with_passwords(tmp_path: Path) -> None:
    htpasswd = tmp_path / "htpasswd"
    htpasswd.write_text(HTPASSWD)
    with registry(tmp_path, {"htpasswd": {"realm": "it", "path": str(htpasswd)}}) as host:
        push(tmp_path, host, "--dest-creds", "ada:lovelace")
        check(host, login(tmp_path, host))
        for credentials in (None, login(tmp_path, host, "eve")):
            with pytest.raises(AccessRefused, match=f"docker login {host}"):
                Registry(host, "team/app", credentials=credentials).manifest("v1")


def test_a_registry_with_tokens(tmp_path: Path) -> None:
    service = TokenService(tmp_path)
    with ScriptedServer(service.answer) as server:
        auth = {
            "token": {
                "realm": f"http://{server.host}/token",
                "service": "the registry",
                "issuer": "the issuer",
                "rootcertbundle": str(service.certificate),
            }
        }
        with registry(tmp_path, auth) as host:
            push(tmp_path, host, "--dest-creds", "ada:lovelace")
            server.requests.clear()
            check(host, login(tmp_path, host))
            assert len(server.requests) == 1
            with pytest.raises(AccessRefused):
                check(host, login(tmp_path, host, password="wrong"))
            with pytest.raises(AccessRefused):
                check(host)


def test_a_broken_transfer_goes_on(tmp_path: Path) -> None:
    with registry(tmp_path, {}) as host:
        push(tmp_path, host)
        pool = BreakingPool()
        source = Registry(host, "team/app", http=pool)
        image = load_image(source, "v1", parse_platform("linux/amd64"))
        assert read(source, image.layers[1]) == 1
        size = image.layers[1].descriptor.size
    assert len(pool.ranges) == 3
    assert pool.ranges[0] is None
    assert all(part and 0 < int(part[6:-1]) < size for part in pool.ranges[1:])


class BreakingPool(urllib3.PoolManager):
    """Breaks off the first two transfers of every large blob."""

    def __init__(self) -> None:
        super().__init__()
        self.ranges: list[str | None] = []

    def request(self, method: str, url: str, **options: object) -> urllib3.BaseHTTPResponse:  # type: ignore[override]
        response = super().request(method, url, **options)  # type: ignore[arg-type]
        if "/blobs/" in url and int(response.headers["Content-Length"]) > 100_000:
            headers = options["headers"]
            assert isinstance(headers, dict)
            self.ranges.append(headers.get("Range"))
            if len(self.ranges) <= 2:
                self._break(response)
        return response

    def _break(self, response: urllib3.BaseHTTPResponse) -> None:
        read, left = response.read1, [50_000]

        def read1(amt: int | None = None, decode_content: bool | None = None) -> bytes:
            if not left[0]:
                raise urllib3.exceptions.ProtocolError("connection reset")
            content = read(min(amt or left[0], left[0]), decode_content)
            left[0] -= len(content)
            return content

        response.read1 = read1  # type: ignore[method-assign]


class TokenService:
    """Signs tokens for ada, as Distribution's "Token Authentication Implementation" has them."""

    def __init__(self, tmp_path: Path) -> None:
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "the issuer")])
        now = datetime.datetime.now(datetime.UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(self._key.public_key())
            .serial_number(1)
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(hours=1))
            .sign(self._key, hashes.SHA256())
        )
        self._der = certificate.public_bytes(serialization.Encoding.DER)
        self.certificate = tmp_path / "token.pem"
        self.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def answer(self, request: Request) -> Answer:
        if request.headers.get("Authorization") != "Basic " + base64.b64encode(b"ada:lovelace").decode():
            return Answer(401)
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(request.path).query)
        access: list[dict[str, object]] = []
        for scope in query["scope"]:
            kind, name, actions = scope.split(":")
            access.append({"type": kind, "name": name, "actions": actions.split(",")})
        return Answer(body=json.dumps({"token": self._sign(query["service"][0], access)}).encode())

    def _sign(self, service: str, access: list[dict[str, object]]) -> str:
        now = int(time.time())
        header = {"alg": "RS256", "typ": "JWT", "x5c": [base64.b64encode(self._der).decode()]}
        claims = {
            "iss": "the issuer",
            "sub": "ada",
            "aud": service,
            "exp": now + 300,
            "nbf": now - 60,
            "iat": now,
            "jti": str(now),
            "access": access,
        }
        text = f"{encode(json.dumps(header).encode())}.{encode(json.dumps(claims).encode())}"
        return f"{text}.{encode(self._key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256()))}"


def encode(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
