"""What the tests of whole runs with real agents share."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from fixtures.cluster import Server as Postgres
from integration.agents.asking import House, a_house


@pytest.fixture
def house(cluster: Postgres, template: str) -> Generator[House]:
    """An installation on a database of the session's server."""
    with a_house(cluster, template) as made:
        yield made
