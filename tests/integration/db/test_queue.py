"""Claims, renewals and hand-backs: every task is held once, by somebody who is alive."""

from __future__ import annotations

import asyncio
from collections import Counter
from uuid import UUID, uuid4

import pytest

from builders import a_graph
from fixtures.by_hand import by_hand
from fixtures.databases import Database
from flowrunner.db import queue, transcripts, workers
from flowrunner.db.pool import Conn
from flowrunner.db.transcripts import Chunk

pytestmark = pytest.mark.anyio

WIDE = a_graph(*(f"s{n}()" for n in range(60)))
QUEUE = ("default",)


async def a_worker(conn: Conn, lease_seconds: float = 60.0) -> UUID:
    worker_id = uuid4()
    row = workers.WorkerRow(worker_id, "w", "here", 1, QUEUE, 10, "t")
    await workers.register(conn, row, lease_seconds)
    return worker_id


async def test_many_claimers_take_each_task_once(database: Database) -> None:
    """P2, C4: eight connections claim at once until nothing is left."""
    async with await database.connect() as conn:
        for _ in range(3):
            await by_hand(conn, WIDE)

    async def drain() -> list[queue.ClaimedTask]:
        taken: list[queue.ClaimedTask] = []
        async with await database.connect("dispatcher") as conn:
            worker_id = await a_worker(conn)
            while found := await queue.claim(conn, worker_id, QUEUE, 7):
                assert len(found) <= 7
                taken += found
        return taken

    taken = [task for part in await asyncio.gather(*(drain() for _ in range(8))) for task in part]

    assert set(Counter(task.task_id for task in taken).values()) == {1}
    assert len({task.epoch for task in taken}) == len(taken) == 180


async def test_the_oldest_come_first_whatever_their_queue(database: Database) -> None:
    """P5: several queues are one line, and a claim takes no more than it asked for."""
    async with await database.connect() as conn:
        await by_hand(conn, a_graph(*(f"s{n}()" for n in range(6))))
        await database.sql(
            "UPDATE task_queue SET sort_key = 100 - step_no,"
            " queue = CASE WHEN mod(step_no, 2) = 0 THEN 'even' ELSE 'odd' END"
        )
        worker_id = await a_worker(conn)

        first = await queue.claim(conn, worker_id, ("even", "odd", "none"), 4)
        rest = await queue.claim(conn, worker_id, ("even", "odd"), 10)

    assert [task.step_no for task in first] == [5, 4, 3, 2]
    assert [task.step_no for task in rest] == [1, 0]
    epochs = [task.epoch for task in (*first, *rest)]
    assert sorted(set(epochs)) == sorted(epochs)


async def test_a_claim_does_not_wait_for_what_somebody_else_holds(database: Database) -> None:
    """C4: a row that is locked is passed over."""
    async with await database.connect() as conn, await database.connect("admin") as holder:
        await by_hand(conn, a_graph("a()", "b()"))
        worker_id = await a_worker(conn)
        async with holder.transaction():
            await holder.execute("SELECT FROM task_queue WHERE step_no = 0 FOR UPDATE")

            taken = await asyncio.wait_for(queue.claim(conn, worker_id, QUEUE, 5), 5)

    assert [task.step_no for task in taken] == [1]


@pytest.mark.parametrize("why", ["expired", "unknown"])
async def test_who_is_not_alive_gets_nothing(database: Database, why: str) -> None:
    """P2, L9: a worker whose lease has ended, or that nobody knows, cannot hold a task."""
    async with await database.connect() as conn:
        await by_hand(conn, a_graph("a()"))
        worker_id = await a_worker(conn, lease_seconds=-1) if why == "expired" else uuid4()

        assert await queue.claim(conn, worker_id, QUEUE, 5) == []
        assert len(await queue.claim(conn, await a_worker(conn), QUEUE, 5)) == 1


async def test_a_renewal_tells_what_is_lost(database: Database) -> None:
    """P2, P12: leases that are not ours any more, or never were; and whether we are known."""
    async with await database.connect() as conn:
        run = await by_hand(conn, a_graph("a()", "b()"))
        mine, other = await a_worker(conn), await a_worker(conn)
        (a,) = await queue.claim(conn, mine, QUEUE, 1)
        (b,) = await queue.claim(conn, other, QUEUE, 1)
        run.held = {"a": a.epoch}

        asked = (a.epoch, b.epoch, 999_999_999)
        renewed = await workers.renew(conn, mine, 60, asked)
        await run.complete("a")
        after = await workers.renew(conn, mine, 60, (a.epoch,))
        stranger = await workers.renew(conn, uuid4(), 60, (a.epoch,))

    assert renewed == workers.Renewal(known=True, lost=(b.epoch, 999_999_999))
    assert after == workers.Renewal(known=True, lost=(a.epoch,))
    assert stranger == workers.Renewal(known=False, lost=(a.epoch,))


async def test_only_what_is_held_can_be_handed_back(database: Database) -> None:
    """P2: by its holder, under its epoch; then it is offered at once."""
    async with await database.connect() as conn:
        await by_hand(conn, a_graph("a()", "b()"))
        mine, other = await a_worker(conn), await a_worker(conn)
        tasks = await queue.claim(conn, mine, QUEUE, 2)
        epochs = [task.epoch for task in tasks]

        assert await queue.release(conn, other, epochs) == 0
        assert await queue.release(conn, mine, [1, *epochs[:1]]) == 1
        assert await queue.release(conn, mine, epochs[:1]) == 0
        assert await queue.release_unknown(conn, mine, epochs[1:]) == 0
        assert await queue.release_unknown(conn, mine, []) == 1
        again = await queue.claim(conn, other, QUEUE, 5)

    assert {task.task_id for task in again} == {task.task_id for task in tasks}
    assert min(task.epoch for task in again) > max(epochs)


