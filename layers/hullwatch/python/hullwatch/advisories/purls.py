"""Package URLs as packages of an ecosystem that advisories know (https://github.com/package-url/purl-spec)."""

from __future__ import annotations

import re

from hullwatch.advisories import ecosystems
from hullwatch.errors import UserError
from hullwatch.inventory.distributions import DEBIAN_RELEASES, DISTRIBUTIONS, UBUNTU_RELEASES
from hullwatch.inventory.ecosystems import DISTRIBUTION_TYPES, distribution_ecosystem
from hullwatch.inventory.package import OsRelease, Package

#: Namespaces that tools write instead of the distribution's own ``ID`` in os-release.
_IDS = {
    "amazon": "amzn",
    "opensuse": "opensuse-leap",
    "oracle": "ol",
    "redhat": "rhel",
    "rocky-linux": "rocky",
    "suse": "sles",
}
_CODENAMES = DEBIAN_RELEASES | UBUNTU_RELEASES
_RELEASE = re.compile(r"v?(\d+(?:\.\d+)*)")


def package_of(purl: str, *, versioned: bool = True) -> Package:
    """The package of a purl with a version, or of any version where ``versioned`` is ``False``.

    Distributions: the release is taken from the ``distro`` qualifier (``debian-12``, ``bookworm``,
    ``alpine-3.16.2``, ``12``); without one, the ecosystem is named without its release. ``upstream`` names
    the source package where it differs. RPM: ``epoch`` and ``rpmmod`` are honoured.

    :raises UserError: not a package URL, or one without a version.
    """
    # Only questions about purls need it, never a scan.
    from packageurl import PackageURL

    try:
        parsed = PackageURL.from_string(purl)
    except ValueError as error:
        raise UserError(f"not a package URL: {purl[:200]!r}: {error}") from error
    if versioned and not parsed.version:
        raise UserError(f"no version in {purl[:200]!r}")
    namespace = parsed.namespace or ""
    if parsed.type not in DISTRIBUTION_TYPES:
        return Package(
            type=parsed.type,
            name=_name(parsed.type, namespace, parsed.name),
            version=parsed.version or "",
            ecosystem=ecosystems.of_purl(parsed.type, parsed.name),
            purl=purl,
        )
    qualifiers = parsed.qualifiers if isinstance(parsed.qualifiers, dict) else {}
    source, _, source_version = qualifiers.get("upstream", "").partition("@")
    version = parsed.version or ""
    if parsed.type == "rpm":
        # RPM writers put the source package's file name here, which no advisory is keyed by.
        source = source_version = ""
        epoch = qualifiers.get("epoch", "0")
        version = version if epoch == "0" else f"{epoch}:{version}"
    return Package(
        type=parsed.type,
        name=parsed.name,
        version=version,
        source_name=source or parsed.name,
        source_version=source_version or version,
        arch=qualifiers.get("arch", ""),
        module=qualifiers.get("rpmmod", ""),
        ecosystem=_distribution(namespace.lower(), qualifiers.get("distro", "").lower()),
        purl=purl,
    )


def _name(purl_type: str, namespace: str, name: str) -> str:
    if not namespace:
        return name
    return f"{namespace}:{name}" if purl_type == "maven" else f"{namespace}/{name}"


def _distribution(namespace: str, distro: str) -> str:
    """The ecosystem, with its release when ``distro`` names one."""
    prefix, _, last = distro.rpartition("-")
    identifier = prefix if prefix in DISTRIBUTIONS else _IDS.get(namespace, namespace)
    if identifier not in DISTRIBUTIONS:
        return ""
    if identifier == "alpine" and last == "edge":
        return "Alpine:edge"
    found = _RELEASE.fullmatch(_CODENAMES.get(last, last))
    release = found[1] if found else ""
    known = distribution_ecosystem(OsRelease(id=identifier, version_id=release))
    return known or ecosystems.family(DISTRIBUTIONS[identifier].prefix)
