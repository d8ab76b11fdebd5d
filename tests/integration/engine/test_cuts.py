"""What a broken run or a cut connection must not hold up."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest

from fixtures.databases import Database
from fixtures.dispatchers import Dispatcher, a_dispatcher, done
from fixtures.libraries import a_flow, a_library, agent, code
from fixtures.proxy import Proxy
from fixtures.runs import ended, launch, run_row, wake
from fixtures.services import LogLines, Replicas
from flowrunner.core.errors import UnavailableError

pytestmark = pytest.mark.anyio

ONE = a_flow(agent("a"))


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """What hanging user code waits for; the test's end lets it go."""
    event = threading.Event()
    yield event
    event.set()


@pytest.mark.unsound
@pytest.mark.complains("actor.failed", "round.failed", "run.unreachable")
async def test_one_broken_run_does_not_stop_the_others(
    replicas: Replicas, database: Database, dispatcher: Dispatcher
) -> None:
    """R2-49: whatever is wrong with one run's rows, the others are recovered, and we live."""
    flow = a_flow(agent("a", retry=1), agent("b"), deadline=600)
    service = await replicas.start(a_library(flow))
    broken, good = await launch(service), await launch(service)
    await dispatcher.claim()
    await replicas.stop(service)
    await database.sql("DELETE FROM flow_steps WHERE run_id = %s AND step_no = 1", (broken,))
    await dispatcher.die()
    await database.sql("UPDATE flow_timers SET due_at = now() WHERE run_id = %s", (broken,))
    await dispatcher.leave(dispatcher.held[broken, "a"])

    after = await replicas.start(a_library(flow))
    other = await a_dispatcher(database)
    async with other.conn:
        for task in await other.take(good, "a", "b", attempt=2):
            await after.tasks.report(task.task_id, done(task))
        assert await ended(after, good) == "completed"
    assert replicas.is_alive(after)


@pytest.mark.unsound
@pytest.mark.complains("code.unprepared", "ask.unanswerable")
async def test_a_code_step_that_cannot_be_prepared_is_not_held_for_ever(
    replicas: Replicas, database: Database, gate: threading.Event
) -> None:
    """P4: trouble of ours ends the attempt: a lease that is renewed would never be reaped."""
    flow = a_flow(code("a", run=lambda _ctx: gate.wait(20)))
    before = await replicas.start(a_library(flow))
    run_id = await launch(before)
    await replicas.stop(before)
    await database.sql("DELETE FROM payloads WHERE body = '{}'")
    gate.set()

    after = await replicas.start(a_library(flow))

    assert await ended(after, run_id) == "failed"
    assert (await run_row(database, run_id))["error"]["code"] == "internal_error"


async def test_a_code_step_outlives_a_cut_connection_while_it_is_prepared(
    proxy: Proxy, replicas: Replicas, gate: threading.Event
) -> None:
    """P3, P4: the run is read again when the database is back, and the step goes on."""
    flow = a_flow(code("a", run=lambda _ctx: gate.wait(20)))
    before = await replicas.start(a_library(flow))
    run_id = await launch(before)
    await replicas.stop(before)
    gate.set()

    proxy.doom("question_lost", "m.input_ref, m.nonce")
    after = await replicas.start(a_library(flow), addresses=proxy.addresses)

    assert await ended(after, run_id) == "completed"
    assert proxy.has_struck


async def test_a_question_that_met_a_cut_connection_is_asked_again(
    proxy: Proxy, replicas: Replicas, dispatcher: Dispatcher
) -> None:
    """P3: the result it was asked about is kept, and the prompt is built in the end."""
    flow = a_flow(agent("a"), agent("b"), agent("c", "a", "b"))
    before = await replicas.start(a_library(flow))
    run_id = await launch(before)
    a, b = await dispatcher.take(run_id, "a", "b")
    await before.tasks.report(a.task_id, done(a, "one"))
    await replicas.stop(before)

    after = await replicas.start(a_library(flow), addresses=proxy.addresses, patience_seconds=0.3)
    proxy.doom("question_lost", "FROM payloads")
    reply = await after.tasks.report(b.task_id, done(b, "two"))

    assert reply.verdict == "accepted"
    assert await dispatcher.finish(after, run_id) == "completed"
    assert proxy.has_struck


async def test_a_database_that_only_reads_for_a_while_is_waited_for(
    replicas: Replicas, fresh_database: Database, log_lines: LogLines
) -> None:
    """P3: a primary that was demoted refuses writes; the replica stays, and goes on afterwards."""
    assert log_lines == []
    replicas = Replicas(fresh_database.addresses)
    service = await replicas.start(a_library(ONE))
    dispatcher = await a_dispatcher(fresh_database, lease_seconds=600)
    async with dispatcher.conn:
        run_id = await launch(service)
        (a,) = await dispatcher.take(run_id, "a")

    await only_reads(fresh_database, "on")
    for name in ("reaper", "alarms", "inbox"):
        wake(service, name)
    telling = asyncio.create_task(service.tasks.report(a.task_id, done(a)))
    with pytest.raises(UnavailableError):
        await launch(service)
    assert (replicas.is_alive(service), telling.done()) == (True, False)
    await only_reads(fresh_database, "off")

    assert (await telling).verdict == "accepted"
    assert await ended(service, run_id) == "completed"
    await replicas.stop(service)


async def only_reads(database: Database, switch: str) -> None:
    """Let every session from now on read only, or write again; those that are open end."""
    async with await database.connect("admin") as conn:
        await conn.execute("SET default_transaction_read_only = off")
        setting = f"ALTER DATABASE {database.name} SET default_transaction_read_only = {switch}"
        await conn.execute(setting.encode())
        await conn.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
