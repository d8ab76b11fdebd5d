"""The listening socket of the HTTP door."""

from __future__ import annotations

import asyncio
import socket

import pytest

from flowrunner.bootstrap.http import BindError, bind

pytestmark = pytest.mark.anyio


async def test_answers_leave_at_once() -> None:
    """A socket that does not say that it is TCP keeps Nagle's delay: 40 ms for each answer."""
    delays: asyncio.Queue[int] = asyncio.Queue()

    async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        accepted: socket.socket = writer.get_extra_info("socket")
        delays.put_nowait(accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        writer.close()

    opened = bind("127.0.0.1", 0)
    async with await asyncio.start_server(serve, sock=opened):
        _reader, writer = await asyncio.open_connection(*opened.getsockname())
        assert await delays.get() == 1
        writer.close()


async def test_a_taken_port_is_an_error_with_a_hint() -> None:
    """Whoever starts a second server learns what to do."""
    with bind("127.0.0.1", 0) as taken:
        taken.listen()
        with pytest.raises(BindError, match="cannot listen") as refused:
            bind("127.0.0.1", taken.getsockname()[1])
    assert refused.value.hint == "try another --port"
