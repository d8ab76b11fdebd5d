"""Hints make things quick, tables make them sure: every run ends with any of the hints missing."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from typing import Any

import pytest

from fixtures.databases import Database
from fixtures.dispatchers import Dispatcher
from fixtures.libraries import a_flow, a_library, agent, code
from fixtures.proxy import Proxy
from fixtures.runs import ended, launch
from fixtures.services import LogLines, Replicas
from fixtures.waiting import until
from flowrunner.bootstrap.service import Service
from flowrunner.core.model import RunId

pytestmark = pytest.mark.anyio

MIXED = a_flow(code("a"), agent("b", "a"), code("c", "b"))
# Nobody looks by himself for as long as a test takes.
PATIENT: dict[str, Any] = {"poll_seconds": 60, "reap_seconds": 60}


async def follow(service: Service, run_id: RunId) -> list[str]:
    return [row.type async for row in service.feed.follow(run_id)]


async def test_a_hint_is_enough_without_any_polling(
    replicas: Replicas, dispatcher: Dispatcher
) -> None:
    """D2-24: what one replica commits, another one's watchers and workers hear at once."""
    library = a_library(MIXED)
    one, two = await replicas.start(library, **PATIENT), await replicas.start(library, **PATIENT)
    run_id = await launch(one)
    watching = asyncio.create_task(follow(two, run_id))

    assert await dispatcher.finish(one, run_id) == "completed"

    assert (await asyncio.wait_for(watching, 5))[-1] == "run.completed"


async def test_a_listener_that_was_cut_off_looks_for_what_it_missed(
    proxy: Proxy, replicas: Replicas, database: Database, dispatcher: Dispatcher
) -> None:
    """N6: the connection comes back by itself, and the gap is read from the tables."""
    library = a_library(MIXED)
    deaf = replace(database.addresses, listen=proxy.address())
    two = await replicas.start(library, addresses=deaf, **PATIENT)
    one = await replicas.start(library)
    run_id = await launch(one)
    watching = asyncio.create_task(follow(two, run_id))
    await until(lambda: two.feed.watched)

    proxy.cut()
    assert await dispatcher.finish(one, run_id) == "completed"
    assert not watching.done()
    proxy.mend()

    assert (await asyncio.wait_for(watching, 10))[-1] == "run.completed"


async def test_everything_ends_without_any_hint(replicas: Replicas, dispatcher: Dispatcher) -> None:
    """N6: notify_mode=off: polling alone carries runs, watchers and the inbox, on any replica."""
    library = a_library(MIXED)
    quiet: dict[str, Any] = {"notify_mode": "off", "poll_seconds": 0.1}
    one, two = await replicas.start(library, **quiet), await replicas.start(library, **quiet)
    run_ids = [await launch(service) for service in (one, two) * 3]
    watching = [asyncio.create_task(follow(two, run_id)) for run_id in run_ids]

    for run_id in run_ids:
        (task,) = await dispatcher.take(run_id, "b")
        await dispatcher.leave(task)

    ends = await asyncio.wait_for(asyncio.gather(*watching), 10)
    assert {types[-1] for types in ends} == {"run.completed"}


@pytest.mark.complains("listener.deaf")
async def test_behind_a_pooler_that_swallows_notifications_polling_has_to_do(
    proxy: Proxy, replicas: Replicas, dispatcher: Dispatcher, log_lines: LogLines
) -> None:
    """N7: LISTEN is silently dead there; the replica notices, says so, and works."""
    proxy.is_deaf = True
    service = await replicas.start(a_library(MIXED), addresses=proxy.addresses, poll_seconds=0.1)

    run_id = await launch(service)

    assert await dispatcher.finish(service, run_id) == "completed"
    assert "listener.deaf" in [line["event"] for line in log_lines]


SESSION = re.compile(r"set_config\([^)]*, *false\)|^\s*SET (?!TRANSACTION|LOCAL)|advisory_lock\(")


async def test_a_pooled_address_gets_no_session_state(
    proxy: Proxy, replicas: Replicas, database: Database, dispatcher: Dispatcher
) -> None:
    """N7: no prepared statement, no session setting, no LISTEN where sessions are shared."""
    direct = replace(proxy.addresses, listen=database.address())
    service = await replicas.start(a_library(MIXED), addresses=direct, database_pooled=True)

    for _ in range(8):
        run_id = await launch(service)
        assert await dispatcher.finish(service, run_id) == "completed"

    assert proxy.prepared == []
    assert [said for said in proxy.statements if SESSION.search(said) or "LISTEN" in said] == []
    assert len([said for said in proxy.statements if "apply_v2" in said]) >= 8


async def test_statements_are_prepared_unless_they_must_not_be(
    proxy: Proxy, replicas: Replicas, dispatcher: Dispatcher
) -> None:
    """N7: the switch is honoured; with it on, the hot statements are prepared indeed."""
    for prepared in (True, False):
        service = await replicas.start(
            a_library(MIXED), addresses=proxy.addresses, prepared_statements=prepared
        )
        proxy.forget()
        for _ in range(8):
            assert await dispatcher.finish(service, await launch(service)) == "completed"

        assert bool(proxy.prepared) is prepared
        await replicas.stop(service)


@pytest.mark.parametrize("mode", ["coalesced", "txn"])
async def test_dispatchers_hear_which_queue_to_look_at(
    replicas: Replicas, database: Database, mode: str
) -> None:
    """DESIGN section 6: `tasks_new` names queues and nothing else."""
    flow = a_flow(agent("a"), agent("b", queue="big"))
    service = await replicas.start(a_library(flow), notify_mode=mode)

    async with await database.connect("dispatcher") as ears:
        await ears.execute("LISTEN tasks_new")
        await launch(service)
        heard: set[str] = set()
        async for notify in ears.notifies(timeout=5):
            heard |= set(notify.payload.split(","))
            if heard == {"big", "default"}:
                break

    assert heard == {"big", "default"}


async def test_a_burst_of_commits_is_a_handful_of_hints(
    replicas: Replicas, database: Database
) -> None:
    """N1, N2: hints of many commits travel as one, outside of all of them."""
    service = await replicas.start(a_library(a_flow(*(code(f"s{n}") for n in range(30)))))

    async with await database.connect("dispatcher") as ears:
        await ears.execute("LISTEN flow_events")
        run_ids = [await launch(service) for _ in range(10)]
        for run_id in run_ids:
            assert await ended(service, run_id) == "completed"
        heard = [notify async for notify in ears.notifies(timeout=0.3)]

    commits = service.committer.commits
    assert len(heard) <= commits
    assert {name for notify in heard for name in notify.payload.split(",")} == {
        str(run_id) for run_id in run_ids
    }
