"""What may happen to a world: answers, ends, losses, calls, timers, people, and trouble."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from flowrunner.core import inputs as inp
from flowrunner.core.decision import Ask, Decision, Gather, Judge, Prepare
from flowrunner.core.graph import Graph, StepKind
from flowrunner.core.model import Ref, RunState, RunStatus, StepStatus
from unit.laws.world import FATAL, FLAKY, QUOTA, UNFIT, World


def likely(world: World) -> list[inp.Input]:
    """Return what may well happen next, and some of what happened."""
    return happenings(world) + world.told[-3:]


def happenings(world: World) -> list[inp.Input]:
    """Return what may well happen next: answers, ends of attempts, losses, calls, timers."""
    found = [given for ask in in_order(world.asked) for given in answers(world.state, ask)]
    for step, (attempt, epoch) in sorted(world.leases.items()):
        outcomes = [inp.Succeeded(Ref(f"o{step}.{attempt}")), inp.Errored(FLAKY)]
        outcomes.append(inp.Errored(QUOTA, pause_seconds=30.0 if attempt % 2 else None))
        outcomes += [inp.Errored(UNFIT, repair=each) for each in _repairs(step, attempt)]
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


def _repairs(step: int, attempt: int) -> list[inp.Repair]:
    """How an unfit answer may be sent back: not for ever, and once not at all."""
    return [inp.Repair(1 + attempt % 2, Ref(f"r{step}.{attempt}")), inp.Repair(2)]


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
