"""OpenSSL: letters up to 1.1.1, semantic versions from 3.0.

https://openssl-library.org/policies/releasestrat/: ``1.0.2`` < ``1.0.2a`` < ... < ``1.0.2z`` < ``1.0.2za`` <
``1.1.0``. ``-alpha``, ``-beta``, ``-pre``, ``-dev`` and ``-rc`` come before the release they name, whose
counters are numbers (``1.1.1-pre9 < 1.1.1-pre10``). Vendor suffixes (``-fips``, ``+quic``) do not count.
Anything else is outside.
"""

from __future__ import annotations

import re

from hullwatch.advisories.versions.ordered_bytes import ZERO, number, outside, word

_PRE_RELEASE = b"\x01"
_RELEASE = b"\x02"
_END = b"\x01"

_parse = re.compile(
    r"(?:openssl-)?v?([0-9]+)(?:\.([0-9]+))?(?:\.([0-9]+))?([a-z]*)(?:-((?:alpha|beta|pre|dev|rc)[0-9a-z.-]*+))?"
    r"(?:[-+][^\s]*)?"
).fullmatch
_tokens = re.compile(r"[0-9]+|[a-z]+").findall


def key(version: str) -> bytes:
    """The place of an OpenSSL version."""
    found = _parse(version.strip().lower())
    if found is None:
        return outside(version)
    major, minor, fix, letters, pre_release = found.groups()
    encoded = (
        number(major) + (number(minor) if minor else ZERO) + (number(fix) if fix else ZERO) + word(letters)
    )
    if pre_release is None:
        return encoded + _RELEASE
    tokens = (number(token) if token.isdigit() else word(token) for token in _tokens(pre_release))
    return encoded + _PRE_RELEASE + b"".join(tokens) + _END
