"""A migration over several revisions, or from nothing, is killed at each of its statements."""

from __future__ import annotations

from collections.abc import Generator
from uuid import uuid4

import pytest

from chaos.conftest import Measured
from fixtures.cluster import Server as Postgres
from fixtures.databases import Database
from flowrunner.db import migrations
from upgrade.deaths import catalogue, die_everywhere


@pytest.fixture(params=["spine_template", None], ids=["0001", "empty"])
def before(cluster: Postgres, request: pytest.FixtureRequest) -> Generator[Database]:
    """A database of a schema of long ago, or of none."""
    made = Database(f"flowrunner_dying_{uuid4().hex[:8]}", cluster)
    if request.param is None:
        cluster.create_database(made.name)
    else:
        cluster.clone_database(made.name, request.getfixturevalue(request.param))
    yield made
    cluster.drop_database(made.name)


def test_an_upgrade_over_revisions_is_made_or_not(
    before: Database, database: Database, measured: Measured
) -> None:
    """P3, D2-18: never a revision in between: its functions would be those of another time (ADR 15)."""
    measured("deaths", die_everywhere(before, database))

    assert migrations.upgrade(before.address("owner")) == migrations.head()
    assert catalogue(before) == catalogue(database)
