"""Tags that people really use, and the lineages they make."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hullwatch.findings.tracks import lineage, lineage_of
from hullwatch.settings import TrackRule

LINEAGES = [
    # Names
    ("latest", "latest"),
    ("stable", "stable"),
    ("prod", "prod"),
    ("feature-x", "feature-x"),
    ("bookworm-slim", "bookworm-slim"),
    ("unstable", "unstable"),
    ("_private", "_private"),
    ("facade", "facade"),
    ("buildcache", "buildcache"),
    # Names with a number in them
    ("linux-amd64", "linux-amd64"),
    ("s390x", "s390x"),
    ("ppc64le", "ppc64le"),
    ("jdk21", "jdk21"),
    ("node20-alpine", "node20-alpine"),
    ("ubi9", "ubi9"),
    ("ltsc2022", "ltsc2022"),
    ("e2e", "e2e"),
    ("team1", "team1"),
    # Versions
    ("v1", "v*"),
    ("v1.4.2", "v*"),
    ("V1.2", "V*"),
    ("1.4.2", "*"),
    ("18", "*"),
    ("2.x", "*.x"),
    ("1.2.3.RELEASE", "*.RELEASE"),
    ("1.2.3-SNAPSHOT", "*-SNAPSHOT"),
    ("release-1.4", "release-*"),
    ("jdk-21", "jdk-*"),
    ("8u412", "*u*"),
    ("21.0.3_9-jre-jammy", "*_*-jre-jammy"),
    ("10.0.20348.2461", "*"),
    ("1.36.1-r5", "*-r*"),
    ("go1.22.3", "go*"),
    ("php8.2-fpm", "php*-fpm"),
    ("log4j2.17.1", "log4j*"),
    # Candidates are another lineage than what they become
    ("release_2.1.0-rc.1", "release_*-rc.*"),
    ("2.1.0-rc1", "*-rc*"),
    ("1.0.0rc1", "*rc*"),
    ("3.0.0-beta.12", "*-beta.*"),
    # Flavours of a version
    ("1.27-alpine3.19", "*-alpine*"),
    ("3.12-slim-bookworm", "*-slim-bookworm"),
    ("20-lts-alpine", "*-lts-alpine"),
    ("1.2-arm64v8", "*-arm64v8"),
    ("12.4.1-cudnn-runtime-ubuntu22.04", "*-cudnn-runtime-ubuntu*"),
    ("py3.11-torch2.3.0-cu121", "py*-torch*-cu121"),
    ("v1.29.1-eksbuild.2", "v*-eksbuild.*"),
    ("1.29.1-gke.1500000", "*-gke.*"),
    ("ubi9-minimal-9.4-1227", "ubi9-minimal-*-*"),
    # Dates
    ("2024-05-01", "*"),
    ("20240501", "*"),
    ("20240501.3", "*"),
    ("2024.05.01.3", "*"),
    ("2024_05_01", "*"),
    ("2024-05-01T12-30-00Z", "*"),
    ("20240501T123000Z", "*"),
    ("bookworm-20240513-slim", "bookworm-*-slim"),
    ("prod-2024-05-01", "prod-*"),
    ("2023.4.20240513.0", "*"),
    ("20240501-1234", "*-*"),
    ("20240501-9912", "*-*"),
    ("1715558400", "*"),
    # Build numbers and the like
    ("main-42", "main-*"),
    ("build-1234", "build-*"),
    ("build1234", "build*"),
    ("b1234", "b*"),
    ("pr-123", "pr-*"),
    ("pr123", "pr*"),
    ("feature-PAY-123-refunds", "feature-PAY-*-refunds"),
    ("1.2.3-main.45", "*-main.*"),
    # Commit ids, with letters and without
    ("3f2a1c9", "*"),
    ("3F2A1C9", "*"),
    ("main-3f2a1c9", "main-*"),
    ("main-1234567", "main-*"),
    ("main-12e4567", "main-*"),
    ("main.3f2a1c9", "main.*"),
    ("deadbeef", "*"),
    ("sha-abcdef0", "sha-*"),
    ("main-20240501-3f2a1c9", "main-*-*"),
    ("main-20240501-1234567", "main-*-*"),
    ("v1.4.2-5-g3f2a1c9", "v*-*-g*"),
    ("v1.4.2-5-g1234567", "v*-*-g*"),
    ("3f2a1c9e-1234-4a5b-8c9d-0123456789ab", "*"),
    (f"sha256-{'0b5b7d1d' * 8}.sig", "sha256-*.sig"),
]


@pytest.mark.parametrize(("tag", "expected"), LINEAGES)
def test_lineage_of_a_tag(tag: str, expected: str) -> None:
    assert lineage_of(tag) == expected


@given(st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}", fullmatch=True))
def test_a_lineage_is_its_own_lineage(tag: str) -> None:
    assert lineage_of(lineage_of(tag)) == lineage_of(tag)


@given(
    st.integers(0, 10**9), st.integers(0, 10**9), st.sampled_from(["main-{}", "v{}.0", "build{}", "{}-slim"])
)
def test_a_counter_never_leaves_its_lineage(one: int, other: int, template: str) -> None:
    assert lineage_of(template.format(one)) == lineage_of(template.format(other))


@given(
    st.from_regex(r"[0-9a-f]{7}", fullmatch=True), st.sampled_from(["main-{}", "{}", "sha-{}", "v1.2-3-g{}"])
)
def test_a_commit_id_never_leaves_its_lineage(commit: str, template: str) -> None:
    assert lineage_of(template.format(commit)) == lineage_of(template.format("3f2a1c9"))


def test_the_first_matching_rule_decides() -> None:
    rules = [
        TrackRule(match="prod/*:v2.*", name="second"),
        TrackRule(match="prod/*:v*", name="release"),
        TrackRule(match="*:nightly-*", name="nightly"),
    ]
    assert lineage("prod/api", "v2.1", rules) == "second"
    assert lineage("prod/api", "v1.9", rules) == "release"
    assert lineage("dev/api", "v1.9", rules) == "v*"
    assert lineage("dev/api", "nightly-x", rules) == "nightly"
