"""Each scheme's order as chains: oldest first, versions that are the same in one group."""

from __future__ import annotations

import itertools

import pytest

from hullwatch.advisories.versions import OUTSIDE, compare, key, readable

#: Scheme, and groups of equal versions from the oldest to the newest.
CHAINS: list[tuple[str, str]] = [
    # deb-version(7): ~ before the end, letters before other characters, no digits are zero, no revision is 0
    (
        "dpkg",
        "1~~ | 1~~a | 1~ | 1 1-0 1-00 0:1 00:1 | 1-0.1 1-00.01 | 1-1 | 1a | 1+b1 | 1.1 1.01 | 1:0~rc1 | 1:0",
    ),
    ("dpkg", "1.0~rc1-1 | 1.0-1 | 1.0-1+deb12u1 | 1.0-1+deb12u2 | 1.0-1+deb12u10 | 1.0-1.1 | 1.0-2"),
    ("dpkg", "2.7.4+reloaded2-13ubuntu1 | 2.7.4+reloaded2-13+deb9u1"),
    ("dpkg", "1.0-2 | 1.0a-1 | 1.0-1-1"),
    # an epoch that is no number is text
    ("dpkg", "1 | a:1 | 2:1"),
    # rpm-version(7) and rpmvercmp.at
    (
        "rpm",
        "1~~ | 1~rc1~git1 | 1~rc1 | 1~rc1^git1 | 1 0:1 1. :1 | 1-0 1-00 | 1-1 1-1. 01-01 | 1-1.el9 | 1-1.1",
    ),
    (
        "rpm",
        "1.0 | 1.0^20160101~pre | 1.0^20160101 | 1.0^20160101^git1 | 1.0^20160102 | 1.0a | 1.0.1"
        " | 1.1 1.00001",
    ),
    ("rpm", "1.0-1.ael7b | 1.0-1.el7 | 1.0-1.el7_9.2 1.0-1.el7+9.2 | 1.0-1.el7_9.10"),
    ("rpm", "a+ a_ a | 2_0 2.0 2.é0 | 2.0.1 2.0.ü1"),
    ("rpm", "a:2 | b:1 | 2 | 1:0"),
    ("rpm-segment", "~ | _ + é | ^ | fc4 | 2 002 | 2.0"),
    # apk-tools, test/unit/version.data
    (
        "apk",
        "1.2_alpha | 1.2_alpha1 | 1.2_alpha10 | 1.2_beta | 1.2_pre2 | 1.2_rc | 1.2_rc1 | 1.2"
        " | 1.2-r0 | 1.2-r10",
    ),
    (
        "apk",
        "1.2 | 1.2~ab12 | 1.2_cvs | 1.2_svn | 1.2_git | 1.2_hg | 1.2_p | 1.2_p1 | 1.2a | 1.2b"
        " | 1.2.0 | 1.2.00",
    ),
    ("apk", "0.1.0_alpha_pre2 | 0.1.0_alpha | 0.1.0_alpha1 | 0.1.0_alpha_p1"),
    ("apk", "1.0 | 1.00 | 1.01 | 1.06-r6 | 1.1 | 1.10 | 3 03 | 006 6"),
    ("apk", "6.6.1p-r0 | 6.6.1p1-r2 | 6.6.1p1-r3 | 6.6.1p2"),
    ("apk", "1.2_p1 | 1.2_p20191002222144 | 1.2_p20210530193627"),
    # outside the grammar, as apk-tools 2
    ("apk", ".1 0.1 | 1 | 1-r0 1-r | 1-ruff1 1-ruff2 1-r0-ruff | 1-r2 | 1.1 | 1_foo 1--ruff | 2"),
    # PEP 440 and the spellings it normalises
    (
        "pep440",
        "1.0.dev0 1.dev 1.0-DEV 1.0.0_dev | 1.0a0.dev1 | 1.0a 1.0a0 1.0-alpha.0 1.ALPHA0"
        " | 1.0a0.post1 | 1.0a1 | 1.0b2"
        " | 1.0rc1 1.0c1 1.0.pre-1 1.0_preview_1 v1.0rc01 | 1 1.0 1.0.0 01.00 V1 0!1"
        " | 1+abc 1.0+ABC | 1+abc.1 1+abc_1"
        " | 1+5 1+05 | 1+5.0 | 1.post1.dev3 | 1.post1 1-1 1.0-post1 1.0.rev.1 1r1 | 1.0.1.dev1"
        " | 1.0.1 | 1!0.5",
    ),
    # before PEP 440: below every version
    ("pep440", "0.1-bulbasaur | 0.1-charmander | 0.9-doduo | 0.0.dev0"),
    ("pep440", "2.0-dev-x | 2.0-rc-x 2.0-pre-x | 2.0-zz | 0"),
    # semver.org section 11
    (
        "semver",
        "0.0.0-0 | 0.0.0 | 1.0.0-alpha | 1.0.0-alpha.1 1.0.0-alpha.01 | 1.0.0-alpha.beta"
        " | 1.0.0-beta | 1.0.0-beta.2"
        " | 1.0.0-beta.11 | 1.0.0-rc.1 1.0.0-rc.1+5 | 1.0.0 1.0.0+a 1.0.0+b v1.0.0 =1.0.0 1 1.0"
        " | 1.0.0.1 | 1.0.1",
    ),
    ("semver", "1.2.3-5 | 1.2.3-5-Foo | 1.2.3-5-foo | 1.2.3-R2 | 1.2.3-r100 | 1.2.3-r2 | 1.2.3"),
    ("semver", "999999999999999999999999999991 | 999999999999999999999999999999"),
    (
        "bitnami",
        "1.8.0-333 | 1.8.0 | 1.9.0 | 7.0.80 1.7.0_80 | 8.0.72 1.8.0_072 | 8.0.392 1.8.0_392 | 11.0.2",
    ),
    ("bitnami", "3.12.0rc3 3.12.0-rc3 | 3.12.0 3.12 | 3.12.1-0 | 3.12.1"),
    ("semver-loose", "1.2.3beta 1.2.3-beta | 1.2.3"),
    (
        "pub",
        "1.0.0-pre | 1.0.0-pre+build | 1.0.0 | 1.0.0+9 | 1.0.0+10 | 1.0.0+10.1 | 1.0.0+1z | 1.0.0+9a | 1.0.1",
    ),
    (
        "nuget",
        "1.0.0-2 | 1.0.0-BETA 1.0.0-beta 1-Beta+x | 1.0.0-beta.1 | 1.0.0-beta2"
        " | 1 1.0 1.0.0.0+test | 1.0.0.1-a",
    ),
    ("nuget", "1.0.0.1-a | 1.0.0.1 | 1.0.1 1.0.01 V1.0.1"),
    (
        "go",
        "v0.0.0-20190101000000-abcdefabcdef | v0.0.0-20200101000000-0123456789ab | v0.0.0"
        " | v1.0.0-pre.0.20200101000000-0"
        " | v1 v1.0 v1.0.0 1.0.0 v1.0.0+meta | v1.0.1-0.20200101000000-abcdefabcdef"
        " | v2.0.0+incompatible v2.0.0",
    ),
    (
        "go",
        "1.22.0-0 | go1.22beta1 1.22.0-beta.1 | 1.22rc1 go1.22rc1 1.22.0-rc.1 | go1.22rc10"
        " | go1.22 go1.22.0 1.22.0"
        "| go1.22.7b4 1.22.7 | go1.22.10",
    ),
    # Gem::Version
    ("gem", "1.a | 1.a.1 1.a1 1.a01 | 1.b | 1-1 1.pre.1 | 1 1.0 1.0.0 | 1.0.0.1 | 1.9.3 1.9.3.0"),
    ("gem", "5.0.0.rc2 | 5.x | 5 | 5.0.1.a | 5.0.1"),
    # zeros amid the rest: a missing segment is zero
    ("gem", "1.a.b | 1.a.0.b | 1.a.0.0.b | 1.a 1.a.0 | 1.a.0.0.1 | 1.a.0.1 | 1.a.1"),
    ("gem", "0.beta 0.0.beta | 0.0.beta.1 0.beta.1 | 0 | 0.0.1"),
    # composer/semver
    (
        "composer",
        "1.0-dev 1.0.0.0-dev | 1.0a1 1.0-alpha1 1.0.0_ALPHA.1 | 1.0b1 | 1.0-beta2.1 1.0b.2.1"
        " | 1.0RC1-dev | 1.0rc1 1.0-RC.1"
        " | 1 1.0 v1.0.0 1.0.0+x 1.0.0-stable V1.0.0.0 1.0@beta | 1.0pl1 1.0-patch1 1.0p1"
        " | 1.0.1 | 1.0.x-dev | 1.1-dev"
        " | 1.x-dev 1.*-dev | 2",
    ),
    ("composer", "2010.01.02 | 20100102 | 20100102.10"),
    ("composer", "4.3-2beta5 | 4.3-2RC1 | 4.3-2RC2 | 4.3-2"),
    # Maven's pom reference, "Version Order Specification", and its ComparableVersion tests
    (
        "maven",
        "1-alpha2snapshot | 1-alpha2 1a2 1-A2 1.0.0-alpha-2 | 1-alpha-123 | 1-beta-2"
        " | 1-m2 1-milestone-2 | 1-rc 1-cr"
        " | 1-rc123 | 1-SNAPSHOT | 1 1.0 1.0.0 1-0 1. 1- 1ga 1.Final 1-release 1.0.0-0.0.0 01"
        " | 1-sp | 1-abc | 1-def"
        " | 1-1-snapshot | 1-1 1.0-1 | 1-2 | 1.1",
    ),
    (
        "maven",
        "2.0.a 2.0.0.a 2-a 2a | 2-1 | 2.0.2 | 2.0.123 | 2.1-a | 2.1b 2.1-b | 2.1-c | 2.1-1"
        " | 2.1.0.1 | 2.2 | 2.123",
    ),
    ("maven", "11.a2 | 11.a11 | 11.b2 | 11.m11 | 11 | 11.a | 11b | 11m | 12"),
    ("maven", "1.0.0.RC1 1-rc1 | 1.0.0-RC2 | 1.0.0.RC3 | 1"),
    (
        "maven",
        "20190126.230843 | 1234567890.12345 | 123456789012345.1H.5-beta | 12345678901234567890.1H.5-beta",
    ),
    ("maven", "1-1.foo-bar1baz-.1 1-1.foo-bar-1-baz-0.1"),
    ("maven", "0.0.0-2021-05-17 | 20.0.0"),
    # where Maven 3.9 is circular
    ("maven", "1.0.beta.2 1.beta.2 | 1 | 1-1"),
    ("cran", "0.9 0.09 | 0.75 | 1.0 | 1.0-0 1.0.0 | 1.0-1 1.0.1 | 1.0.1.0 | 1.10"),
    ("hackage", "0 | 0.1.26.0 | 1 | 1.0 | 1.0.0 1.0.0-tag | 1.10"),
    (
        "conan",
        "1-pre1 1.0-pre1 1.0.0-pre1.0 | 1 1.0 | 1+b1 | 1+b2 | 1.1.1 | 1.1.1k | 1.1.1l | 1.1.2"
        " | 1.1.10 | 1.1.a | cci",
    ),
    (
        "openssl",
        "0.9.8 | 0.9.8zh | 1.0.2-beta1 | 1.0.2 | 1.0.2k 1.0.2k-fips | 1.0.2z | 1.0.2za"
        " | 1.1.1-pre9 | 1.1.1-pre10",
    ),
    ("openssl", "1.1.1 | 1.1.1w | 3.0.0-alpha17 | 3.0.0-beta1 | 3.0.0 3.0 3 | 3.0.10 3.0.10+quic"),
]

