"""Distributions as data: what OSV calls their ecosystem, and how it writes their releases.

Ecosystem names: OSV schema, "Defined ecosystems". Amazon Linux, Bottlerocket and Oracle Linux have none
there; theirs are made the same way.
"""

from __future__ import annotations

from typing import Literal

import msgspec

#: How a release is written after the ecosystem's name. ``major``: ``12`` of ``12.4``. ``minor``: ``4.0`` of
#: ``4.0.1``. ``alpine``: ``v3.16`` of ``3.16.2``, or ``edge``. ``amazon``: ``2023``, and ``1`` of
#: ``2018.03``. ``ubuntu``: ``22.04:LTS``, ``23.10``. ``service-pack``: ``15 SP5`` of ``15.5``, but ``16.0``
#: of ``16.0``. ``whole``: as it stands. ``none``: not at all.
ReleaseStyle = Literal["major", "minor", "alpine", "amazon", "ubuntu", "service-pack", "whole", "none"]


class Distribution(msgspec.Struct, frozen=True):
    """``prefix`` is the ecosystem, with its colon when a release follows."""

    prefix: str
    style: ReleaseStyle


#: By the ``ID`` of os-release.
DISTRIBUTIONS: dict[str, Distribution] = {
    "almalinux": Distribution("AlmaLinux:", "major"),
    "alpaquita": Distribution("Alpaquita:", "whole"),
    "alpine": Distribution("Alpine:", "alpine"),
    "amzn": Distribution("Amazon Linux:", "amazon"),
    "azurelinux": Distribution("Azure Linux:", "major"),
    "bellsoft-hardened-containers": Distribution("BellSoft Hardened Containers:", "whole"),
    "bottlerocket": Distribution("Bottlerocket", "none"),
    # Built from Red Hat's sources, with its versions.
    "centos": Distribution("Red Hat:", "major"),
    "chainguard": Distribution("Chainguard", "none"),
    "debian": Distribution("Debian:", "major"),
    "echo": Distribution("Echo", "none"),
    "mageia": Distribution("Mageia:", "major"),
    "mariner": Distribution("Azure Linux:", "major"),
    "minimos": Distribution("MinimOS", "none"),
    "ol": Distribution("Oracle Linux:", "major"),
    "openeuler": Distribution("openEuler:", "whole"),
    # Leap before version 15.
    "opensuse": Distribution("openSUSE:Leap ", "whole"),
    "opensuse-leap": Distribution("openSUSE:Leap ", "whole"),
    "opensuse-leap-micro": Distribution("openSUSE:Leap Micro ", "whole"),
    "opensuse-tumbleweed": Distribution("openSUSE:Tumbleweed", "none"),
    "photon": Distribution("Photon OS:", "minor"),
    "rhel": Distribution("Red Hat:", "major"),
    "rocky": Distribution("Rocky Linux:", "major"),
    "sl-micro": Distribution("SUSE:Linux Micro ", "whole"),
    "sle-micro": Distribution("SUSE:Linux Enterprise Micro ", "whole"),
    "sled": Distribution("SUSE:Linux Enterprise Desktop ", "service-pack"),
    "sles": Distribution("SUSE:Linux Enterprise Server ", "service-pack"),
    "sles_sap": Distribution("SUSE:Linux Enterprise Server for SAP Applications ", "service-pack"),
    "ubuntu": Distribution("Ubuntu:", "ubuntu"),
    "wolfi": Distribution("Wolfi", "none"),
}

#: Debian's testing and unstable have no ``VERSION_ID``, only a code name.
DEBIAN_RELEASES: dict[str, str] = {
    "wheezy": "7",
    "jessie": "8",
    "stretch": "9",
    "buster": "10",
    "bullseye": "11",
    "bookworm": "12",
    "trixie": "13",
    "forky": "14",
}

#: Programs of type ``generic`` of which Bitnami's advisories speak by upstream's versions: their names there.
PROGRAMS: dict[str, str] = {
    "go": "golang",
    "haproxy": "haproxy",
    "httpd": "apache",
    "mariadb": "mariadb",
    "nginx": "nginx",
    "node": "node",
    "openjdk": "java",
    "openresty": "openresty",
    "php": "php",
    "postgresql": "postgresql",
    "python": "python",
    "redis": "redis",
    "ruby": "ruby",
    "valkey": "valkey",
}

#: Ubuntu's releases by the first word of their code name.
UBUNTU_RELEASES: dict[str, str] = {
    "trusty": "14.04",
    "xenial": "16.04",
    "bionic": "18.04",
    "focal": "20.04",
    "jammy": "22.04",
    "noble": "24.04",
    "oracular": "24.10",
    "plucky": "25.04",
    "questing": "25.10",
    "resolute": "26.04",
}

#: Language packages: purl type to ecosystem. These have no release.
LANGUAGES: dict[str, str] = {
    "cargo": "crates.io",
    "composer": "Packagist",
    "conan": "ConanCenter",
    "cran": "CRAN",
    "gem": "RubyGems",
    "golang": "Go",
    "hex": "Hex",
    "maven": "Maven",
    "npm": "npm",
    "nuget": "NuGet",
    "pub": "Pub",
    "pypi": "PyPI",
    "swift": "SwiftURL",
}
