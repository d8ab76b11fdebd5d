"""Single server processes of ours are ended at random, or stopped in the middle of a statement."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Generator
from contextlib import contextmanager

import pytest

from faults.sessions.place import OURS, a_place, a_stranger, unknown
from fixtures.databases import Database
from fixtures.services import LogLines
from fixtures.waiting import until
from flowrunner.db import connection
from flowrunner.embedded.cluster import Cluster
from flowrunner.engine import committer

pytestmark = pytest.mark.anyio

KILLS = 30
OTHERS = 8
PIDS = f"SELECT pid FROM pg_stat_activity WHERE {OURS} ORDER BY backend_start, pid"  # noqa: S608  # our own words
WAITING = """
SELECT pid FROM pg_stat_activity
 WHERE application_name = 'flowrunner-commits' AND wait_event_type = 'Lock'
"""
IDLE = "SELECT pid FROM pg_stat_activity WHERE application_name = %s AND state = 'idle'"


async def test_single_backends_die_at_random(database: Database, log_lines: LogLines) -> None:
    """P1, P3, P4: one after the other under load, more than two in a second; nothing is lost."""
    chance = random.Random(4)  # noqa: S311  # whoever knows the seed plays the same
    began = time.monotonic()
    async with a_place(database) as place, await database.connect("admin") as conn:
        runs = await place.launch(2)
        for _ in range(KILLS):
            pids = [pid for (pid,) in await (await conn.execute(PIDS.encode())).fetchall()]
            await conn.execute("SELECT pg_terminate_backend(%s)", (chance.choice(pids),))
            kept = len(place.book.kept)
            runs += await place.launch()
            await until(lambda kept=kept: len(place.book.kept) > kept)
        rate = KILLS / (time.monotonic() - began)
        await place.have_ended(runs)
    assert rate > 2
    assert len(runs) == KILLS + 2
    assert len(unknown(log_lines)) > 0


async def test_a_stopped_commit_is_given_up_and_comes_late(
    database: Database, log_lines: LogLines, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P1, P3, P4: nobody learns whether it was done; hours later it is, and nothing happens twice."""
    monkeypatch.setattr(connection, "ANSWER_SECONDS", 1.0)
    async with a_place(database) as place:
        held = await place.hold()
        lock = "SELECT FROM flow_runs WHERE id = %s FOR UPDATE"
        async with a_stranger(database, lock, args=(held,)):
            place.shape.gate.set()
            ((pid,),) = await until(lambda: database.sql(WAITING))
            with stopped(database, pid):
                await place.have_ended(await place.launch(OTHERS))
                assert not await place.is_over(held)
        await place.have_ended([held])
    assert any("no answer" in line["error"] for line in unknown(log_lines))


async def test_nobody_waits_behind_a_commit_that_fell_silent(
    database: Database, log_lines: LogLines, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P4: half of all runs share its lane; they leave it before the answer is given up."""
    monkeypatch.setattr(committer, "STUCK_SECONDS", 0.5)
    async with a_place(database) as place:
        held = await place.hold()
        lock = "SELECT FROM flow_runs WHERE id = %s FOR UPDATE"
        async with a_stranger(database, lock, args=(held,)):
            place.shape.gate.set()
            ((pid,),) = await until(lambda: database.sql(WAITING))
            with stopped(database, pid):
                await place.have_ended(await place.launch(OTHERS * 2))
        await place.have_ended([held])
    # The server's own word: the commit went on, and its lock was not to be had in time.
    assert not any("no answer" in line["error"] for line in unknown(log_lines))


@pytest.mark.parametrize("name", ["flowrunner", "flowrunner-notifier", "flowrunner-leases"])
async def test_a_stopped_backend_is_replaced(
    database: Database, log_lines: LogLines, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """P3, P4: its next statement is not answered; with another connection everything goes on."""
    monkeypatch.setattr(connection, "ANSWER_SECONDS", 1.0)
    async with a_place(database) as place:
        await place.have_ended(await place.launch())
        async with await database.connect("admin") as conn:
            ((pid,), *_more) = await (await conn.execute(IDLE, (name,))).fetchall()
        with stopped(database, pid):
            await place.have_ended(await place.launch(OTHERS))
        # Whoever had it has hung up: that is what the server finds when it goes on.
        await until(lambda: is_gone(database, pid))
        await place.have_ended(await place.launch())
    assert {line["log_level"] for line in log_lines} <= {"debug", "info", "warning"}


async def is_gone(database: Database, pid: int) -> bool:
    return not await database.sql("SELECT FROM pg_stat_activity WHERE pid = %s", (pid,))


@contextmanager
def stopped(database: Database, pid: int) -> Generator[None]:
    """A server process that is stopped, and goes on at the end."""
    if not isinstance(database.server, Cluster):
        pytest.skip("only processes of our own server can be stopped")
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)