#: What a scheme cannot read.
OUTSIDERS = {
    "composer": ["dev-main", "master", "dev-2.x"],
    "cran": ["", "1.0a", "1..0", "latest"],
    "go": ["", "(devel)", "devel +abc", "master"],
    "hackage": ["", "1.x", "1..2"],
    "maven": ["1-" * 129],
    "npm": ["", "latest", "x.1.0", "*", "workspace:"],
    "nuget": ["", "$(Version)"],
    "openssl": ["", "fips-2.0"],
    "pep440": ["", "1.0-final-really", "2004d-x", "1.0+", "\u0663.\u0661"],
    "pub": ["any"],
}


@pytest.mark.parametrize(
    ("scheme", "chain"), CHAINS, ids=[f"{scheme}-{n}" for n, (scheme, _) in enumerate(CHAINS)]
)
def test_a_chain_is_in_order(scheme: str, chain: str) -> None:
    groups = [group.split() for group in chain.split("|")]
    wrong = []
    for (low, older), (high, newer) in itertools.combinations_with_replacement(enumerate(groups), 2):
        expected = -1 if low < high else 0
        for a, b in itertools.product(older, newer):
            if compare(scheme, a, b) != expected or compare(scheme, b, a) != -expected:
                wrong.append((a, "<" if expected else "=", b))
    assert not wrong


@pytest.mark.parametrize(
    ("scheme", "version"), [(s, v) for s, versions in OUTSIDERS.items() for v in versions]
)
def test_an_outsider_is_below_every_version(scheme: str, version: str) -> None:
    assert not readable(key(scheme, version))
    assert key(scheme, version).startswith(OUTSIDE)
    assert compare(scheme, version, "0") == -1
    assert readable(key(scheme, "0"))


@pytest.mark.parametrize("scheme", ["apk", "conan", "dpkg", "gem", "rpm", "rpm-segment"])
@pytest.mark.parametrize("version", ["", "-", ":", "~", "latest", "\u0663", "\x00", "\ud800", "1:2:3-4-5"])
def test_schemes_that_read_any_string(scheme: str, version: str) -> None:
    assert readable(key(scheme, version))


def test_the_empty_key_is_before_everything() -> None:
    assert b"" < key("pep440", "nonsense") < key("pep440", "0.dev0")
