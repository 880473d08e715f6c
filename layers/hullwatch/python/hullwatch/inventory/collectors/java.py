"""Java archives: jar, war, ear and Jenkins plugins, with the archives inside them.

Maven's coordinates come from ``META-INF/maven/<group>/<artifact>/pom.properties``; an archive with the
content of several has one of each. One that Maven did not build is named by its manifest (JAR file
specification, "Main attributes"; OSGi Core, 3.2.1) and its file name. Digests are not looked up anywhere.
"""

from __future__ import annotations

import io
import re
import struct
import zlib
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from hullwatch.inventory.package import Package
from hullwatch.inventory.records import Unreadable

if TYPE_CHECKING:
    from zipfile import ZipFile, ZipInfo

NAME = "java"
VERSION = 2
PATHS = ("**/*.jar", "**/*.war", "**/*.ear", "**/*.hpi", "**/*.jpi")
MAX_BYTES = 128 << 20

_EXTENSIONS = (".jar", ".war", ".ear", ".hpi", ".jpi")
#: Archives within archives: an ear holds wars, a war jars, and a jar may hold its dependencies.
_MAX_DEPTH = 4
#: Bytes that all archives inside one may unpack to, and of one that is not stored as it is.
_MAX_NESTED = 128 << 20
#: Bytes of the table of contents: some 60,000 members.
_MAX_DIRECTORY = 6 << 20
_MAX_TEXT = 1 << 20

_STORED, _DEFLATED = 0, 8
_END = b"PK\x05\x06"
_END_WITHIN = (64 << 10) + 22
_MANIFEST = "META-INF/MANIFEST.MF"
_POM = re.compile(r"META-INF/maven/([^/]{1,200})/([^/]{1,200})/pom\.properties").fullmatch
#: Artifact and version. The release of Scala that a library is for is part of its name (``cats_2.13-2.0``).
_FILE_NAME = re.compile(r"(.+?(?:_(?:2\.\d+|3))?)[-_]v?(\d[\w.+~-]*)").fullmatch
_ARTIFACT = re.compile(r"[\w.-]{1,200}").fullmatch
_VERSION = re.compile(r"[\w.+~-]{1,100}").fullmatch

#: Groups of what Gradle and Ant build without Maven's files, by the artifact or its beginning with a ``*``.
_GROUPS: dict[str, str] = {
    "elasticsearch*": "org.elasticsearch",
    "kafka*": "org.apache.kafka",
    "kotlin-*": "org.jetbrains.kotlin",
    "lucene-*": "org.apache.lucene",
    "micrometer-*": "io.micrometer",
    "reactor-core": "io.projectreactor",
    "spring-aop": "org.springframework",
    "spring-beans": "org.springframework",
    "spring-boot*": "org.springframework.boot",
    "spring-context*": "org.springframework",
    "spring-core": "org.springframework",
    "spring-expression": "org.springframework",
    "spring-jcl": "org.springframework",
    "spring-jdbc": "org.springframework",
    "spring-jms": "org.springframework",
    "spring-messaging": "org.springframework",
    "spring-orm": "org.springframework",
    "spring-oxm": "org.springframework",
    "spring-security-*": "org.springframework.security",
    "spring-test": "org.springframework",
    "spring-tx": "org.springframework",
    "spring-web": "org.springframework",
    "spring-webflux": "org.springframework",
    "spring-webmvc": "org.springframework",
    "spring-websocket": "org.springframework",
    "tomcat-embed-*": "org.apache.tomcat.embed",
}


def parse(path: str, content: bytes) -> Iterable[Package]:
    """Every library in an archive, those of archives inside it at ``outer.jar!/inner.jar``."""
    return _Archives().read(path, content, 1)


class _Archives:
    """One archive and those within it, which share a budget."""

    def __init__(self) -> None:
        self._left = _MAX_NESTED

    def read(self, path: str, content: bytes, depth: int) -> Iterator[Package]:
        """The libraries of an archive; what is inside it comes after its own."""
        # Not needed before the first archive.
        from zipfile import BadZipFile, ZipFile

        _check_directory(content)
        try:
            with ZipFile(io.BytesIO(content)) as archive:
                yield from _libraries(path, archive)
                for member in archive.infolist():
                    if member.filename.lower().endswith(_EXTENSIONS) and not member.is_dir():
                        yield from self._nested(f"{path}!/{member.filename}", archive, member, depth)
        except (
            BadZipFile,
            EOFError,
            NotImplementedError,
            OSError,
            RuntimeError,
            UnicodeDecodeError,
            struct.error,
            zlib.error,
        ) as error:
            raise Unreadable(f"a damaged archive: {error}") from None

    def _nested(self, path: str, archive: ZipFile, member: ZipInfo, depth: int) -> Iterator[Package]:
        if depth >= _MAX_DEPTH:
            raise Unreadable(f"archives within archives, more than {_MAX_DEPTH} deep")
        self._left -= member.file_size
        if self._left < 0:
            raise Unreadable(f"the archives inside unpack to more than {_MAX_NESTED} bytes")
        yield from self.read(path, _content(archive, member, member.file_size), depth + 1)


