"""The work that every peer does: a chain of 100, a fan of WIDTH, RUNS runs of 1 step, 3, and 1.

Queues get no graph from us: each step enqueues what follows, and a counter joins the three.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

CHAIN = 100
Put = Callable[[list[str]], Awaitable[object]]


def asked() -> tuple[str, int, int]:
    """The database's address, how many runs, and how wide the fan is."""
    return sys.argv[1], int(sys.argv[2]), int(sys.argv[3])


def say(chain: float, fan: float, many: float) -> None:
    _address, runs, width = asked()
    figures = {
        "chain_hop_ms": chain / CHAIN * 1000,
        "fan_1000_steps_per_second": width / fan,
        "many_steps_per_second": runs * 5 / many,
    }
    print(json.dumps(figures))


async def timed(work: Awaitable[object]) -> float:
    began = time.perf_counter()
    await work
    return time.perf_counter() - began


@dataclass
class Runs:
    """What follows which step, for peers that are queues; a step is RUN/NAME."""

    put: Put
    left: dict[str, int] = field(default_factory=dict)
    live: int = 0
    over: asyncio.Event = field(default_factory=asyncio.Event)

    async def chain(self) -> None:
        await self._begin(["c/0"], 1)

    async def fan(self, width: int) -> None:
        self.left["f"] = width - 2
        self._width = width - 2
        await self._begin(["f/a"], 1)

    async def many(self, count: int) -> None:
        self.left |= {f"m{n}": 3 for n in range(count)}
        await self._begin([f"m{n}/a" for n in range(count)], count)

    async def ended(self, step: str) -> None:
        """One step has ended: offer what it makes possible, or note that its run is over."""
        run, name = step.split("/")
        if run == "c" and int(name) < CHAIN - 1:
            await self.put([f"c/{int(name) + 1}"])
        elif name == "a":
            await self.put([f"{run}/{n}" for n in range(self.left[run])])
        elif name == "z" or run == "c":
            self.live -= 1
            if self.live == 0:
                self.over.set()
        else:
            self.left[run] -= 1
            if self.left[run] == 0:
                await self.put([f"{run}/z"])

    async def _begin(self, steps: list[str], runs: int) -> None:
        self.live = runs
        self.over.clear()
        await self.put(steps)
        await self.over.wait()
