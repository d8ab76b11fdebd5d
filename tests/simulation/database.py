"""The database as the engine sees it: the same statements, answered by the model.

Whoever asks for a statement that the model does not know is told so at once: a KeyError.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, TypeAlias, cast

import psycopg

from flowrunner.db import apply as db_apply
from flowrunner.db import events, launch, payloads, queue, results, runs, stalls, timers, workers
from flowrunner.db import pauses as db_pauses
from flowrunner.db.pool import Pool
from flowrunner.dispatch import sql as dispatch_sql
from simulation import applying, laws_of_rows, leasing, looking
from simulation.loop import Process
from simulation.plans import Fault
from simulation.tables import BEGAN, Json, Letterbox, Tables
from simulation.world import World

Rows: TypeAlias = Sequence[Any]
Statement: TypeAlias = Callable[[Tables, Json], Rows]


@dataclass(frozen=True, slots=True)
class Column:
    name: str


_LOADED = tuple(Column(name) for name in looking.LOADED)


class Cursor:
    """A statement's answer."""

    __slots__ = ("rowcount", "rows")

    description = _LOADED
    """Only LOAD_RUN's is ever asked for."""

    def __init__(self, rows: Rows) -> None:
        self.rows = rows
        self.rowcount = len(rows)

    async def fetchone(self) -> Any:
        return self.rows[0] if self.rows else None

    async def fetchall(self) -> Rows:
        return self.rows


class Wire:
    """A process's connections: statements go out one by one and may be lost on either way."""

    def __init__(self, world: World, process: Process) -> None:
        self._world = world
        self._process = process

    @property
    def pool(self) -> Pool:
        """As the engine's classes want it."""
        return cast("Pool", self)

    def connection(self) -> Wire:
        return self

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        return None

    async def execute(self, statement: str, args: Json | None = None) -> Cursor:
        """One statement, one transaction. Raises OperationalError when its answer is lost."""
        world, process = self._world, self._process
        if process.is_dead:
            raise psycopg.OperationalError("the process is dead")
        answer: asyncio.Future[Rows] = process.create_future()
        errand = _Errand(world, statement, args or {}, answer)
        if world.is_cut(process):
            errand.fail_later()
        else:
            errand.leave(world.fault("statement"))
        return Cursor(await answer)

    def cursor(self, **_factory: object) -> Claiming:
        """Only claims ask for rows of another make, and the model makes them so."""
        return Claiming(self)


