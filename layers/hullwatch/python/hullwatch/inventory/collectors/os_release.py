"""The distribution: os-release(5), or the release file of those that are older than it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable

from hullwatch.inventory.package import OsRelease

NAME = "os-release"
VERSION = 2
#: Best first. What the administrator's file says counts before the vendor's, os-release(5); a rebuild's own
#: file before the one that says what it was rebuilt from, and everything before what derivatives keep too.
PATHS = (
    "etc/os-release",
    "usr/lib/os-release",
    "etc/alpine-release",
    "etc/oracle-release",
    "etc/almalinux-release",
    "etc/rocky-release",
    "etc/centos-release",
    "etc/redhat-release",
    "etc/system-release",
    "etc/SuSE-release",
    "etc/lsb-release",
    "etc/debian_version",
)
MAX_BYTES = 64 << 10

#: By how the line of a Red Hat-like release file begins.
_REDHAT_IDS = {
    "almalinux": "almalinux",
    "amazon linux": "amzn",
    "centos": "centos",
    "fedora": "fedora",
    "oracle linux": "ol",
    "red hat enterprise linux": "rhel",
    "rocky linux": "rocky",
}
_REDHAT_RELEASE = re.compile(
    r"(?P<name>.+?)(?: linux)?(?: server)? release (?P<version>\d+(?:\.\d+)*)", re.IGNORECASE
)
_SUSE_IDS = {"suse linux enterprise": "sles", "opensuse": "opensuse"}
_DEBIAN_VERSION = re.compile(r"\d+(?:\.\d+)*", re.ASCII)
#: os-release(5), ID and VERSION_ID. What is of another form would break purls, and names nothing.
_IDENTIFIER = re.compile(r"[a-z0-9._-]+", re.ASCII)


def parse(path: str, content: bytes) -> Iterable[OsRelease]:
    """The distribution that a release file names; nothing when it names none."""
    text = content.decode("utf-8", "replace")
    match path.rpartition("/")[2]:
        case "os-release":
            release = _os_release(text)
        case "alpine-release":
            release = OsRelease(id="alpine", version_id=_identifier(text), name="Alpine Linux")
        case "SuSE-release":
            release = _suse_release(text)
        case "lsb-release":
            release = _lsb_release(text)
        case "debian_version":
            release = _debian_version(text)
        case _:
            release = _redhat_release(text)
    if release.id:
        yield release


def _os_release(text: str) -> OsRelease:
    fields = _assignments(text)
    return OsRelease(
        id=_identifier(fields.get("ID", "")),
        version_id=_identifier(fields.get("VERSION_ID", "")),
        id_like=tuple(fields.get("ID_LIKE", "").lower().split()),
        codename=(fields.get("VERSION_CODENAME") or fields.get("UBUNTU_CODENAME", "")).lower(),
        name=fields.get("PRETTY_NAME") or fields.get("NAME", ""),
    )


def _lsb_release(text: str) -> OsRelease:
    """Ubuntu and its derivatives, beside os-release and before it."""
    fields = _assignments(text)
    return OsRelease(
        id=_identifier(fields.get("DISTRIB_ID", "")),
        version_id=_identifier(fields.get("DISTRIB_RELEASE", "")),
        codename=fields.get("DISTRIB_CODENAME", "").lower(),
        name=fields.get("DISTRIB_DESCRIPTION", ""),
    )


def _debian_version(text: str) -> OsRelease:
    """``12.5`` of a release; ``trixie/sid`` of what will be one."""
    word = text.strip().partition("\n")[0]
    if _DEBIAN_VERSION.fullmatch(word):
        return OsRelease(id="debian", version_id=word, name=f"Debian GNU/Linux {word}")
    codename, slash, _ = word.partition("/")
    if not slash or not codename.isalpha():
        return OsRelease()
    return OsRelease(id="debian", codename=codename.lower(), name=f"Debian GNU/Linux {word}")


def _suse_release(text: str) -> OsRelease:
    """A line of text, then ``VERSION = 11`` and ``PATCHLEVEL = 4``."""
    line, _, rest = text.strip().partition("\n")
    known = next((id_ for prefix, id_ in _SUSE_IDS.items() if line.lower().startswith(prefix)), "")
    fields = {key.strip(): value for key, value in _assignments(rest).items()}
    version, level = (_identifier(fields.get(key, "")) for key in ("VERSION", "PATCHLEVEL"))
    return OsRelease(
        id=known, version_id=f"{version}.{level}" if level not in ("", "0") else version, name=line
    )


def _redhat_release(text: str) -> OsRelease:
    line = text.strip().partition("\n")[0]
    match = _REDHAT_RELEASE.match(line)
    if match is None:
        return OsRelease()
    name = match["name"].lower()
    known = next((id_ for prefix, id_ in _REDHAT_IDS.items() if f"{name} linux".startswith(prefix)), "")
    return OsRelease(id=known, version_id=match["version"], name=line)


def _assignments(text: str) -> dict[str, str]:
    fields = dict[str, str]()
    for line in text.splitlines():
        key, equals, value = line.strip().partition("=")
        if equals and not key.startswith("#"):
            fields[key] = _unquote(value)
    return fields


def _identifier(text: str) -> str:
    word = text.strip().lower()
    return word if _IDENTIFIER.fullmatch(word) else ""


def _unquote(value: str) -> str:
    """Shell quoting, as os-release(5) prescribes; what is no valid shell is taken as it stands."""
    try:
        words = shlex.split(value)
    except ValueError:
        return value.strip().strip("\"'")
    return words[0] if words else ""
