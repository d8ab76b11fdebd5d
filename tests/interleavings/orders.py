"""All orders of a few sessions' steps, and what must hold after each of them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from itertools import combinations_with_replacement, permutations, product

from fixtures.by_hand import ByHand
from fixtures.databases import RESET, Database
from flowrunner.core import inputs as inp
from flowrunner.db.pool import Conn
from flowrunner.db.runs import load_run
from flowrunner.service.checking import check
from interleavings.acts import ACTS, DECISIONS, Scene, a_scene
from interleavings.sessions import Session, Stage


@dataclass(frozen=True, slots=True)
class Case:
    """Acts that happen at once, the order of their steps, and who of them commits."""

    acts: tuple[str, ...]
    order: tuple[int, ...]
    keeps: tuple[bool, ...]

    def __str__(self) -> str:
        kept = "".join("c" if keeps else "r" for keeps in self.keeps)
        return f"{'+'.join(self.acts)}@{''.join(map(str, self.order))}{kept}"


def orders(count: int) -> list[tuple[int, ...]]:
    """Every order of two steps for each of *count* sessions."""
    return sorted(set(permutations([number for number in range(count) for _ in range(2)])))


def cases(count: int, *, may_undo: bool) -> Iterator[Case]:
    """Every case of *count* acts, the same one twice included."""
    kept = list(product((True, False), repeat=count)) if may_undo else [(True,) * count]
    for acts in combinations_with_replacement(ACTS, count):
        for order in orders(count):
            for keeps in kept:
                yield Case(acts, order, keeps)


@dataclass(frozen=True, slots=True)
class Hall:
    """The connections of the sessions, and of whoever watches them."""

    observer: Conn
    conns: Sequence[Conn]


@asynccontextmanager
async def a_hall(database: Database, sessions: int) -> AsyncGenerator[Hall]:
    async with AsyncExitStack() as stack:
        observer = await stack.enter_async_context(await database.connect("admin"))
        conns = [await stack.enter_async_context(await database.connect()) for _ in range(sessions)]
        yield Hall(observer, conns)


async def play(hall: Hall, case: Case) -> tuple[list[str], bool]:
    """Play *case* from an empty database; what was wrong, and whether anybody was ever blocked."""
    await hall.observer.execute(RESET.encode())
    scene = await a_scene(hall.observer)
    sessions = [
        Session(name, conn, partial(ACTS[name], scene), keeps)
        for name, conn, keeps in zip(case.acts, hall.conns, case.keeps, strict=False)
    ]
    stage = Stage(hall.observer, sessions)
    await stage.play(case.order)
    found = [*_verdicts(sessions), *await _broken(hall.observer)]
    await _end(hall.observer, scene)
    told = [f"{case}: {each} ({'; '.join(stage.story)})" for each in found]
    return told, any(session.was_blocked for session in sessions)


def _verdicts(sessions: Sequence[Session]) -> list[str]:
    """At most one decision on one version, and no lease to two."""
    found = [each.verdict for each in sessions if str(each.verdict).startswith("error: ")]
    kept = [each for each in sessions if each.keeps]
    won = [each.name for each in kept if each.name in DECISIONS and each.verdict == "ok"]
    if len(won) > 1:
        found.append(f"two decisions on one version: {won}")
    lone = [each for each in sessions if each.name in DECISIONS]
    if len(sessions) == len(lone) == len(kept) and not won:
        found.append("of several decisions none was taken")
    settled = {"complete", "lose"}.intersection(won)
    if settled and any(each.name == "release" and each.verdict for each in kept):
        found.append(f"a lease was handed back and settled: {settled}")
    claimed = [task for each in kept if each.name == "claim" for task in each.verdict]
    if len(claimed) > len(set(claimed)):
        found.append(f"a task was claimed twice: {claimed}")
    return found


async def _broken(conn: Conn) -> list[str]:
    return [f"{each.code}: {each.message}" for each in await check(conn)]


async def _end(conn: Conn, scene: Scene) -> None:
    """Whoever lost reads what happened and decides again: at last the run is cancelled."""
    loaded = await load_run(conn, scene.run.run_id)
    assert loaded is not None
    if not loaded.state.status.is_terminal:
        run = ByHand(conn, scene.run.new, loaded.state)
        assert (await run.tell(inp.CancelRequested("end", "ann"))).verdict == "ok"
