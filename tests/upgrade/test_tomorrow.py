"""A later release has written what this one does not know: it is left alone, by name, and harms nobody."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest

from fixtures.databases import Database
from fixtures.dispatchers import Dispatcher, done, failed
from fixtures.libraries import a_flow, a_library, agent, code
from fixtures.runs import ended, forget, launch, run_row, steps, wake
from fixtures.services import LogLines, Replicas
from fixtures.waiting import until
from flowrunner.core.decision import Verdict
from flowrunner.core.errors import NotUnderstoodError
from flowrunner.db.timers import seconds_to_next
from flowrunner.definitions.flow import Retry

pytestmark = pytest.mark.anyio

FLOW = a_flow(agent("a"), code("b", "a"))


CHECK = "flow_timers_kind_check"


@pytest.fixture
async def loose(database: Database) -> AsyncIterator[Database]:
    """Its timers may be of kinds that a later release has added; nothing strange is left behind."""
    text = await database.value(
        "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = %s", (CHECK,)
    )
    await database.sql(f"ALTER TABLE flow_timers DROP CONSTRAINT {CHECK}")
    yield database
    await database.sql("DELETE FROM flow_timers")
    await database.sql(f"ALTER TABLE flow_timers ADD CONSTRAINT {CHECK} {text}")


async def test_a_timer_of_an_unknown_kind_waits_for_those_who_know_it(
    loose: Database, replicas: Replicas, dispatcher: Dispatcher
) -> None:
    """P4, P5, ADR 7: it is due, and neither ends the replica nor is lost nor keeps it busy."""
    service = await replicas.start(a_library(a_flow(agent("a", retry=Retry(1, 0.1)))))
    run_id = await launch(service)
    (a,) = await dispatcher.take(run_id, "a")
    await loose.sql(
        "INSERT INTO flow_timers (run_id, step_no, kind, token, due_at)"
        " SELECT gen_random_uuid(), 0, 'reincarnation', 1, clock_timestamp() - interval '1 day'"
        "   FROM generate_series(1, 600)"
    )

    await service.tasks.report(a.task_id, failed(a, "overloaded", failure_class="transient"))
    (again,) = await dispatcher.take(run_id, "a", attempt=2)
    await service.tasks.report(again.task_id, done(again))

    assert await ended(service, run_id) == "completed"
    assert replicas.is_alive(service)
    assert await loose.value("SELECT count(*) FROM flow_timers") == 600
    async with await loose.connect() as conn:
        assert await seconds_to_next(conn) is None


@pytest.mark.unsound
async def test_a_run_of_an_unknown_kind_is_left_alone(
    replicas: Replicas, database: Database, dispatcher: Dispatcher, log_lines: LogLines
) -> None:
    """P5, P11, R2-49, ADR 7: its graph cannot be read; it stays as it is, by name, and the others go on."""
    service = await replicas.start(a_library(FLOW))
    strange = await launch(service)
    (a,) = await dispatcher.take(strange, "a")
    await replicas.stop(service)
    graph = await database.value("SELECT graph FROM flow_definitions")
    graph["steps"][1]["kind"] = "teleport"
    async with await database.connect("admin") as conn:
        await conn.execute("SET session_replication_role = replica")
        changed = "UPDATE flow_definitions SET graph = %s, hash = repeat('0', 64)"
        await conn.execute(changed, (json.dumps(graph),))
    before = await run_row(database, strange)

    service = await replicas.start(a_library(FLOW))
    with pytest.raises(NotUnderstoodError, match="later version") as refused:
        await service.tasks.report(a.task_id, done(a))
    plain = await launch(service)
    (other,) = await dispatcher.take(plain, "a")
    await service.tasks.report(other.task_id, done(other))

    assert await ended(service, plain) == "completed"
    assert await run_row(database, strange) == before
    assert (await steps(database, strange))["a"] == "running"
    assert replicas.is_alive(service)
    assert "teleport" in str(refused.value)
    assert refused.value.context == {"run_id": str(strange)}
    await forget(database, strange)
    await database.sql("DELETE FROM task_queue WHERE run_id = %s", (strange,))
    wake(service, "reaper")
    await until(lambda: [each for each in log_lines if each["event"] == "run.not_understood"])


@pytest.mark.unsound
async def test_an_event_of_an_unknown_kind_is_read_as_the_rows_it_made(
    replicas: Replicas, database: Database, dispatcher: Dispatcher
) -> None:
    """P1, P5, ADR 7: a later release's replica moved the run; this one has it in memory and catches up."""
    service = await replicas.start(a_library(FLOW))
    run_id = await launch(service)
    (a,) = await dispatcher.take(run_id, "a")
    await database.sql(
        "WITH moved AS (UPDATE flow_runs SET version = version + 1 WHERE id = %s RETURNING id, version)"
        " INSERT INTO flow_step_events (run_id, seq, type, step_no, body)"
        " SELECT id, version, 'step.teleported', 1, '{\"where\": \"moon\"}' FROM moved",
        (run_id,),
    )

    reply = await service.tasks.report(a.task_id, done(a))

    assert reply.verdict == Verdict.ACCEPTED
    assert await ended(service, run_id) == "completed"
