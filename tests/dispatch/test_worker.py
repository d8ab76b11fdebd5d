"""Our worker against a real database and a real service: claim, run, report, lose, drain."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import httpx2
import pytest

from dispatch.agents import is_alive, names_in, note, noted, numbers_in
from dispatch.stage import AGENT, ECHO, LIMITS, TIMES, an_outfit, over_sql, sleeper
from dispatch.tasks import AROUND, a_room
from fixtures.databases import Database
from fixtures.libraries import a_flow, a_library, agent
from fixtures.runs import ended, launch, steps
from fixtures.services import Replicas
from fixtures.waiting import until
from flowrunner.core.errors import InvalidInputError
from flowrunner.dispatch.gates.gate import OPEN
from flowrunner.dispatch.gates.policy import Refusal
from flowrunner.dispatch.gates.probe import ProbeResult
from flowrunner.dispatch.gates.wall import Closed, Wall
from flowrunner.dispatch.kit import Kit
from flowrunner.dispatch.polling import Polling
from flowrunner.dispatch.process import ProcessLimits
from flowrunner.dispatch.rest import RestTasks
from flowrunner.dispatch.worker import Worker
from flowrunner.leases.ports import Profile

pytestmark = pytest.mark.anyio

CLAIMS = "SELECT last_value FROM claim_epoch_seq"


async def test_a_run_is_worked_off(replicas: Replicas, database: Database, tmp_path: Path) -> None:
    """R2-08, R2-28, R2-31, R2-33, R2-39: over SQL, with the dispatcher's rights and no others."""
    service = await replicas.start(a_library(a_flow(agent("a"), agent("b"), agent("c", "a", "b"))))
    outfit = an_outfit(database.address("dispatcher"), tmp_path, {AGENT: ECHO})

    async with over_sql(outfit):
        run_id = await launch(service)
        assert await ended(service, run_id) == "completed"

    rows = await database.sql("SELECT step_no, kind, text FROM transcripts ORDER BY step_no, kind")
    assert rows[-1][2] == "heard c(a=heard a()\n, b=heard b()\n)\n"
    assert [kind for _, kind, _ in rows] == ["stderr", "text"] * 3
    assert names_in(a_room(tmp_path)) == []


async def test_work_is_begun_at_once_when_it_is_announced(
    replicas: Replicas, database: Database, tmp_path: Path
) -> None:
    """A notification beats the poll: between two polls there would be a minute."""
    service = await replicas.start(a_library(a_flow(agent("a"), agent("b", "a"))))
    slow = replace(TIMES, polling=replace(TIMES.polling, least_seconds=60.0, most_seconds=60.0))
    outfit = an_outfit(database.address("dispatcher"), tmp_path, {AGENT: ECHO}, times=slow)

    async with over_sql(outfit):
        assert await ended(service, await launch(service)) == "completed"


async def test_without_notifications_polling_does(
    replicas: Replicas, database: Database, tmp_path: Path
) -> None:
    """P3: nothing is lost when every notification is; and an agent may outlive the watchdog."""
    service = await replicas.start(a_library(a_flow(agent("a"), agent("b", "a"))))
    slow = f"'a()' == sys.stdin.read() and time.sleep({LIMITS.watchdog_seconds * 1.6})\nprint('x')"
    outfit = an_outfit(database.address("dispatcher"), tmp_path, {AGENT: slow})

    async with over_sql(outfit, listens=False):
        assert await ended(service, await launch(service)) == "completed"


async def test_no_more_is_claimed_than_there_is_room_for(
    replicas: Replicas, database: Database, tmp_path: Path
) -> None:
    """D2-25, F47: five ready tasks and two slots make two agents, and each end makes room at once."""
    service = await replicas.start(a_library(a_flow(*(agent(f"a{n}") for n in range(5)))))
    file, go = tmp_path / "pids", tmp_path / "go"
    waits = f"{note(file)}while not os.path.exists({str(go)!r}): time.sleep(0.01)\nprint('done')"
    slow = replace(TIMES, polling=replace(TIMES.polling, least_seconds=60.0, most_seconds=60.0))
    address = database.address("dispatcher")
    outfit = an_outfit(address, tmp_path, {AGENT: waits}, slots=2, times=slow)

    async with over_sql(outfit):
        run_id = await launch(service)
        await until(noted(file, 2))
        held = await database.value("SELECT count(*) FROM task_queue WHERE epoch IS NOT NULL")
        assert (held, len(numbers_in(file))) == (2, 2)
        go.touch()
        assert await ended(service, run_id) == "completed"


