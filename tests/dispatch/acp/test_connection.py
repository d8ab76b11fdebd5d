"""Requests and answers: each request ends once, whatever the other side does."""

from __future__ import annotations

import asyncio
import os
import select
from pathlib import Path

import pytest

from dispatch.acp.peers import converse
from fixtures.waiting import until
from flowrunner.dispatch.acp.connection import Connection, LostError
from flowrunner.dispatch.acp.framing import Line
from flowrunner.dispatch.acp.outlet import Outlet
from flowrunner.dispatch.acp.session import Opening

pytestmark = pytest.mark.anyio


def a_connection() -> Connection:
    return Connection(lambda _m, _p: None, lambda _m, _p: None, lambda _n: None)


async def test_an_answer_that_comes_twice_counts_once() -> None:
    """P11: also when both stand on the wire at once."""
    connection = a_connection()
    asking = asyncio.create_task(connection.request("m", {}))
    await connection.outbox.get()
    connection.heard(Line(b'{"id":1,"result":{"a":1}}'))
    connection.heard(Line(b'{"id":1,"result":{"a":2}}'))
    connection.heard(Line(b'{"id":1,"error":{"code":1,"message":"no"}}'))

    assert await asking == {"a": 1}


async def test_nobody_is_asked_who_is_gone() -> None:
    """P11: neither what is waited for nor what is asked later is waited for for ever."""
    connection = a_connection()
    asking = asyncio.create_task(connection.request("m", {}))
    await connection.outbox.get()
    connection.lost()

    with pytest.raises(LostError):
        await asking
    with pytest.raises(LostError):
        await asyncio.wait_for(connection.request("n", {}), 5)
    assert connection.outbox.empty()


async def test_one_that_does_not_listen_may_speak(tmp_path: Path) -> None:
    """P11: a megabyte for somebody who has closed its stdin is dropped, and its end is heard."""
    script = """
greet(); open_session(); os.close(0); time.sleep(0.5)
say("well"); tell(id=3, result={"stopReason": "end_turn"})
"""
    heard = await converse(script, tmp_path, opening=Opening(cwd="/", prompt="x" * 1_000_000))

    assert (heard.turn.stage, heard.answer) == ("answered", "well")


async def test_a_pipe_that_breaks_is_an_end() -> None:
    """P11: who has died in the middle of a message tells so elsewhere."""
    read, write = os.pipe()
    outbox: asyncio.Queue[bytes] = asyncio.Queue()
    outbox.put_nowait(b"x" * 1_000_000)
    with os.fdopen(write, "wb", 0) as pipe:
        outlet = Outlet(outbox, pipe)
        writing = asyncio.create_task(outlet.run())
        await until(lambda: select.select([read], [], [], 0)[0])
        os.close(read)
        await asyncio.wait_for(writing, 5)
        outlet.close()