async def test_who_leaves_hands_everything_back(database: Database) -> None:
    """L8: and is forgotten; saying goodbye twice is fine."""
    async with await database.connect() as conn:
        await by_hand(conn, a_graph("a()"))
        worker_id = await a_worker(conn)
        await queue.claim(conn, worker_id, QUEUE, 1)

        await workers.deregister(conn, worker_id)
        await workers.deregister(conn, worker_id)

        assert await workers.list_workers(conn) == []
        assert len(await queue.claim(conn, await a_worker(conn), QUEUE, 1)) == 1


async def test_nobody_is_dead_just_after_the_server_started(database: Database) -> None:
    """L11: while PostgreSQL was away, nobody could renew."""
    async with await database.connect() as conn:
        await by_hand(conn, a_graph("a()"))
        await queue.claim(conn, await a_worker(conn), QUEUE, 1)
        await database.sql("UPDATE workers SET expires_at = now() - interval '1 hour'")

        soon = (await queue.list_dead(conn, lease_seconds=1, grace_seconds=10**6)).leases
        later = (await queue.list_dead(conn, lease_seconds=1, grace_seconds=0)).leases

    assert (len(soon), len(later)) == (0, 1)


@pytest.mark.parametrize(("dead", "alive", "found"), [(1, 0, 1), (1, 1, 1), (2, 1, 0), (2, 2, 2)])
async def test_a_mass_expiry_is_given_one_more_lease(
    database: Database, dead: int, alive: int, found: int
) -> None:
    """L11: more than half of three or more at once were not seen dying, but cut off."""
    async with await database.connect() as conn:
        await by_hand(conn, a_graph(*(f"s{n}()" for n in range(dead))))
        for _ in range(dead):
            await queue.claim(conn, await a_worker(conn), QUEUE, 1)
        await database.sql("UPDATE workers SET expires_at = now() - interval '5 s'")
        for _ in range(alive):
            await a_worker(conn)

        soon = (await queue.list_dead(conn, lease_seconds=60, grace_seconds=0)).leases
        later = (await queue.list_dead(conn, lease_seconds=1, grace_seconds=0)).leases

    assert (len(soon), len(later)) == (found, dead)


async def test_only_a_live_lease_adds_to_a_transcript(database: Database) -> None:
    """P2: chunks of a lost lease are refused; a chunk that is sent twice is kept once."""
    async with await database.connect() as conn:
        run = await by_hand(conn, a_graph("a()"))
        (task,) = await queue.claim(conn, await a_worker(conn), QUEUE, 1)
        chunks = [Chunk(0, "text", "one"), Chunk(1, "stderr", "two")]

        assert await transcripts.append(conn, task.task_id, task.epoch, chunks)
        assert await transcripts.append(conn, task.task_id, task.epoch, chunks)
        assert not await transcripts.append(conn, task.task_id, task.epoch + 1, chunks)
        run.held = {"a": task.epoch}
        await run.complete("a")
        assert not await transcripts.append(conn, task.task_id, task.epoch, [Chunk(2, "text", "x")])

        assert await transcripts.list_chunks(conn, run.run_id, 0, 1) == chunks


async def report(conn: Conn, task: queue.ClaimedTask) -> None:
    """Leave a result in the inbox, as a dispatcher does."""
    sql = "SELECT report_v1(%s, %s, 'completed', 'said')"
    await conn.execute(sql, (task.task_id, task.epoch))


@pytest.mark.parametrize("how", ["release", "release_unknown", "deregister"])
async def test_what_was_reported_is_not_offered_again(database: Database, how: str) -> None:
    """P3: a lease with a result in the inbox stays, or the result would be a late one."""
    async with await database.connect() as conn:
        run = await by_hand(conn, a_graph("a()", "b()"))
        mine, other = await a_worker(conn), await a_worker(conn)
        a, b = await queue.claim(conn, mine, QUEUE, 2)
        await report(conn, a)

        if how == "release":
            assert await queue.release(conn, mine, [a.epoch, b.epoch]) == 1
        elif how == "release_unknown":
            assert await queue.release_unknown(conn, mine, []) == 1
        else:
            await workers.deregister(conn, mine)

        again = await queue.claim(conn, other, QUEUE, 5)
        assert [task.step_no for task in again] == [b.step_no]
        assert (await queue.list_dead(conn, lease_seconds=60, grace_seconds=0)).leases == ()
        run.held = {"a": a.epoch}
        assert (await run.complete("a")).verdict == "ok"


async def test_a_result_that_was_refused_holds_nothing_back(database: Database) -> None:
    """P4: once its report has a verdict, a lease may be handed back."""
    async with await database.connect() as conn:
        await by_hand(conn, a_graph("a()"))
        worker_id = await a_worker(conn)
        (task,) = await queue.claim(conn, worker_id, QUEUE, 1)
        await report(conn, task)
        await database.sql("UPDATE task_results SET verdict = 'stale'")

        assert await queue.release(conn, worker_id, [task.epoch]) == 1
