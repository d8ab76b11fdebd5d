"""Everything outside the core, as small as it can be: a log, leases, timers, open questions.

A world commits a decision as the database would: only while its guards hold, and all of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
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
    Ref,
    RunState,
    RunStatus,
    StepStatus,
    unstarted,
)
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


def likely(world: World) -> list[inp.Input]:
    """Return what may well happen next, and some of what happened."""
    return happenings(world) + world.told[-3:]


def happenings(world: World) -> list[inp.Input]:
    """Return what may well happen next: answers, ends of attempts, losses, calls, timers."""
    found = [given for ask in in_order(world.asked) for given in answers(world.state, ask)]
    for step, (attempt, epoch) in sorted(world.leases.items()):
        outcomes = [inp.Succeeded(Ref(f"o{step}.{attempt}")), inp.Errored(FLAKY)]
        found += [inp.TaskSettled(step, attempt, epoch, outcome) for outcome in outcomes]
        found.append(inp.TaskLost(step, attempt, epoch, "died"))
        if world.state.spec(step).kind is StepKind.CODE:
            key = f"k{(world.state.version + step) % 3}"
            found.append(inp.CallAsked(step, attempt, epoch, key, Ref(key)))
    found += [inp.TimerFired(kind, n, token) for (kind, n), token in world.timers.items() if n >= 0]
    found += [given for n in world.open_approvals() for given in _decisions(world, n)]
    if world.state.status is RunStatus.PAUSED:
        found.append(inp.ResumeRequested("r", "ann"))
    return found


def unlikely(world: World) -> list[inp.Input]:
    """Return what may happen at any time, and mostly ends or stops the run."""
    tasks = tuple(sorted(world.leases))
    found: list[inp.Input] = [
        inp.CancelRequested("r", "ann"),
        inp.PauseRequested("r", "ann"),
        inp.StallFound("r"),
        inp.StallFound("r", tasks[:2]),
        *(inp.TimerFired(kind, step, token) for (kind, step), token in world.timers.items()),
        *(inp.StallFound("r", (step,)) for _, step in world.timers if step >= 0),
    ]
    for ask in in_order(world.asked):
        found += _errors(ask)
    for step, (attempt, epoch) in sorted(world.leases.items()):
        outcomes = [inp.Errored(FATAL), inp.Stopped("by hand")]
        found += [inp.TaskSettled(step, attempt, epoch, outcome) for outcome in outcomes]
        found.append(inp.TaskSettled(step, attempt, epoch + 1, inp.Succeeded(Ref("zombie"))))
    waiting = (StepStatus.PENDING, StepStatus.RUNNING, StepStatus.BLOCKED)
    found += [inp.StopRequested(n, "r", "ann") for n in world.live(*waiting)]
    return found + world.told


def afterwards(world: World) -> list[inp.Input]:
    """Return what people may ask of a run that has ended."""
    places = range(len(world.state.steps))
    return [
        inp.RetryRequested("r", "ann"),
        *(inp.RetryRequested("r", "ann", number) for number in places),
        inp.RenderRequested("ann"),
        inp.ReportRendered(Ref("again"), "ok", "ann"),
        inp.ReportRendered(FATAL, actor="ann"),
    ]


def options(world: World, choice: int) -> list[inp.Input]:
    """Return what *choice* picks from: every sixteenth time the unlikely."""
    if world.state.status.is_terminal:
        return afterwards(world) if choice % 4 == 0 else []
    return unlikely(world) if choice % 16 == 0 else likely(world)


def steps_of(world: World, choices: Sequence[int]) -> Iterator[Decision | None]:
    """Let *choices* pick what happens, one commit each."""
    for choice in choices:
        found = options(world, choice)
        if found:
            yield world.tell(found[choice // 16 % len(found)])


def a_world(graph: Graph, excluded: Sequence[int] = (), choices: Sequence[int] = ()) -> World:
    world = World(graph)
    world.tell(inp.Launched("f", "small", "d", tuple((n, "gate") for n in excluded)))
    for _ in steps_of(world, choices):
        pass
    return world


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


def finish(world: World) -> World:
    """Let everything that is still open end well."""
    while not world.state.status.is_terminal:
        before = world.state.version
        world.tell(well(world))
        assert world.state.version > before, "the run stands still"
    return world


def well(world: World) -> inp.Input:
    """What brings the run on without harm: there must be something."""
    if world.state.status is RunStatus.PAUSED:
        return inp.ResumeRequested("r", "ann")
    for ask in in_order(world.asked):
        return answers(world.state, ask)[0]
    for step, (attempt, epoch) in sorted(world.leases.items()):
        return inp.TaskSettled(step, attempt, epoch, inp.Succeeded(Ref("o")))
    for number in world.open_approvals():
        return _decisions(world, number)[0]
    kind, number = next(key for key in world.timers if key[1] >= 0)
    return inp.TimerFired(kind, number, world.timers[kind, number])


def answers(state: RunState, ask: Ask) -> list[inp.Input]:
    """Return the answers that user code may give, the one that brings the run on first."""
    match ask:
        case Prepare(step=step):
            return _beginnings(state, step)
        case Gather(step=step):
            return [inp.Gathered(step, Ref(f"list {step}"))]
        case Judge(step=step, iteration=count):
            ends = [inp.LoopJudged(step, count, answer, Ref("last")) for answer in (True, False)]
            return list[inp.Input](ends)
        case _:
            return [inp.ReportRendered(Ref("report"), "ok")]


def _beginnings(state: RunState, step: int) -> list[inp.Input]:
    spec = state.spec(step)
    no: list[inp.Input] = [inp.GuardEvaluated(step, answer=False)] if spec.has_when else []
    if spec.each is not None:
        lists = [("a", "b", "c", "d"), ("a", "b", "c"), ("a",), ()]
        first = state.version % 3
        return [*(inp.Expanded(step, keys, Ref("list")) for keys in lists[first:]), *no]
    if spec.repeat is not None or spec.kind is StepKind.CODE:
        return [inp.GuardEvaluated(step, answer=True), *no]
    match spec.kind:
        case StepKind.AGENT:
            return [inp.PromptBuilt(step, Ref(f"p{step}")), *no]
        case StepKind.WAIT:
            return [inp.WaitSet(step, 30.0), inp.WaitSet(step, 0.0), *no]
        case _:
            return [inp.ApprovalBuilt(step, Ref("question"), "digest"), *no]


def _decisions(world: World, step: int) -> list[inp.Input]:
    attempt = world.state.steps[step].attempt
    yes = inp.ApprovalGiven(step, attempt, True, "ann", Ref("yes"))
    ways = ("", "stop", "continue", "redo", "what?")
    no = [inp.ApprovalGiven(step, attempt, False, "bob", Ref("no"), "", then) for then in ways]
    return [yes, *no]


def _errors(ask: Ask) -> list[inp.Input]:
    match ask:
        case Prepare(step=step):
            return [inp.PromptBuilt(step, FATAL), inp.GuardEvaluated(step, FATAL)]
        case Gather(step=step):
            return [inp.Gathered(step, FATAL)]
        case Judge(step=step, iteration=count):
            return [inp.LoopJudged(step, count, FATAL)]
        case _:
            return [inp.ReportRendered(FATAL)]


def in_order(asks: set[Ask]) -> list[Ask]:
    return sorted(asks, key=lambda ask: (getattr(ask, "step", -1), type(ask).__name__))
