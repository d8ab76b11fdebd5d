"""Random graphs, choices and inputs, the impossible ones included."""

from __future__ import annotations

from zlib import crc32

from hypothesis import strategies as st

from flowrunner.core import inputs as inp
from flowrunner.core.graph import Graph, OnFail, RetryPolicy, StepKind, StepSpec
from flowrunner.core.model import Ref
from unit.laws.world import FATAL, FLAKY


def numbers(max_size: int, min_size: int = 0) -> st.SearchStrategy[list[int]]:
    """Draw a list that shrinks by its length; lists drawn one by one come too much alike."""
    return st.builds(_spread, st.integers(0, 2**32), st.integers(min_size, max_size))


def _spread(seed: int, length: int) -> list[int]:
    return [crc32(f"{seed}/{n}".encode()) for n in range(length)]


choices = numbers(40)
"""Which of the possible things happens next; see `world.steps_of`."""


def launches(
    min_size: int = 0, max_size: int = 6
) -> st.SearchStrategy[tuple[Graph, tuple[int, ...]]]:
    """Draw any graph without cycles, and which of its steps are excluded."""
    return st.builds(_launch, numbers(max_size, min_size), st.sets(st.integers(0, 5), max_size=2))


def _launch(picks: list[int], excluded: set[int]) -> tuple[Graph, tuple[int, ...]]:
    graph = a_random_graph(picks)
    return graph, tuple(n for n in sorted(excluded) if n < len(picks))


def a_random_graph(picks: list[int]) -> Graph:
    """Return one step per pick; a step may need later ones of the flow as well."""
    shuffled = sorted(range(len(picks)), key=lambda n: crc32(f"{picks[n]}".encode()))
    place = {n: shuffled.index(n) for n in range(len(picks))}
    steps = {place[n]: _a_step(pick, n, place) for n, pick in enumerate(picks)}
    deadline = 60.0 if sum(picks) % 2 else None
    return Graph(tuple(steps[n] for n in range(len(picks))), deadline)


def _a_step(pick: int, n: int, place: dict[int, int]) -> StepSpec:
    wanted = range(pick >> 20 & 3)
    needs = {place[(pick >> 6 + 4 * turn) % n] for turn in wanted} if n else set[int]()
    return StepSpec(
        f"s{place[n]}",
        StepKind.CODE if pick & 1 else StepKind.AGENT,
        needs=tuple(sorted(needs)),
        has_when=bool(pick & 2),
        on_fail=OnFail.TOLERATE if pick & 4 else OnFail.FAIL,
        retry=RetryPolicy(1 + (pick >> 3) % 3, 2.0 if pick & 32 else 0.0),
    )


_steps = st.integers(-2, 7)
_small = st.integers(0, 4)
_answers = st.sampled_from([Ref("p"), FATAL])
_outcomes = st.sampled_from(
    [inp.Succeeded(Ref("o")), inp.Errored(FATAL), inp.Errored(FLAKY), inp.Stopped("x")]
)
_excluded = st.lists(st.tuples(_steps, st.just("gate")), max_size=2).map(tuple)

anything: st.SearchStrategy[inp.Input] = st.one_of(
    st.builds(inp.Launched, st.just("f"), st.just("small"), st.just("d"), _excluded),
    st.builds(inp.TaskSettled, _steps, _small, _small, _outcomes),
    st.builds(inp.TaskLost, _steps, _small, _small, st.just("r")),
    st.builds(inp.GuardEvaluated, _steps, st.booleans() | st.just(FATAL)),
    st.builds(inp.PromptBuilt, _steps, _answers),
    st.builds(inp.TimerFired, st.sampled_from(inp.TimerKind), _steps, _small),
    st.builds(inp.CancelRequested, st.just("r"), st.just("ann")),
    st.builds(inp.ReportRendered, _answers),
    st.builds(inp.StallFound, st.just("r"), st.lists(_steps, max_size=3).map(tuple)),
    st.builds(inp.Rejected, _steps, _small, _small, st.just("succeeded")),
)
"""Any input at all, about steps, attempts and epochs that need not exist."""
