"""Erlang and Elixir: the resource file of every application in a release, and Mix's lock file.

``ebin/<name>.app``: app(4) of Erlang/OTP, an Erlang term of which only the name and ``vsn`` are read. What
belongs to OTP or to Elixir itself is no package of Hex.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from hullwatch.inventory import lock_files
from hullwatch.inventory.package import Package
from hullwatch.inventory.records import Unreadable

NAME = "erlang"
VERSION = 1
PATHS = ("**/ebin/*.app", "**/mix.lock")
MAX_BYTES = 8 << 20

_APPLICATION = re.compile(r"\{\s*application\s*,\s*'?([a-z][\w@]{0,200})'?\s*,")
_VERSION = re.compile(r'\{\s*vsn\s*,\s*"([^"\s]{1,200})"\s*\}')
_LOCKED = re.compile(r'^[ \t]*"[^"\n]+":\s*\{:hex,\s*:"?([\w@]+)"?,\s*"([^"\n]{1,200})"', re.MULTILINE)
#: The applications of OTP, then those of Elixir.
_OF_THE_PLATFORM = """
asn1 common_test compiler crypto debugger dialyzer diameter edoc eldap erl_docgen erl_interface et eunit
ftp inets jinterface kernel megaco mnesia observer odbc os_mon parsetools public_key reltool runtime_tools
sasl snmp ssh ssl stdlib syntax_tools tftp tools wx xmerl
eex elixir ex_unit iex logger mix
"""


def parse(path: str, content: bytes) -> Iterable[Package]:
    """The application of a resource file, or the packages of a lock file."""
    text = content.decode("utf-8", "replace")
    if path.endswith("mix.lock"):
        if lock_files.counts(path):
            for name, version in _LOCKED.findall(text):
                yield Package(type="hex", name=name, version=version, locations=(path,), declared_only=True)
        return
    application, found = _APPLICATION.search(text), _VERSION.search(text)
    if application is None:
        raise Unreadable("no resource file of an application")
    # An application that nobody has built has a variable as its version.
    if found and found[1][0].isdigit() and application[1] not in _OF_THE_PLATFORM.split():
        yield Package(type="hex", name=application[1], version=found[1], locations=(path,))
