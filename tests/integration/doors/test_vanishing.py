"""Clients that never hear their answer: one that is gone before it, one whose server is away."""

from __future__ import annotations

import asyncio
import json
import re
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from fixtures.databases import Database
from fixtures.libraries import a_flow, a_library, code
from fixtures.runs import ended
from fixtures.services import Replicas
from fixtures.waiting import until
from flowrunner.cli import connect
from flowrunner.client import AsyncClient
from flowrunner.core.model import RunId
from integration.doors.commands import Terminal
from integration.doors.serving import served

pytestmark = pytest.mark.anyio

QUICK = a_flow(code("a"), name="quick")


async def test_who_vanishes_after_a_launch_finds_the_run_by_its_key(
    replicas: Replicas, database: Database
) -> None:
    """D2-29, F34: nobody waits for the answer; the run ends, and its key starts no second one."""
    service = await replicas.start(a_library(QUICK))
    async with served(service) as url:
        await vanish(url, "/api/v1/flows/quick/runs", {}, key="mine")
        (run,) = await until(lambda: runs_of(database))
        await ended(service, run)
        async with AsyncClient(url) as client:
            again = await client.launch("quick", key="mine")

    assert (again.id, again.replayed) == (run, True)
    assert len(await runs_of(database)) == 1


async def test_without_a_key_each_launch_is_a_run(replicas: Replicas, database: Database) -> None:
    """D2-29: nobody could tell a repetition from a second wish: whoever repeats by hand starts two."""
    service = await replicas.start(a_library(QUICK))
    async with served(service) as url, AsyncClient(url) as client:
        first, second = await client.launch("quick"), await client.launch("quick")

    assert (first.replayed, second.replayed) == (False, False)
    assert {first.id, second.id} == set(await runs_of(database))


async def test_a_launch_that_nobody_answered_says_how_it_is_repeated(
    replicas: Replicas, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F66, D2-29: exit 9 with the key, which starts one run however often it is used."""
    impatient = partial(connect._client, patience=0.1)  # pyright: ignore[reportPrivateUsage]
    monkeypatch.setattr(connect, "_client", impatient)
    away, service = replicas.build(a_library(QUICK)), await replicas.start(a_library(QUICK))
    async with served(away) as first, served(service) as second:
        lost = await Terminal(tmp_path, {"FLOWRUNNER_SERVER": first}).ask("run", "quick", "-d")
        assert (lost.code, lost.out) == (9, "")
        key = re.search(r"--key (\S+):", lost.err)
        assert key, lost.err
        again = Terminal(tmp_path, {"FLOWRUNNER_SERVER": second})
        repeated = [await again.ask("run", "quick", "-d", "--key", key[1]) for _ in range(2)]

    assert repeated[0].out == repeated[1].out != ""
    assert len(await runs_of(database)) == 1


async def runs_of(database: Database) -> list[RunId]:
    return [RunId(run_id) for (run_id,) in await database.sql("SELECT id FROM flow_runs")]


async def vanish(url: str, path: str, body: object, key: str) -> None:
    """Post and hang up before a single byte of the answer is read."""
    at, text = urlsplit(url), json.dumps(body)
    _answer, question = await asyncio.open_connection(at.hostname, at.port)
    head = [
        f"POST {path} HTTP/1.1",
        f"Host: {at.netloc}",
        "Content-Type: application/json",
        f"Content-Length: {len(text)}",
        f"Idempotency-Key: {key}",
    ]
    question.write(("\r\n".join(head) + "\r\n\r\n" + text).encode())
    await question.drain()
    question.transport.abort()
