"""Results that dispatchers leave in the database: read by any replica, whatever they hold."""

from __future__ import annotations

import asyncio
import json

import psycopg
import pytest

from fixtures.databases import Database
from fixtures.dispatchers import Dispatcher, done
from fixtures.libraries import a_flow, a_library, agent
from fixtures.runs import ended, launch, run_row, steps, wake
from fixtures.services import Replicas
from fixtures.waiting import until

pytestmark = pytest.mark.anyio

ONE = a_flow(agent("a"))
UNREAD = "SELECT count(*) FROM task_results WHERE verdict IS NULL"
LEFT = "SELECT count(*) FROM task_results"


async def test_a_result_left_in_the_database_is_applied_and_gone(
    replicas: Replicas, database: Database, dispatcher: Dispatcher
) -> None:
    """D2-03: a NOTIFY wakes the reader; the row is deleted with its effect."""
    service = await replicas.start(a_library(ONE), poll_seconds=60)
    run_id = await launch(service)
    (a,) = await dispatcher.take(run_id, "a")

    await dispatcher.leave(a, output="said", usage={"input_tokens": 7})

    assert await ended(service, run_id) == "completed"
    await until(lambda: no_rows(database, LEFT))
    assert (await run_row(database, run_id))["input_tokens"] == 7


async def no_rows(database: Database, count: str) -> bool:
    return await database.value(count) == 0


NESTED = "[" * 3000 + "]" * 3000
RUBBISH = [
    ("completed", None, "null", "null"),
    ("completed", " \n", "null", "null"),
    ("completed", "fine", '{"code": "x", "message": "but it failed"}', "null"),
    ("failed", None, "null", "null"),
    ("failed", None, '"a string"', "null"),
    ("failed", None, '{"code": "Not A Code", "message": "m"}', "null"),
    ("failed", None, '{"code": "x", "message": "m", "failure_class": "cosmic"}', "null"),
    ("failed", None, '{"code": "x", "message": {"a": [1]}}', "null"),
    ("completed", "fine", "null", "[1]"),
    ("completed", "fine", "null", '{"input_tokens": -1}'),
    ("completed", "fine", "null", '{"input_tokens": 1e400}'),
    ("completed", "fine", "null", '{"seconds": 1e400}'),
    ("completed", "fine", "null", '{"input_tokens": ' + "9" * 5000 + "}"),
    ("completed", "fine", "null", '{"tokens": 1}'),
    ("failed", None, NESTED, "null"),
    ("completed", "fine", "null", NESTED),
]


@pytest.mark.parametrize(
    ("outcome", "output", "error", "usage"), RUBBISH, ids=[str(n) for n in range(len(RUBBISH))]
)
async def test_a_result_that_breaks_the_contract_fails_its_task(
    replicas: Replicas,
    database: Database,
    dispatcher: Dispatcher,
    outcome: str,
    output: str | None,
    error: str,
    usage: str,
) -> None:
    """P9, P11: its sender has said its last word: the step fails and says why, the inbox goes on."""
    service = await replicas.start(a_library(ONE))
    bad, good = await launch(service), await launch(service)
    (a,) = await dispatcher.take(bad, "a")
    (b,) = await dispatcher.take(good, "a")

    said = (a.task_id, a.epoch, outcome, output, error, usage)
    await dispatcher.conn.execute("SELECT report_v1(%s, %s, %s, %s, %s::jsonb, %s::jsonb)", said)
    await dispatcher.leave(b)

    assert await ended(service, bad) == "failed"
    assert await ended(service, good) == "completed"
    assert json.loads((await steps(database, bad, "error"))["a"])["code"] == "bad_report"
    await until(lambda: no_rows(database, LEFT))
    assert replicas.is_alive(service)


async def test_a_result_in_the_agents_words_is_kept_as_it_is(
    replicas: Replicas, database: Database, dispatcher: Dispatcher
) -> None:
    """D2-04: what is stored is what was said, to the byte."""
    text = "\u00e9\U0001f600 'quoted' \\u0000 {\"a\": 1}\r\n\ttail  "
    service = await replicas.start(a_library(ONE))
    run_id = await launch(service)
    (a,) = await dispatcher.take(run_id, "a")

    await dispatcher.leave(a, output=text)

    assert await ended(service, run_id) == "completed"
    stored = await database.value(
        "SELECT p.body FROM flow_steps s JOIN payloads p ON p.ref = s.output_ref"
    )
    assert bytes(stored).decode() == text


