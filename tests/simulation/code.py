"""Code steps: the engine's own runner and its durable calls, around code that needs no thread."""

from __future__ import annotations

import asyncio
import json
from typing import Any, cast

from flowrunner.core import inputs as inp
from flowrunner.core.model import Failure, FailureClass, Ref, StepStatus
from flowrunner.db.payloads import ref_of
from flowrunner.db.queue import ClaimedTask
from flowrunner.definitions.definition import Definition
from flowrunner.engine.calls import DurableCaller
from flowrunner.engine.code import CodeRunner
from flowrunner.engine.residents import Residents
from simulation.loop import Process, passed
from simulation.world import World

FLAKY = Failure("overloaded", "try again", FailureClass.TRANSIENT)
FATAL = Failure("agent_error", "it gave up")


def code_text(task: ClaimedTask, answers: dict[str, Any]) -> bytes:
    """What an attempt of a code step says: who said it, and what it was told."""
    return json.dumps([task.task_id, task.epoch, answers]).encode()


class CodeAuthor(CodeRunner):
    """Runs what the shape says of a code step: its calls, one after the other."""

    def __init__(
        self, world: World, residents: Residents, *, slots: int, poll_seconds: float
    ) -> None:
        super().__init__(residents, slots=slots, poll_seconds=poll_seconds)
        self._world = world

    async def _ended(self, task: ClaimedTask) -> tuple[inp.Outcome, dict[Ref, bytes]] | None:
        process = asyncio.get_running_loop()
        assert isinstance(process, Process)
        self._world.begun(task, process)
        try:
            return await self._worked(task)
        finally:
            self._world.let_go(task)

    async def _worked(self, task: ClaimedTask) -> tuple[inp.Outcome, dict[Ref, bytes]]:
        prepared = await self._prepared(task)
        if isinstance(prepared, Failure):
            return inp.Errored(prepared), {}
        fault = self._world.fault("work")
        kind = "" if fault is None else fault.kind
        answers = await self._called(task, cast("tuple[str, ...]", prepared))
        if fault is not None and kind in {"slow_work", "zombie"}:
            await passed(fault.seconds)
        if kind in {"flaky", "fails"}:
            return inp.Errored(FLAKY if kind == "flaky" else FATAL), {}
        body = code_text(task, answers)
        return inp.Succeeded(ref_of(body)), {ref_of(body): body}

    async def _called(self, task: ClaimedTask, keys: tuple[str, ...]) -> dict[str, Any]:
        if not keys:
            return {}
        loop = asyncio.get_running_loop()
        caller = DurableCaller(self._residents, task, cast("Definition", None), "", loop)
        # The first alone, the others at once: both ways are used.
        first = await self._answer(caller, task, keys[0])
        rest = await asyncio.gather(*(self._answer(caller, task, key) for key in keys[1:]))
        return dict(zip(keys, [first, *rest], strict=True))

    async def _answer(self, caller: DurableCaller, task: ClaimedTask, key: str) -> str | None:
        given = inp.CallAsked(task.step_no, task.attempt, task.epoch, key, Ref(""), None, 2)
        ended, text = await caller._ended(key, given, f"call {key}")  # pyright: ignore[reportPrivateUsage]  # `call` without its thread
        return text if ended.status is StepStatus.COMPLETED else None
