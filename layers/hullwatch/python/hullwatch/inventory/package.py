"""What is installed: one record per package, from the collector that found it to the finding on it."""

from __future__ import annotations

import msgspec


class OsRelease(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The distribution, as ``os-release`` (or a distribution's own release file) says.

    ``id`` and ``version_id`` are lower-case and unquoted, for example ``debian`` and ``12``. Either may be
    empty: a distribution nobody named is reported as unknown, not guessed.
    """

    id: str = ""
    version_id: str = ""
    id_like: tuple[str, ...] = ()
    codename: str = ""
    name: str = ""
    #: Red Hat: repositories that the packages were taken from, sorted (``rhel-9-for-x86_64-baseos-rpms``).
    content_sets: tuple[str, ...] = ()


class Package(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One package of one version in one layer (from a collector) or image (after the overlay).

    A collector fills everything but ``ecosystem``, ``purl`` and ``layer``, which depend on the whole image:
    the overlay sets them. Versions are exactly what the package database says (``1:2.36-9+deb12u4``,
    ``2.34-52.amzn2023.0.3`` with its epoch in front as ``1:...`` when there is one).
    """

    #: The purl type: ``deb``, ``apk``, ``rpm``, ``pypi``, ``npm``, ...
    type: str
    #: As the ecosystem spells it: npm with its scope (``@scope/name``), Maven as ``group:artifact``.
    name: str
    version: str
    arch: str = ""
    #: Distribution packages: the source package and version the advisories speak of. Equal to name and
    #: version when the database names no other.
    source_name: str = ""
    source_version: str = ""
    #: SPDX expressions or, where the database has free text, that text.
    licenses: tuple[str, ...] = ()
    #: Distribution packages: who built it; RPM: the modularity label (``nodejs:18:...``).
    vendor: str = ""
    module: str = ""
    #: Files that bear witness, relative to the root, without a leading slash.
    locations: tuple[str, ...] = ()
    #: ``True`` when a lock file is the only evidence: declared, not seen installed.
    declared_only: bool = False
    #: Set by the overlay. OSV's spelling of the ecosystem, with the release for distributions
    #: (``PyPI``, ``Debian:12``, ``Alpine:v3.16``); empty when no advisories can apply.
    ecosystem: str = ""
    purl: str = ""
    #: Digest of the layer that brought this version.
    layer: str = ""


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something that could not be read, and what it cost: never silent, never fatal for the rest."""

    #: A reason of the error tree (``LAYER_CORRUPT``, ``BUDGET_EXCEEDED``, ...) or ``UNREADABLE``.
    reason: str
    detail: str
    path: str = ""
    layer: str = ""


class Inventory(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Everything an image contains, after whiteouts, as one stored document."""

    digest: str
    os: OsRelease = OsRelease()
    packages: tuple[Package, ...] = ()
    #: Language records whose files a distribution package owns. The distribution's advisories speak for them,
    #: so they are no packages of their own; kept so that a reader sees what was found.
    evidence: tuple[Package, ...] = ()
    problems: tuple[Problem, ...] = ()
    #: Digests of the layers, lowest first.
    layers: tuple[str, ...] = ()
    #: Version of the code that read the layers; a different one means the image must be indexed again.
    analyzer: str = ""

    @property
    def complete(self) -> bool:
        """Whether everything was read."""
        return not self.problems
