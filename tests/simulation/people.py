"""People: they launch runs, steer them, answer what they are asked, and try again when unheard."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar
from uuid import UUID

from flowrunner.core import inputs as inp
from flowrunner.core.decision import Verdict
from flowrunner.core.errors import FlowRunnerError, UnavailableError
from flowrunner.core.model import RunId
from flowrunner.db.changes import TaskContext
from flowrunner.db.launch import NewRun
from flowrunner.db.payloads import ref_of
from flowrunner.db.runs import RunMeta
from flowrunner.engine.launching import Beginning
from flowrunner.engine.letters import Answer, Told
from simulation.loop import Process, passed, until
from simulation.network import call
from simulation.plans import Act
from simulation.replica import Replica
from simulation.world import World

T = TypeVar("T")

PROMISED = {
    "cancel": "run.cancelled",
    "pause": "run.paused",
    "resume": "run.resumed",
    "retry": "run.retried",
    "decide": "approval.decided",
}
"""The event that must be in the log once somebody was told that it was done."""


class People:
    """One process; it never dies, and its patience has no end."""

    def __init__(
        self, world: World, process: Process, replicas: Callable[[], Sequence[Replica]]
    ) -> None:
        self._world = world
        self._process = process
        self._replicas = replicas
        self._asked = 0
        self.runs: list[RunId] = []
        self.is_done = False

    def start(self) -> None:
        self._process.enqueue_call(lambda: self._process.create_task(self._act()))
        if "decide" in self._world.plan.what.acts:
            self._process.enqueue_call(lambda: self._process.create_task(self._decide()))

    async def _act(self) -> None:
        for number in range(self._world.plan.runs):
            self.runs.append(await self._launch(number))
        for act in self._world.plan.acts:
            await until(act.at)
            for run in self.runs:
                await self._steer(run, act)
        self.is_done = True

    async def _reach(self, served: Callable[[Replica], Awaitable[T]]) -> T:
        """Ask one replica after the other until one answers."""
        while True:
            try:
                async with asyncio.timeout(3.0):
                    return await self._reach_one(served)
            except (UnavailableError, TimeoutError):
                await passed(0.2)

    async def _reach_one(self, served: Callable[[Replica], Awaitable[T]]) -> T:
        replicas = self._replicas()
        if not replicas:
            raise UnavailableError("nobody serves")
        server = self._world.universe.chance.choice(replicas)
        return await call(self._world, self._process, server, lambda: served(server))

    async def _launch(self, number: int) -> RunId:
        """D2-18: the same key, however often it takes; each time the run would have another id."""

        def begin(replica: Replica) -> Awaitable[RunId]:
            self._asked += 1
            return self._begun(replica, number, RunId(UUID(int=(self._asked << 64) + 7)))

        return await self._reach(begin)

    async def _begun(self, replica: Replica, number: int, run: RunId) -> RunId:
        body = b"{}"
        context = TaskContext(1, "/", "scripted", None)
        new = NewRun(
            run_id=run,
            context=context,
            definition_id=1,
            flow=self._world.plan.shape,
            band="small",
            input_ref=ref_of(body),
            nonce="0" * 16,
            idempotency_key=f"key {number}",
            request_hash=b"hash",
        )
        names = (run, new.flow, new.band, context, "project", new.input_ref, new.nonce)
        meta = RunMeta(*names, definition_id=1, definition_hash="hash")
        launched = inp.Launched(new.flow, new.band, "hash")
        graph = self._world.plan.what.graph
        verdict = await replica.launcher.launch(Beginning(new, meta, graph, launched, body))
        return verdict.run_id

    async def _steer(self, run: RunId, act: Act) -> None:
        if act.kind == "decide":
            return
        self._asked += 1
        actor = f"person {self._asked}"
        size = len(self._world.plan.what.graph.steps)
        given = _input(act, actor, act.step % size)
        await self._tell(run, act.kind, actor, Answer(given))

    async def _tell(self, run: RunId, kind: str, actor: str, answer: Answer) -> None:
        try:
            verdict = await self._reach(lambda r: r.residents.deliver(run, Told(answer)))
        except FlowRunnerError as error:
            self._world.complain(f"{kind} was refused: {error!r}")
            return
        self._world.note(f"{actor}: {kind} {verdict}")
        if verdict is Verdict.ACCEPTED and kind in PROMISED:
            self._world.acknowledged.append((run, PROMISED[kind], actor))

    async def _decide(self) -> None:
        """Look at the inbox now and then; approve or reject as chance has it."""
        chance = self._world.universe.chance
        while True:
            await passed(0.3 + 2 * chance.random() ** 3)
            questions = self._world.tables.questions
            for (run, step, attempt), asked in list(questions.items()):
                if asked.status == "open":
                    await self._answer(RunId(run), step, attempt, chance.random())

    async def _answer(self, run: RunId, step: int, attempt: int, mood: float) -> None:
        self._asked += 1
        actor, approved = f"person {self._asked}", mood < 0.5
        then = "" if approved or mood < 0.8 else "continue" if mood < 0.9 else "stop"
        body = json.dumps([actor, approved]).encode()
        given = inp.ApprovalGiven(step, attempt, approved, actor, ref_of(body), "", then)
        await self._tell(run, "decide", actor, Answer(given, {ref_of(body): body}))

    def settle(self) -> None:
        """What is paused is resumed: in the end every run shall come to its end."""
        self._process.enqueue_call(lambda: self._process.create_task(self._resume()))

    async def _resume(self) -> None:
        while True:
            for run in self.runs:
                line = self._world.tables.runs.get(run)
                if line is not None and line.status == "paused":
                    await self._steer(run, Act("resume", 0.0))
            await passed(1.0)


def _input(act: Act, actor: str, step: int) -> inp.Input:
    match act.kind:
        case "cancel":
            return inp.CancelRequested("no longer wanted", actor)
        case "pause":
            return inp.PauseRequested("wait", actor)
        case "resume":
            return inp.ResumeRequested("go on", actor)
        case "retry":
            return inp.RetryRequested("once more", actor, step if act.step % 3 == 0 else None)
        case "stop":
            return inp.StopRequested(step, "too slow", actor)
        case "render":
            return inp.RenderRequested(actor)
        case _:
            raise ValueError(act.kind)
