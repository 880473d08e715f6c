"""Secrets in plain text: known token formats, and suspicious names with values that look random.

Nothing here returns a secret: what is found is named by its kind, and shown by a fingerprint of the value.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections import Counter
from typing import Literal

import msgspec

Confidence = Literal["certain", "likely"]

#: Longest text that is looked at; beyond it is no single secret.
MAX_TEXT = 65_536

#: Formats whose owners publish them, so that a match is no guess.
FORMATS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("AWS access key id", re.compile(r"\b(?:AKIA|ASIA)[A-Z2-7]{16}\b")),
    ("GitHub token", re.compile(r"\bgh[pousr]_[A-Za-z0-9]{36}\b|\bgithub_pat_[A-Za-z0-9_]{82}\b")),
    ("GitLab token", re.compile(r"\bglpat-[A-Za-z0-9_-]{20}\b")),
    ("Slack token", re.compile(r"\bxox[abprs]-[A-Za-z0-9-]{10,}")),
    (
        "Slack webhook",
        re.compile(r"https://hooks\.slack\.com/services/T[A-Z0-9]+/B[A-Z0-9]+/[A-Za-z0-9]{20,}"),
    ),
    ("Stripe key", re.compile(r"\b[rs]k_live_[A-Za-z0-9]{20,}")),
    ("npm token", re.compile(r"\bnpm_[A-Za-z0-9]{36}\b")),
    ("PyPI token", re.compile(r"\bpypi-AgEIcHlwaS5vcmc[A-Za-z0-9_-]{50,}")),
    ("Google API key", re.compile(r"\bAIza[A-Za-z0-9_-]{35}\b")),
    ("SendGrid key", re.compile(r"\bSG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}\b")),
    ("private key", re.compile(r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----")),
    (
        "password in a URL",
        re.compile(r"\b[a-z][a-z0-9+.-]{1,20}://[^\s:/@$<{]{1,64}:(?![$<{*%])[^\s:/@]{6,}@"),
    ),
)
_NAME = re.compile(
    r"(?:^|[_.\-])(?:pass(?:word|wd|phrase)?|pwd|secret|token|api_?key|access_?key|private_?key|"
    r"client_?secret|credentials?|auth)(?:$|[_.\-])",
    re.IGNORECASE,
)
#: Names that speak of a secret without being one.
_HARMLESS_NAME = re.compile(
    r"(?:_|-|\.)(?:file|path|dir|name|arn|id|url|uri|host|port|user|username|ttl|enabled|length|type|mode|"
    r"header|issuer|endpoint|version|expiry|expiration|timeout|ref)$",
    re.IGNORECASE,
)
_PLACEHOLDER = re.compile(
    r"^(?:\s*|[$%{<\[].*|arn:.*|/.*|https?://[^@]*|\*+|x+|(?:change|replace|insert|your|example|dummy|test|todo|"
    r"none|null|true|false|password|secret|token|redacted).*)$",
    re.IGNORECASE,
)
MIN_LENGTH = 8
#: Bits per character a value needs to look random; words have about 3.
MIN_ENTROPY = 3.0


class Secret(msgspec.Struct, frozen=True):
    """What was found: never the value itself."""

    kind: str
    confidence: Confidence
    fingerprint: str

    def __str__(self) -> str:
        return f"{self.kind} ({self.fingerprint})"


def find(name: str, value: str) -> Secret | None:
    """The secret in a named value, or ``None``. An empty ``name`` looks for known formats only."""
    text = value[:MAX_TEXT]
    for kind, pattern in FORMATS:
        if match := pattern.search(text):
            return Secret(kind, "certain", fingerprint(match.group()))
    if _suspicious(name) and _random(text.strip()):
        return Secret(f"value of {name[:80]}", "likely", fingerprint(text))
    return None


def fingerprint(value: str) -> str:
    """Eight hexadecimal digits that tell two secrets apart and give neither away."""
    return hashlib.sha256(b"hullwatch\0" + value.encode()).hexdigest()[:8]


def _suspicious(name: str) -> bool:
    # camelCase is split as well: dbPassword, clientSecret.
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
    return bool(_NAME.search(words)) and not _HARMLESS_NAME.search(words)


def _random(value: str) -> bool:
    if len(value) < MIN_LENGTH or _PLACEHOLDER.match(value) or " " in value:
        return False
    counts = Counter(value)
    entropy = -sum(count / len(value) * math.log2(count / len(value)) for count in counts.values())
    return entropy >= min(MIN_ENTROPY, math.log2(len(value)) * 0.75)
