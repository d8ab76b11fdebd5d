"""A flow's own functions read results while the database comes and goes."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from fixtures.databases import Database
from fixtures.dispatchers import Dispatcher, done
from fixtures.libraries import a_flow, a_library, agent, code
from fixtures.proxy import Proxy
from fixtures.runs import launch, steps
from fixtures.services import Replicas
from flowrunner.definitions.context import Context, Report, ReportContext
from flowrunner.definitions.flow import Flow

pytestmark = pytest.mark.anyio

Read = Callable[[Context], str]


def in_code(read: Read) -> Flow:
    return a_flow(agent("a"), agent("b"), code("c", "a", "b", run=read))


def in_a_prompt(read: Read) -> Flow:
    return a_flow(agent("a"), agent("b"), agent("c", "a", "b", run=read))


def in_a_condition(read: Read) -> Flow:
    def when(ctx: Context) -> bool:
        return bool(read(ctx))

    return a_flow(agent("a"), agent("b"), agent("c", "a", "b", when=when))


def in_the_report(read: Read) -> Flow:
    def render(ctx: ReportContext) -> Report:
        return Report(read(ctx))

    return a_flow(agent("a"), agent("b"), render=render)


@pytest.mark.parametrize("place", [in_code, in_a_prompt, in_a_condition, in_the_report])
async def test_a_cut_connection_is_no_fault_of_the_flows(
    proxy: Proxy,
    replicas: Replicas,
    database: Database,
    dispatcher: Dispatcher,
    place: Callable[[Read], Flow],
) -> None:
    """P3, D2-04: whatever asked for a result is asked again, and no step fails for it."""
    asked = 0

    def read(ctx: Context) -> str:
        nonlocal asked
        asked += 1
        if asked == 1:
            proxy.doom("question_lost", "FROM payloads")
        return str(ctx.results["a"])

    flow = place(read)
    before = await replicas.start(a_library(flow))
    run_id = await launch(before)
    a, b = await dispatcher.take(run_id, "a", "b")
    await before.tasks.report(a.task_id, done(a, "one"))
    await replicas.stop(before)

    after = await replicas.start(a_library(flow), addresses=proxy.addresses, patience_seconds=0.3)
    await after.tasks.report(b.task_id, done(b, "two"))

    assert await dispatcher.finish(after, run_id) == "completed"
    assert set((await steps(database, run_id)).values()) == {"completed"}
    assert (proxy.has_struck, asked) == (True, 2)
