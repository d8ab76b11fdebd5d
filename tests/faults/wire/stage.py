"""A stage whose replica reaches PostgreSQL through a wire that breaks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import pytest

import crashpoints.stage
from crashpoints.clock import LeapingLoop
from crashpoints.shapes import Shape
from crashpoints.stage import SETTINGS, Play, Stage, a_plain_stage
from faults.wire.proxy import Fault, Proxy
from fixtures.databases import Database
from flowrunner.bootstrap.database import Addresses
from flowrunner.db import connection, pool

R = TypeVar("R")

# A replica's clock leaps, and whoever looks at it meanwhile costs time: it is less patient here.
_ANSWER_SECONDS = 10.0
# Of real seconds: what is slow on a busy machine does not stand still.
_DEADLINE = 40.0
# The server's own limits, in real seconds: a tenth of the product's.
_LIMITS = {
    "statement_timeout": "3s",
    "idle_in_transaction_session_timeout": "3s",
    "transaction_timeout": "4s",
}


class WireStage(Stage):
    """Plays shapes through a proxy; nothing of the product is replaced."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.proxy = Proxy(self.database)
        self._fault: Fault | None = None
        self.settings = SETTINGS | {
            "lease_seconds": 40.0,
            "renew_seconds": 5.0,
            "lease_margin_seconds": 10.0,
        }

    @property
    def addresses(self) -> Addresses:
        return self.proxy.addresses

    async def strike(self, shape: Shape, fault: Fault | None) -> Play:
        """Play *shape* to its end, with one fault on the way."""
        self._fault = fault
        return await self.play(shape, ())

    async def drive(self, play: Play) -> None:
        await self.proxy.begin(self._fault)
        try:
            await super().drive(play)
        finally:
            if self.proxy.struck is not None:
                play.dooms.struck.append(str(self._fault))


@asynccontextmanager
async def a_wire_stage(database: Database) -> AsyncGenerator[WireStage]:
    """Connections of the product go through the stage's proxy."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(connection, "ANSWER_SECONDS", _ANSWER_SECONDS)
        patch.setattr(crashpoints.stage, "_DEADLINE", _DEADLINE)
        for name, value in _LIMITS.items():
            patch.setitem(pool.SESSION, name, value)
        async with a_plain_stage(database, WireStage) as stage:
            await stage.proxy.open()
            try:
                yield stage
            finally:
                await stage.proxy.close()


def staged(database: Database, work: Callable[[WireStage], Awaitable[R]]) -> R:
    """Run *work* on a stage, on a clock that leaps."""

    async def run() -> R:
        async with a_wire_stage(database) as stage:
            return await work(stage)

    with asyncio.Runner(loop_factory=LeapingLoop) as runner:
        return runner.run(run())
