"""An actor by itself: what it makes of commits that fail, whatever the reason."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

import pytest

from builders import a_graph, a_run
from flowrunner.core import events as ev
from flowrunner.core import inputs as inp
from flowrunner.core.decision import Ask, Prepare, Verdict
from flowrunner.core.errors import InvariantError
from flowrunner.core.model import Ref, RunId, Usage
from flowrunner.db.apply import Applied
from flowrunner.db.changes import Change, TaskContext
from flowrunner.db.events import EventRow
from flowrunner.db.runs import LoadedRun, RunMeta
from flowrunner.engine.actor import Actor
from flowrunner.engine.letters import Answer, Letter, Told
from flowrunner.engine.views import RunView

pytestmark = pytest.mark.anyio

RUN = RunId(UUID(int=1))
META = RunMeta(RUN, "f", "small", TaskContext(1, "/", "static", None), "p", Ref(""), "", 1, "")


@dataclass(slots=True)
class Surroundings:
    """A run `a` <- `b` whose `a` is at work; *fates* befall the first commits, one after another."""

    fates: list[Applied | InvariantError]
    reached: asyncio.Event = field(default_factory=asyncio.Event)
    go: asyncio.Event = field(default_factory=asyncio.Event)
    committed: list[ev.Event] = field(default_factory=list[ev.Event])

    async def load(self, run_id: RunId) -> LoadedRun:  # noqa: ARG002  # the protocol's shape
        state = a_run(a_graph("a", "b<-a"), "a yes")
        return LoadedRun(META, state, {}, {}, {}, Usage())

    async def read_events(self, run_id: RunId, after: int, limit: int) -> Sequence[EventRow]:
        del run_id, after, limit  # nobody else moved the run
        return ()

    async def ensure(self, view: RunView) -> None:
        pass

    async def commit(self, change: Change) -> Applied:
        self.reached.set()
        await self.go.wait()
        fate = self.fates.pop(0) if self.fates else Applied("ok")
        if isinstance(fate, InvariantError):
            raise fate
        if fate.verdict == "ok":
            self.committed += change.decision.events
        return fate

    async def ask(self, ask: Ask, view: RunView) -> Answer:
        """The prompt of `b` is what `a` said."""
        assert isinstance(ask, Prepare)
        return Answer(inp.PromptBuilt(ask.step, Ref(f"about {view.output(0)}")))

    def moved(self, change: Change, applied: Applied) -> None:
        pass


async def _told(actor: Actor, epoch: int) -> Verdict:
    verdict: asyncio.Future[Verdict] = asyncio.get_running_loop().create_future()
    outcome = inp.Succeeded(Ref(f"said under {epoch}"))
    actor.post(Letter(Told(Answer(inp.TaskSettled(0, 1, epoch, outcome))), verdict))
    return await verdict


@pytest.mark.parametrize(
    "fate",
    [Applied("stale", ((0, 2),)), InvariantError("the database refused it")],
    ids=["stale", "refused"],
)
async def test_what_was_refused_is_in_no_prompt(fate: Applied | InvariantError) -> None:
    """P2, D2-35: the last word of a lost lease changes nothing, not even what others are asked."""
    around = Surroundings([fate])
    actor = Actor(RUN, around)

    first = asyncio.create_task(_told(actor, 2))
    await around.reached.wait()
    second = asyncio.create_task(_told(actor, 3))
    await asyncio.sleep(0)
    around.go.set()
    outcomes = await asyncio.gather(first, second, return_exceptions=True)

    assert outcomes == [Verdict.LATE if isinstance(fate, Applied) else fate, Verdict.ACCEPTED]
    begun = [event for event in around.committed if isinstance(event, ev.StepDispatched)]
    assert [event.prompt for event in begun] == ["about said under 3"]