def _check_directory(content: bytes) -> None:
    """Refuses a table of contents that would take more memory than any real one."""
    at = content.rfind(_END, max(len(content) - _END_WITHIN, 0))
    if at < 0 or at + 22 > len(content):
        raise Unreadable("no zip archive, or one that breaks off")
    (size,) = struct.unpack_from("<I", content, at + 12)
    if size > _MAX_DIRECTORY:
        raise Unreadable(f"a table of contents of {size} bytes, over {_MAX_DIRECTORY}")


def _libraries(path: str, archive: ZipFile) -> Iterator[Package]:
    artifacts = set[str]()
    manifest: dict[str, str] = {}
    for member in archive.infolist():
        if member.filename == _MANIFEST:
            manifest = _manifest(_content(archive, member, _MAX_TEXT))
        elif found := _POM(member.filename):
            properties = _properties(_content(archive, member, _MAX_TEXT))
            group = properties.get("groupId") or found[1]
            artifact = properties.get("artifactId") or found[2]
            version = properties.get("version", "")
            # A property that the build did not fill in says nothing.
            if version and "${" not in f"{group}{artifact}{version}":
                artifacts.add(artifact)
                yield _package(path, group, artifact, version)
    own = _own(path, manifest)
    if own and own[1] not in artifacts:
        yield _package(path, *own)


def _own(path: str, manifest: dict[str, str]) -> tuple[str, str, str] | None:
    """Group, artifact and version of an archive by its manifest and file name; the group may be unknown."""
    stem = re.split(r"[/!]", path)[-1].rpartition(".")[0]
    named = _FILE_NAME(stem)
    artifact, version = (named[1], named[2]) if named else (stem, "")
    if not version:
        stated = (manifest.get(key, "") for key in ("Implementation-Version", "Bundle-Version"))
        version = next((text for text in stated if _VERSION(text)), "")
        title = manifest.get("Implementation-Title", "")
        if version and "-" in title and _ARTIFACT(title):
            artifact = title
    if not version or not _ARTIFACT(artifact):
        return None
    return _group(artifact, manifest), artifact, version


def _group(artifact: str, manifest: dict[str, str]) -> str:
    for beginning, group in _GROUPS.items():
        if artifact == beginning or (beginning.endswith("*") and artifact.startswith(beginning[:-1])):
            return group
    vendor = manifest.get("Implementation-Vendor-Id", "")
    return vendor if "." in vendor and _ARTIFACT(vendor) else ""


def _package(path: str, group: str, artifact: str, version: str) -> Package:
    name = f"{group}:{artifact}" if group else artifact
    return Package(type="maven", name=name, version=version, locations=(path,))


def _content(archive: ZipFile, member: ZipInfo, limit: int) -> bytes:
    # What JAR files use; what else zip knows unpacks a few bytes to any number at once.
    if member.compress_type not in (_STORED, _DEFLATED):
        raise Unreadable(f"a member that is compressed by method {member.compress_type}")
    with archive.open(member) as stream:
        content = stream.read(limit + 1)
    if len(content) > limit:
        raise Unreadable(f"a member of more than {limit} bytes")
    return content


def _properties(content: bytes) -> dict[str, str]:
    """``java.util.Properties``, as far as Maven writes them: plain lines of key and value."""
    lines = (line.partition("=") for line in content.decode("utf-8", "replace").splitlines())
    return {key.strip(): value.strip() for key, equals, value in lines if equals and key[:1] not in "#!"}


def _manifest(content: bytes) -> dict[str, str]:
    """The main attributes; a line that begins with a blank continues the one before."""
    text = content.decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", "\n").replace("\n ", "")
    lines = (line.partition(":") for line in text.partition("\n\n")[0].split("\n"))
    return {key: value.strip() for key, colon, value in lines if colon}
