"""A migration that is killed has happened or has not, wherever it was."""

from __future__ import annotations

from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest

from chaos.conftest import Measured
from fixtures.cluster import Server as Postgres
from fixtures.databases import Database
from flowrunner.db import migrations
from upgrade.deaths import ask, catalogue, die_everywhere, mourner


@pytest.fixture
def before(cluster: Postgres, last_template: str) -> Generator[Database]:
    """A database of the release before this one."""
    made = Database(f"flowrunner_dying_{uuid4().hex[:8]}", cluster)
    cluster.clone_database(made.name, last_template)
    yield made
    cluster.drop_database(made.name)


def test_an_upgrade_killed_at_any_statement_is_made_or_not(
    before: Database, database: Database, measured: Measured
) -> None:
    """P3, D2-18: SIGKILL before and after each statement, the commit too; all of it is left or nothing,
    nobody is locked out, and the next one makes what today's schema is.
    """
    deaths = die_everywhere(before, database)
    measured("deaths", deaths)
    assert deaths > 20

    assert migrations.upgrade(before.address("owner")) == migrations.head()
    assert catalogue(before) == catalogue(database)


@pytest.mark.parametrize("when", ["before 3", "after 12"])
def test_a_rival_ends_what_a_killed_migration_began(
    before: Database, database: Database, when: str
) -> None:
    """P3, P5, D2-18: two at once, of which one is killed in the middle: the other one waits, and does it all."""
    owner = before.address("owner")
    with mourner(owner) as process, ThreadPoolExecutor(1) as pool:
        dying = pool.submit(ask, process, when)
        assert migrations.upgrade(owner) == migrations.head()
        dying.result()

    assert catalogue(before) == catalogue(database)
