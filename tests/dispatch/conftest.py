"""What the dispatcher's tests share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from structlog.testing import capture_logs


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:  # pyright: ignore[reportUnusedFunction]  # pytest uses it
    """Keep log lines out of the way."""
    with capture_logs():
        yield
