"""Installed Ruby gems: the specification that RubyGems keeps of each, the default gems of Ruby included.

``Gem::Specification#to_ruby`` writes them; nothing is evaluated, since only its own literals are read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from hullwatch.inventory.package import Package
from hullwatch.inventory.records import Unreadable

NAME = "ruby"
VERSION = 1
PATHS = ("**/specifications/*.gemspec", "**/specifications/default/*.gemspec")
MAX_BYTES = 1 << 20

_TEXT = r"""(?:Gem::Version\.new\(\s*)?["']([^"'\n]{1,200})["']"""
_NAME = re.compile(rf"^[ \t]*\w+\.name\s*=\s*{_TEXT}", re.MULTILINE)
_VERSION = re.compile(rf"^[ \t]*\w+\.version\s*=\s*{_TEXT}", re.MULTILINE)
_LICENSES = re.compile(r"^[ \t]*\w+\.licenses?\s*=\s*(.{1,1000})$", re.MULTILINE)
_QUOTED = re.compile(r"""["']([^"'\n]{1,120})["']""")
#: The first comment: name, version, platform and directories.
_STUB = re.compile(r"^# stub: (\S+) (\S+) \S+ ", re.MULTILINE)


def parse(path: str, content: bytes) -> Iterable[Package]:
    """The gem that a specification describes."""
    text = content.decode("utf-8", "replace")
    name, version = _NAME.search(text), _VERSION.search(text)
    found = (name[1], version[1]) if name and version else ()
    if not found and (stub := _STUB.search(text)):
        found = (stub[1], stub[2])
    if not found:
        raise Unreadable("the gem specification has no name or no version")
    licenses = _LICENSES.search(text)
    yield Package(
        type="gem",
        name=found[0],
        version=found[1],
        licenses=tuple(_QUOTED.findall(licenses[1])) if licenses else (),
        locations=(path,),
    )
