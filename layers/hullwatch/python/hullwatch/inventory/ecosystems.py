"""The two names that a package goes by outside its image: its OSV ecosystem and its purl."""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec

from hullwatch.inventory.distributions import (
    DEBIAN_RELEASES,
    DISTRIBUTIONS,
    LANGUAGES,
    PROGRAMS,
    ReleaseStyle,
)
from hullwatch.inventory.package import OsRelease, Package

#: Package formats of distributions; everything else belongs to a language.
DISTRIBUTION_TYPES = frozenset({"deb", "apk", "opkg", "rpm"})

#: Purl types whose names have their namespace in front, before the last slash.
_WITH_NAMESPACE = frozenset({"composer", "golang", "npm", "swift"})

_MINOR = re.compile(r"\d+\.\d+")


def ecosystem_of(package: Package, os: OsRelease) -> str:
    """OSV's spelling (``PyPI``, ``Debian:12``, ``Ubuntu:22.04:LTS``); empty when none is known."""
    if package.type in DISTRIBUTION_TYPES:
        return distribution_ecosystem(os)
    return language_ecosystem(package.type, package.name)


def language_ecosystem(purl_type: str, name: str) -> str:
    """The ecosystem of anything that no distribution packages; empty when none is known."""
    if purl_type == "generic":
        return "Bitnami" if name in PROGRAMS else ""
    return LANGUAGES.get(purl_type, "")


def distribution_ecosystem(os: OsRelease) -> str:
    """The ecosystem of a distribution's release; empty for one that is unknown or names no release."""
    distribution = DISTRIBUTIONS.get(os.id)
    if distribution is None:
        return ""
    if distribution.style == "none":
        return distribution.prefix
    version = os.version_id
    if os.id == "debian" and not version:
        version = DEBIAN_RELEASES.get(os.codename, "")
    release = _release(version, distribution.style)
    return distribution.prefix + release if release else ""


def _release(version: str, style: ReleaseStyle) -> str:
    """A release as OSV writes it; empty when ``version`` is none."""
    major, _, minor = version.partition(".")
    match style:
        case "major":
            return major
        case "minor":
            return found[0] if (found := _MINOR.match(version)) else ""
        case "alpine":
            # A build of the development branch calls itself by the next release and a date.
            found = _MINOR.match(version)
            return "edge" if "_alpha" in version else f"v{found[0]}" if found else ""
        case "amazon":
            # The first generation was numbered by the month: 2011.09 to 2018.03.
            return "1" if major.isdigit() and 2010 < int(major) < 2020 else major
        case "ubuntu":
            # Long-term releases are those of April in even years.
            long_term = minor == "04" and major.isdigit() and int(major) % 2 == 0
            return f"{version}:LTS" if long_term else version
        case "service-pack":
            # Service packs ended with 15.
            numbered = major.isdigit() and int(major) > 15
            return version if numbered else f"{major} SP{minor}" if minor else major
        case _:
            return version


def with_names(packages: Iterable[Package], os: OsRelease) -> list[Package]:
    """The packages with their ``ecosystem`` and ``purl``."""
    # Imported here: the layer index, which the coldest function makes, does without.
    from packageurl import PackageURL

    def purl(package: Package) -> str:
        namespace, name, version = _purl_name(package, os)
        if not name.strip():
            return ""  # the library drops blanks and then has no name
        return PackageURL(
            type=package.type,
            namespace=namespace or None,
            name=name,
            version=version or None,
            qualifiers=_qualifiers(package, os) or None,
        ).to_string()

    return [
        msgspec.structs.replace(package, ecosystem=ecosystem_of(package, os), purl=purl(package))
        for package in packages
    ]


def _purl_name(package: Package, os: OsRelease) -> tuple[str, str, str]:
    """Namespace, name and version as the package URL type definitions have them."""
    if package.type in DISTRIBUTION_TYPES:
        version = package.version.rpartition(":")[2] if package.type == "rpm" else package.version
        return os.id, package.name, version
    if package.type in _WITH_NAMESPACE:
        scope, _, name = package.name.rpartition("/")
        return scope, name, package.version
    if package.type == "maven":
        group, _, artifact = package.name.rpartition(":")
        return group, artifact, package.version
    return "", package.name, package.version


def _qualifiers(package: Package, os: OsRelease) -> dict[str, str]:
    if package.type not in DISTRIBUTION_TYPES:
        return {}
    epoch = package.version.rpartition(":")[0] if package.type == "rpm" else ""
    release = os.version_id or os.codename
    qualifiers = {
        "arch": package.arch,
        "distro": f"{os.id}-{release}" if os.id and release else os.id,
        "epoch": epoch,
        "rpmmod": package.module,
        "upstream": _upstream(package),
    }
    return {key: value for key, value in qualifiers.items() if value}


def _upstream(package: Package) -> str:
    """The source package where it differs: RPM names the file, the others name and version."""
    if package.type == "rpm":
        return f"{package.source_name}-{package.source_version}.src.rpm" if package.source_name else ""
    if package.source_version not in ("", package.version):
        return f"{package.source_name}@{package.source_version}"
    return package.source_name if package.source_name != package.name else ""
