"""Everything outside the core, as small as it can be: a log, leases, timers, open questions.

A world commits a decision as the database would: only while its guards hold, and all of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from flowrunner.core import events as ev
from flowrunner.core import inputs as inp
from flowrunner.core.decision import Ask, Decision, Guard, LeaseGuard, Prepare, Render
from flowrunner.core.folding import fold
from flowrunner.core.graph import Graph, StepKind
from flowrunner.core.model import Failure, FailureClass, Ref, RunState, unstarted
from flowrunner.core.readiness import outstanding
from flowrunner.core.scheduling import decide

FATAL = Failure("fatal", "no")
FLAKY = Failure("flaky", "later", FailureClass.TRANSIENT)


@dataclass
class World:
    graph: Graph
    state: RunState = field(init=False)
    log: list[ev.Event] = field(default_factory=list[ev.Event])
    leases: dict[int, tuple[int, int]] = field(default_factory=dict[int, tuple[int, int]])
    """Attempt and epoch of each live task, by step."""
    timers: dict[tuple[inp.TimerKind, int], int] = field(
        default_factory=dict[tuple[inp.TimerKind, int], int]
    )
    asked: set[Ask] = field(default_factory=set[Ask])
    told: list[inp.Input] = field(default_factory=list[inp.Input])
    epoch: int = 0

    def __post_init__(self) -> None:
        self.state = unstarted(self.graph)

    def tell(self, *given: inp.Input) -> Decision | None:
        """Decide and commit; None when a guard did not hold, and then nothing changed."""
        self.told += given
        decision = decide(self.state, given)
        if not self.holds(decision.guards):
            return None
        self.commit(decision)
        return decision

    def commit(self, decision: Decision) -> None:
        for guard in decision.guards:
            if not isinstance(guard, LeaseGuard):
                del self.timers[guard.kind, guard.step]
        for event in decision.events:
            self._note(event)
        for timer in decision.timers:
            self.timers[timer.kind, timer.step] = timer.token
        self.log += decision.events
        self.state = fold(self.state, decision.events)
        self.asked |= set(decision.asks)
        self.asked = {ask for ask in self.asked if self._is_open(ask)}
        if self.state.status.is_terminal:
            self.timers.clear()

    def crash(self) -> None:
        """Forget everything but the log, and ask what a freshly loaded run asks."""
        self.state = fold(unstarted(self.graph), self.log)
        self.asked = set(outstanding(self.state))

    def holds(self, guards: Iterable[Guard]) -> bool:
        return all(map(self._holds, guards))

    def _holds(self, guard: Guard) -> bool:
        if isinstance(guard, LeaseGuard):
            return self.leases.get(guard.step) == (guard.attempt, guard.epoch)
        return self.timers.get((guard.kind, guard.step)) == guard.token

    def _note(self, event: ev.Event) -> None:
        match event:
            case ev.StepDispatched(step=step, attempt=attempt):
                assert step not in self.leases, "two live attempts"
                self.epoch += 1
                self.leases[step] = (attempt, self.epoch)
            case ev.StepRetrying() | ev.StepCompleted() | ev.StepFailed() | ev.StepCancelled():
                self.leases.pop(event.step, None)
                self.timers.pop((inp.TimerKind.RETRY, event.step), None)
            case _:
                pass

    def _is_open(self, ask: Ask) -> bool:
        if isinstance(ask, Prepare):
            return self.state.steps[ask.step].is_ready
        return not self.state.status.is_terminal and self.state.remaining == 0


def likely(world: World) -> list[inp.Input]:
    """Return what may well happen next: answers, ends of attempts, losses, timers, repetitions."""
    found = [given for ask in _in_order(world.asked) for given in _answers(world.graph, ask)]
    for step, (attempt, epoch) in sorted(world.leases.items()):
        outcomes = [inp.Succeeded(Ref(f"o{step}.{attempt}")), inp.Errored(FLAKY)]
        found += [inp.TaskSettled(step, attempt, epoch, outcome) for outcome in outcomes]
        found.append(inp.TaskLost(step, attempt, epoch, "died"))
    found += [inp.TimerFired(kind, n, token) for (kind, n), token in world.timers.items() if n >= 0]
    return found + world.told[-3:]


def unlikely(world: World) -> list[inp.Input]:
    """Return what may happen at any time, and mostly ends the run."""
    found: list[inp.Input] = [
        inp.CancelRequested("r", "ann"),
        inp.StallFound("r"),
        inp.StallFound("r", tuple(sorted(world.leases))[:2]),
        *(inp.TimerFired(kind, step, token) for (kind, step), token in world.timers.items()),
        *(inp.PromptBuilt(ask.step, FATAL) for ask in world.asked if isinstance(ask, Prepare)),
    ]
    for step, (attempt, epoch) in sorted(world.leases.items()):
        outcomes = [inp.Errored(FATAL), inp.Stopped("by hand")]
        found += [inp.TaskSettled(step, attempt, epoch, outcome) for outcome in outcomes]
        found.append(inp.TaskSettled(step, attempt, epoch + 1, inp.Succeeded(Ref("zombie"))))
    return found + world.told


def steps_of(world: World, choices: Sequence[int]) -> Iterator[Decision | None]:
    """Let *choices* pick what happens, one commit each; every sixteenth picks the unlikely."""
    for choice in choices:
        options = unlikely(world) if choice % 16 == 0 else likely(world)
        if options:
            yield world.tell(options[choice // 16 % len(options)])


def a_world(graph: Graph, excluded: Sequence[int] = (), choices: Sequence[int] = ()) -> World:
    world = World(graph)
    world.tell(inp.Launched("f", "small", "d", tuple((n, "gate") for n in excluded)))
    for _ in steps_of(world, choices):
        pass
    return world


def finish(world: World) -> World:
    """Let everything that is still open end well."""
    while not world.state.status.is_terminal:
        before = world.state.version
        world.tell(next(g for g in likely(world) if not isinstance(g, inp.TaskLost)))
        assert world.state.version > before, "the run stands still"
    return world


def _answers(graph: Graph, ask: Ask) -> list[inp.Input]:
    if isinstance(ask, Render):
        return [inp.ReportRendered(Ref("report"), "ok")]
    spec = graph.steps[ask.step]
    no: list[inp.Input] = [inp.GuardEvaluated(ask.step, answer=False)] if spec.has_when else []
    if spec.kind is StepKind.AGENT:
        return [inp.PromptBuilt(ask.step, Ref(f"p{ask.step}")), *no]
    return [inp.GuardEvaluated(ask.step, answer=True), *no]


def _in_order(asks: set[Ask]) -> list[Ask]:
    return sorted(asks, key=lambda ask: ask.step if isinstance(ask, Prepare) else -1)