async def test_a_full_claim_is_followed_by_another(
    replicas: Replicas, database: Database, tmp_path: Path
) -> None:
    """What is there is taken at once, though a single claim is bounded."""
    service = await replicas.start(a_library(a_flow(*(agent(f"a{n}") for n in range(4)))))
    slow = replace(TIMES, polling=Polling(least_seconds=60.0, most_seconds=60.0, batch=1))
    file = tmp_path / "pids"
    outfit = an_outfit(database.address("dispatcher"), tmp_path, {AGENT: sleeper(file)}, times=slow)

    async with over_sql(outfit):
        run_id = await launch(service)
        await until(noted(file, 4))
        await service.runs.cancel(run_id, "enough", "test")


async def test_the_step_limits_its_agent(
    replicas: Replicas, database: Database, tmp_path: Path
) -> None:
    """D2-22: what the flow's author allows is what the agent gets."""
    service = await replicas.start(a_library(a_flow(agent("a", timeout=1))))
    outfit = an_outfit(database.address("dispatcher"), tmp_path, {AGENT: "time.sleep(600)"})

    async with over_sql(outfit):
        run_id = await launch(service)
        assert await ended(service, run_id) == "failed"

    assert "timeout_total" in (await steps(database, run_id, "error"))["a"]


async def test_a_failed_agent_fails_its_step(
    replicas: Replicas, database: Database, tmp_path: Path
) -> None:
    """R2-41: with the code, and with what it said last."""
    service = await replicas.start(a_library(a_flow(agent("a"))))
    failing = "sys.stderr.write('no such model'); sys.exit(1)"
    outfit = an_outfit(database.address("dispatcher"), tmp_path, {AGENT: failing})

    async with over_sql(outfit):
        run_id = await launch(service)
        assert await ended(service, run_id) == "failed"

    error = (await steps(database, run_id, "error"))["a"]
    assert "agent_failed" in error
    assert "no such model" in error


@pytest.mark.complains("task.broken")
async def test_a_mistake_of_ours_fails_the_step_and_not_the_worker(
    replicas: Replicas, database: Database, tmp_path: Path
) -> None:
    """P4: nobody else would ever report the task; the other task is not held up by it."""
    service = await replicas.start(
        a_library(a_flow(agent("a", on_fail="tolerate"), agent("b", "a")))
    )
    outfit = an_outfit(database.address("dispatcher"), tmp_path, {AGENT: ECHO})

    class Broken(Wall):
        async def close(self, project: Path) -> Closed | Refusal:
            if not self._proofs:
                self._proofs["first"] = ProbeResult(gate=OPEN, project=project)
                raise ZeroDivisionError
            return Closed(self._proofs["first"], "tool-level")

    kit = replace(outfit.kit, wall=Broken("tool-level", outfit.kit.room, ""))
    async with over_sql(replace(outfit, kit=kit)):
        run_id = await launch(service)
        assert await ended(service, run_id) == "completed"

    assert "dispatcher_error" in (await steps(database, run_id, "error"))["a"]


async def test_a_draining_worker_does_not_even_ask(
    replicas: Replicas, database: Database, tmp_path: Path
) -> None:
    """What it would only hand back again is left to others."""
    service = await replicas.start(a_library(a_flow(agent("a"))))
    file = tmp_path / "pids"
    times = replace(TIMES, drain_seconds=0.8)
    address = database.address("dispatcher")
    outfit = an_outfit(address, tmp_path, {AGENT: sleeper(file)}, times=times)

    async with over_sql(outfit) as worker:
        first = await launch(service)
        await until(noted(file, 1))
        claims = await database.value(CLAIMS)
        draining = asyncio.create_task(worker.drain())
        second = await launch(service)
        await draining
        assert await database.value(CLAIMS) == claims

    for run_id in (first, second):
        await service.runs.cancel(run_id, "enough", "test")


