"""A commit whose answer was lost has happened or has not: it is read back, and never done twice."""

from __future__ import annotations

import asyncio

import psycopg
import pytest
from pydantic import BaseModel

from fixtures.databases import Database
from fixtures.dispatchers import Dispatcher, done
from fixtures.libraries import a_flow, a_library, agent, code
from fixtures.proxy import Fate, Proxy
from fixtures.runs import ROOT, launch, told
from fixtures.services import Replicas
from fixtures.waiting import until
from flowrunner.bootstrap.service import Service
from flowrunner.core.errors import InvariantError, UnavailableError
from flowrunner.core.model import RunId
from flowrunner.db.events import EventRow
from flowrunner.definitions.context import Context
from flowrunner.service.runs import LaunchRequest

pytestmark = pytest.mark.anyio

FATES: list[Fate] = ["question_lost", "answer_lost"]
PAIR = a_flow(agent("a"), agent("b", "a"))


@pytest.mark.parametrize("fate", FATES)
async def test_a_result_is_applied_once_whatever_is_lost(
    proxy: Proxy, replicas: Replicas, database: Database, dispatcher: Dispatcher, fate: Fate
) -> None:
    """P1, P3: before the commit or after it, the connection ends; the caller hears the truth."""
    service = await replicas.start(a_library(PAIR), addresses=proxy.addresses)
    run_id = await launch(service)
    (a,) = await dispatcher.take(run_id, "a")

    proxy.doom(fate, "apply_v2")
    reply = await service.tasks.report(a.task_id, done(a))

    assert (reply.verdict, proxy.has_struck) == ("accepted", True)
    assert await told(database, run_id) == ["a#1 dispatched", "a#1 completed", "b#1 dispatched"]
    assert service.residents.loads == 0
    assert await dispatcher.finish(service, run_id) == "completed"


async def test_a_committer_that_is_terminated_while_it_waits_has_done_nothing(
    replicas: Replicas, database: Database, dispatcher: Dispatcher
) -> None:
    """P3: PostgreSQL ends the backend in the middle of the statement; it is sent again."""
    service = await replicas.start(a_library(PAIR))
    run_id = await launch(service)
    (a,) = await dispatcher.take(run_id, "a")
    waiting = (
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
        " AND wait_event_type = 'Lock' AND query LIKE '%apply_v2%' AND pid <> pg_backend_pid()"
    )

    async with await database.connect("admin") as holder, holder.transaction():
        await holder.execute("SELECT FROM flow_runs FOR UPDATE")
        telling = asyncio.create_task(service.tasks.report(a.task_id, done(a)))
        ((pid,),) = await until(lambda: database.sql(waiting.replace("%", "%%")))
        await database.sql("SELECT pg_terminate_backend(%s)", (pid,))

    assert (await telling).verdict == "accepted"
    assert (await told(database, run_id)).count("a#1 completed") == 1


async def test_a_lost_answer_and_a_rival_at_once(
    proxy: Proxy, replicas: Replicas, database: Database, dispatcher: Dispatcher
) -> None:
    """P1, P5: the same result on two replicas, one of which never hears what became of it."""
    library = a_library(a_flow(agent("a"), agent("b"), agent("c", "a", "b")))
    one = await replicas.start(library, addresses=proxy.addresses)
    two = await replicas.start(library)
    for fate in FATES * 5:
        run_id = await launch(two)
        a, b = await dispatcher.take(run_id, "a", "b")
        await one.tasks.report(a.task_id, done(a))
        proxy.doom(fate, "apply_v2")

        replies = await asyncio.gather(
            *(service.tasks.report(b.task_id, done(b)) for service in (one, two))
        )

        assert [reply.verdict for reply in replies] == ["accepted", "accepted"]
        await until(lambda: proxy.has_struck)
        lines = await told(database, run_id)
        assert (lines.count("b#1 completed"), lines.count("c#1 dispatched")) == (1, 1)
        assert await dispatcher.finish(two, run_id) == "completed"


async def test_a_launch_whose_answer_is_lost_is_a_launch(
    proxy: Proxy, replicas: Replicas, database: Database, dispatcher: Dispatcher
) -> None:
    """D2-29, P3: the id is ours, so the run is found, told to the caller and taken up."""
    service = await replicas.start(a_library(PAIR), addresses=proxy.addresses)
    await launch(service)

    proxy.doom("answer_lost", "launch_v2")
    run_id = await launch(service)

    assert await database.value("SELECT count(*) FROM flow_runs") == 2
    assert await dispatcher.finish(service, run_id) == "completed"


