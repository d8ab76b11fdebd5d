"""Play every single point of every shape in every mode, and then random pairs and triples."""

from __future__ import annotations

import asyncio
import gc
import os
import random
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_context
from typing import TypeAlias, TypeVar

import psycopg
from psycopg.conninfo import make_conninfo

from crashpoints.clock import LeapingLoop
from crashpoints.judge import Ending, Judgement, judge
from crashpoints.points import MODES, Doom
from crashpoints.repertoire import MAKERS
from crashpoints.stage import Play, Stage, a_stage
from fixtures.cluster import Server, embedded_server
from fixtures.databases import Database
from flowrunner.db import migrations
from flowrunner.embedded.databases import Role, clone_database

Plan: TypeAlias = tuple[Doom, ...]
R = TypeVar("R")
S = TypeVar("S", bound=Stage)

_TEMPLATE = "flowrunner_crashpoints"
_CHUNK = 40
_ROLES: tuple[Role, ...] = ("admin", "owner", "service", "dispatcher")


@dataclass(frozen=True, slots=True)
class Bad:
    """A play that broke a law, and how to see it again."""

    shape: str
    plan: Plan
    struck: tuple[str, ...]
    violations: tuple[str, ...]

    def __str__(self) -> str:
        plan = ",".join(map(str, self.plan))
        told = "\n    ".join((*self.struck, *self.violations))
        again = f'make crashpoints ARGS="--shape {self.shape} --play {plan}"'
        return f"  {again}\n    {told}"


@dataclass(slots=True)
class Tally:
    """*missed*: plays that ended before their point came, because fewer statements were sent."""

    plays: Counter[str] = field(default_factory=Counter[str])
    struck: Counter[str] = field(default_factory=Counter[str])
    missed: int = 0
    bad: list[Bad] = field(default_factory=list[Bad])

    def add(self, other: Tally) -> None:
        self.plays += other.plays
        self.struck += other.struck
        self.missed += other.missed
        self.bad += other.bad


@dataclass(frozen=True, slots=True)
class Place:
    """A server as other processes reach it."""

    addresses: Mapping[Role, str]

    @classmethod
    def of(cls, server: Server) -> Place:
        return cls({role: server.address(role, "postgres") for role in _ROLES})

    def address(self, role: Role = "service", database: str = "postgres") -> str:
        return make_conninfo(self.addresses[role], dbname=database)


def singles(size: int) -> list[Plan]:
    """Every statement in every mode."""
    return [(Doom(at, mode),) for at in range(1, size + 1) for mode in MODES]


def combinations(chance: random.Random, size: int) -> Plan:
    """Two or three dooms, one after the other."""
    count = chance.choice((2, 2, 3))
    return tuple(Doom(chance.randint(1, size), chance.choice(MODES)) for _ in range(count))


async def baseline(stage: Stage, shape: str) -> tuple[Ending, int]:
    """How *shape* ends when nothing fails, and how many statements that takes."""
    play = await stage.play(MAKERS[shape](), ())
    while not play.is_whole and play.failure is None:
        play = await stage.play(MAKERS[shape](), ())
    judged = await judge(stage.admin, play, None)
    if judged.violations:
        raise AssertionError(f"{shape} breaks laws without any crash: {judged.violations}")
    return judged.ending, len(play.dooms.labels)


async def play_all(stage: Stage, shape: str, plans: Sequence[Plan], most_bad: int = 1000) -> Tally:
    """Play *plans* on one stage, one after the other, until enough went wrong."""
    wanted, _size = await baseline(stage, shape)
    actor = MAKERS[shape]()
    tally = Tally()
    for plan in plans:
        play = await stage.play(actor, plan)
        judged = await judge(stage.admin, play, wanted)
        _count(tally, plan, play, judged)
        if len(tally.bad) >= most_bad:
            break
    return tally


