"""Tasks that go to a worker in the commit that offers them: as good as claimed, or offered."""

from __future__ import annotations

from uuid import UUID

import pytest

from builders import a_graph
from fixtures.by_hand import ByHand, a_body, a_new_run, write
from fixtures.databases import Database
from flowrunner.core import inputs as inp
from flowrunner.db import queue, workers
from flowrunner.db.apply import Applied, apply
from flowrunner.db.pool import Conn
from integration.db.test_queue import QUEUE, a_worker

pytestmark = pytest.mark.anyio

PAIR = a_graph("a", "b")


async def prepared(run: ByHand, key: str, worker_id: UUID | None) -> Applied:
    """Dispatch *key*, meant for *worker_id*."""
    ref, bodies = a_body(f"prompt of {key}")
    change = run.change(run.decide(inp.PromptBuilt(run.number(key), ref)), bodies)
    return (await apply(run.conn, [change], take=lambda _queue: worker_id))[run.run_id]


async def unprepared(conn: Conn) -> ByHand:
    """A run whose first steps wait for their prompts."""
    new = await a_new_run(conn, PAIR)
    return ByHand(conn, new, (await write(conn, new, PAIR))[1])


async def test_a_task_is_its_workers_in_the_commit_that_offers_it(database: Database) -> None:
    """P2: it comes with everything that a claim tells, and nobody else can claim it."""
    async with await database.connect() as conn:
        run = await unprepared(conn)
        worker_id = await a_worker(conn)

        applied = await prepared(run, "a", worker_id)

        (taken,) = applied.taken
        assert await queue.claim(conn, await a_worker(conn), QUEUE, 5) == []
        released = await queue.release(conn, worker_id, [taken.epoch])
        (claimed,) = await queue.claim(conn, worker_id, QUEUE, 5)
    assert released == 1
    assert claimed.epoch > taken.epoch
    same = {"epoch": claimed.epoch}
    assert {**_told(taken), **same} == _told(claimed)


def _told(task: queue.ClaimedTask) -> dict[str, object]:
    return {name: getattr(task, name) for name in task.__slots__}


@pytest.mark.parametrize("gone", ["ended", "unknown"])
async def test_a_worker_whose_lease_has_ended_is_given_nothing(
    database: Database, gone: str
) -> None:
    """P2, P4: the task is offered as if nobody had been named."""
    async with await database.connect() as conn:
        run = await unprepared(conn)
        worker_id = await a_worker(conn)
        if gone == "ended":
            await database.sql("UPDATE workers SET expires_at = clock_timestamp() - interval '1 s'")
        else:
            await workers.deregister(conn, worker_id)

        applied = await prepared(run, "a", worker_id)

        assert (applied.verdict, applied.taken) == ("ok", ())
        (claimed,) = await queue.claim(conn, await a_worker(conn), QUEUE, 5)
    assert claimed.step_key == "a"


async def test_a_decision_that_is_refused_gives_nothing(database: Database) -> None:
    """P2: somebody else moved the run, so there is no task to have."""
    async with await database.connect() as conn:
        run = await unprepared(conn)
        worker_id = await a_worker(conn)
        stale = ByHand(conn, run.new, run.state)
        await run.prepare("b")

        applied = await prepared(stale, "a", worker_id)

        assert (applied.verdict, applied.taken) == ("conflict", ())
        assert await database.value("SELECT count(*) FROM task_queue WHERE epoch IS NOT NULL") == 0


async def test_a_task_whose_prompt_is_not_at_hand_is_offered(database: Database) -> None:
    """P3: who takes a task has its prompt; one that lies in the database is read by a claim."""
    async with await database.connect() as conn:
        run = await unprepared(conn)
        worker_id = await a_worker(conn)
        ref, bodies = a_body("stored before")
        await run.tell(inp.PromptBuilt(run.number("a"), ref), bodies=bodies)
        change = run.change(run.decide(inp.PromptBuilt(run.number("b"), ref)), {})

        applied = (await apply(conn, [change], take=lambda _queue: worker_id))[run.run_id]

        assert (applied.verdict, applied.taken) == ("ok", ())
        claimed = await queue.claim(conn, worker_id, QUEUE, 5)
    assert [task.input for task in claimed] == [b"stored before"] * 2


async def test_what_was_taken_is_reaped_and_ended_like_a_claim(database: Database) -> None:
    """P2, P4: a lease is a lease, wherever it came from."""
    async with await database.connect() as conn:
        run = await unprepared(conn)
        worker_id = await a_worker(conn)
        change = run.change(
            run.decide(inp.PromptBuilt(run.number("a"), a_body("x")[0])), a_body("x")[1]
        )
        applied = (await apply(conn, [change], take=lambda _queue: worker_id))[run.run_id]
        run.state = change.after
        (taken,) = applied.taken
        await database.sql("UPDATE workers SET expires_at = clock_timestamp() - interval '1 s'")
        (dead,) = (await queue.list_dead(conn, lease_seconds=1.0, grace_seconds=0.0)).leases
        run.held["a"] = taken.epoch

        ended = await run.complete("a")

    assert (dead.epoch, dead.worker_id, ended.verdict) == (taken.epoch, worker_id, "ok")
