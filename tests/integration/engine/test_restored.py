"""A database is put back to what it was when it was copied: what goes on, and what it cannot know."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import pytest

from fixtures.cluster import Server
from fixtures.databases import Database
from fixtures.dispatchers import a_dispatcher, done
from fixtures.libraries import a_flow, a_library, agent
from fixtures.runs import ended, launch, steps, told
from fixtures.services import Replicas

pytestmark = pytest.mark.anyio

PAIR = a_flow(agent("a"), agent("b", "a"))


@pytest.fixture
def backup(cluster: Server) -> Iterator[Database]:
    """The place of a copy that is not made yet."""
    made = Database(f"flowrunner_backup_{uuid4().hex[:8]}", cluster)
    yield made
    cluster.drop_database(made.name)


async def test_a_restored_run_goes_on_from_the_backup(
    replicas: Replicas, fresh_database: Database, backup: Database
) -> None:
    """P3, P7: what was committed by then stands; what ended later is not there, and done again."""
    library, original = a_library(PAIR), fresh_database
    before = await replicas.start(library, addresses=original.addresses)
    run_id = await launch(before)
    dispatcher = await a_dispatcher(original)
    (a,) = await dispatcher.take(run_id, "a")
    await before.tasks.report(a.task_id, done(a, "kept"))
    await dispatcher.conn.close()
    await replicas.stop(before)
    original.server.clone_database(backup.name, original.name)

    after = await replicas.start(library, addresses=original.addresses)
    later = await a_dispatcher(original)
    async with later.conn:
        assert await later.finish(after, run_id) == "completed"
    restored = await replicas.start(library, addresses=backup.addresses)
    dispatcher = await a_dispatcher(backup)
    async with dispatcher.conn:
        assert await steps(backup, run_id) == {"a": "completed", "b": "running"}
        (b,) = await dispatcher.take(run_id, "b")
        assert b.attempt == 1
        await restored.tasks.report(b.task_id, done(b))

    assert await ended(restored, run_id) == "completed"
    assert (await told(backup, run_id)).count("a#1 completed") == 1
    assert await backup.violations() == []


async def test_a_lease_from_after_the_backup_is_not_told_from_the_same_one_given_again(
    replicas: Replicas, fresh_database: Database, backup: Database
) -> None:
    """Fencing ends where a database is put back: its epochs begin again with it. Stop everybody."""
    library, original = a_library(PAIR), fresh_database
    before = await replicas.start(library, addresses=original.addresses)
    run_id = await launch(before)
    await replicas.stop(before)
    original.server.clone_database(backup.name, original.name)
    survivor, newcomer = await a_dispatcher(original), await a_dispatcher(backup)
    async with survivor.conn, newcomer.conn:
        (theirs,) = await survivor.take(run_id, "a")
        restored = await replicas.start(library, addresses=backup.addresses)
        (ours,) = await newcomer.take(run_id, "a")
        assert (ours.task_id, ours.epoch) == (theirs.task_id, theirs.epoch)

        reply = await restored.tasks.report(theirs.task_id, done(theirs, "of another time"))

        assert reply.verdict == "accepted"
        assert await newcomer.finish(restored, run_id) == "completed"
