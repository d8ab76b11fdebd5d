"""A wire between a replica and PostgreSQL that breaks at a byte, in one of six ways."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import Counter
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from psycopg.conninfo import make_conninfo

from crashpoints.points import under_way
from fixtures.databases import Database
from fixtures.proxy import Pair, connect_to
from flowrunner.bootstrap.database import Addresses

Kind = Literal["reset", "half_close", "half_open", "blackhole", "truncate", "latency"]
"""
reset: RST to both sides.
half_close: the receiver's end of one direction is closed, the other direction lives on.
half_open: the client is gone without a word to the server, whose session stays.
blackhole: nothing passes in either direction, and nobody is told.
truncate: the receiver gets what came before the byte, and a proper end.
latency: everything is late.
"""
Way = Literal["up", "down"]
"""To the server, or to the client."""
Stream: TypeAlias = tuple[str, Way]
"""Whose bytes: the application name of a connection, and the direction."""

_CHUNK = 65536
_CANCEL = 80877102
_SYNC = b"S\0\0\0\4"
# ReadyForQuery, without its last byte: the state of the transaction.
_READY = b"Z\0\0\0\5"
LATE_SECONDS = 0.5
_LINGER = struct.pack("ii", 1, 0)


@dataclass(frozen=True, slots=True)
class Fault:
    """*at*: which byte of *stream* is the first that does not pass."""

    kind: Kind
    stream: Stream
    at: int
    is_everywhere: bool
    """All connections are struck at that byte, not only the one that carries it."""
    seconds: float | None
    """Until it heals, as far as it does; None: never."""

    def __str__(self) -> str:
        name, way = self.stream
        where = "all" if self.is_everywhere else "one"
        heals = "" if self.seconds is None else f" for {self.seconds} s"
        return f"{self.kind} at byte {self.at} {way} of {name}, {where}{heals}"


@dataclass(slots=True)
class Struck:
    """What a fault met. *asked*: connections whose server had a whole request and gave no answer."""

    wires: int = 0
    asked: Counter[str] = field(default_factory=Counter[str])


class Proxy:
    """Carries every connection of a play, counts its bytes, and strikes once."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._server: asyncio.Server | None = None
        self._wires: set[_Wire] = set()
        self._serving: set[asyncio.Task[None]] = set()
        self.fault: Fault | None = None
        self.carried: Counter[Stream] = Counter()
        self.struck: Struck | None = None
        self.is_out = False
        """The network is away: new connections meet the same."""

    @property
    def addresses(self) -> Addresses:
        """Everything through this wire, but for the owner."""
        assert self._server is not None
        service = make_conninfo(
            self._database.address("service"),
            host="127.0.0.1",
            port=self._server.sockets[0].getsockname()[1],
            sslmode="disable",
            gssencmode="disable",
        )
        return Addresses(service, service, self._database.address("owner"))

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)

    async def close(self) -> None:
        """Break everything and wait until nothing is left of it."""
        assert self._server is not None
        self._server.close()
        await self.begin(None)

    async def begin(self, fault: Fault | None) -> None:
        """Forget the play before, and strike *fault* in the next."""
        for task in self._serving:
            task.cancel()
        if self._serving:
            await asyncio.wait(self._serving)
        self.fault, self.struck, self.is_out = fault, None, False
        self.carried.clear()

    def passes(self, wire: _Wire, way: Way, chunk: bytes) -> int:
        """Count *chunk* and return how much of it passes before the fault strikes."""
        stream = (wire.name, way)
        before = self.carried[stream]
        self.carried[stream] += len(chunk)
        fault = self.fault
        if self.struck is not None or fault is None or fault.stream != stream:
            return len(chunk)
        return min(len(chunk), fault.at - before - 1)

    def strike(self, wire: _Wire) -> None:
        """Let the fault strike *wire*, or all of them."""
        assert self.fault is not None
        self.struck = Struck()
        met = list(self._wires) if self.fault.is_everywhere else [wire]
        for each in met:
            self.struck.wires += 1
            self.struck.asked[each.name] += each.is_asked
            each.suffer(self.fault)
        self.is_out = self.fault.is_everywhere and self.fault.kind in {"blackhole", "latency"}
        if self.fault.seconds is not None:
            asyncio.get_running_loop().call_later(self.fault.seconds, self._heal, met)

    def _heal(self, met: list[_Wire]) -> None:
        for each in self._wires if self.is_out else met:
            each.heal()
        self.is_out = False

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving = asyncio.get_running_loop().create_task(self._serve((reader, writer)))
        self._serving.add(serving)
        serving.add_done_callback(self._serving.discard)

    async def _serve(self, client: Pair) -> None:
        server = await connect_to(self._database.address())
        wire = _Wire(self, client, server)
        self._wires.add(wire)
        if self.is_out and self.fault is not None:
            wire.suffer(self.fault)
        try:
            await wire.carry()
        finally:
            self._wires.discard(wire)
            wire.end()


