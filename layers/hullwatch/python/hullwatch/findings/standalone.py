"""The findings of images that belong to no track: what ``scan`` shows as a table and as ASFF."""

from __future__ import annotations

from collections.abc import Sequence

from hullwatch.advisories.model import Match
from hullwatch.findings.compose import Subject, findings_of
from hullwatch.findings.diff import diff
from hullwatch.findings.finding import Finding, ImageRef, Track
from hullwatch.inventory.package import Inventory
from hullwatch.posture.failures import FailedControl
from hullwatch.settings import FindingSettings


def subject_of(
    platform: str,
    inventory: Inventory,
    matches: Sequence[Match],
    controls: Sequence[FailedControl] = (),
) -> Subject:
    """One platform's image, as findings are made of it."""
    return Subject(
        image=ImageRef(digest=inventory.digest, platform=platform),
        matches=tuple(matches),
        problems=inventory.problems,
        controls=tuple(controls),
    )


def findings_of_images(
    name: str, subjects: Sequence[Subject], *, settings: FindingSettings, now: str
) -> tuple[Finding, ...]:
    """Every finding of an image, or of the images of an index together, as newly opened.

    Args:
        name: the image without its tag or digest, as a repository would be called.
        now: ISO 8601, UTC.
    """
    track = Track(account="", region="", repository=name, lineage="*")
    unread = [problem for subject in subjects for problem in subject.problems]
    head = subjects[0].image.digest if len(subjects) == 1 else ""
    return diff({}, findings_of(track, subjects, settings), head=head, now=now, unread=unread).opened
