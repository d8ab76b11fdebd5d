"""Several replicas on one database: any of them may host any run, and none trusts what is stale."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter

import pytest

from fixtures.databases import Database
from fixtures.dispatchers import Dispatcher, a_dispatcher, done, failed
from fixtures.libraries import a_flow, a_library, agent, code
from fixtures.runs import ended, events, lapse, launch, steps, told
from fixtures.services import Replicas
from fixtures.waiting import until
from flowrunner.core import inputs as inp
from flowrunner.core.decision import Verdict
from flowrunner.definitions.context import Context
from flowrunner.engine import actor

pytestmark = pytest.mark.anyio


async def test_two_siblings_end_on_two_replicas_at_once(
    replicas: Replicas, database: Database, dispatcher: Dispatcher
) -> None:
    """D2-01, I7, F24: both compute the same wave, one of them offers it; the other reads what happened."""
    library = a_library(a_flow(agent("a"), agent("b"), agent("c", "a", "b"), agent("d", "c")))
    one, two = await replicas.start(library), await replicas.start(library)
    for _ in range(20):
        run_id = await launch(one)
        a, b = await dispatcher.take(run_id, "a", "b")

        replies = await asyncio.gather(
            one.tasks.report(a.task_id, done(a)), two.tasks.report(b.task_id, done(b))
        )

        assert [reply.verdict for reply in replies] == ["accepted", "accepted"]
        assert await dispatcher.finish(two, run_id) == "completed"
        lines = await told(database, run_id)
        assert [n for line, n in Counter(lines).items() if "dispatched" in line] == [1, 1, 1, 1]


async def test_a_lost_race_is_caught_up_from_events(
    replicas: Replicas, database: Database, dispatcher: Dispatcher
) -> None:
    """P5: the loser reads what happened since, and loads nothing."""
    library = a_library(a_flow(agent("a"), agent("b"), agent("c")))
    one, two = await replicas.start(library), await replicas.start(library)
    run_id = await launch(one)
    a, b, c = await dispatcher.take(run_id, "a", "b", "c")
    await two.tasks.report(a.task_id, done(a))
    loads = (one.residents.loads, two.residents.loads)

    await one.tasks.report(b.task_id, done(b))
    await two.tasks.report(c.task_id, done(c))

    assert await ended(one, run_id) == "completed"
    assert (one.residents.loads, two.residents.loads) == loads == (0, 1)
    assert set((await steps(database, run_id)).values()) == {"completed"}


async def test_one_timer_fired_by_two_replicas_is_one_attempt(
    replicas: Replicas, database: Database, dispatcher: Dispatcher
) -> None:
    """P4, P5: whoever fires it takes it away with its commit; one that is behind looks first."""
    library = a_library(a_flow(agent("a", retry=1)))
    one, two = await replicas.start(library), await replicas.start(library)
    run_id = await launch(one)
    (a,) = await dispatcher.take(run_id, "a")
    await two.tasks.report(a.task_id, failed(a, "overloaded", failure_class="transient"))

    await lapse(database, one, run_id)
    await lapse(database, two, run_id)
    await dispatcher.take(run_id, "a", attempt=2)

    assert (await told(database, run_id)).count("a#2 dispatched") == 1


async def test_a_replica_that_is_behind_does_not_call_what_it_missed_late(
    replicas: Replicas, database: Database, dispatcher: Dispatcher
) -> None:
    """P3: a dead lease of an attempt it has never heard of is lost all the same."""
    library = a_library(a_flow(agent("a"), agent("b", "a")))
    one, two = await replicas.start(library), await replicas.start(library)
    run_id = await launch(one)
    (a,) = await dispatcher.take(run_id, "a")
    await two.tasks.report(a.task_id, done(a))
    (b,) = await dispatcher.take(run_id, "b")
    await replicas.stop(two)

    verdict = await one.residents.tell(run_id, inp.TaskLost(b.step_no, 1, b.epoch, "dead"))

    assert verdict is Verdict.ACCEPTED
    assert (await told(database, run_id))[-1] == "b#2 dispatched"


async def test_a_replica_that_catches_up_while_it_decides_commits_what_it_decided_on(
    replicas: Replicas,
    dispatcher: Dispatcher,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """P7: a decision is committed on the state that it was taken on, whatever was read meanwhile."""
    monkeypatch.setattr(actor, "QUICK_SECONDS", 10.0)
    asked, answer = threading.Event(), threading.Event()

    def slow(_ctx: Context) -> bool:
        asked.set()
        return answer.wait(20)

    flow = a_flow(agent("a"), agent("b"), agent("c", "b"), agent("d", "a", when=slow))
    one, two = await replicas.start(a_library(flow)), await replicas.start(a_library(flow))
    run_id = await launch(one)
    a, b = await dispatcher.take(run_id, "a", "b")

    deciding = asyncio.create_task(one.tasks.report(a.task_id, done(a)))
    await until(asked.is_set)
    await two.tasks.report(b.task_id, done(b))
    await one.residents.prepare_code(run_id, 2, 1)
    answer.set()

    assert (await deciding).verdict == "accepted"
    assert await dispatcher.finish(one, run_id) == "completed"


async def test_code_is_prepared_with_what_other_replicas_committed(
    replicas: Replicas, database: Database, dispatcher: Dispatcher
) -> None:
    """R2-16: whichever replica claims a code step, it sees the results that made it possible."""
    flow = a_flow(agent("a"), code("b", "a", run=lambda ctx: ctx.results["a"]))
    one, two = await replicas.start(a_library(flow)), await replicas.start(a_library(flow))
    run_ids = [await launch(one) for _ in range(10)]
    for run_id in run_ids:
        (a,) = await dispatcher.take(run_id, "a")
        await two.tasks.report(a.task_id, done(a, "seen"))

    for run_id in run_ids:
        assert await ended(one, run_id) == "completed"
    outputs = await database.sql(
        "SELECT DISTINCT p.body FROM flow_steps s JOIN payloads p ON p.ref = s.output_ref"
        " WHERE s.key = 'b'"
    )
    assert outputs == [(b'"seen"',)]


async def test_results_on_any_replica_in_any_order_end_alike(
    replicas: Replicas, database: Database, dispatcher: Dispatcher
) -> None:
    """I5, I7, R2-12, F24: forty results, each sent to both replicas at once, are forty completions."""
    wide = [agent(f"w{n}") for n in range(40)]
    library = a_library(a_flow(*wide, agent("z", *(step.id for step in wide))))
    one, two = await replicas.start(library), await replicas.start(library)
    run_id = await launch(one)
    tasks = await dispatcher.take(run_id, *(step.id for step in wide))

    replies = await asyncio.gather(
        *(s.tasks.report(task.task_id, done(task)) for task in tasks for s in (one, two))
    )

    assert {reply.verdict for reply in replies} == {"accepted"}
    assert await dispatcher.finish(one, run_id) == "completed"
    lines = Counter(await told(database, run_id))
    assert set(lines.values()) == {1}
    assert not [line for line in lines if "rejected" in line]


async def test_a_start_loads_only_what_needs_something(
    replicas: Replicas, database: Database, dispatcher: Dispatcher
) -> None:
    """R2-49, D2-18: two replicas start at once on many live runs, and touch the broken ones only."""
    library = a_library(a_flow(agent("a")))
    before = await replicas.start(library)
    run_ids = [await launch(before) for _ in range(12)]
    held = {task.run_id for task in await dispatcher.claim(3)}
    await replicas.stop(before)
    await dispatcher.die()

    one, two = await asyncio.gather(replicas.start(library), replicas.start(library))
    other = await a_dispatcher(database)
    async with other.conn:
        for run_id in run_ids:
            await other.take(run_id, "a", attempt=2 if run_id in held else 1)

    assert one.residents.loads + two.residents.loads <= 2 * len(held)
    await until(lambda: one.reaper.lost + two.reaper.lost == len(held))
    attempts = await database.sql("SELECT attempt, count(*) FROM flow_steps GROUP BY 1 ORDER BY 1")
    assert attempts == [(1, 9), (2, 3)]


async def test_events_are_followed_on_two_replicas_without_a_gap(
    replicas: Replicas, dispatcher: Dispatcher, database: Database
) -> None:
    """P7, D2-24: whoever moves the run, a watcher anywhere sees every event once, in order."""
    library = a_library(a_flow(*(agent(f"s{n}", *([f"s{n - 1}"] if n else [])) for n in range(8))))
    one, two = await replicas.start(library), await replicas.start(library)
    run_id = await launch(one)

    async def watch(feed: object, after: int) -> list[int]:
        return [row.seq async for row in feed.follow(run_id, after)]  # type: ignore[attr-defined]

    watching = [asyncio.create_task(watch(s.feed, after)) for s in (one, two) for after in (0, 3)]
    for n in range(8):
        (task,) = await dispatcher.take(run_id, f"s{n}")
        await (one, two)[n % 2].tasks.report(task.task_id, done(task))
    seen = await asyncio.wait_for(asyncio.gather(*watching), 10)

    last = len(await events(database, run_id))
    assert seen == [list(range(after + 1, last + 1)) for after in (0, 3, 0, 3)]
    assert one.feed.watched == two.feed.watched == 0
