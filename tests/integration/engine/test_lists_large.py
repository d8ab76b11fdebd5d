"""Ten thousand of everything: lists, chains that skip; what they cost is counted."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from fixtures.databases import Database
from fixtures.dispatchers import Dispatcher, done, failed
from fixtures.libraries import a_flow, a_library, agent, code
from fixtures.proxy import Proxy
from fixtures.runs import ended, launch, report, run_row
from fixtures.services import Replicas
from fixtures.waiting import until
from flowrunner.bootstrap import service as wiring
from flowrunner.bootstrap.service import Service
from flowrunner.core.model import RunId
from flowrunner.db.queue import ClaimedTask
from flowrunner.definitions.context import Context, Report, ReportContext
from flowrunner.definitions.flow import Each, Flow
from flowrunner.engine.bodies import Bodies
from integration.engine.test_costs import APPLY, QUIET
from integration.engine.test_costs import said as spoken

pytestmark = pytest.mark.anyio

Measured = Callable[[str, object], None]
MANY = 10_000


@pytest.fixture
def measured(request: pytest.FixtureRequest) -> Measured:
    """Tell a number; shown by `pytest -s`, kept in the report."""

    def tell(what: str, value: object) -> None:
        request.node.user_properties.append((what, value))
        print(f"\nmeasured {request.node.name}: {what} = {value}")  # noqa: T201

    return tell


def prompt(ctx: Context) -> str:
    return f"look at {ctx.item}"


def summed(ctx: ReportContext) -> Report:
    listed: Any = ctx.results["each"]
    failed_ = [child.key for child in ctx.outcomes["each"].children if child.status == "failed"]
    count = sum(1 for said in listed if str(said).startswith("said "))
    data: dict[str, Any] = {
        "count": count,
        "failed": len(failed_),
        "first": listed[:2],
        "last": listed[-1],
        "census": len(ctx.census.failed),
    }
    return Report("#", data=data)


def numbers(size: int) -> Callable[[Context], list[int]]:
    return lambda _ctx: list(range(size))


def a_long_list(size: int, **each: Any) -> Flow:
    return a_flow(
        agent("each", run=prompt, each=Each(numbers(size), key=str, **each)),
        render=summed,
    )


@pytest.mark.parametrize("parallel", [200, MANY])
async def test_ten_thousand_members_out_of_order_and_some_failing(
    replicas: Replicas,
    database: Database,
    dispatcher: Dispatcher,
    measured: Measured,
    parallel: int,
) -> None:
    """F13, F14, A2: every member once, the list in order, a handful of commits, seconds in all."""
    flow = a_long_list(MANY, max_items=MANY, parallel=parallel, quorum=0.9)
    service = await replicas.start(a_library(flow), lease_seconds=60)
    began, commits = time.monotonic(), service.committer.commits
    run_id = await launch(service)
    while not (await service.runs.head(run_id)).status.is_terminal:
        claimed = await dispatcher.claim(500)
        await report_all(service, sorted(claimed, key=lambda t: -t.step_no))

    assert await ended(service, run_id) == "completed"
    measured("seconds", round(time.monotonic() - began, 1))
    measured("commits", service.committer.commits - commits)
    told = await report(database, run_id)
    assert told == {
        "count": MANY - MANY // 100,
        "failed": MANY // 100,
        "census": MANY // 100,
        "first": ["said each[1]", "said each[2]"],
        "last": f"said each[{MANY - 1}]",
    }
    assert await database.value("SELECT count(*) FROM tasks WHERE run_id = %s", (run_id,)) == MANY
    assert service.residents.loads == 0
    assert service.committer.commits - commits < MANY / 20


async def report_all(service: Service, claimed: list[ClaimedTask]) -> None:
    await asyncio.gather(*(service.tasks.report(t.task_id, answer(t)) for t in claimed))


def answer(task: ClaimedTask) -> Any:
    """Every hundredth member fails."""
    if (task.step_no - 1) % 100 == 0:
        return failed(task)
    return done(task, f"said {task.step_key}")


async def test_a_member_costs_one_round_trip_and_no_row_is_read(
    proxy: Proxy, replicas: Replicas, database: Database, dispatcher: Dispatcher
) -> None:
    """A1, A2: a batch of members is one statement; a list as long as may be reads nothing back."""
    flow = a_long_list(1000, parallel=1000)
    service = await replicas.start(a_library(flow), addresses=proxy.addresses, **QUIET)
    await service.runs.cancel(await launch(service), "warm", "")
    run_id = await launch(service)
    await until(lambda: all_offered(database, run_id, 1000))
    claimed = await dispatcher.claim(1000)
    mine = [task for task in claimed if task.run_id == run_id]
    proxy.forget()

    for task in mine[:20]:
        await service.tasks.report(task.task_id, done(task))
    assert spoken(proxy) == [APPLY] * 20
    proxy.forget()
    await asyncio.gather(*(service.tasks.report(t.task_id, done(t)) for t in mine[20:500]))
    assert spoken(proxy) == [APPLY]
    assert service.residents.loads == 0
    await service.runs.cancel(run_id, "enough", "")


async def all_offered(database: Database, run_id: RunId, count: int) -> bool:
    query = "SELECT count(*) FROM task_queue WHERE run_id = %s"
    return await database.value(query, (run_id,)) == count


async def test_results_that_do_not_fit_into_memorys_share_are_read_many_at_a_time(
    proxy: Proxy, replicas: Replicas, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F13: a hundred results are gathered, and looked at one by one, with one reading each."""
    monkeypatch.setattr(wiring, "Bodies", partial(Bodies, most_bytes=1000))
    seen: list[int] = []

    def render(ctx: ReportContext) -> Report:
        proxy.forget()
        seen.append(sum(len(str(child.output)) for child in ctx.outcomes["each"].children))
        seen.append(sum("FROM payloads" in each for each in proxy.statements))
        return Report("")

    def say(ctx: Context) -> str:
        if ctx.item == 99:
            proxy.forget()
        return f"{ctx.item:0>300}"

    def count(ctx: Context) -> int:
        seen.append(sum("FROM payloads" in each for each in proxy.statements))
        return len(str(ctx.results["each"]))

    flow = a_flow(
        code("each", run=say, each=Each(numbers(100), parallel=1)),
        code("sum", "each", run=count),
        render=render,
    )
    service = await replicas.start(a_library(flow), addresses=proxy.addresses)
    run_id = await launch(service)

    assert await ended(service, run_id, 30.0) == "completed"
    gathered, size, looked_at = seen
    assert (size, looked_at <= 2) == (100 * 300, True)
    assert gathered <= 4, "the list, its members' input and the sum's"
    assert await database.value("SELECT count(*) FROM payloads") > 100


async def test_a_chain_of_ten_thousand_steps_that_all_skip_ends_in_seconds(
    replicas: Replicas, database: Database, measured: Measured
) -> None:
    """R2-24, R2-20: each is asked when it is its turn, a few thousand events to a commit."""

    def no(_ctx: Context) -> bool:
        return False

    chain = a_flow(
        *(agent(f"s{n}", *([f"s{n - 1}"] if n else []), when=no) for n in range(MANY)),
        render=lambda ctx: Report("", data={"skipped": len(ctx.census.skipped)}),
    )
    service = await replicas.start(a_library(chain))
    began, commits = time.monotonic(), service.committer.commits
    run_id = await launch(service)

    assert await ended(service, run_id, 60.0) == "completed"
    seconds = time.monotonic() - began
    measured("seconds", round(seconds, 1))
    measured("commits", service.committer.commits - commits)
    assert (await report(database, run_id))["skipped"] == MANY
    assert service.committer.commits - commits <= 20
    assert seconds < 30
    assert (await run_row(database, run_id))["remaining"] == 0
