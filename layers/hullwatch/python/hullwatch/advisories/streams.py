"""Streams: what Red Hat goes on to mend after a minor release, in a line of builds of its own.

Extended support (EUS, AUS, E4S, TUS, ELS) of 8.8 has fixes that the main stream of 8 never had under these
versions. Packages do not say which they come from. Red Hat's images name the repositories that their layers
were built from, and a list of Red Hat's (``repository-to-cpe.json``) which streams those serve.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from hullwatch.inventory.package import OsRelease


def resolve(os: OsRelease, streams_of: Callable[[str], Iterable[str]]) -> tuple[str, ...]:
    """The streams, as ecosystems, that the packages of an image may be of; usually one, or none.

    One name may serve a repository of every minor release, and lower layers may be of an earlier one: only
    streams of the release that the image is of count.

    :param streams_of: repository -> ecosystems that it serves.
    """
    if os.id != "rhel":
        return ()
    releases = {os.version_id, os.version_id.partition(".")[0]}
    served = {stream for name in os.content_sets for stream in streams_of(name)}
    return tuple(sorted(stream for stream in served if _release(stream) in releases))


def is_build_of(stream: str, version: str) -> bool:
    """Whether an RPM was built for the release of a stream: ``3.0.7-18.el9_2`` for ``Red Hat:rhel_eus:9.2``.

    Modules write ``1.module+el9.2.0+...``.
    """
    major, _, minor = _release(stream).partition(".")
    release = f"{major}[_.]{minor}" if minor else major
    return re.search(rf"[.+_]el{release}(?!\d)", version) is not None


def _release(stream: str) -> str:
    return stream.rpartition(":")[2]