def _count(tally: Tally, plan: Plan, play: Play, judged: Judgement) -> None:
    struck = play.dooms.struck
    tally.plays[play.shape.name] += 1
    tally.missed += len(struck) < len(plan)
    tally.struck.update(doom.mode for doom in plan[: len(struck)])
    if judged.violations:
        tally.bad.append(Bad(play.shape.name, plan, tuple(struck), judged.violations))


@contextmanager
def a_place() -> Generator[Place]:
    """A throw-away server with a template to clone."""
    with embedded_server() as server:
        server.create_database(_TEMPLATE)
        migrations.upgrade(server.address("owner", _TEMPLATE))
        yield Place.of(server)


def run_on(
    place: Place,
    work: Callable[[S], Awaitable[R]],
    made: Callable[[Database], AbstractAsyncContextManager[S]] = a_stage,
) -> R:
    """Run *work* on a stage in this process's own database."""

    async def staged() -> R:
        async with made(_database(place)) as stage:
            return await work(stage)

    # What was imported stays: there is no use in looking through it again and again.
    gc.freeze()
    with asyncio.Runner(loop_factory=LeapingLoop) as runner:
        return runner.run(staged())


def _database(place: Place) -> Database:
    name = f"{_TEMPLATE}_{os.getpid()}"
    admin = place.address("admin")
    with psycopg.connect(admin, autocommit=True) as conn:
        found = conn.execute("SELECT FROM pg_database WHERE datname = %s", (name,)).fetchone()
    if found is None:
        clone_database(admin, name, _TEMPLATE)
    return Database(name, place)  # pyright: ignore[reportArgumentType]  # it is only reached


def _play_chunk(place: Place, shape: str, plans: Sequence[Plan], most_bad: int) -> Tally:
    async def play_mine(stage: Stage) -> Tally:
        return await play_all(stage, shape, plans, most_bad)

    return run_on(place, play_mine)


def _sizes(place: Place, shapes: Sequence[str]) -> dict[str, int]:
    async def measure(stage: Stage) -> dict[str, int]:
        return {shape: (await baseline(stage, shape))[1] for shape in shapes}

    return run_on(place, measure)


@dataclass(frozen=True, slots=True)
class Extent:
    """*points*: how many plays at least. The singles among them can be left out."""

    points: int
    seed: int
    has_singles: bool = True
    most_bad: int = 1000
    """So many violations are enough."""


def plans_of(sizes: Mapping[str, int], extent: Extent) -> Iterator[tuple[str, list[Plan]]]:
    """Chunks of work: all singles, and combinations of the seed until there are enough."""
    chance = random.Random(extent.seed)  # noqa: S311  # whoever knows the seed plays the same
    plans = {shape: singles(n) if extent.has_singles else [] for shape, n in sizes.items()}
    left = extent.points - sum(map(len, plans.values()))
    names = sorted(sizes)
    for number in range(max(0, left)):
        shape = names[number % len(names)]
        plans[shape].append(combinations(chance, sizes[shape]))
    for shape, mine in plans.items():
        for start in range(0, len(mine), _CHUNK):
            yield shape, mine[start : start + _CHUNK]


def campaign(shapes: Sequence[str], extent: Extent, processes: int) -> Tally:
    """Play all of it on so many processes; prints what goes wrong at once."""
    total = Tally()
    with (
        a_place() as place,
        ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool,
    ):
        sizes = pool.submit(partial(_sizes, place, shapes)).result()
        chunks = list(plans_of(sizes, extent))
        play = partial(_play_chunk, place, most_bad=extent.most_bad)
        waiting = [pool.submit(play, shape, plans) for shape, plans in chunks]
        for done in as_completed(waiting):
            error = done.exception()
            if error is not None:
                pool.shutdown(cancel_futures=True)
                raise error
            tally = done.result()
            total.add(tally)
            print(f"{total.plays.total()} plays", end="\r", file=sys.stderr, flush=True)  # noqa: T201
            for bad in tally.bad:
                print(bad, flush=True)  # noqa: T201  # whoever waits wants to see it now
            if len(total.bad) >= extent.most_bad:
                pool.shutdown(cancel_futures=True)
                break
    return total
