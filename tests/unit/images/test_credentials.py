import base64
import json
import os
from pathlib import Path

import pytest

from hullwatch.errors import UserError
from hullwatch.images import credentials as module
from hullwatch.images.credentials import Credential, Credentials

ADA = Credential(username="ada", password="love:lace")
EVE = Credential(username="eve", password="x")


def entry(credential: Credential) -> dict[str, str]:
    pair = f"{credential.username}:{credential.password}"
    return {"auth": base64.b64encode(pair.encode()).decode()}


def config(path: Path, **document: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document))
    return path


def find(path: Path, host: str, repository: str = "team/app") -> Credential | None:
    return Credentials([path]).find(host, repository)


@pytest.fixture
def helper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A credential helper ``docker-credential-test`` on the path; its file is a script to be written."""
    directory = tmp_path / "bin"
    directory.mkdir()
    monkeypatch.setenv("PATH", f"{directory}{os.pathsep}{os.environ['PATH']}")
    program = directory / "docker-credential-test"
    program.touch(mode=0o755)
    return program


@pytest.mark.parametrize(
    ("key", "host"),
    [
        ("registry.example", "registry.example"),
        ("https://registry.example", "registry.example"),
        ("https://registry.example/v2/", "registry.example"),
        ("http://Registry.example:5000/v1/", "registry.example:5000"),
        ("https://index.docker.io/v1/", "docker.io"),
        ("docker.io", "index.docker.io"),
        ("registry-1.docker.io", "docker.io"),
    ],
)
def test_keys_of_hosts(tmp_path: Path, key: str, host: str) -> None:
    path = config(tmp_path / "c", auths={key: entry(ADA), "other.example": entry(EVE)})
    assert find(path, host) == ADA


def test_the_most_particular_namespace_wins(tmp_path: Path) -> None:
    auths = {"r.example": entry(EVE), "r.example/team": entry(ADA), "r.example/te": entry(EVE)}
    path = config(tmp_path / "c", auths=auths)
    assert find(path, "r.example", "team/sub/app") == ADA
    assert find(path, "r.example", "teams/app") == EVE


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"username": "eve", "password": "x"}, EVE),
        ({"auth": base64.b64encode(b"eve:x\0\0").decode()}, EVE),
        ({**entry(ADA), "identitytoken": "t"}, Credential(identity_token="t")),
        ({"auth": base64.b64encode(b"<token>:t").decode()}, Credential(identity_token="t")),
        ({}, None),
        ({"auth": ""}, None),
        ({"auth": 5, "username": "eve"}, None),
    ],
)
def test_entries(tmp_path: Path, fields: dict[str, object], expected: Credential | None) -> None:
    assert find(config(tmp_path / "c", auths={"r.example": fields}), "r.example") == expected


def test_secrets_do_not_show() -> None:
    shown = repr(Credential(username="ada", password="secret-1", identity_token="secret-2"))
    assert "ada" in shown
    assert "secret" not in shown


@pytest.mark.parametrize("auth", ["###", "/w=="])
def test_a_damaged_entry(tmp_path: Path, auth: str) -> None:
    path = config(tmp_path / "c", auths={"r.example": {"auth": auth}})
    with pytest.raises(UserError, match=r"entry of r\.example is damaged"):
        find(path, "r.example")


@pytest.mark.parametrize("content", ["{", "[]", "\xff"])
def test_a_damaged_file(tmp_path: Path, content: str) -> None:
    path = tmp_path / "config.json"
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(UserError, match=r"config\.json"):
        find(path, "r.example")


@pytest.mark.parametrize(
    "document", [{"auths": [], "credHelpers": 1, "credsStore": {}}, {"auths": {"a": "b"}}]
)
def test_a_file_with_odd_members(tmp_path: Path, document: dict[str, object]) -> None:
    assert find(config(tmp_path / "c", **document), "a") is None


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read"):
        find(tmp_path, "r.example")


def test_files_in_their_order(tmp_path: Path) -> None:
    variables = {"HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path / "run")}
    credentials = Credentials.from_environment(variables)
    assert credentials.find("r.example", "a") is None
    config(tmp_path / ".config/containers/auth.json", auths={"r.example": {"username": "4", "password": ""}})
    assert credentials.find("r.example", "a") == Credential(username="4")
    config(tmp_path / "run/containers/auth.json", auths={"r.example": {"username": "3", "password": ""}})
    assert credentials.find("r.example", "a") == Credential(username="3")
    config(tmp_path / ".docker/config.json", auths={"r.example": {"username": "2", "password": ""}})
    assert credentials.find("r.example", "a") == Credential(username="2")

    docker = tmp_path / "docker"
    config(docker / "config.json", auths={"r.example": {"username": "1", "password": ""}})
    variables["DOCKER_CONFIG"] = str(docker)
    assert Credentials.from_environment(variables).find("r.example", "a") == Credential(username="1")
    variables["REGISTRY_AUTH_FILE"] = str(config(tmp_path / "mine", auths={"r.example": entry(ADA)}))
    assert Credentials.from_environment(variables).find("r.example", "a") == ADA


@pytest.mark.parametrize(
    ("document", "host", "server"),
    [
        ({"credHelpers": {"r.example": "test"}}, "r.example", "r.example"),
        ({"credsStore": "test", "auths": {"r.example": {}}}, "r.example", "r.example"),
        ({"credsStore": "test"}, "docker.io", "https://index.docker.io/v1/"),
        (
            {"credHelpers": {"https://index.docker.io/v1/": "test"}},
            "docker.io",
            "https://index.docker.io/v1/",
        ),
    ],
)
def test_helpers(tmp_path: Path, helper: Path, document: dict[str, object], host: str, server: str) -> None:
    helper.write_text(
        '#!/bin/sh\n[ "$*" = get ] || exit 3\nread -r server\n'
        'printf \'{"ServerURL": "%s", "Username": "%s", "Secret": "s"}\' "$server" "$server"\n'
    )
    found = find(config(tmp_path / "c", **document), host)
    assert found == Credential(username=server, password="s")


def test_a_helper_gives_an_identity_token(tmp_path: Path, helper: Path) -> None:
    helper.write_text('#!/bin/sh\necho \'{"Username": "<token>", "Secret": "t"}\'\n')
    path = config(tmp_path / "c", credHelpers={"r.example": "test"})
    assert find(path, "r.example") == Credential(identity_token="t")


def test_a_helper_that_has_nothing(tmp_path: Path, helper: Path) -> None:
    helper.write_text("#!/bin/sh\necho credentials not found in native keychain\nexit 1\n")
    path = config(tmp_path / "c", credHelpers={"r.example": "test"}, auths={"r.example": entry(ADA)})
    assert find(path, "r.example") == ADA


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("echo the keychain is locked >&2; exit 1", "no credential for r.example: the keychain is locked"),
        ("exit 1", "it failed"),
        ("echo nonsense", "gave no credential"),
        ("echo '{}'", "gave no credential"),
        ("""echo '{"Username": 5, "Secret": "x"}'""", "gave no credential"),
        ("exec sleep 10", "did not answer"),
    ],
)
def test_helpers_that_fail(
    tmp_path: Path, helper: Path, monkeypatch: pytest.MonkeyPatch, script: str, message: str
) -> None:
    monkeypatch.setattr(module, "_HELPER_TIMEOUT", 1)
    helper.write_text(f"#!/bin/sh\n{script}\n")
    path = config(tmp_path / "c", credHelpers={"r.example": "test"})
    with pytest.raises(UserError, match=message):
        find(path, "r.example")


@pytest.mark.parametrize("name", ["nowhere-to-be-found", "../../bin/sh", "a b; rm", "-x"])
def test_helpers_that_are_none(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match="is not installed"):
        find(config(tmp_path / "c", credsStore=name), "r.example")