async def test_a_launch_that_never_arrived_can_be_repeated(
    proxy: Proxy, replicas: Replicas, database: Database, dispatcher: Dispatcher
) -> None:
    """D2-29: the caller is told that there is no run, and its key starts one."""
    service = await replicas.start(a_library(PAIR), addresses=proxy.addresses)
    request = LaunchRequest(project_root=ROOT, idempotency_key="once")

    proxy.doom("question_lost", "launch_v2")
    with pytest.raises(UnavailableError):
        await service.runs.launch("demo", request)
    assert await database.value("SELECT count(*) FROM flow_runs") == 0
    first = await service.runs.launch("demo", request)
    again = await service.runs.launch("demo", request)

    assert (first.replayed, again.replayed) == (False, True)
    assert again.run_id == first.run_id
    assert await dispatcher.finish(service, first.run_id) == "completed"


# What a replica says to the database while it starts and while it moves a run.
SAID = [
    "LISTEN",
    "register_worker_v1",
    "claim_v1",
    "release_unknown_v1",
    "renew_v2",
    "apply_v2",
    "launch_v2",
    "m.input_ref, m.nonce",
    "FROM payloads",
    "FROM flow_step_events",
    "w.expires_at < clock_timestamp()",
    "FROM flow_timers",
    "FROM task_results",
    "FROM live_runs",
    "pg_notify",
]


class Asked(BaseModel):
    question: str = ""


def is_a(ctx: Context) -> bool:
    return ctx.results["a"] == "a"


@pytest.mark.parametrize("fate", FATES)
@pytest.mark.parametrize("marker", SAID)
async def test_a_run_ends_well_whatever_is_lost_on_the_way(
    proxy: Proxy, replicas: Replicas, dispatcher: Dispatcher, marker: str, fate: Fate
) -> None:
    """P3, I6: a connection ends at one thing that is said, before or after; no run does."""
    steps = agent("x"), code("a", "x"), code("b", "a"), code("c", "a", when=is_a)
    flow = a_flow(*steps, input=Asked)
    before = await replicas.start(a_library(flow))
    run_ids = [await launch(before, input={"question": "not in any cache"})]
    await dispatcher.take(run_ids[0], "x")
    await replicas.stop(before)

    proxy.doom(fate, marker)
    if marker == "release_unknown_v1":
        proxy.doom("answer_lost", "claim_v1")
    service = await replicas.start(a_library(flow), addresses=proxy.addresses, renew_seconds=0.3)
    run_ids.append(await launched(service))
    await dispatcher.take(run_ids[1], "x")
    for task in dispatcher.held.values():
        await dispatcher.leave(task)

    for run_id in run_ids:
        assert await followed(service, run_id) == "run.completed"
    await until(lambda: proxy.has_struck)
    assert replicas.is_alive(service)


async def launched(service: Service) -> RunId:
    """Launch as a client does: again, with the same key, when the service says "not now"."""
    request = LaunchRequest(project_root=ROOT, idempotency_key="once")

    async def tried() -> RunId | None:
        try:
            return (await service.runs.launch("demo", request)).run_id
        except (UnavailableError, psycopg.OperationalError):
            return None

    return await until(tried)


async def followed(service: Service, run_id: RunId) -> str:
    """Follow the events as a client does: on from the last one, when the stream breaks."""
    seen: list[EventRow] = []

    async def to_the_end() -> bool:
        try:
            async for row in service.feed.follow(run_id, seen[-1].seq if seen else 0):
                seen.append(row)  # noqa: PERF401  # what came before the break counts
        except psycopg.OperationalError:
            return False
        return True

    await until(to_the_end)
    assert [row.seq for row in seen] == list(range(1, len(seen) + 1))
    return seen[-1].type


BROKEN = """
CREATE FUNCTION refuse_ends() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'not this one' USING ERRCODE = '{code}'; END $$;
CREATE TRIGGER refuse_ends BEFORE INSERT ON flow_step_events FOR EACH ROW
    WHEN (NEW.type = 'step.completed') EXECUTE FUNCTION refuse_ends();
"""


@pytest.mark.complains("commit.refused")
@pytest.mark.parametrize("code_", ["FR002", "23514", "54000"])
async def test_what_the_database_refuses_is_told_and_not_tried_for_ever(
    replicas: Replicas, database: Database, dispatcher: Dispatcher, code_: str
) -> None:
    """P4, R2-12: a decision that no repetition can commit is an error to whoever caused it, at once.

    Meanwhile other runs are launched, and afterwards this one goes on as if nothing had been.
    """
    service = await replicas.start(a_library(PAIR))
    run_id = await launch(service)
    (a,) = await dispatcher.take(run_id, "a")
    await database.sql(BROKEN.format(code=code_))

    with pytest.raises(InvariantError, match="not this one"):
        await service.tasks.report(a.task_id, done(a))
    other = await launch(service)

    await database.sql("DROP FUNCTION refuse_ends CASCADE")
    assert (await service.tasks.report(a.task_id, done(a))).verdict == "accepted"
    assert await dispatcher.finish(service, run_id) == "completed"
    assert await dispatcher.finish(service, other) == "completed"
