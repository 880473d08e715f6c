"""Language runtimes that say in a file what they are: JDK and JRE, the Go toolchain, Erlang/OTP.

``release`` at the root of a Java runtime, ``VERSION`` at the root of Go's, and ``OTP_VERSION``
("OTP version" in Erlang's system principles).
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from hullwatch.inventory.package import Package

NAME = "runtimes"
VERSION = 1
PATHS = (
    "**/*java*/release",
    "**/*jdk*/release",
    "**/*jre*/release",
    "**/*graalvm*/release",
    "**/jvm/*/release",
    "**/go/VERSION",
    "**/releases/*/OTP_VERSION",
)
MAX_BYTES = 4 << 20

_JAVA = re.compile(r'^JAVA_VERSION="([\w.+-]{1,64})"\s*$', re.MULTILINE)
_IMPLEMENTOR = re.compile(r'^IMPLEMENTOR="([^"\n]{1,200})"\s*$', re.MULTILINE)
_GO = re.compile(r"go(\d+(?:\.\d+){1,2}(?:(?:beta|rc)\d+)?)\s")
_OTP = re.compile(r"(\d+(?:\.\d+)+(?:-rc\d+)?)(?:\*\*)?\s*")


def parse(path: str, content: bytes) -> Iterable[Package]:
    """The runtime; nothing for a file that only has the name in common."""
    text = content.decode("utf-8", "replace")
    name = path.rpartition("/")[2]
    if name == "release":
        if found := _JAVA.search(text):
            vendor = _IMPLEMENTOR.search(text)
            yield Package(
                type="generic",
                name="openjdk",
                version=found[1],
                vendor=vendor[1] if vendor else "",
                locations=(path,),
            )
    elif name == "VERSION":
        if found := _GO.match(text + "\n"):
            yield Package(type="generic", name="go", version=found[1], locations=(path,))
    elif found := _OTP.fullmatch(text):
        yield Package(type="generic", name="erlang", version=found[1], locations=(path,))
