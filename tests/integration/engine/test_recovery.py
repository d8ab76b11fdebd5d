"""After a crash of anything: what was lost is found, what stands still is moved, nobody else is hurt."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from fixtures.databases import Database
from fixtures.dispatchers import Dispatcher, a_dispatcher, done, failed
from fixtures.libraries import a_flow, a_library, agent, code
from fixtures.runs import ended, forget, launch, run_row, steps, told
from fixtures.services import Replicas
from fixtures.waiting import until
from flowrunner.definitions.context import Context, Report

pytestmark = pytest.mark.anyio

ONE = a_flow(agent("a"))


async def test_a_dead_workers_task_is_offered_again(
    replicas: Replicas, database: Database, dispatcher: Dispatcher
) -> None:
    """P3, L4, F29: a new attempt under a new epoch, counted as a crash and not as a failure."""
    service = await replicas.start(a_library(ONE))
    run_id = await launch(service)
    (lost,) = await dispatcher.take(run_id, "a")

    await dispatcher.die()
    other = await a_dispatcher(database)
    async with other.conn:
        (a,) = await other.take(run_id, "a", attempt=2)
        await service.tasks.report(a.task_id, done(a))

    assert await ended(service, run_id) == "completed"
    assert a.epoch > lost.epoch
    assert (await steps(database, run_id, "crashes"))["a"] == "1"
    assert (await steps(database, run_id, "failures"))["a"] == "0"


async def test_a_task_that_kills_its_workers_ends_as_a_crash_loop(
    replicas: Replicas, database: Database, dispatcher: Dispatcher
) -> None:
    """L8, F33: after three lost workers the step fails instead of eating a fourth."""
    service = await replicas.start(a_library(ONE))
    run_id = await launch(service)
    for attempt in (1, 2, 3):
        await dispatcher.register()
        await dispatcher.take(run_id, "a", attempt=attempt)
        await dispatcher.die()
        await until(lambda: service.reaper.lost == attempt)  # noqa: B023  # awaited in the loop

    assert await ended(service, run_id) == "failed"
    assert (await run_row(database, run_id))["error"]["code"] == "crash_loop"
    assert (await told(database, run_id))[-2:] == [
        "a#3 failed: crash_loop",
        "run failed: crash_loop",
    ]


async def test_a_worker_that_says_goodbye_loses_nothing(
    replicas: Replicas, database: Database, dispatcher: Dispatcher
) -> None:
    """L8: what is handed back is the same attempt, offered at once, and no crash."""
    service = await replicas.start(a_library(ONE))
    run_id = await launch(service)
    (before,) = await dispatcher.take(run_id, "a")

    await dispatcher.conn.execute("SELECT deregister_worker_v1(%s)", (dispatcher.worker_id,))
    other = await a_dispatcher(database)
    async with other.conn:
        (after,) = await other.take(run_id, "a")

    assert (before.attempt, after.attempt) == (1, 1)
    assert (await steps(database, run_id, "crashes"))["a"] == "0"


async def test_most_workers_do_not_die_in_the_same_moment(
    replicas: Replicas, database: Database, dispatcher: Dispatcher
) -> None:
    """L11: when most of several leases ran out at once, it was the database that was away."""
    service = await replicas.start(a_library(ONE), lease_seconds=60)
    others = [await a_dispatcher(database) for _ in range(3)]
    run_id = await launch(service)
    (a,) = await dispatcher.take(run_id, "a")

    await database.sql("UPDATE workers SET expires_at = clock_timestamp() - interval '2 s'")
    await service.reaper.look()

    assert await steps(database, run_id, "attempt") == {"a": "1"}
    assert service.reaper.lost == 0
    assert (await service.tasks.report(a.task_id, done(a))).verdict == "accepted"
    for other in others:
        await other.conn.close()


async def test_the_dead_of_long_ago_do_not_hold_up_recovery(
    replicas: Replicas, database: Database, dispatcher: Dispatcher
) -> None:
    """L11: rows of workers that died an hour ago say nothing about the database of today."""
    service = await replicas.start(a_library(ONE), lease_seconds=60)
    others = [await a_dispatcher(database) for _ in range(3)]
    run_id = await launch(service)
    await dispatcher.take(run_id, "a")
    for other in others:
        await other.die()
        await other.conn.close()

    await database.sql(
        "UPDATE workers SET expires_at = clock_timestamp() - interval '2 s' WHERE id = %s",
        (dispatcher.worker_id,),
    )
    await service.reaper.look()

    assert service.reaper.lost == 1
    assert await steps(database, run_id, "crashes") == {"a": "1"}
    await service.runs.cancel(run_id, "enough", "test")


@pytest.mark.unsound
async def test_a_run_whose_task_vanished_is_moved_again(
    replicas: Replicas, database: Database, dispatcher: Dispatcher
) -> None:
    """P4, F28: the detector finds a run that nothing would move, repairs it and says so."""
    service = await replicas.start(a_library(ONE), patience_seconds=0.3)
    run_id = await launch(service)
    await dispatcher.take(run_id, "a")

    await database.sql("DELETE FROM task_queue")
    await forget(database, run_id)
    (a,) = await dispatcher.take(run_id, "a", attempt=2)
    await service.tasks.report(a.task_id, done(a))

    assert await ended(service, run_id) == "completed"
    assert "run repaired" in await told(database, run_id)
    assert service.reaper.repaired >= 1


@pytest.mark.unsound
async def test_a_run_whose_timer_vanished_is_moved_again(
    replicas: Replicas, database: Database, dispatcher: Dispatcher
) -> None:
    """P4, F28: a step that waits for a timer that is not there waits for nothing."""
    service = await replicas.start(a_library(a_flow(agent("a", retry=1))), patience_seconds=0.3)
    run_id = await launch(service)
    (a,) = await dispatcher.take(run_id, "a")
    await service.tasks.report(a.task_id, failed(a, "overloaded", failure_class="transient"))

    await database.sql("DELETE FROM flow_timers")
    await forget(database, run_id)
    (a,) = await dispatcher.take(run_id, "a", attempt=2)
    await service.tasks.report(a.task_id, done(a))

    assert await ended(service, run_id) == "completed"
    assert "run repaired" in await told(database, run_id)


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """What hanging user code waits for; the test's end lets it go."""
    event = threading.Event()
    yield event
    event.set()