async def test_draining_lets_agents_end_and_hands_back_the_rest(
    replicas: Replicas, database: Database, tmp_path: Path
) -> None:
    """P3: one ends in time and is reported, the other is stopped and offered again, uncounted."""
    service = await replicas.start(a_library(a_flow(agent("quick"), agent("slow"))))
    file, go = tmp_path / "pids", tmp_path / "go"
    script = (
        f"is_quick = 'quick' in sys.stdin.read()\n{note(file)}"
        f"while not (is_quick and os.path.exists({str(go)!r})): time.sleep(0.01)\nprint('done')"
    )
    times = replace(TIMES, drain_seconds=1.0)
    outfit = an_outfit(database.address("dispatcher"), tmp_path, {AGENT: script}, times=times)

    async with over_sql(outfit) as worker:
        run_id = await launch(service)
        await until(noted(file, 2))
        go.touch()
        async with asyncio.timeout(8):
            await worker.drain()
        queue = "SELECT step_no, attempt, epoch FROM task_queue ORDER BY step_no"
        assert await database.sql(queue) == [(1, 1, None)]

    assert await steps(database, run_id) == {"quick": "completed", "slow": "running"}
    assert await database.value("SELECT count(*) FROM workers WHERE name = 'tested'") == 0
    await service.runs.cancel(run_id, "enough", "test")


async def test_a_killed_worker_hands_back_what_it_can(
    replicas: Replicas, database: Database, tmp_path: Path
) -> None:
    """Stopped without patience: the agent dies, and its task is offered again at once."""
    service = await replicas.start(a_library(a_flow(agent("a"))))
    file = tmp_path / "pids"
    outfit = an_outfit(database.address("dispatcher"), tmp_path, {AGENT: sleeper(file)})

    async with over_sql(outfit):
        run_id = await launch(service)
        await until(noted(file, 1))

    assert not is_alive(numbers_in(file)[0])
    assert await database.sql("SELECT attempt, epoch FROM task_queue") == [(1, None)]
    await service.runs.cancel(run_id, "enough", "test")


async def test_a_result_that_nobody_reads_is_not_handed_back(
    replicas: Replicas, database: Database, tmp_path: Path
) -> None:
    """P1, P3: the service is away; the worker leaves, and its task is not offered again."""
    library = a_library(a_flow(agent("a")))
    service = await replicas.start(library)
    go = tmp_path / "go"
    waits = f"while not os.path.exists({str(go)!r}): time.sleep(0.01)\nprint('paid')"
    times = replace(TIMES, leave_seconds=0.3)
    outfit = an_outfit(database.address("dispatcher"), tmp_path, {AGENT: waits}, times=times)

    async with over_sql(outfit) as worker:
        run_id = await launch(service)
        await until(lambda: database.value("SELECT epoch FROM task_queue"))
        await replicas.stop(service)
        go.touch()
        await worker.drain()

    assert await database.value("SELECT count(*) FROM task_queue WHERE epoch IS NOT NULL") == 1
    service = await replicas.start(library)
    assert await ended(service, run_id) == "completed"


async def test_a_worker_that_would_break_a_promise_is_not_made(tmp_path: Path) -> None:
    """P2: all of it at once."""
    profile = Profile("x", "here", 1, ("default", "code"), 0, "test")
    kit = Kit(around=AROUND, room=tmp_path, limits=ProcessLimits(watchdog_seconds=9.0))
    port = RestTasks(httpx2.AsyncClient(), profile)

    with pytest.raises(InvalidInputError) as refused:
        Worker(profile, port, port, kit)

    codes = [problem.code for problem in refused.value.problems]
    assert codes == ["reserved-queue", "no-slots", "watchdog-too-slow"]
