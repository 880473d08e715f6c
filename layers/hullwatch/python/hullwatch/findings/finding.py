"""What we say about a track: mostly one package to upgrade, with every vulnerability that this mends."""

from __future__ import annotations

from typing import Literal

import msgspec

from hullwatch.advisories.model import Match

Priority = Literal["P1", "P2", "P3", "P4"]
State = Literal["OPEN", "RESOLVED"]
#: ``package``: a package to upgrade. ``vulnerability``: the same, one per vulnerability (by configuration).
#: ``configuration``: a control that the image fails as it is built. ``unscannable``: the image, or a part of
#: it, could not be read.
FindingKind = Literal["package", "vulnerability", "configuration", "unscannable"]


class ImageRef(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An image that a finding speaks of: what becomes one entry of Security Hub's ``Resources``."""

    digest: str
    platform: str = ""
    tags: tuple[str, ...] = ()
    #: ISO 8601, UTC.
    pushed_at: str = ""


class Track(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A lineage of tags in a repository. ``lineage`` is what the tag rules make of a tag (``v*``)."""

    account: str
    region: str
    repository: str
    lineage: str


class Finding(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One finding of a track, as the table keeps it and Security Hub shows it.

    ``id`` never depends on a digest, a platform or a time. ``fingerprint`` covers everything a reader would
    notice; equal fingerprints mean that nothing has to be sent.
    """

    id: str
    kind: FindingKind
    track: Track
    #: The source or language package (``openssl``, ``Django``), its purl type, and the installed versions.
    package: str = ""
    type: str = ""
    installed: tuple[str, ...] = ()
    #: The lowest version that mends everything that can be mended; empty when nothing can.
    fixed: str = ""
    matches: tuple[Match, ...] = ()
    #: For ``configuration``: id of the control in the catalogue; ``detail`` says what fails it.
    control: str = ""
    #: For ``unscannable``: the reason and its one line.
    reason: str = ""
    detail: str = ""
    images: tuple[ImageRef, ...] = ()
    priority: Priority = "P4"
    #: Why this priority, in words.
    reasons: tuple[str, ...] = ()
    #: Digest of the head image, and of the layer, that first showed it.
    introduced_by: str = ""
    introduced_layer: str = ""
    #: The digest whose arrival resolved it.
    resolved_by: str = ""
    state: State = "OPEN"
    #: ISO 8601, UTC.
    first_seen: str = ""
    updated_at: str = ""
    fingerprint: str = ""
    #: Whether Security Hub has it.
    published: bool = False
