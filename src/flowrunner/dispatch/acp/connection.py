"""One JSON-RPC conversation: what is asked is answered, by them or by us."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeAlias

from flowrunner.dispatch.acp.framing import Line
from flowrunner.dispatch.acp.messages import (
    METHOD_NOT_FOUND,
    Id,
    Json,
    Noise,
    Notice,
    Refusal,
    Reply,
    Request,
    encode,
    parse,
)

Answer: TypeAlias = Callable[[str, Json], Json | None]
"""What an agent's request is answered with; None: we know no such method."""
OnNotice: TypeAlias = Callable[[str, Json], None]
OnNoise: TypeAlias = Callable[[Noise], None]


class RefusedError(Exception):
    """The agent answered a request with an error."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(f"{refusal.message} {refusal.detail}".strip())
        self.refusal = refusal


class LostError(Exception):
    """The agent is gone, and will not answer."""


class Connection:
    """Feed it lines; take from `outbox` what is to be sent."""

    def __init__(self, answer: Answer, on_notice: OnNotice, on_noise: OnNoise) -> None:
        self.outbox: asyncio.Queue[bytes] = asyncio.Queue()
        self._answer = answer
        self._on_notice = on_notice
        self._on_noise = on_noise
        self._waiting: dict[Id, asyncio.Future[Json]] = {}
        self._last = 0
        self._is_lost = False

    async def request(self, method: str, params: Json) -> Json:
        """Return the result. Raise RefusedError or LostError."""
        if self._is_lost:
            raise LostError(method)
        self._last += 1
        number = self._last
        future: asyncio.Future[Json] = asyncio.get_running_loop().create_future()
        self._waiting[number] = future
        self._send({"id": number, "method": method, "params": params})
        try:
            return await future
        finally:
            self._waiting.pop(number, None)

    def notify(self, method: str, params: Json) -> None:
        self._send({"method": method, "params": params})

    def heard(self, line: Line) -> None:
        """Take a line. Nothing in it can make this fail."""
        for message in parse(line):
            match message:
                case Request():
                    self._reply(message)
                case Notice():
                    self._on_notice(message.method, message.params)
                case Reply():
                    self._settle(message)
                case Refusal():
                    self._settle(message)
                case Noise():
                    self._on_noise(message)

    def lost(self) -> None:
        """Nothing more will be heard."""
        self._is_lost = True
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(LostError())

    def _settle(self, message: Reply | Refusal) -> None:
        future = self._waiting.get(_number(message.id))
        if future is None or future.done():
            return  # Answered twice, or never asked.
        if isinstance(message, Reply):
            future.set_result(message.result)
        else:
            future.set_exception(RefusedError(message))

    def _reply(self, request: Request) -> None:
        result = self._answer(request.method, request.params)
        if result is None:
            error = {"code": METHOD_NOT_FOUND, "message": f"not offered: {request.method}"}
            self._send({"id": request.id, "error": error})
        else:
            self._send({"id": request.id, "result": result})

    def _send(self, message: Json) -> None:
        self.outbox.put_nowait(encode(message))


def _number(found: Id) -> Id:
    """Our ids are numbers; some send them back as text."""
    return int(found) if isinstance(found, str) and found.isascii() and found.isdigit() else found
