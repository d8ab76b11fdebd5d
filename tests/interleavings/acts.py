"""A run in the middle of everything, and what the world may do to it at the same moment."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias
from uuid import UUID, uuid4

from builders import APPROVAL, WAIT, a_graph
from fixtures.by_hand import QUEUES, ByHand, a_body, a_new_run, write
from flowrunner.core import inputs as inp
from flowrunner.core.inputs import TimerKind
from flowrunner.core.model import Ref
from flowrunner.db import queue, workers
from flowrunner.db.apply import apply
from flowrunner.db.changes import Change
from flowrunner.db.pool import Conn

Bodies: TypeAlias = Mapping[Ref, bytes]


@dataclass(frozen=True, slots=True)
class Scene:
    """A step is held, one is offered, one sleeps and one asks. *worker* holds, *other* is idle."""

    run: ByHand
    worker: UUID
    other: UUID

    def complete(self) -> Change:
        return self._change(self.run.settled("a"), a_body("said")[1])

    def lose(self) -> Change:
        number, epoch = self.run.number("a"), self.run.held["a"]
        return self._change(inp.TaskLost(number, 1, epoch, "its worker is gone"))

    def cancel(self) -> Change:
        return self._change(inp.CancelRequested("enough", "ann"))

    def fire(self) -> Change:
        number = self.run.number("nap")
        token = self.run.state.steps[number].attempt
        return self._change(inp.TimerFired(TimerKind.WAKE, number, token))

    def approve(self) -> Change:
        ref, bodies = a_body('{"approved": true}')
        number = self.run.number("ask")
        attempt = self.run.state.steps[number].attempt
        return self._change(inp.ApprovalGiven(number, attempt, True, "ann", ref), bodies)

    def _change(self, given: inp.Input, bodies: Bodies | None = None) -> Change:
        decision = self.run.decide(given)
        assert decision.events, given
        prompts = a_body("do it")[1]
        return self.run.change(decision, {**prompts, **(bodies or {})})


async def a_scene(conn: Conn) -> Scene:
    """Launch the run and bring it so far."""
    graph = a_graph("a*3", "b", "nap", "ask", nap=WAIT, ask=APPROVAL)
    new = await a_new_run(conn, graph)
    _verdict, state = await write(conn, new, graph)
    run = ByHand(conn, new, state)
    await run.prepare("a")
    worker, other = uuid4(), uuid4()
    for name in (worker, other):
        row = workers.WorkerRow(name, "stepped", "here", 1, QUEUES, 100, "t")
        await workers.register(conn, row, 600)
    run.held |= {task.step_key: task.epoch for task in await queue.claim(conn, worker, QUEUES, 9)}
    await run.tell(inp.WaitSet(run.number("nap"), 60))
    await run.ask("ask")
    await run.prepare("b")
    return Scene(run, worker, other)


def deciding(change: Callable[[Scene], Change]) -> Callable[[Scene, Conn], Awaitable[Any]]:
    """An act that commits a decision; its verdict is the database's.

    What it offers is the idle worker's at once: the one that others claim for and that may leave.
    """

    async def act(scene: Scene, conn: Conn) -> str:
        applied = await apply(conn, [change(scene)], take=lambda _queue: scene.other)
        return applied[scene.run.run_id].verdict

    return act


async def claiming(scene: Scene, conn: Conn) -> list[str]:
    return [task.task_id for task in await queue.claim(conn, scene.other, QUEUES, 1)]


async def releasing(scene: Scene, conn: Conn) -> int:
    return await queue.release(conn, scene.worker, [scene.run.held["a"]])


async def renewing(scene: Scene, conn: Conn) -> list[int]:
    renewal = await workers.renew(conn, scene.worker, 600, [scene.run.held["a"]])
    return list(renewal.lost)


async def reporting(scene: Scene, conn: Conn) -> None:
    task = f"{scene.run.run_id}.{scene.run.number('a')}.1"
    args = (task, scene.run.held["a"], "completed", "said", "null", "null")
    await conn.execute("SELECT report_v1(%s, %s, %s, %s, %s::jsonb, %s::jsonb)", args)


async def leaving(scene: Scene, conn: Conn) -> None:
    await workers.deregister(conn, scene.worker)


async def idle_leaving(scene: Scene, conn: Conn) -> None:
    await workers.deregister(conn, scene.other)


DECISIONS: Mapping[str, Callable[[Scene], Change]] = {
    "complete": Scene.complete,
    "lose": Scene.lose,
    "cancel": Scene.cancel,
    "fire": Scene.fire,
    "approve": Scene.approve,
}
ACTS: Mapping[str, Callable[[Scene, Conn], Awaitable[Any]]] = {
    **{name: deciding(change) for name, change in DECISIONS.items()},
    "claim": claiming,
    "release": releasing,
    "renew": renewing,
    "report": reporting,
    "leave": leaving,
    "idle": idle_leaving,
}
