from __future__ import annotations

from pathlib import Path

import pytest

from fakes.feeds import Mirror


@pytest.fixture
def mirror(tmp_path: Path) -> Mirror:
    """An empty mirror directory, and a place for what is compiled from it."""
    return Mirror(tmp_path)