async def test_results_for_what_is_over_or_unknown_stay_as_evidence(
    replicas: Replicas, database: Database, dispatcher: Dispatcher
) -> None:
    """P2, P11: nothing is dropped without a trace; each refused row says why."""
    service = await replicas.start(a_library(ONE))
    run_id = await launch(service)
    (a,) = await dispatcher.take(run_id, "a")
    await service.runs.cancel(run_id, "enough", "test")

    await dispatcher.leave(a, output="too late")
    for task_id in (
        "00000000-0000-7000-8000-000000000000.0.1",
        f"{run_id}.55.1",
        f"{run_id}.0.9",
        f"{run_id}.-3.0",
    ):
        await dispatcher.conn.execute(
            "SELECT report_v1(%s, 1, 'completed', %s)", (task_id, task_id)
        )

    await until(lambda: no_rows(database, UNREAD))
    rows = await database.sql("SELECT verdict FROM task_results ORDER BY id")
    assert [row[0] for row in rows] == ["stale", "unknown_task", "stale", "stale", "stale"]


@pytest.mark.parametrize(
    "task_id", ["", "nonsense", "01.02", "00000000-0000-7000-8000-000000000000.x.1"]
)
async def test_who_misspells_a_task_is_told_at_once(dispatcher: Dispatcher, task_id: str) -> None:
    """P11: a report that names nothing is refused where it is made, not lost later."""
    with pytest.raises(psycopg.errors.InvalidTextRepresentation):
        await dispatcher.conn.execute("SELECT report_v1(%s, 1, 'completed', 'x')", (task_id,))


async def test_an_outcome_that_nobody_knows_is_told_at_once(
    replicas: Replicas, dispatcher: Dispatcher
) -> None:
    """P11: the same for the outcome; the task can still be reported."""
    service = await replicas.start(a_library(ONE))
    run_id = await launch(service)
    (a,) = await dispatcher.take(run_id, "a")

    with pytest.raises(psycopg.errors.CheckViolation):
        await dispatcher.leave(a, outcome="finished")

    assert (await service.tasks.report(a.task_id, done(a))).verdict == "accepted"


async def test_two_replicas_read_the_same_row(
    replicas: Replicas, database: Database, dispatcher: Dispatcher
) -> None:
    """P1, P5: the row is applied once, and none of the two calls it stale."""
    library = a_library(ONE)
    service = await replicas.start(library)
    run_ids = [await launch(service) for _ in range(30)]
    for task in await dispatcher.claim():
        await dispatcher.leave(task)
    one, two = await asyncio.gather(replicas.start(library), replicas.start(library))
    for replica in (service, one, two):
        wake(replica, "inbox")

    for run_id in run_ids:
        assert await ended(service, run_id) == "completed"

    await until(lambda: no_rows(database, LEFT))
    rejected = "SELECT count(*) FROM flow_step_events WHERE type = 'result.rejected'"
    assert await database.value(rejected) == 0


async def test_a_row_left_twice_is_one_effect(
    replicas: Replicas, database: Database, dispatcher: Dispatcher
) -> None:
    """P1: the epoch makes the second one a duplicate, also when the first one ended the run."""
    service = await replicas.start(a_library(ONE))
    run_id = await launch(service)
    (a,) = await dispatcher.take(run_id, "a")

    await dispatcher.leave(a)
    await dispatcher.leave(a)

    assert await ended(service, run_id) == "completed"
    await until(lambda: no_rows(database, LEFT))


async def test_results_left_while_nobody_served_are_found_at_the_start(
    replicas: Replicas, dispatcher: Dispatcher
) -> None:
    """D2-03, D2-35: the inbox is durable; the next replica reads it first thing."""
    before = await replicas.start(a_library(ONE))
    run_id = await launch(before)
    (a,) = await dispatcher.take(run_id, "a")
    await replicas.stop(before)
    await dispatcher.leave(a)

    after = await replicas.start(a_library(ONE), poll_seconds=60)

    assert await ended(after, run_id) == "completed"
