from __future__ import annotations

from collections.abc import Iterator

import pytest

from local_aws.cloud import LocalCloud


@pytest.fixture
def cloud() -> Iterator[LocalCloud]:
    with LocalCloud() as cloud:
        yield cloud
