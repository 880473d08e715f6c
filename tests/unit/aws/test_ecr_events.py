"""Every event of ECR that concerns images, as the service sends it, and what we make of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from hullwatch.aws.ecr_events import Hint, read
from hullwatch.errors import MessageInvalid

EVENTS = Path(__file__).parents[2] / "events"
DIGEST = "sha256:7f5b2640fe6fb4f46592dfd3410c4a79dac4f89e4782432e0378abcd1234abcd"


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("ecr-push", Hint("team/shop", DIGEST, "v1.0.0", "came")),
        ("ecr-push-untagged", Hint("team/shop", DIGEST, "", "came")),
        ("ecr-push-failed", None),
        ("ecr-delete", Hint("team/shop", DIGEST, "latest", "went")),
        ("ecr-archive", Hint("team/shop", DIGEST, "", "went")),
        ("ecr-restore", Hint("team/shop", DIGEST, "", "came")),
        ("ecr-pull-through", Hint("docker-hub/alpine", DIGEST, "3.17.2", "came")),
        ("ecr-replication", Hint("docker-hub/alpine", DIGEST, "3.17.2", "came")),
    ],
)
def test_events_become_hints(name: str, hint: Hint | None) -> None:
    assert read((EVENTS / f"{name}.json").read_text()) == hint


def test_every_recorded_event_is_tested() -> None:
    cases = test_events_become_hints.pytestmark[0].args[1]  # type: ignore[attr-defined]
    assert {name for name, _ in cases} == {path.stem for path in EVENTS.glob("ecr-*.json")}


def test_our_own_message_is_a_hint_that_needs_no_choosing() -> None:
    body = f'{{"repository": "team/shop", "digest": "{DIGEST}"}}'

    assert read(body) == Hint("team/shop", DIGEST, "", "came", chosen=True)


@pytest.mark.parametrize(
    "body",
    [
        "",
        "nonsense",
        "[]",
        "{}",
        '{"detail-type": "x"}',
        '{"repository": 1}',
        '{"a": ' + "[" * 10_000,
        "\ud800",
    ],
    ids=lambda body: body[:40],
)
def test_anything_else_is_refused(body: str) -> None:
    with pytest.raises(MessageInvalid):
        read(body)
