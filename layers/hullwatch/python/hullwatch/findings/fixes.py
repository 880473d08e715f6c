"""What mends a match: the version to go to, and how a developer gets there."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence

from hullwatch.advisories.ecosystems import family, is_distribution, key_of
from hullwatch.advisories.model import Match
from hullwatch.advisories.versions import key, scheme_of
from hullwatch.inventory.package import Package


def is_os_package(package: Package) -> bool:
    """Whether the distribution's package manager installed it."""
    return package.type in _OS_COMMANDS


def fix_of(match: Match) -> str:
    """The version that mends a match for everybody, or nothing: a fix for subscribers alone is none."""
    return "" if match.status == "fixed_in_pro" else match.fixed


def upgrade_to(matches: Iterable[Match]) -> str:
    """The lowest version that mends everything that can be mended: the highest of the fixes."""
    fixes = {(match.package.ecosystem, fix_of(match)) for match in matches if fix_of(match)}
    if not fixes:
        return ""
    # A group is one package of one ecosystem; where releases of a distribution mix, any one may order it.
    ecosystem = min(fixes)[0]
    return in_order(ecosystem, {fix for _, fix in fixes})[-1]


def in_order(ecosystem: str, versions: Iterable[str]) -> tuple[str, ...]:
    """Distinct versions, lowest first, as the ecosystem compares them."""
    scheme = scheme_of(ecosystem)
    # Versions that a scheme holds to be the same, and ecosystems without an order, are sorted as text.
    return tuple(
        sorted(set(versions), key=lambda version: (key(scheme, version) if scheme else b"", version))
    )


def compared_version(package: Package) -> str:
    """The installed version that a fix is compared with: the source's where advisories speak of sources."""
    by_source = is_distribution(package.ecosystem) and key_of(package.ecosystem) == "source"
    return package.source_version if by_source and package.source_version else package.version


def upgrade_command(packages: Sequence[Package], version: str) -> str:
    """The command, or the change to a manifest, that upgrades these packages of one group.

    Names and versions come from images: they are quoted for a shell, because people copy commands.
    Empty for an ecosystem without one obvious way.
    """
    names = sorted({package.name for package in packages})
    name, kind = names[0], packages[0].type
    if kind in _OS_COMMANDS:
        of = packages[0].ecosystem
        command = _OTHER_COMMANDS.get(of) or _OTHER_COMMANDS.get(family(of)) or _OS_COMMANDS[kind]
        return f"{command} {shlex.join(names)}"
    if kind == "maven":
        return f"set {name} to {version} in pom.xml or build.gradle"
    if (kind, name) == ("golang", "stdlib"):
        return f"rebuild with Go {version}"
    # Feeds write Go versions without the letter that the tool wants.
    number = version.removeprefix("v") if kind == "golang" else version
    return shlex.join(part.format(name=name, version=number) for part in _COMMANDS.get(kind, ()))


_OS_COMMANDS = {
    "apk": "apk upgrade --no-cache",
    "deb": "apt-get update && apt-get install --only-upgrade",
    "rpm": "dnf upgrade",
}
_OTHER_COMMANDS = {
    "Amazon Linux:1": "yum update",
    "Amazon Linux:2": "yum update",
    # An image is locked to its version of the distribution, in whose repositories the fix never comes.
    "Amazon Linux:2023": "dnf upgrade --releasever=latest",
    "SUSE": "zypper update",
    "openSUSE": "zypper update",
}
_COMMANDS = {
    "cargo": ("cargo", "update", "-p", "{name}", "--precise", "{version}"),
    "composer": ("composer", "require", "{name}:^{version}"),
    "gem": ("bundle", "update", "--conservative", "{name}"),
    "golang": ("go", "get", "{name}@v{version}"),
    "npm": ("npm", "install", "{name}@{version}"),
    "nuget": ("dotnet", "add", "package", "{name}", "--version", "{version}"),
    "pypi": ("pip", "install", "{name}>={version}"),
}