async def test_a_run_that_was_being_prepared_by_a_dead_replica_is_taken_up(
    replicas: Replicas, database: Database, dispatcher: Dispatcher, gate: threading.Event
) -> None:
    """P3, R2-11, D2-35: the launch is answered and durable; who built its first prompt is gone."""

    def prompt(_ctx: Context) -> str:
        gate.wait(60)
        return "built"

    flow = a_flow(agent("a", run=prompt))
    before = await replicas.start(a_library(flow))
    run_id = await launch(before)
    await replicas.stop(before)
    assert await steps(database, run_id) == {"a": "pending"}
    gate.set()

    await forget(database, run_id)
    after = await replicas.start(a_library(flow))

    assert await dispatcher.finish(after, run_id) == "completed"


async def test_a_report_that_was_being_rendered_by_a_dead_replica_is_rendered(
    replicas: Replicas, database: Database, gate: threading.Event
) -> None:
    """P3: the last step's result is durable; the report is rendered by whoever is there."""
    tries: list[int] = []

    def render(_ctx: object) -> Report:
        tries.append(1)
        if len(tries) == 1:
            gate.wait(60)
        return Report("# done")

    flow = a_flow(code("a"), render=render)
    before = await replicas.start(a_library(flow))
    run_id = await launch(before)
    await until(lambda: tries)
    await replicas.stop(before)

    await forget(database, run_id)
    after = await replicas.start(a_library(flow))

    assert await ended(after, run_id) == "completed"


async def test_a_run_that_waits_rightly_is_left_alone(
    replicas: Replicas, database: Database, dispatcher: Dispatcher
) -> None:
    """P4: a held task, an offered one and a retry are causes enough, however long they take."""
    flow = a_flow(agent("a", retry=1), agent("b"), agent("c"))
    service = await replicas.start(a_library(flow), patience_seconds=0.1)
    held, offered, delayed = [await launch(service) for _ in range(3)]
    tasks = {(t.run_id, t.step_key): t for t in await dispatcher.claim()}
    for key in "abc":
        task = tasks[delayed, key]
        if key == "a":
            said = failed(task, "overloaded", failure_class="transient")
            await service.tasks.report(task.task_id, said)
        else:
            await service.tasks.report(task.task_id, done(task))
    epochs = [t.epoch for (run, _), t in tasks.items() if run == offered]
    await dispatcher.conn.execute("SELECT release_v1(%s, %s)", (dispatcher.worker_id, epochs))
    for run_id in (held, offered, delayed):
        await forget(database, run_id)

    await service.reaper.look()

    assert service.reaper.repaired == 0
    types = "SELECT count(*) FROM flow_step_events WHERE type = 'run.repaired'"
    assert await database.value(types) == 0
