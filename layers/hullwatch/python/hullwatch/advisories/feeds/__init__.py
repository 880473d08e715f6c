"""The feeds, one module each: where it is, how it looks, how one document becomes advisories."""

from __future__ import annotations

from hullwatch.advisories.feeds import alpine, debian, epss, kev, osv, vulnrichment
from hullwatch.advisories.feeds.feed import Feed

#: By name, in the order in which they are shown.
FEEDS: dict[str, Feed] = {feed.NAME: feed for feed in (osv, debian, alpine, kev, epss, vulnrichment)}
