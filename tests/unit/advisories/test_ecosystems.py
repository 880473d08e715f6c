from __future__ import annotations

import pytest

from hullwatch.advisories import ecosystems


@pytest.mark.parametrize(
    ("ecosystem", "shard"),
    [
        ("PyPI", "pypi"),
        ("crates.io", "crates.io"),
        ("Debian:12", "debian-12"),
        ("Alpine:v3.16", "alpine-v3.16"),
        ("Ubuntu:22.04:LTS", "ubuntu-22.04"),
        ("Ubuntu:22.04", "ubuntu-22.04"),
        ("Ubuntu:23.10", "ubuntu-23.10"),
        ("Ubuntu:Pro:FIPS-updates:18.04:LTS", "ubuntu-pro-fips-updates-18.04"),
        ("Rocky Linux:9", "rocky-linux-9"),
        ("openSUSE:Leap 15.5", "opensuse-leap-15.5"),
        ("Red Hat:rhel_eus:8.8::baseos", "red-hat-rhel-eus-8.8-baseos"),
        ("../../etc/passwd", "etc-passwd"),
    ],
)
def test_shards_are_named_safely(ecosystem: str, shard: str) -> None:
    assert ecosystems.shard(ecosystem) == shard


@pytest.mark.parametrize(
    ("ecosystem", "name", "expected"),
    [
        ("PyPI", "Foo__Bar.baz", "foo-bar-baz"),
        ("npm", "@Scope/Name", "@Scope/Name"),
        ("Packagist", "Symfony/HTTP-Kernel", "symfony/http-kernel"),
        ("NuGet", "Newtonsoft.Json", "newtonsoft.json"),
        ("Maven", "org.Example:Artifact", "org.Example:Artifact"),
        ("Go", "github.com/Azure/x/v2", "github.com/Azure/x/v2"),
        ("RubyGems", "Rails", "Rails"),
        ("Bitnami", "WordPress", "wordpress"),
        ("Bitnami", "httpd", "apache"),
    ],
)
def test_names_in_normal_form(ecosystem: str, name: str, expected: str) -> None:
    assert ecosystems.normal_name(ecosystem, name) == expected
