"""The end of a run follows from what became of its steps, not from the order in which it was told.

A script fixes what each step does when its turn comes; a schedule only says who is heard next.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from zlib import crc32

from hypothesis import given
from hypothesis import strategies as st

from flowrunner.core import inputs as inp
from flowrunner.core.decision import Ask, Prepare
from flowrunner.core.folding import fold
from flowrunner.core.graph import Graph
from flowrunner.core.model import Failure, Ref, RunState, RunStatus, StepStatus
from flowrunner.core.scheduling import decide
from unit.laws.happenings import a_world, answers, in_order
from unit.laws.strategies import launches, numbers
from unit.laws.world import FATAL, FLAKY, QUOTA, World

Launch = tuple[Graph, tuple[int, ...]]
FATES = ("done", "done", "flaky", "quota", "failed", "no", "broken", "lost")
DELAYS = {inp.TimerKind.RETRY, inp.TimerKind.WAKE}
schedules = numbers(30)


@dataclass(frozen=True)
class Script:
    """What each step does, by its name: once so for its question and first attempt, then well."""

    seed: int
    without: frozenset[str] = frozenset()

    def fate(self, key: str) -> str:
        fate = FATES[crc32(f"{self.seed}/{key}".encode()) % len(FATES)]
        return "done" if fate in self.without else fate

    def possible(self, world: World) -> list[inp.Input]:
        """Return one input for each thing that can be heard now, in a fixed order."""
        found = [self._answer(world.state, ask) for ask in in_order(world.asked)]
        found += [self._end(world.state, n, *lease) for n, lease in sorted(world.leases.items())]
        found += [self._decision(world.state, n) for n in world.open_approvals()]
        timers = [(kind, n, token) for (kind, n), token in sorted(world.timers.items())]
        return found + [inp.TimerFired(*timer) for timer in timers if timer[0] in DELAYS]

    def _answer(self, state: RunState, ask: Ask) -> inp.Input:
        if not isinstance(ask, Prepare):
            return answers(state, ask)[0]
        spec = state.spec(ask.step)
        match self.fate(spec.key):
            case "broken":
                return inp.PromptBuilt(ask.step, Failure("definition_error", "raised"))
            case "no" if spec.has_when:
                return inp.GuardEvaluated(ask.step, answer=False)
            case _ if spec.each is not None:
                return inp.Expanded(ask.step, ("a", "b", "c"), Ref("list"))
            case _:
                return answers(state, ask)[0]

    def _end(self, state: RunState, step: int, attempt: int, epoch: int) -> inp.Input:
        fate = self.fate(state.spec(step).key) if attempt == 1 else "done"
        if fate == "lost":
            return inp.TaskLost(step, attempt, epoch, "died")
        error = {"failed": FATAL, "flaky": FLAKY, "quota": QUOTA}.get(fate)
        outcome = inp.Errored(error) if error else inp.Succeeded(Ref(f"o{state.spec(step).key}"))
        return inp.TaskSettled(step, attempt, epoch, outcome)

    def _decision(self, state: RunState, step: int) -> inp.Input:
        is_yes = self.fate(state.spec(step).key) != "failed"
        attempt = state.steps[step].attempt
        return inp.ApprovalGiven(step, attempt, is_yes, "ann", Ref("a"), "", "continue")


scripts = st.builds(Script, st.integers(0, 2**32))


def played(launch: Launch, script: Script, schedule: list[int], crashes: int = 0) -> World:
    """Play the script to its end; *schedule* picks who is heard, and how many in one batch.

    Bit n of *crashes* set: before the nth commit the process dies and loads the run again.
    """
    world = a_world(*launch)
    for turn in range(1_000):
        pick = schedule[turn % len(schedule)] if schedule else 0
        if crashes >> (turn % 32) & 1:
            world.crash()
        options = script.possible(world)
        if not options:
            break
        start = pick % len(options)
        world.tell(*(options[start:] + options[:start])[: 1 + pick // 64 % 3])
    assert world.state.status.is_terminal, "the run stands still"
    return world


def ends(world: World) -> list[str]:
    """How the run and the steps of its graph ended; of a list, who was stopped may differ."""
    steps = list(world.state.steps)[: len(world.graph.steps)]
    return [str(world.state.status), *(str(step.status) for step in steps)]


@given(scripts, launches(), schedules, schedules)
def test_any_order_ends_alike(
    script: Script, launch: Launch, one: list[int], other: list[int]
) -> None:
    """I5, P1: whoever is heard first and however callbacks are batched, the run ends the same.

    A run that does not fail ends the same to the last step; in one that fails, who was stopped
    depends on who had ended.
    """
    first, second = played(launch, script, one), played(launch, script, other)

    assert first.state.status is second.state.status
    if first.state.status is RunStatus.COMPLETED:
        assert ends(first) == ends(second)
        assert first.log[-1] == second.log[-1]


@given(launches(3), numbers(8), numbers(6, 6), st.booleans())
def test_a_batch_has_no_order(
    launch: Launch,
    picks: list[int],
    fates: list[int],
    cancelled: bool,  # noqa: FBT001
) -> None:
    """D2-32, D2-33, I5: whoever stands first in a batch, the run ends alike and keeps each result.

    Each lease of some moment ends in some way, and perhaps a cancel comes as well; which of two
    failures is the run's error is the only thing that arrival may choose.
    """
    world = a_world(*launch, picks)
    errors = [inp.Errored(error) for error in (FATAL, FLAKY, QUOTA)]
    outcomes = [inp.Succeeded(Ref("o")), *errors, inp.Stopped("x")]
    batch: list[inp.Input] = [
        inp.TaskSettled(step, *lease, outcomes[fates[step % 6] % 5])
        for step, lease in world.leases.items()
    ]
    if cancelled:
        batch.append(inp.CancelRequested("r", "ann"))

    ends = {end_of(world.state, order) for order in (tuple(batch), tuple(reversed(batch)))}

    assert len(ends) == 1


def end_of(state: RunState, batch: Sequence[inp.Input]) -> tuple[RunStatus, bool, frozenset[int]]:
    after = fold(state, decide(state, batch).events)
    done = (n for n, step in enumerate(after.steps) if step.status is StepStatus.COMPLETED)
    return after.status, after.failure is not None, frozenset(done)


@given(scripts, launches(), schedules, st.integers(0, 2**32 - 1))
def test_a_crash_anywhere_is_no_difference(
    script: Script, launch: Launch, schedule: list[int], crashes: int
) -> None:
    """I6: forgotten and rebuilt from its events at any commits, the run goes on alike.

    The rebuilt state and its outstanding questions lead to the same events, one by one.
    """
    smooth = played(launch, script, schedule)
    rough = played(launch, script, schedule, crashes)

    assert rough.log == smooth.log
    assert rough.state == smooth.state


@given(st.integers(0, 2**32), launches(), schedules)
def test_lost_leases_cost_attempts_not_results(
    seed: int, launch: Launch, schedule: list[int]
) -> None:
    """I6: if some steps lose their worker once, the run ends as if none had."""
    smooth = played(launch, Script(seed, frozenset({"lost"})), schedule)
    rough = played(launch, Script(seed), schedule)

    assert rough.state.status is smooth.state.status
    if smooth.state.status is RunStatus.COMPLETED:
        assert ends(rough) == ends(smooth)
