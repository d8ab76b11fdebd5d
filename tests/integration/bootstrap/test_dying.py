"""What becomes of a server when one of its loops dies, and what must not make one die."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from fixtures.databases import Database
from fixtures.libraries import a_flow, a_library, agent
from fixtures.runs import ended, launch, run_row
from fixtures.services import Replicas
from flowrunner.bootstrap.service import Service, running
from flowrunner.bootstrap.working import build_worker

pytestmark = pytest.mark.anyio

ONE = a_flow(agent("a"))
SECONDS = 20.0
BROKEN = """
CREATE FUNCTION refuse_ends() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'not this one' USING ERRCODE = '23514'; END $$;
CREATE TRIGGER refuse_ends BEFORE INSERT ON flow_step_events FOR EACH ROW
    WHEN (NEW.type = 'step.completed') EXECUTE FUNCTION refuse_ends();
"""


class Mortal:
    """A loop that dies when it is told to."""

    name = "mortal"

    def __init__(self) -> None:
        self.last = asyncio.Event()

    async def run(self, ready: asyncio.Event) -> None:
        ready.set()
        await self.last.wait()
        raise ValueError("no more")


@pytest.mark.complains("service.died")
async def test_a_server_does_not_outlive_its_loops(replicas: Replicas) -> None:
    """D2-18, R2-49: whoever waits for a signal hears of it: a process that hangs is not replaced."""
    with pytest.raises(ExceptionGroup) as died:
        await serve_until_stopped(replicas.build(a_library(ONE)), Mortal())

    assert died.group_contains(ValueError, match="no more")


async def serve_until_stopped(service: Service, mortal: Mortal) -> None:
    """Serve until a signal that never comes."""
    async with asyncio.timeout(SECONDS), running(service, mortal):
        mortal.last.set()
        await asyncio.Event().wait()


@pytest.mark.complains("commit.refused", "result.refused")
async def test_a_result_that_the_database_refuses_costs_its_step_and_no_server(
    replicas: Replicas, database: Database, tmp_path: Path
) -> None:
    """P4, R2-49: the worker in the server says so in its stead, and goes on with the others."""
    agents = {"echo": {"kind": "command", "argv": ["/bin/echo", "heard"]}}
    service = replicas.build(a_library(ONE), agents=agents, data=tmp_path)
    async with running(service, build_worker(service.settings, service)):
        await database.sql(BROKEN)
        try:
            bad = await launch(service, agent="echo")
            assert await ended(service, bad, SECONDS) == "failed"
        finally:
            await database.sql("DROP FUNCTION refuse_ends CASCADE")
        good = await launch(service, agent="echo")
        assert await ended(service, good, SECONDS) == "completed"

    error = (await run_row(database, bad))["error"]
    assert (error["code"], "not this one" in error["message"]) == ("report_refused", True)
