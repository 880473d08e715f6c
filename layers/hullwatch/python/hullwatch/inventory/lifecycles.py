"""When distribution releases end: the last day of fixes for everybody, paid extensions left out.

Sources: the publishers' own pages (wiki.debian.org/LTS, wiki.ubuntu.com/Releases, alpinelinux.org/releases,
the Amazon Linux FAQs, access.redhat.com/support/policy/updates/errata, and those of the rebuilds). For Debian
that is the end of LTS. A release that is not here is not known, which is not the same as supported.
"""

from __future__ import annotations

from hullwatch.inventory.package import OsRelease

#: By the ``ID`` of os-release: the release, as ``VERSION_ID`` begins, to an ISO date.
ENDS: dict[str, dict[str, str]] = {
    "almalinux": {"8": "2029-03-01", "9": "2032-05-31", "10": "2035-05-31"},
    "alpine": {
        "3.8": "2020-05-01", "3.9": "2020-11-01", "3.10": "2021-05-01", "3.11": "2021-11-01",
        "3.12": "2022-05-01", "3.13": "2022-11-01", "3.14": "2023-05-01", "3.15": "2023-11-01",
        "3.16": "2024-05-23", "3.17": "2024-11-22", "3.18": "2025-05-09", "3.19": "2025-11-01",
        "3.20": "2026-04-01", "3.21": "2026-11-01", "3.22": "2027-05-01", "3.23": "2027-11-01",
    },
    "amzn": {"2018.03": "2023-12-31", "2": "2026-06-30", "2023": "2029-06-30"},
    # Stream has the same ID; where both were called 8, the later date holds.
    "centos": {"6": "2020-11-30", "7": "2024-06-30", "8": "2024-05-31", "9": "2027-05-31"},
    "debian": {
        "7": "2018-05-31", "8": "2020-06-30", "9": "2022-06-30", "10": "2024-06-30", "11": "2026-08-31",
        "12": "2028-06-30", "13": "2030-06-30",
    },
    "rhel": {"6": "2020-11-30", "7": "2024-06-30", "8": "2029-05-31", "9": "2032-05-31", "10": "2035-05-31"},
    "rocky": {"8": "2029-05-31", "9": "2032-05-31", "10": "2035-05-31"},
    "ubuntu": {
        "14.04": "2019-04-02", "16.04": "2021-04-02", "18.04": "2023-05-31", "20.04": "2025-05-31",
        "20.10": "2021-07-22", "21.04": "2022-01-20", "21.10": "2022-07-14", "22.04": "2027-04-01",
        "22.10": "2023-07-20", "23.04": "2024-01-20", "23.10": "2024-07-12", "24.04": "2029-05-31",
        "24.10": "2025-07-10", "25.04": "2026-01-17", "25.10": "2026-07-01", "26.04": "2031-04-30",
    },
}  # fmt: skip


def end_of_life(os: OsRelease) -> str | None:
    """ISO date of the release's end; ``None`` when it is not known."""
    releases = ENDS.get(os.id, {})
    parts = os.version_id.split(".")
    candidates = (".".join(parts[:count]) for count in range(len(parts), 0, -1))
    return next((releases[version] for version in candidates if version in releases), None)
