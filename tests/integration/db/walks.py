"""Whatever may happen to a run next, for random walks through the database."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from fixtures.by_hand import ByHand, a_body
from flowrunner.core import inputs as inp
from flowrunner.core.graph import (
    ApprovalSpec,
    EachSpec,
    Expiry,
    Graph,
    Limits,
    OnFail,
    OnSkip,
    Rejection,
    RepeatSpec,
    RetryPolicy,
    Siblings,
    StepKind,
    StepSpec,
    Trigger,
)
from flowrunner.core.model import Failure, FailureClass, RunStatus, StepState, StepStatus

SAID, BODY = a_body("said")
FLAKY = Failure("overloaded", "try again", FailureClass.TRANSIENT)
FATAL = Failure("agent_error", "it gave up")


def a_graph_of_everything(random: Random) -> Graph:
    """Up to nine steps of every kind, each needing some before it."""
    steps: list[StepSpec] = []
    for number in range(random.randint(3, 9)):
        needs = tuple(sorted(random.sample(range(number), min(number, random.randint(0, 2)))))
        steps.append(_a_step(random, number, needs))
    return Graph(tuple(steps), 600.0, random.choice(list(Siblings)))


def _a_step(random: Random, number: int, needs: tuple[int, ...]) -> StepSpec:
    what = random.choice(["agent", "code", "each", "repeat", "approval", "wait"])
    kind = {"each": StepKind.AGENT, "repeat": StepKind.CODE}.get(what) or StepKind(what)
    redo = random.choice(needs) if needs else None
    asked = ApprovalSpec(
        expires_seconds=random.choice([None, 60.0]),
        on_expiry=random.choice(list(Expiry)),
        remind_seconds=random.choice([None, 9.0]),
        on_reject=random.choice(list(Rejection)) if redo is not None else Rejection.STOP,
        redo_from=redo,
    )
    quorum, parallel = random.choice([None, 1, 2]), random.choice([1, 2, 100])
    return StepSpec(
        f"s{number}",
        kind,
        needs=needs,
        has_when=random.random() < 0.3,
        on_fail=random.choice(list(OnFail)),
        retry=RetryPolicy(random.randint(1, 3), random.choice([0.0, 5.0])),
        limits=Limits(queue_seconds=random.choice([None, 30.0])),
        trigger=random.choice(list(Trigger)),
        on_skip=random.choice(list(OnSkip)),
        each=EachSpec(quorum_count=quorum, parallel=parallel) if what == "each" else None,
        repeat=RepeatSpec(at_most=3) if what == "repeat" else None,
        approval=asked if what == "approval" else None,
    )


def next_inputs(run: ByHand, random: Random) -> list[inp.Input]:
    """One or two things that may happen now; sometimes a thing that comes too late."""
    possible = list(_of_the_run(run, random))
    for number, step in enumerate(run.state.steps):
        possible += _of_a_step(run, random, number, step)
    return random.sample(possible, min(len(possible), random.randint(1, 2)))


def _of_the_run(run: ByHand, random: Random) -> Iterator[inp.Input]:
    size = len(run.state.steps)
    if run.state.remaining == 0 and not run.state.status.is_terminal:
        yield inp.ReportRendered(SAID, "ok")
    if run.state.status.is_terminal:
        yield inp.RetryRequested("again", "ann", random.choice([None, random.randrange(size)]))
        yield inp.ReportRendered(SAID, "better", "ann")
    elif run.state.status is RunStatus.PAUSED:
        yield inp.ResumeRequested("", "ann")
    elif random.random() < 0.1:
        yield inp.PauseRequested("", "ann")
        yield inp.CancelRequested("", "ann")
        yield inp.StopRequested(random.randrange(size), "", "ann")


def _of_a_step(run: ByHand, random: Random, number: int, step: StepState) -> Iterator[inp.Input]:
    spec = run.state.spec(number)
    if step.is_ready:
        yield from _answers(run, random, number)
    elif step.delayed:
        yield inp.TimerFired(inp.TimerKind.RETRY, number, step.attempt)
    elif step.status is StepStatus.RUNNING:
        yield from _ends(run, random, number, step)
    elif step.status is StepStatus.BLOCKED and spec.kind is StepKind.WAIT:
        yield inp.TimerFired(inp.TimerKind.WAKE, number, run.state.generation)
    elif step.status is StepStatus.BLOCKED and spec.kind is StepKind.APPROVAL:
        said = {"step": number, "attempt": step.attempt, "actor": "ann", "answer": SAID}
        yield inp.ApprovalGiven(**said, approved=random.random() < 0.5)  # pyright: ignore[reportArgumentType]  # named above
        if spec.approval is not None and spec.approval.expires_seconds is not None:
            yield inp.TimerFired(inp.TimerKind.EXPIRY, number, step.attempt)
    elif step.status is StepStatus.BLOCKED and step.family is not None and step.family.live == 0:
        yield inp.Gathered(number, SAID)
        yield inp.LoopJudged(number, step.family.size, random.random() < 0.5, SAID)


def _answers(run: ByHand, random: Random, number: int) -> Iterator[inp.Input]:
    spec = run.state.spec(number)
    if random.random() < 0.15:
        yield inp.GuardEvaluated(number, random.choice([False, FATAL]))
    elif spec.each is not None:
        keys = tuple("abcdef"[: random.randint(0, 5)])
        yield inp.Expanded(number, keys, SAID)
    elif spec.kind is StepKind.WAIT:
        yield inp.WaitSet(number, random.choice([0.0, 60.0]))
    elif spec.kind is StepKind.APPROVAL:
        yield inp.ApprovalBuilt(number, SAID, "d")
    elif spec.kind is StepKind.CODE or spec.repeat is not None:
        yield inp.GuardEvaluated(number, answer=True)
    else:
        yield inp.PromptBuilt(number, SAID)


def _ends(run: ByHand, random: Random, number: int, step: StepState) -> Iterator[inp.Input]:
    spec = run.state.spec(number)
    epoch = run.held.get(spec.key, 0)
    outcomes: list[inp.Outcome] = [inp.Succeeded(SAID)] * 4
    outcomes += [inp.Errored(FATAL), inp.Errored(FLAKY)]
    yield inp.TaskSettled(number, step.attempt, epoch, random.choice(outcomes))
    if random.random() < 0.2:
        yield inp.TaskLost(number, step.attempt, epoch, "gone")
        yield inp.TimerFired(inp.TimerKind.QUEUE, number, step.attempt)
    if spec.kind is StepKind.CODE and random.random() < 0.5:
        key = random.choice("xyz")
        yield inp.CallAsked(number, step.attempt, epoch, key, SAID, None, 2, 60.0)
