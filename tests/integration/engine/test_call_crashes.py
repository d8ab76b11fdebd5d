"""Code that calls agents, and replicas that come and go: what was answered is never asked again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from fixtures.databases import Database
from fixtures.dispatchers import Dispatcher, done, failed
from fixtures.libraries import a_flow, a_library, code
from fixtures.proxy import Fate, Proxy
from fixtures.runs import ended, lapse, launch, report, steps
from fixtures.services import Replicas
from fixtures.steering import tale, tasks
from fixtures.waiting import until
from flowrunner.bootstrap.service import Service
from flowrunner.core.model import RunId
from flowrunner.definitions.context import CallResult, Context, Report, ReportContext
from flowrunner.definitions.library import Library

pytestmark = pytest.mark.anyio

KEYS = ("one", "two", "three")


def shown(ctx: ReportContext) -> Report:
    said: Any = ctx.results.get("v")
    return Report("#", data={"v": said})


def told(results: list[CallResult]) -> list[list[object]]:
    return [[r.key, r.status, r.value, dict(r.error or {}).get("code")] for r in results]


def calling(body: Callable[[Context], Awaitable[object]], **options: Any) -> Library:
    return a_library(a_flow(code("v", run=body, **options), render=shown))


class Asking:
    """A code step that calls one after the other, and counts how often it began."""

    def __init__(self) -> None:
        self.begun = 0
        self.unwound = 0

    async def __call__(self, ctx: Context) -> object:
        self.begun += 1
        try:
            return told([await ctx.agent(None, f"ask {key}", key=key) for key in KEYS])
        except BaseException:
            self.unwound += 1
            raise


EXPECTED = [
    ["one", "completed", "1", None],
    ["two", "failed", None, "agent_error"],
    ["three", "completed", "3", None],
]
ONCE = {"v/one": 1, "v/two": 1, "v/three": 1}


async def answer(service: Service, dispatcher: Dispatcher, run_id: RunId, key: str) -> None:
    """Answer one call as its agent: the second one fails."""
    (task,) = await dispatcher.take(run_id, f"v/{key}")
    said = failed(task) if key == "two" else done(task, str(KEYS.index(key) + 1))
    assert (await service.tasks.report(task.task_id, said)).verdict == "accepted"


@pytest.mark.parametrize("answered", [0, 1, 2])
async def test_a_replica_that_is_replaced_asks_nothing_twice(
    replicas: Replicas, database: Database, dispatcher: Dispatcher, answered: int
) -> None:
    """D2-13, F26: finished calls are answered from the journal, failed ones too; running ones waited for."""
    asking = Asking()
    before = await replicas.start(calling(asking))
    run_id = await launch(before)
    for key in KEYS[:answered]:
        await answer(before, dispatcher, run_id, key)
    await dispatcher.take(run_id, f"v/{KEYS[answered]}")
    await replicas.stop(before)
    await until(lambda: asking.unwound == 1)

    after = await replicas.start(calling(asking))
    await until(lambda: asking.begun == 2)
    for key in KEYS[answered:]:
        await answer(after, dispatcher, run_id, key)

    assert await ended(after, run_id) == "completed"
    assert (await report(database, run_id))["v"] == EXPECTED
    assert await tasks(database, run_id) == {"v": 1, **ONCE}


async def test_calls_without_keys_are_found_again_in_another_order(
    replicas: Replicas, database: Database, dispatcher: Dispatcher
) -> None:
    """F27, F26, D2-13: what was asked is what names a call; asked in another order, it is known."""
    begun: list[int] = []

    async def body(ctx: Context) -> object:
        begun.append(1)
        texts = ["left", "right", "last"] if len(begun) == 1 else ["right", "left", "last"]
        return {text: (await ctx.agent(None, text)).output for text in texts}

    async def say(service: Service) -> None:
        (task,) = await until(dispatcher.claim)
        prompt = (task.input or b"").decode()
        assert (await service.tasks.report(task.task_id, done(task, f"re {prompt}"))).verdict

    before = await replicas.start(calling(body))
    run_id = await launch(before)
    await say(before)
    await say(before)
    (last,) = await until(dispatcher.claim)
    await replicas.stop(before)

    after = await replicas.start(calling(body))
    await until(lambda: len(begun) == 2)
    await after.tasks.report(last.task_id, done(last, "re last"))

    assert await ended(after, run_id) == "completed"
    expected = {"left": "re left", "right": "re right", "last": "re last"}
    assert (await report(database, run_id))["v"] == expected
    assert sorted((await tasks(database, run_id)).values()) == [1, 1, 1, 1]


async def test_what_was_answered_while_nobody_was_there_is_found(
    replicas: Replicas, database: Database, dispatcher: Dispatcher
) -> None:
    """D2-13, D2-03: the dispatcher left its word in the inbox; nobody listened."""
    asking = Asking()
    before = await replicas.start(calling(asking))
    run_id = await launch(before)
    (task,) = await dispatcher.take(run_id, "v/one")
    await replicas.stop(before)
    await dispatcher.leave(task, output="1")

    after = await replicas.start(calling(asking))
    for key in ("two", "three"):
        await answer(after, dispatcher, run_id, key)

    assert await ended(after, run_id) == "completed"
    assert (await report(database, run_id))["v"] == EXPECTED
    assert (await tasks(database, run_id))["v/one"] == 1


async def test_code_whose_lease_ran_out_goes_on_as_another_attempt(
    replicas: Replicas, database: Database, dispatcher: Dispatcher
) -> None:
    """D2-13, D2-17, P2: the old attempt's thread is unwound, the new one reads the journal."""
    asking = Asking()
    service = await replicas.start(calling(asking))
    run_id = await launch(service)
    await answer(service, dispatcher, run_id, "one")
    await dispatcher.take(run_id, "v/two")

    await database.sql(
        "UPDATE workers SET expires_at = expires_at - interval '1 hour' WHERE id IN"
        " (SELECT worker_id FROM task_queue WHERE queue = 'code')"
    )
    await service.reaper.look()
    await until(lambda: asking.begun == 2)
    await until(lambda: asking.unwound == 1)
    for key in ("two", "three"):
        await answer(service, dispatcher, run_id, key)

    assert await ended(service, run_id) == "completed"
    assert (await report(database, run_id))["v"] == EXPECTED
    assert await tasks(database, run_id) == {"v": 2, **ONCE}
    assert (await steps(database, run_id, "crashes"))["v"] == "1"


