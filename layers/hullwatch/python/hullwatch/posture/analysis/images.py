"""What is known of an image that a workload refers to."""

from __future__ import annotations

from hullwatch.posture.analysis.references import parse_reference
from hullwatch.posture.model.image import BuiltImage
from hullwatch.posture.model.snapshot import Snapshot


def runs_as_root(user: str) -> bool:
    """Whether an image's ``USER`` is root: empty, ``0`` or ``root``, with any group."""
    return user.partition(":")[0].strip() in ("", "0", "root")


def user_of(image: str, snapshot: Snapshot) -> str | None:
    """The ``USER`` of an image that was read, found by digest or by repository and tag; else ``None``."""
    built = snapshot.once(_users)
    reference = parse_reference(image)
    return built.get(reference.digest or f"{reference.name}:{reference.tag or 'latest'}")


def _users(snapshot: Snapshot) -> dict[str, str]:
    users: dict[str, str] = {}
    for built in snapshot.of(BuiltImage):
        users[built.digest] = built.config.user
        if built.repository:
            users[built.repository] = built.config.user
    return users
