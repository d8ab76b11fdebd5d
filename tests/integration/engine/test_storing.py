"""What a run leaves in the database: each text once, and nothing for what never ran."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from fixtures.databases import Database
from fixtures.dispatchers import Dispatcher, done, failed
from fixtures.libraries import a_flow, a_library, agent, code
from fixtures.runs import lapse, launch, steps
from fixtures.services import Replicas
from fixtures.steering import tasks
from flowrunner.db import schema
from flowrunner.definitions.context import Context, Launch

pytestmark = pytest.mark.anyio

WORDS = "look at the cellar door"


async def holders(database: Database, text: str) -> dict[str, int]:
    """How many rows of which table hold *text*, as text or as bytes."""
    found: dict[str, int] = {}
    for table in schema.metadata.sorted_tables:
        query = (
            f"SELECT count(*) FROM {table.name} t"  # noqa: S608  # our own names
            " WHERE t::text LIKE '%%' || %s || '%%' OR t::text LIKE '%%' || %s || '%%'"
        )
        count = await database.value(query, (text, text.encode().hex()))
        if count:
            found[table.name] = count
    return found


async def test_a_prompt_is_stored_once(
    replicas: Replicas, database: Database, dispatcher: Dispatcher
) -> None:
    """D2-38: step, attempts, tasks and a second step that says the same all name the one body."""
    flow = a_flow(*(agent(key, run=WORDS, retry=1) for key in "ab"))
    service = await replicas.start(a_library(flow))
    run_id = await launch(service)
    for task in await dispatcher.take(run_id, "a", "b"):
        await service.tasks.report(task.task_id, failed(task, failure_class="transient"))
    await lapse(database, service, run_id)
    again = await dispatcher.take(run_id, "a", "b", attempt=2)

    assert [task.input for task in again] == [WORDS.encode()] * 2
    assert await tasks(database, run_id) == {"a": 2, "b": 2}
    assert await holders(database, WORDS) == {"payloads": 1}
    for task in again:
        await service.tasks.report(task.task_id, done(task))
    assert await dispatcher.finish(service, run_id) == "completed"
    assert await holders(database, WORDS) == {"payloads": 1}


def deep(_launch: Launch) -> bool:
    return False


def no(_ctx: Context) -> bool:
    return False


async def test_nothing_is_made_for_steps_that_never_run(
    replicas: Replicas, database: Database, dispatcher: Dispatcher
) -> None:
    """D2-31, R2-32: left out, skipped or cancelled before its turn: no prompt, task or stream."""
    built: list[str] = []

    def prompt(key: str) -> Callable[[Context], str]:
        def build(_ctx: Context) -> str:
            built.append(key)
            return f"prompt of {key}"

        return build

    flow = a_flow(
        code("first"),
        agent("gated", "first", run=prompt("gated"), gate=deep),
        agent("banded", "first", run=prompt("banded"), bands=["large"]),
        agent("skipped", "first", run=prompt("skipped"), when=no),
        agent("runs", "first", run=prompt("runs")),
        agent("waits", "runs", run=prompt("waits")),
    )
    service = await replicas.start(a_library(flow))
    run_id = await launch(service)
    (task,) = await dispatcher.take(run_id, "runs")
    assert built == ["runs"]

    await service.runs.cancel(run_id, "enough", "ann")

    assert (await service.tasks.report(task.task_id, done(task))).verdict == "stale"
    assert await steps(database, run_id) == {
        "first": "completed",
        "gated": "excluded",
        "banded": "excluded",
        "skipped": "skipped",
        "runs": "cancelled",
        "waits": "cancelled",
    }
    assert built == ["runs"]
    assert await tasks(database, run_id) == {"first": 1, "runs": 1}
    assert await holders(database, "prompt of ") == {"payloads": 1}
    prompts = await steps(database, run_id, "prompt_ref")
    assert [key for key, ref in prompts.items() if ref is not None] == ["runs"]
