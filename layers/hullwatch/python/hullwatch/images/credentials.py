"""Credentials of registries, where ``docker login`` and ``podman login`` left them.

Docker's ``config.json`` (``auths``, ``credsStore``, ``credHelpers``) and containers-auth.json(5), which adds
namespaces within a registry. A credential helper speaks the protocol of docker-credential-helpers: the server
on standard input, JSON on standard output.
"""

from __future__ import annotations

import base64
import binascii
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from hullwatch.errors import UserError

#: Docker Hub, by the names it goes by: the one it is called by in configurations, and all others.
DOCKER_HUB = "docker.io"
DOCKER_HUB_NAMES = frozenset({DOCKER_HUB, "index.docker.io", "registry-1.docker.io"})
#: What Docker calls it when it speaks to a helper.
_DOCKER_HUB_SERVER = "https://index.docker.io/v1/"
#: The user name that stands for an identity token in place of a password.
_TOKEN_USER = "<token>"  # noqa: S105
_HELPER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*", re.ASCII)
_API_SUFFIX = re.compile(r"/v[12]$", re.ASCII)
#: Seconds. A helper may ask a network or a person's keychain.
_HELPER_TIMEOUT = 30
_MAX_COMPLAINT = 200


@dataclass(frozen=True, kw_only=True)
class Credential:
    """A user and password, or an identity token. The secrets do not show in its text."""

    username: str = ""
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)


class _HelperAnswer(msgspec.Struct, frozen=True, rename="pascal"):
    username: str
    secret: str


class Credentials:
    """What some configuration files hold. They are read anew each time: a login may happen meanwhile."""

    def __init__(self, files: Sequence[Path]) -> None:
        self._files = tuple(files)

    @classmethod
    def from_environment(cls, variables: Mapping[str, str]) -> Credentials:
        """Those of the user: ``REGISTRY_AUTH_FILE``, then Docker's, then the containers tools'."""
        home = variables.get("HOME") or Path.home()
        runtime = variables.get("XDG_RUNTIME_DIR")
        places = (
            variables.get("REGISTRY_AUTH_FILE"),
            f"{variables.get('DOCKER_CONFIG') or f'{home}/.docker'}/config.json",
            runtime and f"{runtime}/containers/auth.json",
            f"{variables.get('XDG_CONFIG_HOME') or f'{home}/.config'}/containers/auth.json",
        )
        return cls([Path(place) for place in places if place])

    def find(self, host: str, repository: str) -> Credential | None:
        """The credential for a repository, from the first file that has one.

        Raises :class:`~hullwatch.errors.UserError` for a file that cannot be read and a helper that fails.
        """
        for path in self._files:
            document = _read(path)
            if document and (found := _find(path, document, _canonical(host), repository)):
                return found
        return None


def _read(path: Path) -> dict[str, Any]:
    try:
        document = msgspec.json.decode(path.read_bytes() or b"{}")
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not JSON: {error}") from None
    if not isinstance(document, dict):
        raise UserError(f"{path} is not a JSON object")
    return document


def _find(path: Path, document: dict[str, Any], host: str, repository: str) -> Credential | None:
    helpers = _by_name(document.get("credHelpers"))
    auths = _by_name(document.get("auths"))
    for name in _names(host, repository):
        helper = helpers.get(name)
        if isinstance(helper, str) and helper and (found := _ask(helper, name)):
            return found
        entry = auths.get(name)
        if isinstance(entry, dict) and (found := _decode(entry, f"{path}: the entry of {name}")):
            return found
    store = document.get("credsStore")
    return _ask(store, host) if isinstance(store, str) and store else None


def _names(host: str, repository: str) -> Iterator[str]:
    """What a repository's credential may stand under, the most particular first."""
    name = f"{host}/{repository}"
    while name != host:
        yield name
        name = name.rpartition("/")[0]
    yield host


def _by_name(entries: object) -> dict[str, Any]:
    if not isinstance(entries, dict):
        return {}
    return {_canonical(name): entry for name, entry in entries.items()}


def _canonical(name: str) -> str:
    """``HOST[/NAMESPACE]``: without a scheme and the version of the API, which Docker writes."""
    name = _API_SUFFIX.sub("", name.rpartition("://")[2].rstrip("/"))
    host, slash, namespace = name.partition("/")
    host = host.lower()
    return (DOCKER_HUB if host in DOCKER_HUB_NAMES else host) + slash + namespace


def _decode(entry: dict[str, Any], what: str) -> Credential | None:
    """An entry of ``auths``; an empty one says that a helper has it."""
    token, auth = entry.get("identitytoken"), entry.get("auth")
    username, password = entry.get("username"), entry.get("password")
    if isinstance(auth, str) and auth:
        try:
            text = base64.b64decode(auth, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            raise UserError(f"{what} is damaged: log in again") from None
        username, _, password = text.rstrip("\0").partition(":")
    if isinstance(token, str) and token:
        return Credential(identity_token=token)
    if isinstance(username, str) and username and isinstance(password, str):
        return _credential(username, password)
    return None


def _credential(username: str, password: str) -> Credential:
    if username == _TOKEN_USER:
        return Credential(identity_token=password)
    return Credential(username=username, password=password)


def _ask(helper: str, name: str) -> Credential | None:
    """What a credential helper has; ``None`` when it has nothing."""
    program = f"docker-credential-{helper}"
    executable = shutil.which(program) if _HELPER_NAME.fullmatch(helper) else None
    if executable is None:
        raise UserError(f"the credential helper {program[:_MAX_COMPLAINT]!r} is not installed")
    server = _DOCKER_HUB_SERVER if name == DOCKER_HUB else name
    try:
        # A program that the user configured, found on the user's path; no shell.
        result = subprocess.run(  # noqa: S603
            [executable, "get"],
            input=server.encode(),
            capture_output=True,
            timeout=_HELPER_TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise UserError(f"{program} did not answer within {_HELPER_TIMEOUT} seconds") from None
    except OSError as error:
        raise UserError(f"{program} cannot be run: {error.strerror or error}") from None
    if result.returncode:
        complaint = (result.stdout.strip() or result.stderr.strip()).decode("utf-8", "backslashreplace")
        if "credentials not found" in complaint.lower():
            return None
        line = complaint.partition("\n")[0][:_MAX_COMPLAINT]
        raise UserError(f"{program} has no credential for {server}: {line or 'it failed'}")
    try:
        answer = msgspec.json.decode(result.stdout, type=_HelperAnswer)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise UserError(f"{program} gave no credential for {server}") from None
    return _credential(answer.username, answer.secret)
