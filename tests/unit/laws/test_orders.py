"""The end of a run follows from what became of its steps, not from the order in which it was told.

A script fixes what each step does when its turn comes; a schedule only says who is heard next.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from builders import statuses
from flowrunner.core import inputs as inp
from flowrunner.core.decision import Ask, Prepare
from flowrunner.core.folding import fold
from flowrunner.core.graph import Graph, StepKind
from flowrunner.core.model import Failure, Ref, RunState, RunStatus, StepStatus
from flowrunner.core.scheduling import decide
from unit.laws.strategies import launches, numbers
from unit.laws.world import FATAL, FLAKY, World, a_world

Launch = tuple[Graph, tuple[int, ...]]
FATES = ("done", "done", "flaky", "failed", "no", "broken", "lost")
schedules = numbers(30)


@dataclass(frozen=True)
class Script:
    """What each step does: one word for its question and first attempt, then it does well."""

    fates: tuple[str, ...]

    def possible(self, world: World) -> list[inp.Input]:
        """Return one input for each thing that can be heard now, in a fixed order."""
        asks = sorted(world.asked, key=lambda ask: ask.step if isinstance(ask, Prepare) else -1)
        found = [self._answer(world.graph, ask) for ask in asks]
        found += [self._end(n, *lease) for n, lease in sorted(world.leases.items())]
        timers = sorted(world.timers.items())
        return found + [inp.TimerFired(kind, n, t) for (kind, n), t in timers if n >= 0]

    def _answer(self, graph: Graph, ask: Ask) -> inp.Input:
        if not isinstance(ask, Prepare):
            return inp.ReportRendered(Ref("report"), "ok")
        fate, spec = self.fates[ask.step], graph.steps[ask.step]
        if fate == "broken":
            return inp.PromptBuilt(ask.step, Failure("definition_error", "raised"))
        if fate == "no" and spec.has_when:
            return inp.GuardEvaluated(ask.step, answer=False)
        if spec.kind is StepKind.CODE:
            return inp.GuardEvaluated(ask.step, answer=True)
        return inp.PromptBuilt(ask.step, Ref(f"p{ask.step}"))

    def _end(self, step: int, attempt: int, epoch: int) -> inp.Input:
        fate = self.fates[step] if attempt == 1 else "done"
        if fate == "lost":
            return inp.TaskLost(step, attempt, epoch, "died")
        error = {"failed": FATAL, "flaky": FLAKY}.get(fate)
        outcome = inp.Errored(error) if error else inp.Succeeded(Ref(f"o{step}"))
        return inp.TaskSettled(step, attempt, epoch, outcome)


def scripts(size: int) -> st.SearchStrategy[Script]:
    fates = st.lists(st.sampled_from(FATES), min_size=size, max_size=size)
    return fates.map(lambda words: Script(tuple(words)))


def played(launch: Launch, script: Script, schedule: list[int], crashes: int = 0) -> World:
    """Play the script to its end; *schedule* picks who is heard, and how many in one batch.

    Bit n of *crashes* set: before the nth commit the process dies and loads the run again.
    """
    world = a_world(*launch)
    turn = 0
    while not world.state.status.is_terminal:
        pick = schedule[turn % len(schedule)] if schedule else 0
        if crashes >> (turn % 32) & 1:
            world.crash()
        options = script.possible(world)
        start = pick % len(options)
        world.tell(*(options[start:] + options[:start])[: 1 + pick // 64 % 3])
        turn += 1
    return world


@given(st.data(), launches(), schedules, schedules)
def test_any_order_ends_alike(
    data: st.DataObject, launch: Launch, one: list[int], other: list[int]
) -> None:
    """I5, P1: whoever is heard first and however callbacks are batched, the run ends the same.

    A run that does not fail ends the same to the last step; in one that fails, who was stopped
    depends on who had ended.
    """
    script = data.draw(scripts(len(launch[0].steps)))

    first, second = played(launch, script, one), played(launch, script, other)

    assert first.state.status is second.state.status
    if first.state.status is RunStatus.COMPLETED:
        assert statuses(first.state) == statuses(second.state)
        assert first.state.tolerated == second.state.tolerated
        assert first.log[-1] == second.log[-1]
        assert len(first.log) == len(second.log)


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
    outcomes = [inp.Succeeded(Ref("o")), inp.Errored(FATAL), inp.Errored(FLAKY), inp.Stopped("x")]
    batch: list[inp.Input] = [
        inp.TaskSettled(step, *lease, outcomes[fates[step % 6] % 4])
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


@given(st.data(), launches(), schedules, st.integers(0, 2**32 - 1))
def test_a_crash_anywhere_is_no_difference(
    data: st.DataObject, launch: Launch, schedule: list[int], crashes: int
) -> None:
    """I6: forgotten and rebuilt from its events at any commits, the run goes on alike.

    The rebuilt state and its outstanding questions lead to the same events, one by one.
    """
    script = data.draw(scripts(len(launch[0].steps)))

    smooth = played(launch, script, schedule)
    rough = played(launch, script, schedule, crashes)

    assert rough.log == smooth.log
    assert rough.state == smooth.state


@given(st.data(), launches(), schedules, st.integers(0, 2**32 - 1))
def test_lost_leases_cost_attempts_not_results(
    data: st.DataObject, launch: Launch, schedule: list[int], lost: int
) -> None:
    """I6: if each step loses its worker at most once, the run ends as if none had."""
    script = data.draw(scripts(len(launch[0].steps)))
    fates = tuple("done" if fate == "lost" else fate for fate in script.fates)
    unlucky = tuple(
        "lost" if fate == "done" and lost >> n & 1 else fate for n, fate in enumerate(fates)
    )

    smooth = played(launch, Script(fates), schedule)
    rough = played(launch, Script(unlucky), schedule)

    assert rough.state.status is smooth.state.status
    if smooth.state.status is RunStatus.COMPLETED:
        assert statuses(rough.state) == statuses(smooth.state)