async def test_code_that_fails_and_is_tried_again_keeps_its_answers(
    replicas: Replicas, database: Database, dispatcher: Dispatcher
) -> None:
    """D2-13, F26, F30: an attempt that timed out left a call at work: the next one waits for it."""
    begun: list[int] = []

    async def body(ctx: Context) -> object:
        begun.append(1)
        first = await ctx.agent(None, "a", key="a")
        if len(begun) == 1:
            await asyncio.wait_for(ctx.agent(None, "b", key="b"), 30)
        second = await ctx.agent(None, "b", key="b")
        return [first.value, second.value]

    retry: Any = {"retry": 1, "timeout": 1.5}
    service = await replicas.start(calling(body, **retry))
    run_id = await launch(service)
    (a,) = await dispatcher.take(run_id, "v/a")
    await service.tasks.report(a.task_id, done(a, "A"))
    (b,) = await dispatcher.take(run_id, "v/b")
    await until(lambda: retrying(database, run_id))
    await lapse(database, service, run_id)
    await until(lambda: len(begun) == 2, 15.0)
    await service.tasks.report(b.task_id, done(b, "B"))

    assert await ended(service, run_id) == "completed"
    assert (await report(database, run_id))["v"] == ["A", "B"]
    assert await tasks(database, run_id) == {"v": 2, "v/a": 1, "v/b": 1}


async def retrying(database: Database, run_id: RunId) -> list[str]:
    return await tale(database, run_id, "step.retrying")


@pytest.mark.parametrize("mode", ["txn", "coalesced", "off"])
async def test_an_answer_on_another_replica_wakes_who_waits(
    replicas: Replicas, database: Database, dispatcher: Dispatcher, mode: str
) -> None:
    """D2-13, P5, E1: whichever replica runs the code, and whichever hears the answer."""
    asking = Asking()
    one = await replicas.start(calling(asking), notify_mode=mode)
    two = await replicas.start(calling(asking), notify_mode=mode)
    run_ids = [await launch(service) for service in (one, two, one, two)]

    for key in KEYS:
        for at, run_id in enumerate(run_ids):
            await answer((one, two)[at % 2], dispatcher, run_id, key)

    for run_id in run_ids:
        assert await ended(one, run_id, 20.0) == "completed"
        assert (await report(database, run_id))["v"] == EXPECTED
        assert await tasks(database, run_id) == {"v": 1, **ONCE}
    assert asking.begun == len(run_ids)


FATES: list[Fate] = ["question_lost", "answer_lost"]


@pytest.mark.parametrize("fate", FATES)
async def test_a_call_whose_commit_was_cut_is_made_once(
    proxy: Proxy, replicas: Replicas, database: Database, dispatcher: Dispatcher, fate: Fate
) -> None:
    """P3, D2-13: before the commit or after it, the connection ends; the code does not notice."""
    held = asyncio.Event()
    loop = asyncio.get_running_loop()

    async def body(ctx: Context) -> object:
        await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(held.wait(), loop))
        return told([await ctx.agent(None, f"ask {key}", key=key) for key in KEYS])

    service = await replicas.start(calling(body), addresses=proxy.addresses)
    run_id = await launch(service)
    await until(lambda: is_held(database))
    proxy.doom(fate, "apply_v2")
    held.set()
    for key in KEYS:
        await answer(service, dispatcher, run_id, key)

    assert await ended(service, run_id) == "completed"
    assert proxy.has_struck
    assert (await report(database, run_id))["v"] == EXPECTED
    assert await tasks(database, run_id) == {"v": 1, **ONCE}


async def is_held(database: Database) -> bool:
    held = "SELECT count(*) FROM task_queue WHERE queue = 'code' AND worker_id IS NOT NULL"
    return bool(await database.value(held))


async def test_an_answer_is_read_however_long_the_database_is_away(
    proxy: Proxy, replicas: Replicas, database: Database, dispatcher: Dispatcher
) -> None:
    """P3, D2-04: who waits reads the events again, and loses nothing."""
    asking = Asking()
    service = await replicas.start(calling(asking), addresses=proxy.addresses)
    run_id = await launch(service)
    (task,) = await dispatcher.take(run_id, "v/one")
    proxy.doom("question_lost", "FROM flow_step_events")
    await service.tasks.report(task.task_id, done(task, "1"))
    for key in ("two", "three"):
        await answer(service, dispatcher, run_id, key)

    assert await ended(service, run_id) == "completed"
    assert (await report(database, run_id))["v"] == EXPECTED
