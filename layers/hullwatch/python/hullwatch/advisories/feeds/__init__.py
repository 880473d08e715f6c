"""The feeds, one module each: where it is, how it looks, how one document becomes advisories."""

from __future__ import annotations

from hullwatch.advisories.feeds import (
    alpine,
    amazon,
    azure_linux,
    bottlerocket,
    debian,
    epss,
    kev,
    nvd,
    oracle,
    osv,
    photon,
    redhat,
    ubuntu,
    vulnrichment,
    wolfi,
)
from hullwatch.advisories.feeds.feed import Feed

#: By name, in the order in which they are shown.
FEEDS: dict[str, Feed] = {
    feed.NAME: feed
    for feed in (
        osv,
        debian,
        ubuntu,
        alpine,
        amazon,
        redhat,
        oracle,
        photon,
        azure_linux,
        bottlerocket,
        wolfi,
        kev,
        epss,
        vulnrichment,
        nvd,
    )
}
#: Only fetched when they are named, for their licence.
OPT_IN: frozenset[str] = frozenset({wolfi.NAME})