class _Wire:
    """One connection's two directions."""

    def __init__(self, proxy: Proxy, client: Pair, server: Pair) -> None:
        self.name = "?"
        self.is_asked = False
        """The server has a whole request, and the client not the whole answer."""
        self._proxy = proxy
        self._client = client
        self._server = server
        self._pumps: dict[Way, asyncio.Task[None]] = {}
        self._open = asyncio.Event()
        self._open.set()
        self._late = 0.0
        self._is_kept = False
        self._under_way = ExitStack()

    async def carry(self) -> None:
        """Until both directions have ended."""
        reader, writer = self._client
        try:
            head = await reader.readexactly(8)
            head += await reader.readexactly(int.from_bytes(head[:4]) - 8)
        except (OSError, asyncio.IncompleteReadError):
            return
        self.name = _name_of(head)
        make = asyncio.get_running_loop().create_task
        self._pumps = {
            "up": make(self._pump("up", reader, self._server[1], head)),
            "down": make(self._pump("down", self._server[0], writer)),
        }
        await asyncio.wait(self._pumps.values())
        if self._is_kept:
            await asyncio.Event().wait()

    def suffer(self, fault: Fault) -> None:
        """Break as *fault* says."""
        way = fault.stream[1]
        self._under_way.close()
        match fault.kind:
            case "reset":
                self._stop()
                _reset(self._client[1])
                _reset(self._server[1])
            case "half_close":
                self._stop(way)
                _finish((self._server if way == "up" else self._client)[1])
            case "half_open":
                self._is_kept = True
                self._stop()
                _reset(self._client[1])
            case "truncate":
                self._stop()
                self._client[1].close()
                self._server[1].close()
            case "blackhole":
                self._open.clear()
            case "latency":
                self._late = LATE_SECONDS

    def heal(self) -> None:
        """Let everything pass again, what was kept back first."""
        self._late = 0.0
        self._open.set()

    def end(self) -> None:
        """Leave nothing of it, however it was struck."""
        self._stop()
        self._under_way.close()
        for _reader, writer in (self._client, self._server):
            writer.transport.abort()

    async def _pump(
        self,
        way: Way,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        chunk: bytes = b"",
    ) -> None:
        with suppress(OSError):
            while chunk := chunk or await reader.read(_CHUNK):
                passing = self._proxy.passes(self, way, chunk)
                await self._pass(way, writer, chunk[:passing])
                if passing < len(chunk):
                    self._proxy.strike(self)
                    await self._pass(way, writer, chunk[passing:])
                chunk = b""
            await self._open.wait()
            _finish(writer)

    async def _pass(self, way: Way, writer: asyncio.StreamWriter, chunk: bytes) -> None:
        due = asyncio.Event()
        asyncio.get_running_loop().call_later(self._late, due.set)
        await due.wait()
        await self._open.wait()
        if way == "up" and chunk[:1] != b"X" and self._late == 0:
            self._under_way.close()
            self._under_way.enter_context(under_way())
        writer.write(chunk)
        await writer.drain()
        if way == "up":
            self.is_asked = self.is_asked or chunk.endswith(_SYNC) or chunk[:1] == b"Q"
        elif chunk[:-1].endswith(_READY):
            self.is_asked = False
            self._under_way.close()

    def _stop(self, *ways: Way) -> None:
        for way in ways or self._pumps:
            self._pumps[way].cancel()


def _name_of(head: bytes) -> str:
    """The application's name in a startup message."""
    words = head[8:].split(b"\0")
    if int.from_bytes(head[4:8]) == _CANCEL or b"application_name" not in words:
        return "cancel"
    return words[words.index(b"application_name") + 1].decode()


def _reset(writer: asyncio.StreamWriter) -> None:
    sock: socket.socket = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER)
    writer.transport.abort()


def _finish(writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        if not writer.transport.is_closing():
            writer.write_eof()
