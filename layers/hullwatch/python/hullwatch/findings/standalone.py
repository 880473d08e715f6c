"""The findings of one image that belongs to no track: what ``scan --format asff`` shows."""

from __future__ import annotations

from collections.abc import Sequence

from hullwatch.advisories.model import Match
from hullwatch.findings.compose import Subject, findings_of
from hullwatch.findings.diff import diff
from hullwatch.findings.finding import Finding, ImageRef, Track
from hullwatch.inventory.package import Inventory
from hullwatch.posture.failures import FailedControl
from hullwatch.settings import FindingSettings


def findings_of_image(
    name: str,
    platform: str,
    inventory: Inventory,
    matches: Sequence[Match],
    controls: Sequence[FailedControl] = (),
    *,
    settings: FindingSettings,
    now: str,
) -> tuple[Finding, ...]:
    """Every finding of an image as newly opened.

    Args:
        name: the image without its tag or digest, as a repository would be called.
        now: ISO 8601, UTC.
    """
    track = Track(account="", region="", repository=name, lineage="*")
    image = ImageRef(digest=inventory.digest, platform=platform)
    subject = Subject(
        image=image, matches=tuple(matches), problems=inventory.problems, controls=tuple(controls)
    )
    return diff(
        {}, findings_of(track, [subject], settings), head=inventory.digest, now=now, unread=inventory.problems
    ).opened