class Claiming:
    """What a claim is read from."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._rows: Rows = ()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        return None

    async def execute(self, statement: str, args: Json) -> None:
        self._rows = (await self._wire.execute(statement, args)).rows

    async def fetchall(self) -> Rows:
        return self._rows


class _Errand:
    """One statement on its way there and back."""

    __slots__ = ("_answer", "_args", "_statement", "_world")

    def __init__(
        self, world: World, statement: str, args: Json, answer: asyncio.Future[Rows]
    ) -> None:
        self._world = world
        self._statement = statement
        self._args = args
        self._answer = answer

    def fail_later(self) -> None:
        """Nobody is reached."""
        self._world.universe.later(0.05, self._lost)

    def leave(self, fault: Fault | None) -> None:
        world = self._world
        kind, seconds = ("", 0.0) if fault is None else (fault.kind, fault.seconds)
        wait = world.latency()
        match kind:
            case "unsent":
                world.universe.later(wait, self._lost)
            case "belated":
                world.universe.later(wait, self._lost)
                world.belated += 1
                world.universe.later(wait + seconds, self._happen_belatedly)
            case "unanswered":
                world.universe.later(wait, lambda: self._happen(is_lost=True))
            case "slow":
                world.universe.later(wait + seconds, self._happen)
            case _:
                world.universe.later(wait, self._happen)

    def _happen(self, *, is_lost: bool = False) -> None:
        world = self._world
        if world.is_away:
            self._lost()
            return
        world.tables.now = world.universe.now
        try:
            rows = STATEMENTS[self._statement](world.tables, self._args)
        except psycopg.Error as error:
            # In this model only a decision that must not be committed is refused.
            world.complain(f"the database refused a statement: {error}")
            self._fail(error)
            return
        if world.record is not None:
            times = (world.tables.now, world.tables.started_at)
            world.record.append((*times, self._statement, self._args, list(rows)))
        if world.tables.committed:
            laws_of_rows.look(world)
        for notice in world.tables.notices:
            world.publish(*notice)
        world.tables.notices.clear()
        if is_lost:
            self._lost()
        elif not self._answer.done():
            world.universe.later(world.latency(), lambda: self._arrive(rows))

    def _happen_belatedly(self) -> None:
        self._world.belated -= 1
        self._happen()

    def _arrive(self, rows: Rows) -> None:
        if not self._answer.done():
            self._answer.set_result(rows)

    def _lost(self) -> None:
        self._fail(psycopg.OperationalError("the connection was lost"))

    def _fail(self, error: Exception) -> None:
        if not self._answer.done():
            self._answer.set_exception(error)


def _apply(tables: Tables, args: Json) -> Rows:
    applying.put_payloads(tables, args["refs"], args["bodies"])
    return applying.apply(tables, json.loads(args["p"]))


def _launch(tables: Tables, args: Json) -> Rows:
    applying.put_payloads(tables, args["refs"], args["bodies"])
    return [applying.launch(tables, json.loads(args["p"]))]


def _delete_timer(tables: Tables, args: Json) -> Rows:
    key = (args["run_id"], args["step_no"], args["kind"])
    timer = tables.timers.get(key)
    if timer is not None and timer.token == args["token"]:
        del tables.timers[key]
    return ()


def _delete_results(tables: Tables, args: Json) -> Rows:
    tables.results = [row for row in tables.results if row.id not in args["ids"]]
    return ()


def _mark_results(tables: Tables, args: Json) -> Rows:
    for row in tables.results:
        if row.id in args["ids"] and row.verdict is None:
            row.verdict = args["verdict"]
    return ()


def _report(tables: Tables, args: Json) -> Rows:
    place = looking.result_row(args)
    said = (args["outcome"], args["output"], args["error"], args["usage"])
    pause = (args["provider"], args["quota_until"])
    leasing.report(tables, Letterbox(0, *place, args["epoch"], *said, None, *pause))
    if args["quota_until"] is not None:
        _pause_provider(tables, {"provider": args["provider"], "until": args["quota_until"]})
    return ()


def _pause_provider(tables: Tables, args: Json) -> Rows:
    until = None if args["until"] is None else (args["until"] - BEGAN).total_seconds()
    return [(leasing.pause_provider(tables, args["provider"], until),)]


def _keep_late(tables: Tables, args: Json) -> Rows:
    place = (args["run_id"], args["step_no"], args["attempt"])
    said = (args["outcome"], args["output"], args["error"], args["usage"])
    leasing.report(tables, Letterbox(0, *place, args["epoch"], *said, verdict="stale"))
    tables.notices.clear()
    return ()


def _register(tables: Tables, args: Json) -> Rows:
    leasing.register(tables, args["worker_id"], args["lease"])
    return ()


def _deregister(tables: Tables, args: Json) -> Rows:
    leasing.deregister(tables, args["worker"])
    return ()


def _list_payloads(tables: Tables, args: Json) -> Rows:
    refs: Sequence[bytes] = args["refs"]
    return [(ref, tables.payloads[ref.hex()]) for ref in refs if ref.hex() in tables.payloads]


STATEMENTS: Mapping[str, Statement] = {
    db_apply.APPLY: _apply,
    launch.LAUNCH: _launch,
    runs.LOAD_RUN: lambda t, a: looking.load_run(t, a["run_id"]),
    events.LIST_EVENTS: lambda t, a: looking.list_events(t, a["run_id"], a["after"], a["limit"]),
    timers.LIST_DUE: lambda t, a: looking.list_due(t, a["limit"]),
    timers.SECONDS_TO_NEXT: lambda t, _: [(looking.seconds_to_next(t),)],
    timers.DELETE_TIMER: _delete_timer,
    queue.LIST_DEAD: lambda t, a: leasing.list_dead(t, a["lease"], a["grace"], a["limit"]),
    stalls.LIST_STALLED: lambda t, a: looking.list_stalled(
        t, a["patience"], a["after"], a["limit"]
    ),
    workers.REGISTER: _register,
    workers.RENEW: lambda t, a: [leasing.renew(t, a["worker"], a["lease"], a["held"])],
    workers.DEREGISTER: _deregister,
    db_pauses.PAUSE_PROVIDER: _pause_provider,
    db_pauses.DELETE_PAST_PAUSES: lambda _, __: (),
    queue.CLAIM: lambda t, a: leasing.claim(t, a["worker"], a["queues"], a["count"]),
    queue.RELEASE: lambda t, a: [(leasing.release(t, a["worker"], a["epochs"]),)],
    queue.RELEASE_UNKNOWN: lambda t, a: [(leasing.release_unknown(t, a["worker"], a["held"]),)],
    workers.DELETE_DEAD_WORKERS: lambda _, __: (),
    results.LIST_UNREAD: lambda t, a: looking.list_unread(t, a["after"], a["limit"]),
    results.DELETE_RESULTS: _delete_results,
    results.MARK_RESULTS: _mark_results,
    results.KEEP_LATE: _keep_late,
    payloads.LIST_PAYLOADS: _list_payloads,
    dispatch_sql.REPORT: _report,
}
