"""Random walks of runs of every kind: the laws' small world chooses, the database has to follow.

The world knows which leases and timers there are, and so what each commit must be answered with.
What it calls by words (a prompt, an output) is stored under its hash.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any, Protocol

from fixtures.by_hand import a_body
from flowrunner.core import events as ev
from flowrunner.core import inputs as inp
from flowrunner.core.decision import Ask, Decision, Guard, LeaseGuard, Render
from flowrunner.core.folding import fold
from flowrunner.core.graph import CODE_QUEUE, Graph, Rejection, Siblings, StepKind, StepSpec
from flowrunner.core.model import Ref, RunState
from flowrunner.core.scheduling import decide
from unit.laws.happenings import afterwards, answers, happenings, unlikely, well
from unit.laws.soundness import assert_sound
from unit.laws.strategies import a_random_graph
from unit.laws.world import World, assert_caused

IDLE = "idle"
"""The queue that is looked at now and then: what is offered there lies for a while."""
QUEUES = ("default", CODE_QUEUE)
UNHELD = 0
TROUBLE = (0.01, 0.05, 0.2)
REJECTIONS = [Rejection.REDO, *Rejection]
_PAYLOADS = ("output", "items", "prompt", "request", "answer")


def a_graph_of_everything(random: Random) -> Graph:
    """Four to ten steps of every kind, many of them side by side; half of the graphs drain."""
    graph = a_random_graph([random.getrandbits(32) for _ in range(random.randint(4, 10))])
    steps = tuple(_shaped(step, random) for step in graph.steps)
    return replace(graph, steps=steps, siblings=random.choice(list(Siblings)))


def _shaped(step: StepSpec, random: Random) -> StepSpec:
    """Fewer needs, so that more is at work at once; and some offers that nobody looks at."""
    needs, asked = step.needs[: random.choice([1, 3])], step.approval
    if asked is not None and needs:
        asked = replace(asked, redo_from=random.choice(needs), on_reject=random.choice(REJECTIONS))
    usual = CODE_QUEUE if step.kind is StepKind.CODE else step.queue
    queue = IDLE if random.random() < 0.2 else usual
    return replace(step, needs=needs, approval=asked, queue=queue)


@dataclass(frozen=True)
class Told:
    """Inputs and what was decided about them; *bodies* is what they refer to."""

    inputs: tuple[inp.Input, ...]
    decision: Decision
    bodies: dict[Ref, bytes]
    before: RunState
    after: RunState
    asks: tuple[Ask, ...] = ()


class Store(Protocol):
    """Where decisions are committed, and tasks are claimed."""

    async def launch(self, told: Told) -> None: ...
    async def commit(self, told: Told) -> str: ...
    async def claim(self, queues: Sequence[str]) -> dict[int, int]: ...
    async def compare(self, world: World) -> None: ...


@dataclass
class Walk(World):
    """A world whose epochs come from the store; a task that nobody claimed is held under none."""

    random: Random = field(default_factory=Random)
    trouble: float = 1 / 12
    """How often something happens that mostly ends the run."""
    verdicts: Counter[str] = field(default_factory=Counter[str])

    def possible(self) -> list[inp.Input]:
        """What may happen now; now and then it is something that mostly ends the run."""
        if self.state.status.is_terminal:
            return afterwards(self)
        found = unlikely(self) if self.random.random() < self.trouble else happenings(self)
        if self.random.random() < 0.2:
            found += self.told[-3:]
        if self.random.random() < 1 / 20:
            found = [inp.PauseRequested("r", "ann")]
        # A worker that holds nothing says nothing.
        return [given for given in found if getattr(given, "epoch", 1) != UNHELD]

    def pick(self) -> Told:
        """Some of what may happen, as one decision; user code may answer at once, as in the engine."""
        found = self.possible()
        count = min(len(found), self.random.choice([1, 1, 1, 2, 3]))
        return self.decided(self.random.sample(found, count))

    def decided(self, given: Sequence[inp.Input], known: RunState | None = None) -> Told:
        """What a replica decides that knows the run as it is, or as it was."""
        inputs, bodies = stored(given)
        before = state = self.state if known is None else known
        joined, asks, now = Decision(), list[Ask](), inputs
        for _ in range(4):
            later = decide(state, now)
            joined = joined.then(later)
            state = fold(state, later.events)
            asks += later.asks
            now, more = stored(self.quick(state, later))
            bodies |= more
            if not now:
                break
        return Told(inputs, joined, bodies, before, state, tuple(asks))

    def quick(self, state: RunState, decision: Decision) -> list[inp.Input]:
        """The answers of user code that is fast enough to join the commit."""
        if self.random.random() < 0.4:
            return []
        asks = [ask for ask in decision.asks if self.random.random() < 0.8]
        found = [
            answers(state, ask) for ask in asks if not isinstance(ask, Render) or not ask.actor
        ]
        return [self.random.choice(each) for each in found]

    def take(self, told: Told) -> None:
        """The commit was accepted."""
        self.told += told.inputs
        self.asked |= set(told.asks)
        self.commit(told.decision)
        assert self.state == told.after

    def ignore(self, told: Told) -> None:
        """The commit was refused, or there was nothing to commit."""
        self.told += told.inputs

    def hold(self, claimed: dict[int, int]) -> None:
        for step, epoch in claimed.items():
            attempt, held = self.leases[step]
            assert held == UNHELD, "claimed twice"
            self.leases[step] = (attempt, epoch)

    def _note(self, event: ev.Event) -> None:
        super()._note(event)
        if isinstance(event, ev.StepDispatched):
            self.leases[event.step] = (event.attempt, UNHELD)

    def _holds(self, guard: Guard) -> bool:
        if isinstance(guard, LeaseGuard):
            return self.leases.get(guard.step) == (guard.attempt, guard.epoch)
        return super()._holds(guard)


def stored(given: Sequence[inp.Input]) -> tuple[tuple[inp.Input, ...], dict[Ref, bytes]]:
    """The inputs with the hashes of what they call by words, and what those words are."""
    bodies: dict[Ref, bytes] = {}
    return tuple(_stored(each, bodies) for each in given), bodies


def _stored(given: Any, bodies: dict[Ref, bytes]) -> Any:
    changed: dict[str, Any] = {}
    for name in _PAYLOADS:
        value = getattr(given, name, None)
        if isinstance(value, str) and len(value) < 64:
            changed[name], body = a_body(value)
            bodies.update(body)
    if isinstance(given, inp.TaskSettled):
        changed["outcome"] = _stored(given.outcome, bodies)
    if isinstance(given, inp.Errored) and given.repair is not None:
        changed["repair"] = _stored(given.repair, bodies)
    return replace(given, **changed) if changed else given


async def walked(store: Store, seed: int, steps: int) -> Walk:
    """Let *seed* choose a run and what happens to it, and bring it to its end."""
    walk = await begun(store, Random(seed))  # noqa: S311
    for _ in range(steps):
        await claimed(walk, store)
        await told(walk, store, walk.pick())
    await finished(walk, store)
    return walk


async def begun(store: Store, random: Random) -> Walk:
    """A run that was launched, some of its steps excluded."""
    graph = a_graph_of_everything(random)
    walk = Walk(graph, random=random, trouble=random.choice(TROUBLE))
    gone = tuple((n, "gate") for n in range(len(graph.steps)) if random.random() < 0.06)
    given = inp.Launched("demo", "small", "d0", gone)
    decision, before = decide(walk.state, (given,)), walk.state
    first = Told((given,), decision, {}, before, fold(before, decision.events), decision.asks)
    walk.take(first)
    await store.launch(first)
    await store.compare(walk)
    return walk


async def claimed(walk: Walk, store: Store) -> None:
    """Workers take what is offered."""
    queues = (*QUEUES, IDLE) if walk.random.random() < 0.25 else QUEUES
    await _hold(walk, store, queues)


async def _hold(walk: Walk, store: Store, queues: Sequence[str]) -> None:
    offered = (n for n, (_attempt, epoch) in walk.leases.items() if epoch == UNHELD)
    if any(walk.state.spec(number).queue in queues for number in offered):
        walk.hold(await store.claim(queues))


async def told(walk: Walk, store: Store, given: Told) -> None:
    """Commit; the answer is what leases and timers make it."""
    if not given.decision.events:
        walk.verdicts["nothing"] += 1
        walk.ignore(given)
        return
    expected = "ok" if walk.holds(given.decision.guards) else "stale"
    assert await store.commit(given) == expected, given
    walk.verdicts[expected] += 1
    walk.take(given) if expected == "ok" else walk.ignore(given)
    await store.compare(walk)
    assert_sound(walk.state)
    assert_caused(walk)


async def finished(walk: Walk, store: Store) -> None:
    """Let everything that is still open end well."""
    while not walk.state.status.is_terminal:
        before = walk.state.version
        await _hold(walk, store, (*QUEUES, IDLE))
        await told(walk, store, walk.decided([well(walk)]))
        assert walk.state.version > before, "the run stands still"
