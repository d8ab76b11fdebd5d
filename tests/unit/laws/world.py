"""Everything outside the core, as small as it can be: a log, leases, timers, open questions.

A world commits a decision as the database would: only while its guards hold, and all of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from flowrunner.core import events as ev
from flowrunner.core import inputs as inp
from flowrunner.core.decision import (
    Ask,
    Decision,
    Gather,
    Guard,
    Judge,
    LeaseGuard,
    Prepare,
    Render,
)
from flowrunner.core.folding import fold
from flowrunner.core.graph import Graph, StepKind
from flowrunner.core.model import (
    Failure,
    FailureClass,
    Opening,
    RunState,
    RunStatus,
    StepStatus,
    unstarted,
)
from flowrunner.core.readiness import outstanding
from flowrunner.core.scheduling import decide

FATAL = Failure("fatal", "no")
FLAKY = Failure("flaky", "later", FailureClass.TRANSIENT)
QUOTA = Failure("quota", "used up", FailureClass.QUOTA)
UNFIT = Failure("answer_invalid", "n: missing", FailureClass.CONTRACT)


@dataclass
class World:
    graph: Graph
    state: RunState = field(init=False)
    log: list[ev.Event] = field(default_factory=list[ev.Event])
    leases: dict[int, tuple[int, int]] = field(default_factory=dict[int, tuple[int, int]])
    """Attempt and epoch of each live task, by step; one with an even epoch lies unclaimed."""
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
        self.timers = {key: token for key, token in self.timers.items() if self._is_wanted(*key)}

    def crash(self) -> None:
        """Forget everything but the log, and ask what a freshly loaded run asks."""
        self.state = fold(unstarted(self.graph), self.log)
        self.asked = set(outstanding(self.state))

    def holds(self, guards: Iterable[Guard]) -> bool:
        return all(map(self._holds, guards))

    def _holds(self, guard: Guard) -> bool:
        if not isinstance(guard, LeaseGuard):
            return self.timers.get((guard.kind, guard.step)) == guard.token
        attempt, epoch = self.leases.get(guard.step, (0, 0))
        is_it = epoch == guard.epoch or (guard.epoch == 0 and epoch % 2 == 0)
        return attempt == guard.attempt and is_it

    def _note(self, event: ev.Event) -> None:
        match event:
            case ev.StepDispatched(step=step, attempt=attempt):
                assert step not in self.leases, "two live attempts"
                self.epoch += 1
                self.leases[step] = (attempt, self.epoch)
            case ev.StepRetrying() | ev.StepCompleted() | ev.StepFailed() | ev.StepCancelled():
                self.leases.pop(event.step, None)
            case _:
                pass

    def _is_open(self, ask: Ask) -> bool:
        if self.state.status is not RunStatus.RUNNING:
            return False
        match ask:
            case Prepare(step=step):
                return self.state.steps[step].is_ready
            case Gather(step=step) | Judge(step=step):
                now, family = self.state.steps[step].status, self.state.steps[step].family
                if now is not StepStatus.BLOCKED or family is None or family.live > 0:
                    return False
                return isinstance(ask, Gather) or family.size == ask.iteration
            case _:
                return self.state.remaining == 0

    def _is_wanted(self, kind: inp.TimerKind, number: int) -> bool:
        if self.state.status.is_terminal or number < 0:
            return not self.state.status.is_terminal
        step = self.state.steps[number]
        match kind:
            case inp.TimerKind.RETRY:
                return step.delayed
            case inp.TimerKind.QUEUE:
                is_it = step.attempt == self.timers[kind, number]
                return step.status is StepStatus.RUNNING and is_it
            case _:
                return step.status is StepStatus.BLOCKED

    def live(self, *statuses: StepStatus) -> list[int]:
        return [n for n, step in enumerate(self.state.steps) if step.status in statuses]

    def open_approvals(self) -> list[int]:
        blocked = self.live(StepStatus.BLOCKED)
        return [n for n in blocked if self.state.spec(n).kind is StepKind.APPROVAL]


def assert_caused(world: World) -> None:
    """P4: every live step has something outside that moves it, or waits for another live step."""
    state = world.state
    if state.status.is_terminal:
        assert (world.leases, world.timers, world.asked) == ({}, {}, set())
        assert state.remaining == 0
        return
    if state.remaining == 0 and state.status is RunStatus.RUNNING:
        assert any(isinstance(ask, Render) for ask in world.asked)
    for number, step in enumerate(state.steps):
        if not step.status.is_terminal:
            assert _is_caused(world, number), f"{state.spec(number).key} stands still"


def _is_caused(world: World, number: int) -> bool:
    state, step, spec = world.state, world.state.steps[number], world.state.spec(number)
    is_held = state.status is RunStatus.PAUSED
    match step.status:
        case StepStatus.RUNNING:
            return number in world.leases
        case StepStatus.BLOCKED if spec.kind is StepKind.APPROVAL:
            return True
        case StepStatus.BLOCKED if spec.kind is StepKind.WAIT:
            return (inp.TimerKind.WAKE, number) in world.timers
        case StepStatus.BLOCKED:
            is_asked = any(getattr(ask, "step", None) == number for ask in world.asked)
            return is_held or is_asked or (step.family is not None and step.family.live > 0)
        case _ if step.delayed:
            return (inp.TimerKind.RETRY, number) in world.timers
        case _ if step.is_ready or step.opening is Opening.NEVER:
            return is_held or Prepare(number) in world.asked
        case _ if spec.parent is not None:
            return True  # its siblings have all the places: see `assert_family_sound`
        case _:
            return any(_is_awaited(state, need) for need in spec.needs)


def _is_awaited(state: RunState, need: int) -> bool:
    step = state.steps[need]
    return not step.status.is_terminal or (
        step.status is StepStatus.EXCLUDED
        and any(_is_awaited(state, above) for above in state.graph.steps[need].needs)
    )
